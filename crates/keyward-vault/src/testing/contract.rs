//! What every vault store promises: [`run_contract`] runs all of it, each function here is one promise.
//!
//! A promise takes an empty store that knows [`ACCOUNTS`], and panics where the store does not keep it.
//! Times are whole milliseconds since 1970; a store need not keep more.
#![expect(
    clippy::expect_used,
    reason = "the suite is test code: a store that fails must fail the test"
)]

use keyward_secret::AccountId;

use super::{
    calls::{
        both, delete, enter, find, find_all, find_rotation, list, load, put, refuse, save, versions,
    },
    samples::{self, full_secret, id, rotations, seal, sealed, secret, time, version_record},
};
use crate::{
    Change, SecretRecord, VaultStore, VersionNumber, VersionRecord, VersionState, version,
};

/// The two accounts of the suite. A store that checks accounts must know both before it is handed in.
pub const ACCOUNTS: [AccountId; 2] = [ONE, TWO];

const ONE: AccountId = AccountId::from_bytes([0xa1; 16]);
const TWO: AccountId = AccountId::from_bytes([0xb2; 16]);

/// Runs every promise, each on a new and empty store that `make` hands out.
///
/// # Panics
///
/// When a promise of [`VaultStore`] is broken.
pub async fn run_contract<S, F, Fut>(make: F)
where
    S: VaultStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    a_new_store_is_empty(&make().await).await;
    a_seal_comes_back_as_it_was_saved(&make().await).await;
    a_seal_is_saved_by_compare_and_set(&make().await).await;
    of_two_that_save_the_seal_at_once_one_wins(&make().await).await;
    records_come_back_as_they_were_put(&make().await).await;
    a_put_replaces_by_id(&make().await).await;
    several_are_found_at_once(&make().await).await;
    lists_have_an_order(&make().await).await;
    accounts_do_not_see_each_other(&make().await).await;
    changes_are_all_or_none(&make().await).await;
    changes_keep_their_order(&make().await).await;
    a_replacement_leaves_no_bytes_of_the_old_value(&make().await).await;
    the_last_rotation_of_a_secret_is_kept(&make().await).await;
    deletion_takes_every_version(&make().await).await;
    deletion_needs_the_account(&make().await).await;
    reads_see_what_was_acknowledged(&make().await).await;
}

/// Nothing is there at first, and looking is no error.
pub async fn a_new_store_is_empty(store: &dyn VaultStore) {
    assert_eq!(load(store).await, None);
    assert_eq!(find(store, ONE, id(1)).await, None);
    assert!(list(store, ONE).await.is_empty());
    assert!(versions(store, ONE, id(1)).await.is_empty());
    store.apply(Vec::new()).await.expect("nothing to change");
}

/// Slots keep their order and their bytes, whatever opens them.
pub async fn a_seal_comes_back_as_it_was_saved(store: &dyn VaultStore) {
    let saved = seal(1);
    save(store, saved.clone(), None).await;
    assert_eq!(load(store).await, Some(saved));
    // Fewer slots, in another order, replace them all.
    let mut fewer = seal(2);
    fewer.slots.reverse();
    fewer.slots.truncate(2);
    fewer.keyring = Box::from([0x00, 0xff, 0x7f]);
    save(store, fewer.clone(), Some(1)).await;
    assert_eq!(load(store).await, Some(fewer));
}

/// Who expects another revision than the one there is gets a conflict, and changes nothing. The store counts:
/// the revision that the caller's state holds is not looked at.
pub async fn a_seal_is_saved_by_compare_and_set(store: &dyn VaultStore) {
    for expected in [0, 1] {
        refuse(store, seal(1), Some(expected)).await;
        assert_eq!(load(store).await, None);
    }
    save(store, seal(77), None).await;
    assert_eq!(load(store).await, Some(seal(1)));

    let mut changed = seal(77);
    changed.keyring = Box::from([1, 2, 3]);
    for expected in [None, Some(0), Some(2), Some(77)] {
        refuse(store, changed.clone(), expected).await;
        assert_eq!(load(store).await, Some(seal(1)));
    }
    save(store, changed.clone(), Some(1)).await;
    changed.revision = 2;
    assert_eq!(load(store).await, Some(changed.clone()));

    refuse(store, seal(1), Some(1)).await;
    assert_eq!(load(store).await, Some(changed));
}

/// Two saves under way together that expect the same revision: one is kept, the other is a conflict.
pub async fn of_two_that_save_the_seal_at_once_one_wins(store: &dyn VaultStore) {
    let mut other = seal(1);
    other.keyring = Box::from([9; 9]);
    let (one, two) = both(
        store.save_seal(seal(1), None),
        store.save_seal(other.clone(), None),
    )
    .await;
    let (winner, error) = match (one, two) {
        (Ok(()), Err(error)) => (seal(1), error),
        (Err(error), Ok(())) => (other, error),
        (one, two) => unreachable!("one of two must win: {one:?}, {two:?}"),
    };
    assert!(error.is_conflict(), "{error:?}");
    assert_eq!(load(store).await, Some(winner));
}

/// What is looked up together is what is found one by one: those that there are, each once, by their ids.
pub async fn several_are_found_at_once(store: &dyn VaultStore) {
    let mut with_value = secret(2, ONE);
    let version = VersionRecord {
        sealed: Some(sealed(&with_value, 1, b"sk-1")),
        ..version_record(&with_value, 1)
    };
    with_value.current = Some(VersionNumber::FIRST);
    let mut without_version = secret(3, ONE);
    without_version.current = VersionNumber::new(7);
    let without_value = secret(1, ONE);
    let others = secret(4, TWO);
    put(
        store,
        vec![
            Change::PutSecret(with_value.clone()),
            Change::PutVersion(version),
            Change::PutSecret(without_version),
            Change::PutSecret(without_value),
            Change::PutSecret(others),
            Change::PutSecret(secret(5, ONE)),
        ],
    )
    .await;
    let sought = [id(4), id(3), id(2), id(9), id(1), id(2)];
    let found = find_all(store, ONE, &sought).await;
    let mut one_by_one = Vec::new();
    for number in 1..=4 {
        one_by_one.extend(find(store, ONE, id(number)).await);
    }
    assert_eq!(found, one_by_one);
    assert_eq!(found.len(), 3);
    assert!(find_all(store, ONE, &[]).await.is_empty());
    assert!(find_all(store, TWO, &[id(1)]).await.is_empty());
}

/// Every field, any text, every state, and the longest value.
pub async fn records_come_back_as_they_were_put(store: &dyn VaultStore) {
    let mut secret = full_secret(1, ONE);
    put(store, vec![Change::PutSecret(secret.clone())]).await;
    assert_eq!(
        find(store, ONE, secret.id).await,
        Some((secret.clone(), None))
    );

    let longest = vec![b'x'; 65_536];
    let values: [(VersionState, Option<&[u8]>); 4] = [
        (VersionState::Destroyed, None),
        (VersionState::Retiring, Some(b"")),
        (VersionState::Current, Some(&longest)),
        (VersionState::Staged, Some(b"sk-4")),
    ];
    let put_versions: Vec<_> = (1..)
        .zip(values)
        .map(|(number, (state, value))| VersionRecord {
            state,
            sealed: value.map(|value| sealed(&secret, number, value)),
            ..version_record(&secret, number)
        })
        .collect();
    secret.current = VersionNumber::new(3);
    let changes = put_versions.iter().cloned().map(Change::PutVersion);
    let first = Change::PutSecret(secret.clone());
    put(store, std::iter::once(first).chain(changes).collect()).await;

    assert_eq!(versions(store, ONE, secret.id).await, put_versions);
    assert_eq!(
        find(store, ONE, secret.id).await,
        Some((secret.clone(), put_versions.get(2).cloned()))
    );
    assert_eq!(list(store, ONE).await, [secret]);
}

/// A put of a known id replaces the whole record; a secret keeps its versions.
pub async fn a_put_replaces_by_id(store: &dyn VaultStore) {
    let (secret, current) = enter(store, 1, ONE).await;
    let changed = SecretRecord {
        current: secret.current,
        ..full_secret(1, ONE)
    };
    put(store, vec![Change::PutSecret(changed.clone())]).await;
    assert_eq!(list(store, ONE).await, std::slice::from_ref(&changed));
    assert_eq!(
        find(store, ONE, changed.id).await,
        Some((changed.clone(), Some(current.clone())))
    );

    let again = VersionRecord {
        sealed: Some(sealed(&secret, 1, b"sk-other")),
        preview: "other".to_owned(),
        created_at: time(7),
        changed_at: time(8),
        ..current
    };
    put(store, vec![Change::PutVersion(again.clone())]).await;
    assert_eq!(
        versions(store, ONE, secret.id).await,
        std::slice::from_ref(&again)
    );

    // A secret whose value was taken out of use has no current version, though versions remain.
    let unset = SecretRecord {
        current: None,
        ..changed
    };
    put(store, vec![Change::PutSecret(unset.clone())]).await;
    assert_eq!(find(store, ONE, unset.id).await, Some((unset, None)));
    assert_eq!(versions(store, ONE, secret.id).await, [again]);
}

/// Secrets come by the bytes of their names, then by id; versions by number, not by the text of it.
pub async fn lists_have_an_order(store: &dyn VaultStore) {
    let names = [
        (5, "a"),
        (3, "b"),
        (1, "é"),
        (4, "B"),
        (2, "b"),
        (6, ""),
        (7, "b 10"),
    ];
    for (number, name) in names {
        let secret = SecretRecord {
            name: name.to_owned(),
            ..secret(number, ONE)
        };
        put(store, vec![Change::PutSecret(secret)]).await;
    }
    let listed: Vec<_> = list(store, ONE).await.iter().map(|one| one.id).collect();
    assert_eq!(listed, [6, 4, 5, 2, 3, 7, 1].map(id));

    let secret = secret(3, ONE);
    for number in [2, 10, 1, 11, 9, 256] {
        let version = version_record(&secret, number);
        put(store, vec![Change::PutVersion(version)]).await;
    }
    let listed: Vec<_> = versions(store, ONE, secret.id)
        .await
        .iter()
        .map(|version| version.number.get())
        .collect();
    assert_eq!(listed, [1, 2, 9, 10, 11, 256]);
}

/// An account finds and lists its own alone, also under an id that it knows. The same id in two accounts is two
/// secrets that have nothing to do with each other.
pub async fn accounts_do_not_see_each_other(store: &dyn VaultStore) {
    let (one, version_of_one) = enter(store, 1, ONE).await;
    let (two, version_of_two) = enter(store, 2, TWO).await;
    assert_eq!(list(store, ONE).await, std::slice::from_ref(&one));
    assert_eq!(list(store, TWO).await, std::slice::from_ref(&two));
    assert_eq!(find(store, TWO, one.id).await, None);
    assert_eq!(find(store, ONE, two.id).await, None);
    assert!(versions(store, TWO, one.id).await.is_empty());
    assert!(versions(store, ONE, two.id).await.is_empty());
    assert_eq!(versions(store, ONE, one.id).await, [version_of_one]);
    assert_eq!(versions(store, TWO, two.id).await, [version_of_two]);

    let (same, version_of_same) = enter(store, 1, TWO).await;
    let changed = SecretRecord {
        current: one.current,
        ..full_secret(1, ONE)
    };
    put(store, vec![Change::PutSecret(changed)]).await;
    delete(store, ONE, one.id).await;
    assert!(list(store, ONE).await.is_empty());
    assert_eq!(
        find(store, TWO, one.id).await,
        Some((same, Some(version_of_same.clone())))
    );
    assert_eq!(versions(store, TWO, one.id).await, [version_of_same]);
}

/// Where one change cannot be carried out, none is: a version of no secret, or of another account's secret, is
/// a conflict.
pub async fn changes_are_all_or_none(store: &dyn VaultStore) {
    let (one, version_of_one) = enter(store, 1, ONE).await;
    let foreign = secret(1, TWO);
    let impossible = [
        Change::PutVersion(version_record(&secret(8, ONE), 1)),
        Change::PutVersion(version_record(&foreign, 1)),
        Change::PutVersion(version_record(&foreign, 2)),
    ];
    for impossible in impossible {
        let shown = format!("{impossible:?}");
        let changes = vec![
            Change::PutSecret(secret(3, ONE)),
            Change::PutVersion(version_record(&secret(3, ONE), 1)),
            Change::PutSecret(full_secret(1, ONE)),
            Change::PutVersion(version_record(&one, 2)),
            impossible,
            Change::DeleteSecret {
                account: ONE,
                secret: one.id,
            },
        ];
        let error = store.apply(changes).await.expect_err(&shown);
        assert!(error.is_conflict(), "{shown}: {error:?}");
        assert_eq!(list(store, ONE).await, std::slice::from_ref(&one));
        assert!(list(store, TWO).await.is_empty(), "{shown}");
        assert!(versions(store, ONE, id(3)).await.is_empty(), "{shown}");
        assert_eq!(
            versions(store, ONE, one.id).await,
            std::slice::from_ref(&version_of_one)
        );
    }
}

/// Changes of one call happen one after the other: the last put of an id stays, what is deleted can be made
/// again, and begins anew.
pub async fn changes_keep_their_order(store: &dyn VaultStore) {
    let (one, _) = enter(store, 1, ONE).await;
    let heir = full_secret(1, ONE);
    let changes = vec![
        Change::DeleteSecret {
            account: ONE,
            secret: one.id,
        },
        Change::PutSecret(secret(1, ONE)),
        Change::PutSecret(heir.clone()),
        Change::PutSecret(secret(3, ONE)),
        Change::PutVersion(version_record(&secret(3, ONE), 1)),
        Change::DeleteSecret {
            account: ONE,
            secret: id(3),
        },
    ];
    put(store, changes).await;
    assert_eq!(list(store, ONE).await, [heir]);
    assert!(versions(store, ONE, id(3)).await.is_empty());
    assert!(versions(store, ONE, one.id).await.is_empty());
}

/// A replaced version stays as a destroyed one without a value; the new one is current.
pub async fn a_replacement_leaves_no_bytes_of_the_old_value(store: &dyn VaultStore) {
    let (secret, old) = enter(store, 1, ONE).await;
    let sealed = sealed(&secret, 2, b"sk-two");
    let now = time(1000);
    let changes = version::replace(
        &secret,
        std::slice::from_ref(&old),
        sealed.clone(),
        "two".to_owned(),
        now,
    )
    .expect("the next version");
    put(store, changes).await;

    let (found, current) = find(store, ONE, secret.id).await.expect("the secret");
    assert_eq!(
        (found.current, found.modified_at),
        (VersionNumber::new(2), now)
    );
    let current = current.expect("a current version");
    assert_eq!(current.number.get(), 2);
    assert_eq!(current.state, VersionState::Current);
    assert_eq!(current.sealed, Some(sealed));
    let destroyed = VersionRecord {
        state: VersionState::Destroyed,
        sealed: None,
        changed_at: now,
        ..old
    };
    assert_eq!(
        versions(store, ONE, secret.id).await,
        [destroyed, current.clone()]
    );
}

/// A rotation comes back as it was put, under its account alone; one takes the other's place; none is left without its
/// secret.
pub async fn the_last_rotation_of_a_secret_is_kept(store: &dyn VaultStore) {
    let (secret, _) = enter(store, 1, ONE).await;
    assert_eq!(find_rotation(store, ONE, secret.id).await, None);
    for rotation in rotations(&secret) {
        put(store, vec![Change::PutRotation(Box::new(rotation.clone()))]).await;
        assert_eq!(
            find_rotation(store, ONE, secret.id).await,
            Some(rotation.clone())
        );
        assert_eq!(find_rotation(store, TWO, secret.id).await, None);
    }
    let [orphan, ..] = rotations(&samples::secret(8, ONE));
    let changes = vec![
        Change::PutSecret(full_secret(1, ONE)),
        Change::PutRotation(Box::new(orphan)),
    ];
    let error = store.apply(changes).await.expect_err("it has no secret");
    assert!(error.is_conflict(), "{error:?}");
    assert_eq!(list(store, ONE).await, std::slice::from_ref(&secret));

    delete(store, ONE, secret.id).await;
    assert_eq!(find_rotation(store, ONE, secret.id).await, None);
    put(store, vec![Change::PutSecret(samples::secret(1, ONE))]).await;
    assert_eq!(find_rotation(store, ONE, secret.id).await, None);
}

/// Deleting removes the secret and all of its versions, and no others; a second time it is no error. A secret
/// that is made again under the id begins without versions.
pub async fn deletion_takes_every_version(store: &dyn VaultStore) {
    let (one, _) = enter(store, 1, ONE).await;
    put(store, vec![Change::PutVersion(version_record(&one, 2))]).await;
    let (other, version_of_other) = enter(store, 2, ONE).await;
    delete(store, ONE, one.id).await;
    assert_eq!(find(store, ONE, one.id).await, None);
    assert!(versions(store, ONE, one.id).await.is_empty());
    assert_eq!(
        find(store, ONE, other.id).await,
        Some((other.clone(), Some(version_of_other)))
    );
    assert_eq!(list(store, ONE).await, [other]);

    delete(store, ONE, one.id).await;
    put(store, vec![Change::PutSecret(secret(1, ONE))]).await;
    assert_eq!(find(store, ONE, one.id).await, Some((secret(1, ONE), None)));
    assert!(versions(store, ONE, one.id).await.is_empty());
}

/// Another account's deletion changes nothing, and does not tell that there is something.
pub async fn deletion_needs_the_account(store: &dyn VaultStore) {
    let (one, version) = enter(store, 1, ONE).await;
    delete(store, TWO, one.id).await;
    assert_eq!(
        find(store, ONE, one.id).await,
        Some((one.clone(), Some(version)))
    );
    assert_eq!(list(store, ONE).await, [one]);
}

/// Whatever reads after `apply` or `save_seal` returned sees what it wrote, by every method.
pub async fn reads_see_what_was_acknowledged(store: &dyn VaultStore) {
    let (mut secret, _) = enter(store, 1, ONE).await;
    for number in 2..=40_u32 {
        secret.current = VersionNumber::new(number);
        secret.comment = format!("round {number}");
        let version = version_record(&secret, number);
        let changes = vec![
            Change::PutSecret(secret.clone()),
            Change::PutVersion(version.clone()),
        ];
        put(store, changes).await;
        assert_eq!(list(store, ONE).await, std::slice::from_ref(&secret));
        let all = versions(store, ONE, secret.id).await;
        assert_eq!(all.last(), Some(&version));
        assert_eq!(
            find(store, ONE, secret.id).await,
            Some((secret.clone(), Some(version)))
        );

        let revision = u64::from(number - 1);
        save(store, seal(revision), (revision > 1).then(|| revision - 1)).await;
        assert_eq!(load(store).await, Some(seal(revision)));
    }
}
