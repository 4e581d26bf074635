//! Making and deleting secrets stores.

use std::{sync::Arc, time::SystemTime};

use keyward_secret::AccountId;
use keyward_vault::{SecretRecord, SecretsStoreId};

use crate::{
    Actor, Change, ChangeError, GatewaySettings, ProviderKey, Registry, SecretLimits,
    SecretRefusal, SecretsStoreName, SecretsStoreRecord, Snapshot, StoreError, Subject,
};

/// A store that was deleted, with everything in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeletedSecretsStore {
    /// The store.
    pub store: Arc<SecretsStoreRecord>,
    /// How many secrets were deleted with it.
    pub secrets: usize,
    /// The provider keys that used them, and have no value now.
    pub keys: Vec<Arc<ProviderKey>>,
}

impl Registry {
    /// How much of secrets an account may have.
    #[must_use]
    pub const fn secret_limits(&self) -> SecretLimits {
        self.secret_limits
    }

    /// Makes the first secrets store of every account that has none: accounts are older than stores, and the
    /// last store of one may have been deleted.
    ///
    /// # Errors
    ///
    /// When the store does not do it.
    pub async fn make_first_secrets_stores(
        &self,
        actor: Actor,
        now: SystemTime,
    ) -> Result<(), StoreError> {
        let _turn = self.turn().await?;
        for account in self.snapshot().accounts() {
            if account.secrets_stores().is_empty() {
                let first = SecretsStoreRecord::first_of(account.record().id, now);
                let subject = Subject::SecretsStore(first.account, first.id);
                let changes = vec![Change::PutSecretsStore(first)];
                self.commit(changes, actor.clone(), "secrets_store.create", subject, now)
                    .await?;
            }
        }
        Ok(())
    }

    /// Makes secrets stores: all of them, or none.
    ///
    /// # Errors
    ///
    /// [`SecretRefusal::TooManyStores`], [`SecretRefusal::StoreExists`], or the store's failure.
    pub async fn create_secrets_stores(
        &self,
        account: AccountId,
        names: &[SecretsStoreName],
        actor: Actor,
        now: SystemTime,
    ) -> Result<Vec<SecretsStoreRecord>, ChangeError> {
        let _turn = self.turn().await?;
        let snapshot = self.snapshot();
        let known = stores_of(&snapshot, account);
        let mut made: Vec<SecretsStoreRecord> = Vec::with_capacity(names.len());
        for name in names {
            let mut taken = known.iter().map(|store| store.name.as_str());
            let mut twice = made.iter().map(|store| store.name.as_str());
            if taken.any(|taken| taken == name.as_str()) || twice.any(|one| one == name.as_str()) {
                return Err(SecretRefusal::StoreExists(name.to_string()).into());
            }
            made.push(SecretsStoreRecord {
                id: SecretsStoreId::random().map_err(ChangeError::failed)?,
                account,
                name: name.to_string(),
                created_at: now,
                modified_at: now,
            });
        }
        let most = self.secret_limits.stores;
        let count = known.len().saturating_add(made.len());
        if u32::try_from(count).is_ok_and(|count| count <= most) {
            let subject = match made.first() {
                Some(store) => Subject::SecretsStore(account, store.id),
                None => return Ok(made),
            };
            let changes = made.iter().cloned().map(Change::PutSecretsStore).collect();
            self.commit(changes, actor, "secrets_store.create", subject, now)
                .await?;
            return Ok(made);
        }
        Err(SecretRefusal::TooManyStores(most).into())
    }

    /// Deletes a secrets store. One with secrets in it only with `Contents::Delete`: then its secrets go with
    /// it, and the provider keys that used them stay without a value, so that no request that starts after the
    /// call returned uses one.
    ///
    /// # Errors
    ///
    /// [`SecretRefusal::StoreNotFound`], [`SecretRefusal::StoreNotEmpty`], or the store's failure.
    pub async fn delete_secrets_store(
        &self,
        account: AccountId,
        id: SecretsStoreId,
        contents: Contents,
        actor: Actor,
        now: SystemTime,
    ) -> Result<DeletedSecretsStore, ChangeError> {
        let _turn = self.turn().await?;
        let snapshot = self.snapshot();
        let store = find_store(&snapshot, account, id)?;
        let secrets = self.secrets.select(account, |secret| secret.store == id);
        let keys = keys_of(&snapshot, account, &secrets);
        if !secrets.is_empty() && contents == Contents::Keep {
            return Err(SecretRefusal::StoreNotEmpty {
                secrets: secrets.len(),
                keys: keys.len(),
            }
            .into());
        }
        let mut changes: Vec<_> = secrets.iter().map(|secret| delete(secret)).collect();
        changes.push(Change::DeleteSecretsStore { account, id });
        let subject = Subject::SecretsStore(account, id);
        self.commit(changes, actor, "secrets_store.delete", subject, now)
            .await?;
        Ok(DeletedSecretsStore {
            store,
            secrets: secrets.len(),
            keys,
        })
    }

    /// The store that the value of a gateway's new key goes to: the one that its `store_id` names, else the
    /// oldest; where the account has none, its first is made anew by the change that comes back.
    pub(super) fn store_for(
        snapshot: &Snapshot,
        account: AccountId,
        settings: &GatewaySettings,
        now: SystemTime,
    ) -> (SecretsStoreId, Option<Change>) {
        let named = named_store(snapshot, account, settings);
        let oldest = stores_of(snapshot, account).first().map(|store| store.id);
        named.or(oldest).map_or_else(
            || {
                let first = SecretsStoreRecord::first_of(account, now);
                (first.id, Some(Change::PutSecretsStore(first)))
            },
            |id| (id, None),
        )
    }
}

/// What becomes of the secrets in a store that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Contents {
    /// They stay, and so does the store.
    Keep,
    /// They are deleted with it.
    Delete,
}

/// The store of the account that the settings of a gateway name.
pub(super) fn named_store(
    snapshot: &Snapshot,
    account: AccountId,
    settings: &GatewaySettings,
) -> Option<SecretsStoreId> {
    let id = SecretsStoreId::parse(settings.store_id.as_deref()?).ok()?;
    find_store(snapshot, account, id).ok().map(|store| store.id)
}

pub(super) fn find_store(
    snapshot: &Snapshot,
    account: AccountId,
    id: SecretsStoreId,
) -> Result<Arc<SecretsStoreRecord>, SecretRefusal> {
    let stores = stores_of(snapshot, account);
    let found = stores.iter().find(|store| store.id == id).cloned();
    found.ok_or_else(|| SecretRefusal::StoreNotFound(id.to_string()))
}

fn stores_of(snapshot: &Snapshot, account: AccountId) -> &[Arc<SecretsStoreRecord>] {
    let account = snapshot.account(account);
    account.map_or(&[], |account| account.secrets_stores())
}

pub(super) fn delete(secret: &SecretRecord) -> Change {
    Change::Vault(keyward_vault::Change::DeleteSecret {
        account: secret.account,
        secret: secret.id,
    })
}

/// The provider keys that use one of the secrets.
pub(super) fn keys_of(
    snapshot: &Snapshot,
    account: AccountId,
    secrets: &[Arc<SecretRecord>],
) -> Vec<Arc<ProviderKey>> {
    let keys = secrets
        .iter()
        .flat_map(|secret| snapshot.keys_of_secret(account, secret.id));
    keys.cloned().collect()
}
