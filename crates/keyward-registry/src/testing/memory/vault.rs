//! Secrets, their versions and rotations in memory, and the seal.

use std::{collections::BTreeSet, future::ready};

use keyward_secret::AccountId;
use keyward_vault::{
    SealState, SecretId, SecretRecord, VaultStore, VersionRecord, VersionState, rotation::Rotation,
};

use super::{Conflict, MemoryStore, State};
use crate::{BoxFuture, Change};

impl State {
    pub(super) fn carry_out_vault(
        &mut self,
        change: keyward_vault::Change,
    ) -> Result<(), Conflict> {
        match change {
            keyward_vault::Change::PutSecret(record) => {
                self.secrets.insert((record.account, record.id), record);
            }
            keyward_vault::Change::PutVersion(record) => {
                let place = (record.account, record.secret, record.number);
                let known = self.versions.get(&place);
                let is_destroyed =
                    known.is_some_and(|known| known.state == VersionState::Destroyed);
                if is_destroyed && record.sealed.is_some() {
                    return Err(Conflict);
                }
                self.versions.insert(place, record);
            }
            keyward_vault::Change::PutRotation(rotation) => {
                let place = (rotation.account, rotation.secret);
                self.rotations.insert(place, *rotation);
            }
            keyward_vault::Change::DeleteSecret { account, secret } => {
                self.secrets.remove(&(account, secret));
                self.rotations.remove(&(account, secret));
                self.versions
                    .retain(|place, _| (place.0, place.1) != (account, secret));
            }
        }
        Ok(())
    }

    pub(super) fn everything_has_a_secret(&self) -> bool {
        let versions = self.versions.keys().map(|place| (place.0, place.1));
        let mut all = versions.chain(self.rotations.keys().copied());
        all.all(|secret| self.secrets.contains_key(&secret))
    }

    pub(super) fn current(
        &self,
        account: AccountId,
        id: SecretId,
    ) -> Option<(SecretRecord, Option<VersionRecord>)> {
        let secret = self.secrets.get(&(account, id))?.clone();
        let version = secret
            .current
            .and_then(|number| self.versions.get(&(account, id, number)).cloned());
        Some((secret, version))
    }
}

type VaultResult<T> = Result<T, keyward_vault::StoreError>;

impl VaultStore for MemoryStore {
    fn load_seal(&self) -> BoxFuture<'_, VaultResult<Option<SealState>>> {
        Box::pin(ready(Ok(self.state().seal.clone())))
    }

    fn save_seal(
        &self,
        mut seal: SealState,
        expected: Option<u64>,
    ) -> BoxFuture<'_, VaultResult<()>> {
        let mut state = self.state();
        if state.seal.as_ref().map(|seal| seal.revision) != expected {
            let conflict = keyward_vault::StoreError::conflict("keep the seal");
            return Box::pin(ready(Err(conflict)));
        }
        seal.revision = expected.unwrap_or(0).saturating_add(1);
        state.seal = Some(seal);
        Box::pin(ready(Ok(())))
    }

    fn find_secret(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, VaultResult<Option<(SecretRecord, Option<VersionRecord>)>>> {
        Box::pin(ready(Ok(self.state().current(account, secret))))
    }

    fn find_secrets<'a>(
        &'a self,
        account: AccountId,
        secrets: &'a [SecretId],
    ) -> BoxFuture<'a, VaultResult<Vec<(SecretRecord, Option<VersionRecord>)>>> {
        let state = self.state();
        let sought: BTreeSet<_> = secrets.iter().collect();
        let found = sought
            .into_iter()
            .filter_map(|secret| state.current(account, *secret));
        Box::pin(ready(Ok(found.collect())))
    }

    fn list_secrets(&self, account: AccountId) -> BoxFuture<'_, VaultResult<Vec<SecretRecord>>> {
        let state = self.state();
        let ours = state
            .secrets
            .values()
            .filter(|secret| secret.account == account);
        let mut secrets: Vec<_> = ours.cloned().collect();
        secrets.sort_by(|one, two| (&one.name, one.id).cmp(&(&two.name, two.id)));
        Box::pin(ready(Ok(secrets)))
    }

    fn list_versions(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, VaultResult<Vec<VersionRecord>>> {
        let state = self.state();
        let ours = state
            .versions
            .values()
            .filter(|version| version.account == account && version.secret == secret);
        Box::pin(ready(Ok(ours.cloned().collect())))
    }

    fn find_rotation(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, VaultResult<Option<Rotation>>> {
        let rotation = self.state().rotations.get(&(account, secret)).cloned();
        Box::pin(ready(Ok(rotation)))
    }

    fn apply(&self, changes: Vec<keyward_vault::Change>) -> BoxFuture<'_, VaultResult<()>> {
        let changes = changes.into_iter().map(Change::Vault).collect();
        let result = self
            .change(changes, None)
            .map(drop)
            .map_err(|Conflict| keyward_vault::StoreError::conflict("change secrets"));
        Box::pin(ready(result))
    }
}
