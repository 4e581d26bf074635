//! A store in memory, and the contract suite that every vault store runs (feature `testing`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::ready,
    sync::{Mutex, MutexGuard, PoisonError},
};

use keyward_secret::AccountId;

use crate::{
    BoxFuture, Change, SealState, SecretId, SecretRecord, StoreError, VaultStore, VersionNumber,
    VersionRecord, rotation::Rotation,
};

mod calls;
pub mod contract;
mod samples;

pub use self::contract::{ACCOUNTS, run_contract};

/// Keeps the seal, secrets and versions in memory. Its futures are ready at once.
#[derive(Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Default)]
struct State {
    seal: Option<SealState>,
    rows: Rows,
}

#[derive(Clone, Default)]
struct Rows {
    secrets: BTreeMap<(AccountId, SecretId), SecretRecord>,
    versions: BTreeMap<(AccountId, SecretId, VersionNumber), VersionRecord>,
    rotations: BTreeMap<(AccountId, SecretId), Rotation>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MemoryStore")
            .field("secrets", &state.rows.secrets.len())
            .field("versions", &state.rows.versions.len())
            .finish_non_exhaustive()
    }
}

impl VaultStore for MemoryStore {
    fn load_seal(&self) -> BoxFuture<'_, Result<Option<SealState>, StoreError>> {
        Box::pin(ready(Ok(self.state().seal.clone())))
    }

    fn save_seal(
        &self,
        seal: SealState,
        expected: Option<u64>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut state = self.state();
        let result = if state.seal.as_ref().map(|seal| seal.revision) == expected {
            let revision = expected.unwrap_or(0) + 1;
            state.seal = Some(SealState { revision, ..seal });
            Ok(())
        } else {
            Err(StoreError::conflict("save the seal"))
        };
        Box::pin(ready(result))
    }

    fn find_secret(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Option<(SecretRecord, Option<VersionRecord>)>, StoreError>> {
        Box::pin(ready(Ok(self.state().rows.current(account, secret))))
    }

    fn find_secrets<'a>(
        &'a self,
        account: AccountId,
        secrets: &'a [SecretId],
    ) -> BoxFuture<'a, Result<Vec<(SecretRecord, Option<VersionRecord>)>, StoreError>> {
        let state = self.state();
        let sought: BTreeSet<_> = secrets.iter().collect();
        let found = sought
            .into_iter()
            .filter_map(|secret| state.rows.current(account, *secret));
        Box::pin(ready(Ok(found.collect())))
    }

    fn list_secrets(
        &self,
        account: AccountId,
    ) -> BoxFuture<'_, Result<Vec<SecretRecord>, StoreError>> {
        let state = self.state();
        let mut ours: Vec<_> = state
            .rows
            .secrets
            .values()
            .filter(|record| record.account == account)
            .cloned()
            .collect();
        // The map gives them by id, and the sort is stable.
        ours.sort_by(|one, other| one.name.cmp(&other.name));
        Box::pin(ready(Ok(ours)))
    }

    fn list_versions(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Vec<VersionRecord>, StoreError>> {
        let state = self.state();
        let ours = state
            .rows
            .versions
            .values()
            .filter(|version| version.account == account && version.secret == secret);
        Box::pin(ready(Ok(ours.cloned().collect())))
    }

    fn find_rotation(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Option<Rotation>, StoreError>> {
        let rotation = self.state().rows.rotations.get(&(account, secret)).cloned();
        Box::pin(ready(Ok(rotation)))
    }

    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut state = self.state();
        let mut next = state.rows.clone();
        for change in changes {
            next.apply_one(change);
        }
        let result = if next.everything_has_a_secret() {
            state.rows = next;
            Ok(())
        } else {
            Err(StoreError::conflict("put a version"))
        };
        Box::pin(ready(result))
    }
}

impl Rows {
    fn current(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> Option<(SecretRecord, Option<VersionRecord>)> {
        let record = self.secrets.get(&(account, secret))?;
        let current = record
            .current
            .and_then(|number| self.versions.get(&(account, secret, number)));
        Some((record.clone(), current.cloned()))
    }

    fn apply_one(&mut self, change: Change) {
        match change {
            Change::PutSecret(record) => {
                self.secrets.insert((record.account, record.id), record);
            }
            Change::PutVersion(version) => {
                let key = (version.account, version.secret, version.number);
                self.versions.insert(key, version);
            }
            Change::PutRotation(rotation) => {
                let key = (rotation.account, rotation.secret);
                self.rotations.insert(key, *rotation);
            }
            Change::DeleteSecret { account, secret } => {
                self.secrets.remove(&(account, secret));
                self.rotations.remove(&(account, secret));
                self.versions
                    .retain(|(owner, of, _), _| (*owner, *of) != (account, secret));
            }
        }
    }

    fn everything_has_a_secret(&self) -> bool {
        let versions = self.versions.keys().map(|key| (key.0, key.1));
        let mut all = versions.chain(self.rotations.keys().copied());
        all.all(|secret| self.secrets.contains_key(&secret))
    }
}
