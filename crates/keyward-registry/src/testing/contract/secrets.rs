//! What a store promises of secrets, their versions and their rotations.

use keyward_vault::{
    SecretRecord, VersionNumber, VersionRecord, VersionState,
    rotation::{self, DEFAULT_OVERLAP, RequestId, RotationRequest},
    status::Finding,
    version,
};

use super::{
    ONE, SECRET, commit, load, put,
    records::{deletions, everything, put_secret, seal, value},
    time,
};
use crate::{Change, Loaded, RegistryStore, Subject};

pub(super) async fn a_deleted_secret_takes_its_versions_along(store: &dyn RegistryStore) {
    let (secret, version) = value();
    put(store, everything(&(secret.clone(), version))).await;
    put(store, deletions(ONE)).await;
    // Made anew under the same id, it has no value.
    put(store, vec![put_secret(secret)]).await;
    let (_, current) = find_secret(store).await.expect("the secret");
    assert_eq!(current, None);
    let versions = store.list_versions(ONE, SECRET).await.expect("a list");
    assert!(versions.is_empty());
}

pub(super) async fn a_replaced_version_keeps_its_row_without_its_value(store: &dyn RegistryStore) {
    let (secret, first) = value();
    put(store, everything(&(secret.clone(), first.clone()))).await;
    let second = VersionNumber::new(2).expect("a number");
    let changes = version::replace(
        &secret,
        std::slice::from_ref(&first),
        seal(second),
        "••••".to_owned(),
        time(50),
    );
    let changes = changes.expect("the next version").into_iter();
    put(store, changes.map(Change::Vault).collect()).await;

    let (secret, current) = find_secret(store).await.expect("the secret");
    assert_eq!(secret.current, Some(second));
    assert_eq!(current.map(|version| version.number), Some(second));
    let versions = store.list_versions(ONE, SECRET).await.expect("a list");
    let kept: Vec<_> = versions
        .iter()
        .map(|version| (version.number, version.sealed.is_some()))
        .collect();
    assert_eq!(kept, [(VersionNumber::FIRST, false), (second, true)]);

    // What is destroyed stays so: its number is taken.
    let again = vec![Change::Vault(keyward_vault::Change::PutVersion(first))];
    let error = commit(store, again).await.expect_err("a conflict");
    assert!(error.is_conflict(), "{error:?}");
}

pub(super) async fn what_a_rotation_keeps_is_loaded(store: &dyn RegistryStore) {
    let (secret, first) = value();
    put(store, everything(&(secret.clone(), first.clone()))).await;
    let second = VersionNumber::new(2).expect("a number");
    let asked = RotationRequest {
        request: RequestId::parse("one").expect("an id"),
        overlap: DEFAULT_OVERLAP,
        verify: true,
    };
    let entered = (seal(second), "••••".to_owned());
    let held = (&secret, std::slice::from_ref(&first));
    let begun = rotation::begin(held, None, asked, entered, time(50));
    let (staged, changes) = begun.expect("it begins");
    put(store, changes.into_iter().map(Change::Vault).collect()).await;
    let feed = store.feed_after(1).await.expect("a feed");
    assert_eq!(feed.subjects, [Subject::Secret(ONE, SECRET)]);
    let loaded = load(store).await;
    assert!(loaded.tampered.is_empty());
    assert_eq!(loaded.rotations, std::slice::from_ref(&staged));
    assert_eq!(beside(&loaded), [(second, VersionState::Staged)]);

    let event = rotation::Event::Probed {
        version: second,
        finding: Finding::Good,
    };
    let promoted = staged
        .next(event, time(51))
        .expect("a phase")
        .expect("a change");
    let versions = store.list_versions(ONE, SECRET).await.expect("a list");
    let changes = promoted.clone().carry_out(&secret, &versions, time(51));
    let changes = changes.expect("both have a value").into_iter();
    put(store, changes.map(Change::Vault).collect()).await;
    let loaded = load(store).await;
    assert_eq!(loaded.rotations, [promoted]);
    let retiring = (VersionNumber::FIRST, VersionState::Retiring);
    assert_eq!(beside(&loaded), [retiring]);
    let (_, current) = find_secret(store).await.expect("the secret");
    assert_eq!(current.map(|version| version.number), Some(second));

    put(store, deletions(ONE)).await;
    let loaded = load(store).await;
    assert!(loaded.rotations.is_empty() && loaded.beside.is_empty());
}

/// The versions that stand beside the current one, all with their values.
fn beside(loaded: &Loaded) -> Vec<(VersionNumber, VersionState)> {
    let versions = loaded.beside.iter();
    versions
        .map(|version| {
            assert!(version.sealed.is_some());
            (version.number, version.state)
        })
        .collect()
}

pub(super) async fn the_vaults_changes_reach_the_feed(store: &dyn RegistryStore) {
    let (secret, version) = value();
    let changes = vec![
        keyward_vault::Change::PutSecret(secret.clone()),
        keyward_vault::Change::PutVersion(version.clone()),
    ];
    store.apply(changes).await.expect("a change");
    let feed = store.feed_after(0).await.expect("a feed");
    assert_eq!(feed.subjects, [Subject::Secret(ONE, SECRET)]);
    assert_eq!(find_secret(store).await, Some((secret, Some(version))));
}

async fn find_secret(store: &dyn RegistryStore) -> Option<(SecretRecord, Option<VersionRecord>)> {
    store.find_secret(ONE, SECRET).await.expect("a look-up")
}
