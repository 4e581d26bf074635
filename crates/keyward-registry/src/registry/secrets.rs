//! Storing, changing, copying and deleting secrets of a secrets store.
//!
//! Where a value may go is decided here once, when it arrives, from the secret's name; it is sealed with the value,
//! and nothing that is done to the secret later moves it.

mod place;

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use keyward_secret::{AccountId, Destination, SecretBytes};
use keyward_vault::{
    Policy, RecordId, SecretId, SecretRecord, SecretsStoreId, VersionNumber, VersionRecord, version,
};

use super::{
    rotations::renewed_keys,
    secrets_stores::{delete, find_store, keys_of},
};
use crate::{
    Actor, Change, ChangeError, KeyStatus, KeyValue, ProviderKey, ProviderKeyRecord, Registry,
    SecretName, SecretRefusal, SecretScope, Subject, owner::Owner,
};

/// What is needed to store a secret.
pub struct NewSecret {
    /// Its name. Where it has the scope `ai_gateway`, the name says where the value may go.
    pub name: SecretName,
    /// The value, at most 65,536 bytes.
    pub value: SecretBytes,
    /// Which services may use it.
    pub scopes: Vec<SecretScope>,
    /// For people.
    pub comment: String,
}

/// What is changed of a secret. `None` leaves it as it is.
#[derive(Default)]
pub struct SecretEdit {
    /// A new value. It may go where the old one may.
    pub value: Option<SecretBytes>,
    /// Which services may use it.
    pub scopes: Option<Vec<SecretScope>>,
    /// For people.
    pub comment: Option<String>,
}

/// What a copy of a secret is called. Its value may go where the value of the secret may.
#[derive(Clone, Debug)]
pub struct SecretCopy {
    /// Its name.
    pub name: SecretName,
    /// Which services may use it.
    pub scopes: Vec<SecretScope>,
    /// For people.
    pub comment: String,
}

/// A secret that was deleted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeletedSecret {
    /// The secret.
    pub secret: Arc<SecretRecord>,
    /// The provider keys that used it, and have no value now.
    pub keys: Vec<Arc<ProviderKey>>,
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSecret")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SecretEdit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretEdit")
            .field("value", &self.value.is_some())
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// A value that is ready to be sealed, and what may be shown of it.
struct Fit {
    value: SecretBytes,
    preview: String,
}

impl Registry {
    /// Every secret of an account, in no order. Reads memory alone.
    #[must_use]
    pub fn secrets(&self, account: AccountId) -> Vec<Arc<SecretRecord>> {
        self.secrets.select(account, |_every| true)
    }

    /// How many secrets an account has. Reads memory alone.
    #[must_use]
    pub fn secret_count(&self, account: AccountId) -> usize {
        self.secrets.count(account)
    }

    /// A secret by its id. Reads memory alone.
    #[must_use]
    pub fn secret(&self, account: AccountId, id: SecretId) -> Option<Arc<SecretRecord>> {
        self.secrets.find(account, id)
    }

    /// Where the current values of these secrets may go; one whose value may go nowhere, or that has none, is left
    /// out. Reads the store once.
    ///
    /// # Errors
    ///
    /// The store's failure.
    pub async fn destinations_of_secrets(
        &self,
        account: AccountId,
        ids: &[SecretId],
    ) -> Result<BTreeMap<SecretId, Destination>, ChangeError> {
        let found = self.store.find_secrets(account, ids).await;
        let found = found.map_err(ChangeError::failed)?.into_iter();
        let destinations = found.filter_map(|(secret, current)| {
            let policy = self.policy_of(&current?)?;
            Some((secret.id, policy.destination?))
        });
        Ok(destinations.collect())
    }

    /// Stores secrets: all of them, or none. One with the scope `ai_gateway` whose name is read as a gateway, a
    /// provider and an alias of this account is sealed for that provider's origins as they are now; every other is
    /// bound to no origin, and can be used by no gateway.
    ///
    /// A provider key whose secret was deleted, and whose place the name says, uses the new one.
    ///
    /// # Errors
    ///
    /// A [`SecretRefusal`] that says what is wrong and with which of them, or the store's failure.
    pub async fn create_secrets(
        &self,
        account: AccountId,
        store: SecretsStoreId,
        new: Vec<NewSecret>,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Vec<Arc<SecretRecord>>, ChangeError> {
        let _turn = self.turn().await?;
        let snapshot = self.snapshot();
        find_store(&snapshot, account, store)?;
        self.check_quota(account, new.len())?;
        let names: Vec<_> = new.iter().map(|new| new.name.clone()).collect();
        self.check_names(account, store, &names)?;
        let mut changes = Vec::new();
        let mut ids = Vec::with_capacity(new.len());
        for (index, new) in new.into_iter().enumerate() {
            let place = self.place_of(&snapshot, account, &new, index)?;
            let fit = Fit::check(new.value, place.is_some(), Some(index))?;
            let id = SecretId::random().map_err(ChangeError::failed)?;
            let policy = Policy {
                destination: place.as_ref().map(|place| place.destination.clone()),
                context: Owner::SecretsStore.context(),
            };
            let record_id = RecordId {
                account,
                secret: id,
                version: VersionNumber::FIRST,
            };
            let sealed = self.vault.seal(&record_id, &policy, &fit.value);
            let sealed = sealed.map_err(ChangeError::failed)?;
            let record = SecretRecord {
                id,
                account,
                store,
                name: new.name.to_string(),
                comment: new.comment,
                scopes: SecretScope::texts(&new.scopes),
                current: None,
                created_at: now,
                modified_at: now,
            };
            let created = version::create(record, sealed, fit.preview, now);
            changes.extend(created.into_iter().map(Change::Vault));
            changes.extend(place.and_then(|place| self.adopt(&snapshot, account, &place, id, now)));
            ids.push(id);
        }
        let subject = subject_of(account, store, &ids);
        if !ids.is_empty() {
            self.commit(changes, actor, "secret.create", subject, now)
                .await?;
        }
        let stored = ids.iter().map(|id| self.listed(account, *id));
        stored.collect()
    }

    /// Changes a secret. What is changed is so for every request that starts after the call returned: a new value
    /// is used, and every other destroyed, also those of a rotation that is under way; without the scope `ai_gateway` no provider key uses it.
    ///
    /// # Errors
    ///
    /// A [`SecretRefusal`] that says what is wrong, or the store's failure.
    pub async fn edit_secret(
        &self,
        account: AccountId,
        store: SecretsStoreId,
        id: SecretId,
        edit: SecretEdit,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<SecretRecord>, ChangeError> {
        let _turn = self.turn().await?;
        let snapshot = self.snapshot();
        self.listed_in(account, store, id)?;
        let not_found = || SecretRefusal::NotFound(id.to_string());
        let (mut secret, current) = self.find_secret(account, id).await?.ok_or_else(not_found)?;
        if let Some(scopes) = &edit.scopes {
            secret.scopes = SecretScope::texts(scopes);
        }
        if let Some(comment) = edit.comment {
            secret.comment = comment;
        }
        secret.modified_at = now;
        let mut changes = Vec::new();
        let action = match edit.value {
            None => {
                changes.push(Change::Vault(keyward_vault::Change::PutSecret(secret)));
                "secret.edit"
            }
            Some(value) => {
                let versions = self.versions_of(account, id).await?;
                let held = (current.as_ref(), versions.as_slice());
                changes.extend(self.replace_value(&secret, held, value, now)?);
                changes.extend(self.end_rotation(account, id, now).await?);
                changes.extend(renewed_keys(&snapshot, account, id, now));
                "secret.rotate"
            }
        };
        let subject = Subject::Secret(account, id);
        self.commit(changes, actor, action, subject, now).await?;
        self.listed(account, id)
    }

    /// Copies a secret within its store. The copy is sealed for what the secret is sealed for.
    ///
    /// # Errors
    ///
    /// A [`SecretRefusal`] that says what is wrong, or the store's failure.
    pub async fn copy_secret(
        &self,
        account: AccountId,
        store: SecretsStoreId,
        id: SecretId,
        copy: SecretCopy,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<SecretRecord>, ChangeError> {
        let _turn = self.turn().await?;
        self.listed_in(account, store, id)?;
        self.check_quota(account, 1)?;
        self.check_names(account, store, std::slice::from_ref(&copy.name))
            .map_err(SecretRefusal::alone)?;
        let found = self.find_secret(account, id).await?;
        let current = found.and_then(|(_, current)| current);
        let current = current.ok_or(SecretRefusal::ValueMissing)?;
        let sealed = current.sealed.as_ref().ok_or(SecretRefusal::ValueMissing)?;
        let new = SecretId::random().map_err(ChangeError::failed)?;
        let context = Owner::SecretsStore.context();
        let resealed = self
            .vault
            .reseal(sealed, &record_id(&current), new, context);
        let resealed = resealed.map_err(|error| match error.is_damaged() {
            true => SecretRefusal::ValueMissing.into(),
            false => ChangeError::failed(error),
        })?;
        let record = SecretRecord {
            id: new,
            account,
            store,
            name: copy.name.to_string(),
            comment: copy.comment,
            scopes: SecretScope::texts(&copy.scopes),
            current: None,
            created_at: now,
            modified_at: now,
        };
        let created = version::create(record, resealed, current.preview, now);
        let changes = created.into_iter().map(Change::Vault).collect();
        let subject = Subject::Secret(account, new);
        self.commit(changes, actor, "secret.duplicate", subject, now)
            .await?;
        self.listed(account, new)
    }

    /// Deletes secrets of a store: all of them, or none. The provider keys that used them stay without a value, so
    /// that no request that starts after the call returned uses one.
    ///
    /// # Errors
    ///
    /// [`SecretRefusal::StoreNotFound`], [`SecretRefusal::NotFound`], or the store's failure.
    pub async fn delete_secrets(
        &self,
        account: AccountId,
        store: SecretsStoreId,
        ids: &[SecretId],
        actor: Actor,
        now: SystemTime,
    ) -> Result<Vec<DeletedSecret>, ChangeError> {
        let _turn = self.turn().await?;
        let snapshot = self.snapshot();
        let mut once = ids.to_vec();
        once.sort_unstable();
        once.dedup();
        let secrets = once.iter().map(|id| self.listed_in(account, store, *id));
        let secrets: Vec<_> = secrets.collect::<Result<_, _>>()?;
        if secrets.is_empty() {
            find_store(&snapshot, account, store)?;
            return Ok(Vec::new());
        }
        let deleted = secrets.iter().map(|secret| DeletedSecret {
            keys: keys_of(&snapshot, account, std::slice::from_ref(secret)),
            secret: Arc::clone(secret),
        });
        let deleted: Vec<_> = deleted.collect();
        let changes = secrets.iter().map(|secret| delete(secret)).collect();
        let subject = subject_of(account, store, &once);
        self.commit(changes, actor, "secret.delete", subject, now)
            .await?;
        Ok(deleted)
    }

    /// The policy that a genuine version is sealed with.
    pub(super) fn policy_of(&self, version: &VersionRecord) -> Option<Policy> {
        let sealed = version.sealed.as_ref()?;
        self.vault.policy(sealed, &record_id(version)).ok()
    }

    pub(super) fn check_quota(&self, account: AccountId, more: usize) -> Result<(), SecretRefusal> {
        let Some(quota) = self.secret_limits.secrets else {
            return Ok(());
        };
        let count = self.secrets.count(account).saturating_add(more);
        match u64::try_from(count) {
            Ok(count) if count <= quota => Ok(()),
            _ => Err(SecretRefusal::QuotaReached(quota)),
        }
    }

    pub(super) fn is_name_taken(
        &self,
        account: AccountId,
        store: SecretsStoreId,
        name: &str,
    ) -> bool {
        let mut named = self.secrets.named(account, name).into_iter();
        named.any(|secret| secret.store == store)
    }

    fn replace_value(
        &self,
        secret: &SecretRecord,
        (current, versions): (Option<&VersionRecord>, &[VersionRecord]),
        value: SecretBytes,
        now: SystemTime,
    ) -> Result<Vec<Change>, ChangeError> {
        let policy = current.and_then(|current| self.policy_of(current));
        let policy = policy.ok_or(SecretRefusal::ValueMissing)?;
        let fit = Fit::check(value, policy.destination.is_some(), None)?;
        let id = RecordId {
            account: secret.account,
            secret: secret.id,
            version: version::next_number(secret, versions).map_err(ChangeError::failed)?,
        };
        let sealed = self.vault.seal(&id, &policy, &fit.value);
        let sealed = sealed.map_err(ChangeError::failed)?;
        let replaced = version::replace(secret, versions, sealed, fit.preview, now);
        let replaced = replaced.map_err(ChangeError::failed)?;
        Ok(replaced.into_iter().map(Change::Vault).collect())
    }

    /// Each name is free in the store, and told once.
    fn check_names(
        &self,
        account: AccountId,
        store: SecretsStoreId,
        names: &[SecretName],
    ) -> Result<(), SecretRefusal> {
        for (index, name) in names.iter().enumerate() {
            let earlier = names.get(..index).unwrap_or_default();
            if earlier.contains(name) || self.is_name_taken(account, store, name.as_str()) {
                return Err(SecretRefusal::NameTaken {
                    index: Some(index),
                    name: name.to_string(),
                });
            }
        }
        Ok(())
    }

    fn listed(&self, account: AccountId, id: SecretId) -> Result<Arc<SecretRecord>, ChangeError> {
        let found = self.secrets.find(account, id);
        Ok(found.ok_or_else(|| SecretRefusal::NotFound(id.to_string()))?)
    }

    /// The secret, if it stands in this store.
    fn listed_in(
        &self,
        account: AccountId,
        store: SecretsStoreId,
        id: SecretId,
    ) -> Result<Arc<SecretRecord>, SecretRefusal> {
        find_store(&self.snapshot(), account, store)?;
        let found = self.secrets.find(account, id);
        let found = found.filter(|secret| secret.store == store);
        found.ok_or_else(|| SecretRefusal::NotFound(id.to_string()))
    }
}

impl Fit {
    /// A value that is bound will stand in a header, so it must be fit for one; any other is kept as it is.
    fn check(
        value: SecretBytes,
        is_bound: bool,
        index: Option<usize>,
    ) -> Result<Self, SecretRefusal> {
        let refuse = |error| SecretRefusal::Value { index, error };
        if is_bound {
            let key = KeyValue::parse(&value).map_err(refuse)?;
            let preview = key.preview();
            return Ok(Self {
                value: key.into_secret(),
                preview,
            });
        }
        KeyValue::check_length(&value).map_err(refuse)?;
        Ok(Self {
            value,
            preview: KeyValue::HIDDEN.to_owned(),
        })
    }
}

impl ProviderKeyRecord {
    /// The record once its value is a new one: what was held against the old value does not count against it.
    pub(super) fn renewed(&self, now: SystemTime) -> Self {
        Self {
            status: KeyStatus::Active,
            status_reason: None,
            status_code: None,
            status_since: None,
            modified_at: now,
            ..self.clone()
        }
    }
}

impl SecretRefusal {
    /// Of one new secret no place in a list is told.
    fn alone(self) -> Self {
        match self {
            Self::NameTaken { name, .. } => Self::NameTaken { index: None, name },
            other => other,
        }
    }
}

/// What the audit log says was changed: the secret, or of several their store.
fn subject_of(account: AccountId, store: SecretsStoreId, ids: &[SecretId]) -> Subject {
    match ids {
        [id] => Subject::Secret(account, *id),
        _ => Subject::SecretsStore(account, store),
    }
}

fn record_id(version: &VersionRecord) -> RecordId {
    RecordId {
        account: version.account,
        secret: version.secret,
        version: version.number,
    }
}
