//! Storing, replacing, switching and deleting provider keys.

use std::{sync::Arc, time::SystemTime};

use keyward_routes::{Limit, SpendLimits};
use keyward_secret::{AccountId, Destination};
use keyward_vault::{
    Policy, RecordId, SecretId, SecretRecord, VersionNumber, VersionRecord, version,
};

use super::{rotations::renewed_keys, secrets_stores::named_store};
use crate::{
    Actor, Alias, Change, ChangeError, ExpiresAction, GatewayId, KeyValue, ProviderKey,
    ProviderKeyId, ProviderKeyRecord, ProviderSlug, Refusal, Registry, SecretScope, Snapshot,
    Subject, naming, owner::Owner,
};

/// What is needed to store a provider key.
#[derive(Debug)]
pub struct NewProviderKey {
    /// The account.
    pub account: AccountId,
    /// The gateway that will use it.
    pub gateway: GatewayId,
    /// The provider it is for.
    pub provider: ProviderSlug,
    /// Its alias.
    pub alias: Alias,
    /// Where the value comes from.
    pub source: KeySource,
    /// For people; kept as the secret's comment.
    pub description: String,
    /// Cloudflare's flag; kept and returned.
    pub default_config: bool,
    /// Its date.
    pub expires_at: Option<SystemTime>,
    /// What happens at its date.
    pub expires_action: ExpiresAction,
    /// How many requests may be sent with it; its windows are [fixed](keyward_routes::Technique::Fixed).
    pub rate_limit: Option<Limit>,
    /// How much may be spent with it.
    pub spend_limits: Option<SpendLimits>,
}

/// Where the value of a new provider key comes from.
#[expect(
    clippy::exhaustive_enums,
    reason = "the destination is decided by which it is"
)]
pub enum KeySource {
    /// The value itself: sealed now, for the provider's origins.
    Value(KeyValue),
    /// A secret that is sealed already: used only where it may go.
    Secret(SecretId),
    /// The secret whose name says this gateway, provider and alias (wire-spec §3.5).
    Named,
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(..)"),
            Self::Secret(id) => write!(f, "Secret({id})"),
            Self::Named => f.write_str("Named"),
        }
    }
}

/// What may be changed of a provider key without a new value. `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct KeyEdit {
    /// Switches it on or off.
    pub enabled: Option<bool>,
    /// The description.
    pub description: Option<String>,
    /// Its date; `Some(None)` takes the date away.
    pub expires_at: Option<Option<SystemTime>>,
    /// What happens at its date.
    pub expires_action: Option<ExpiresAction>,
    /// How many requests may be sent with it; `Some(None)` takes the limit away.
    pub rate_limit: Option<Option<Limit>>,
    /// How much may be spent with it; `Some(None)` takes the limits away.
    pub spend_limits: Option<Option<SpendLimits>>,
}

impl KeyEdit {
    /// Whether it leaves everything as it is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.enabled.is_none()
            && self.description.is_none()
            && self.expires_at.is_none()
            && self.expires_action.is_none()
            && self.rate_limit.is_none()
            && self.spend_limits.is_none()
    }
}

impl Registry {
    /// Stores a provider key. With a value, seals it for the provider's origins as they are now.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that says what is wrong, or the store's failure.
    pub async fn create_provider_key(
        &self,
        new: NewProviderKey,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<ProviderKey>, ChangeError> {
        let _turn = self.turn().await?;
        let snapshot = self.snapshot();
        let (new, destination) = self.check_new(&snapshot, new)?;
        let exists = Refusal::ProviderKeyExists {
            gateway: new.gateway.to_string(),
            provider: new.provider.to_string(),
            alias: new.alias.to_string(),
        };
        let mut changes = Vec::new();
        let secret = match &new.source {
            KeySource::Secret(secret) => {
                self.check_binding(&new, *secret, &destination).await?;
                *secret
            }
            KeySource::Named => {
                let secret = self.find_named(&snapshot, &new)?;
                self.check_binding(&new, secret, &destination).await?;
                secret
            }
            KeySource::Value(value) => {
                let secret = SecretId::random().map_err(ChangeError::failed)?;
                changes.extend(self.seal_new(&new, secret, value, destination, now)?);
                secret
            }
        };
        let record = new.into_record(secret, now)?;
        let subject = Subject::ProviderKey(record.account, record.id);
        let (account, id) = (record.account, record.id);
        changes.push(Change::PutProviderKey(record));
        self.commit(changes, actor, "provider_key.create", subject, now)
            .await
            .map_err(|error| ChangeError::from_commit(error, exists))?;
        self.stored_key(account, id)
    }

    /// Replaces the value: the new version is current and every other destroyed before the call returns, also those
    /// of a rotation that is under way: it ends. The new value is sealed for the provider's origins as they are now: whoever enters a value says where it
    /// may go.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that says what is wrong, or the store's failure.
    pub async fn rotate_provider_key(
        &self,
        account: AccountId,
        id: ProviderKeyId,
        value: &KeyValue,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<ProviderKey>, ChangeError> {
        let _turn = self.turn().await?;
        let key = self.stored_key(account, id)?;
        let destination = self.destination_of(account, &key.record.provider)?;
        let Some((secret, current)) = self.find_secret(account, key.record.secret).await? else {
            return self
                .renew_orphan(&key, value, destination, actor, now)
                .await;
        };
        self.check_other_uses(&key, &destination)?;
        let versions = self.versions_of(account, secret.id).await?;
        let record_id = RecordId {
            account,
            secret: secret.id,
            version: version::next_number(&secret, &versions).map_err(ChangeError::failed)?,
        };
        let known = current.as_ref().and_then(|current| self.policy_of(current));
        let policy = Policy {
            destination: Some(destination),
            context: known.map_or_else(|| Owner::ProviderKeys.context(), |known| known.context),
        };
        let sealed = self.vault.seal(&record_id, &policy, value.secret());
        let sealed = sealed.map_err(ChangeError::failed)?;
        let replaced = version::replace(&secret, &versions, sealed, value.preview(), now);
        let replaced = replaced.map_err(ChangeError::failed)?;
        let mut changes: Vec<_> = replaced.into_iter().map(Change::Vault).collect();
        changes.extend(self.end_rotation(account, secret.id, now).await?);
        changes.extend(renewed_keys(&self.snapshot(), account, secret.id, now));
        let subject = Subject::ProviderKey(account, id);
        self.commit(changes, actor, "provider_key.rotate", subject, now)
            .await?;
        self.stored_key(account, id)
    }

    /// A key whose secret was deleted gets one of its own.
    async fn renew_orphan(
        &self,
        key: &ProviderKey,
        value: &KeyValue,
        destination: Destination,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<ProviderKey>, ChangeError> {
        let record = &key.record;
        let (mut changes, secret) = self.secret_for_orphan(key, now)?;
        let (id, context) = (secret.id, Owner::ProviderKeys.context());
        changes.extend(self.seal_first(secret, value, destination, context, now)?);
        changes.push(Change::PutProviderKey(ProviderKeyRecord {
            secret: id,
            ..record.renewed(now)
        }));
        let subject = Subject::ProviderKey(record.account, record.id);
        self.commit(changes, actor, "provider_key.rotate", subject, now)
            .await?;
        self.stored_key(record.account, record.id)
    }

    /// A secret without a value for a key whose own was deleted, and the changes that put it there.
    pub(super) fn secret_for_orphan(
        &self,
        key: &ProviderKey,
        now: SystemTime,
    ) -> Result<(Vec<Change>, SecretRecord), ChangeError> {
        let record = &key.record;
        let place = (&record.gateway, &record.provider, &record.alias);
        let id = SecretId::random().map_err(ChangeError::failed)?;
        let (made, secret) = self.new_secret(record.account, place, id, String::new(), now)?;
        let put = Change::Vault(keyward_vault::Change::PutSecret(secret.clone()));
        Ok((made.into_iter().chain([put]).collect(), secret))
    }

    /// Switches a provider key, or changes its description, date or limits. Takes effect before the call returns.
    ///
    /// # Errors
    ///
    /// [`Refusal::ProviderKeyNotFound`], or the store's failure.
    pub async fn edit_provider_key(
        &self,
        account: AccountId,
        id: ProviderKeyId,
        edit: KeyEdit,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<ProviderKey>, ChangeError> {
        let _turn = self.turn().await?;
        let key = self.stored_key(account, id)?;
        let mut record = key.record.clone();
        let mut changes = Vec::new();
        let action = match edit.enabled {
            Some(true) => "provider_key.enable",
            Some(false) => "provider_key.disable",
            None => "provider_key.edit",
        };
        if let Some(enabled) = edit.enabled {
            record.disabled_at = if enabled {
                None
            } else {
                record.disabled_at.or(Some(now))
            };
        }
        record.expires_at = edit.expires_at.unwrap_or(record.expires_at);
        record.expires_action = edit.expires_action.unwrap_or(record.expires_action);
        if let Some(limit) = edit.rate_limit {
            record.rate_limit = limit.map(|limit| limit.limit().get());
            record.rate_limit_period = limit.map(|limit| limit.window().as_secs());
        }
        record.spend_limits = edit.spend_limits.unwrap_or(record.spend_limits);
        if let Some(description) = edit.description
            && let Some((mut secret, _)) = self.find_secret(account, record.secret).await?
        {
            secret.comment = description;
            secret.modified_at = now;
            changes.push(Change::Vault(keyward_vault::Change::PutSecret(secret)));
        }
        record.modified_at = now;
        changes.push(Change::PutProviderKey(record));
        let subject = Subject::ProviderKey(account, id);
        self.commit(changes, actor, action, subject, now).await?;
        self.stored_key(account, id)
    }

    /// Deletes a provider key, and its secret unless another key uses it or it was stored in a secrets store by
    /// itself. Takes effect before the call returns; returns what was deleted.
    ///
    /// # Errors
    ///
    /// [`Refusal::ProviderKeyNotFound`], or the store's failure.
    pub async fn delete_provider_key(
        &self,
        account: AccountId,
        id: ProviderKeyId,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<ProviderKey>, ChangeError> {
        let _turn = self.turn().await?;
        let key = self.stored_key(account, id)?;
        let mut changes = vec![Change::DeleteProviderKey { account, id }];
        let snapshot = self.snapshot();
        let mut uses = snapshot.keys_of_secret(account, key.record.secret);
        if uses.all(|other| other.record.id == id) && self.goes_with_its_keys(&key).await? {
            changes.push(Change::Vault(keyward_vault::Change::DeleteSecret {
                account,
                secret: key.record.secret,
            }));
        }
        let subject = Subject::ProviderKey(account, id);
        self.commit(changes, actor, "provider_key.delete", subject, now)
            .await?;
        Ok(key)
    }

    /// Whether the secret of a key came with a provider key, and goes with the last of them.
    pub(super) async fn goes_with_its_keys(&self, key: &ProviderKey) -> Result<bool, ChangeError> {
        let found = self
            .find_secret(key.record.account, key.record.secret)
            .await?;
        let current = found.and_then(|(_, current)| current);
        let policy = current.and_then(|current| self.policy_of(&current));
        Ok(policy.is_some_and(|policy| Owner::of(&policy) == Owner::ProviderKeys))
    }

    /// The gateway and the provider exist, the place is free; the slug becomes the provider's own.
    fn check_new(
        &self,
        snapshot: &Snapshot,
        mut new: NewProviderKey,
    ) -> Result<(NewProviderKey, Destination), ChangeError> {
        let gateway = snapshot
            .gateway(new.account, new.gateway.as_str())
            .ok_or_else(|| Refusal::GatewayNotFound(new.gateway.to_string()))?;
        let destination = self.destination_of(new.account, &new.provider)?;
        if let Some(provider) = self.find_provider(new.account, new.provider.as_str()) {
            new.provider = ProviderSlug::parse(provider.slug()).map_err(ChangeError::failed)?;
        }
        let there = gateway.key(new.provider.as_str(), new.alias.as_str());
        if there.is_some() {
            return Err(Refusal::ProviderKeyExists {
                gateway: new.gateway.to_string(),
                provider: new.provider.to_string(),
                alias: new.alias.to_string(),
            }
            .into());
        }
        Ok((new, destination))
    }

    pub(super) fn destination_of(
        &self,
        account: AccountId,
        slug: &ProviderSlug,
    ) -> Result<Destination, ChangeError> {
        let provider = self
            .find_provider(account, slug.as_str())
            .ok_or_else(|| self.provider_unknown(slug.as_str()))?;
        match provider.support() {
            keyward_providers::Support::Ready => Ok(provider.destination().clone()),
            keyward_providers::Support::Refused { reason } => Err(Refusal::ProviderRefused {
                provider: slug.to_string(),
                reason: reason.to_string(),
            }
            .into()),
        }
    }

    /// A sealed secret may be bound only where it may go: nothing widens or moves its destination.
    async fn check_binding(
        &self,
        new: &NewProviderKey,
        secret: SecretId,
        wanted: &Destination,
    ) -> Result<(), ChangeError> {
        let not_found = || Refusal::SecretNotFound(secret.to_string());
        let (record, current) = self
            .find_secret(new.account, secret)
            .await?
            .ok_or_else(not_found)?;
        let current = current.ok_or_else(not_found)?;
        let policy = self.policy_of(&current).ok_or_else(not_found)?;
        if !SecretScope::AiGateway.is_of(&record) {
            return Err(Refusal::SecretOutOfScope(record.name).into());
        }
        self.check_covers(&new.provider, policy.destination.as_ref(), wanted)
    }

    /// The one secret that is for this place, by its name.
    fn find_named(
        &self,
        snapshot: &Snapshot,
        new: &NewProviderKey,
    ) -> Result<SecretId, ChangeError> {
        let gateway = snapshot.gateway(new.account, new.gateway.as_str());
        let store = gateway
            .and_then(|gateway| named_store(snapshot, new.account, &gateway.record().settings));
        let place = (new.account, store);
        let found = self.secrets_for(snapshot, place, &new.gateway, &new.provider, &new.alias);
        match found.as_slice() {
            [secret] => Ok(secret.id),
            [] => {
                let name = naming::name(&new.gateway, &new.provider, &new.alias);
                Err(Refusal::SecretNameNotFound(name).into())
            }
            several => {
                let told = |secret: &Arc<SecretRecord>| format!("`{}` {}", secret.name, secret.id);
                let mut told: Vec<_> = several.iter().map(told).collect();
                told.sort_unstable();
                Err(Refusal::SecretNameNotUnique(told).into())
            }
        }
    }

    fn check_covers(
        &self,
        provider: &ProviderSlug,
        sealed_for: Option<&Destination>,
        wanted: &Destination,
    ) -> Result<(), ChangeError> {
        if sealed_for.is_some_and(|sealed_for| sealed_for.covers(wanted)) {
            return Ok(());
        }
        let sealed_for =
            sealed_for.map_or_else(|| "no destination".to_owned(), ToString::to_string);
        Err(Refusal::WrongDestination {
            provider: provider.to_string(),
            sealed_for,
            wanted: wanted.clone(),
        }
        .into())
    }

    /// A value that several keys share is replaced for all of them, so it must suit all of them.
    pub(super) fn check_other_uses(
        &self,
        key: &ProviderKey,
        destination: &Destination,
    ) -> Result<(), ChangeError> {
        let snapshot = self.snapshot();
        for other in snapshot.keys_of_secret(key.record.account, key.record.secret) {
            let wanted = self.destination_of(other.record.account, &other.record.provider)?;
            self.check_covers(&other.record.provider, Some(destination), &wanted)?;
        }
        Ok(())
    }

    /// A new secret for a provider key that comes with its value.
    fn seal_new(
        &self,
        new: &NewProviderKey,
        secret: SecretId,
        value: &KeyValue,
        destination: Destination,
        now: SystemTime,
    ) -> Result<Vec<Change>, ChangeError> {
        let place = (&new.gateway, &new.provider, &new.alias);
        let comment = new.description.clone();
        let (made, secret) = self.new_secret(new.account, place, secret, comment, now)?;
        let context = Owner::ProviderKeys.context();
        let sealed = self.seal_first(secret, value, destination, context, now)?;
        Ok(made.into_iter().chain(sealed).collect())
    }

    /// The record of a new secret for this place, and the store that is made for it where there is none.
    fn new_secret(
        &self,
        account: AccountId,
        (gateway, provider, alias): (&GatewayId, &ProviderSlug, &Alias),
        id: SecretId,
        comment: String,
        now: SystemTime,
    ) -> Result<(Option<Change>, SecretRecord), ChangeError> {
        let snapshot = self.snapshot();
        let settings = snapshot
            .gateway(account, gateway.as_str())
            .map(|gateway| &gateway.record().settings)
            .ok_or_else(|| Refusal::GatewayNotFound(gateway.to_string()))?;
        let (store, made) = Self::store_for(&snapshot, account, settings, now);
        let name = naming::name(gateway, provider, alias);
        self.check_quota(account, 1)?;
        if self.is_name_taken(account, store, &name) {
            return Err(Refusal::SecretNameTaken(name).into());
        }
        let record = SecretRecord {
            id,
            account,
            store,
            name,
            comment,
            scopes: vec![SecretScope::AiGateway.as_str().to_owned()],
            current: None,
            created_at: now,
            modified_at: now,
        };
        Ok((made, record))
    }

    fn seal_first(
        &self,
        secret: SecretRecord,
        value: &KeyValue,
        destination: Destination,
        context: Box<[u8]>,
        now: SystemTime,
    ) -> Result<impl Iterator<Item = Change> + use<>, ChangeError> {
        let id = RecordId {
            account: secret.account,
            secret: secret.id,
            version: VersionNumber::FIRST,
        };
        let policy = Policy {
            destination: Some(destination),
            context,
        };
        let sealed = self.vault.seal(&id, &policy, value.secret());
        let sealed = sealed.map_err(ChangeError::failed)?;
        let created = version::create(secret, sealed, value.preview(), now);
        Ok(created.into_iter().map(Change::Vault))
    }

    pub(super) async fn find_secret(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> Result<Option<(SecretRecord, Option<VersionRecord>)>, ChangeError> {
        self.store
            .find_secret(account, secret)
            .await
            .map_err(ChangeError::failed)
    }

    pub(super) fn stored_key(
        &self,
        account: AccountId,
        id: ProviderKeyId,
    ) -> Result<Arc<ProviderKey>, ChangeError> {
        let snapshot = self.snapshot();
        let key = snapshot.provider_key(account, id).cloned();
        Ok(key.ok_or_else(|| Refusal::ProviderKeyNotFound(id.to_string()))?)
    }
}

impl NewProviderKey {
    fn into_record(
        self,
        secret: SecretId,
        now: SystemTime,
    ) -> Result<ProviderKeyRecord, ChangeError> {
        let id = ProviderKeyId::random().map_err(ChangeError::failed)?;
        let place = (self.account, self.gateway);
        let name = (self.provider, self.alias);
        Ok(ProviderKeyRecord {
            default_config: self.default_config,
            rate_limit: self.rate_limit.map(|limit| limit.limit().get()),
            rate_limit_period: self.rate_limit.map(|limit| limit.window().as_secs()),
            spend_limits: self.spend_limits,
            expires_at: self.expires_at,
            expires_action: self.expires_action,
            ..ProviderKeyRecord::new(id, place, name, secret, now)
        })
    }
}
