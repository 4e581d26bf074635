//! The calls that the contract suite makes of a store, each with the outcome it must have.
#![expect(
    clippy::expect_used,
    reason = "the suite is test code: a store that fails must fail the test"
)]

use std::{future::poll_fn, pin::pin, task::Poll};

use keyward_secret::AccountId;

use super::samples::{sealed, secret, time, version_record};
use crate::{
    Change, SealState, SecretId, SecretRecord, VaultStore, VersionNumber, VersionRecord,
    VersionState, rotation::Rotation, version,
};

/// Waits for two futures that are under way together.
pub(super) async fn both<T>(one: impl Future<Output = T>, two: impl Future<Output = T>) -> (T, T) {
    let (mut one, mut two) = (pin!(one), pin!(two));
    let (mut first, mut second) = (None, None);
    poll_fn(move |context| {
        if first.is_none()
            && let Poll::Ready(value) = one.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = two.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(two)) => Poll::Ready((one, two)),
            (one, two) => {
                (first, second) = (one, two);
                Poll::Pending
            }
        }
    })
    .await
}

/// Enters a first value, and gives the secret and its version as they must be stored.
pub(super) async fn enter(
    store: &dyn VaultStore,
    number: u8,
    account: AccountId,
) -> (SecretRecord, VersionRecord) {
    let secret = secret(number, account);
    let sealed = sealed(&secret, 1, b"sk-one");
    let changes = version::create(secret.clone(), sealed.clone(), "one".to_owned(), time(2));
    put(store, changes).await;
    let stored = SecretRecord {
        current: Some(VersionNumber::FIRST),
        ..secret
    };
    let version = VersionRecord {
        state: VersionState::Current,
        sealed: Some(sealed),
        preview: "one".to_owned(),
        changed_at: time(2),
        ..version_record(&stored, 1)
    };
    assert_eq!(
        find(store, account, stored.id).await,
        Some((stored.clone(), Some(version.clone())))
    );
    (stored, version)
}

pub(super) async fn put(store: &dyn VaultStore, changes: Vec<Change>) {
    store.apply(changes).await.expect("a put");
}

pub(super) async fn delete(store: &dyn VaultStore, account: AccountId, secret: SecretId) {
    let changes = vec![Change::DeleteSecret { account, secret }];
    store.apply(changes).await.expect("a deletion");
}

pub(super) async fn save(store: &dyn VaultStore, seal: SealState, expected: Option<u64>) {
    store.save_seal(seal, expected).await.expect("a save");
}

pub(super) async fn refuse(store: &dyn VaultStore, seal: SealState, expected: Option<u64>) {
    let result = store.save_seal(seal, expected).await;
    let error = result.expect_err("another revision was expected");
    assert!(error.is_conflict(), "{error:?}");
}

pub(super) async fn load(store: &dyn VaultStore) -> Option<SealState> {
    store.load_seal().await.expect("a load")
}

pub(super) async fn find(
    store: &dyn VaultStore,
    account: AccountId,
    secret: SecretId,
) -> Option<(SecretRecord, Option<VersionRecord>)> {
    store.find_secret(account, secret).await.expect("a look-up")
}

pub(super) async fn find_all(
    store: &dyn VaultStore,
    account: AccountId,
    secrets: &[SecretId],
) -> Vec<(SecretRecord, Option<VersionRecord>)> {
    let found = store.find_secrets(account, secrets).await;
    found.expect("several secrets can be looked for")
}

pub(super) async fn list(store: &dyn VaultStore, account: AccountId) -> Vec<SecretRecord> {
    store.list_secrets(account).await.expect("a listing")
}

pub(super) async fn versions(
    store: &dyn VaultStore,
    account: AccountId,
    secret: SecretId,
) -> Vec<VersionRecord> {
    store
        .list_versions(account, secret)
        .await
        .expect("a listing")
}

pub(super) async fn find_rotation(
    store: &dyn VaultStore,
    account: AccountId,
    secret: SecretId,
) -> Option<Rotation> {
    let found = store.find_rotation(account, secret).await;
    found.expect("a look-up")
}
