//! The immutable picture that the request path reads.
//!
//! A write builds a new picture beside the old one and swaps it in before the writing call returns. A
//! reader holds the picture it began with; a worker looks at one number per request to learn of a newer one.

mod keys;
mod provider_key;
mod published;
mod routes;

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Arc};

use keyward_auth::{TokenId, TokenIndex, TokenRecord};
use keyward_routes::SpendLimits;
use keyward_secret::AccountId;
use keyward_vault::{SecretId, SecretsStoreId, rotation::Rotation};
use rpds::HashTrieMapSync;
use rustc_hash::{FxHashMap, FxHasher};

use self::{keys::Keys, provider_key::rotations_by_secret};
pub use self::{
    provider_key::{CurrentValue, MissingValue, ProviderKey},
    published::SnapshotReader,
};
pub(crate) use self::{
    provider_key::{Joined, Rotating},
    published::Published,
};
use crate::{
    AccountRecord, CustomProvider, CustomProviderId, CustomProviderRecord, GatewayId,
    GatewayRecord, Loaded, ProviderKeyId, ProviderKeyRecord, Route, RouteId, SecretsStoreRecord,
    secret_list::SecretList,
};

/// Accounts, gateways, provider keys and tokens as they stand at one revision.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(crate) revision: u64,
    pub(crate) accounts: FxHashMap<AccountId, Arc<Account>>,
    tokens: TokenIndex,
    /// Of the tokens that have some.
    spend_limits: ById<TokenId, Arc<SpendLimits>>,
    /// Those that something is still to come of.
    rotations: ById<(AccountId, SecretId), Arc<Rotating>>,
}

/// One account and its gateways.
#[derive(Clone, Debug)]
pub struct Account {
    pub(crate) record: AccountRecord,
    pub(crate) gateways: FxHashMap<Arc<str>, Arc<Gateway>>,
    /// By slug, without `custom-`.
    pub(crate) custom_providers: FxHashMap<Box<str>, Arc<CustomProvider>>,
    /// The oldest first.
    pub(crate) secrets_stores: Vec<Arc<SecretsStoreRecord>>,
    /// Every provider key of every gateway.
    keys: ById<ProviderKeyId, Arc<ProviderKey>>,
    /// Every route of every gateway.
    routes: ById<RouteId, Arc<Route>>,
    /// The keys that use a secret, for every secret that one uses.
    secrets: ById<SecretId, Arc<[ProviderKeyId]>>,
}

/// A map whose copies share what did not change.
type ById<I, T> = HashTrieMapSync<I, T, BuildHasherDefault<FxHasher>>;

/// One gateway and its provider keys.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(crate) record: GatewayRecord,
    keys: Keys,
    /// By name.
    routes: ById<Box<str>, Arc<Route>>,
}

impl Snapshot {
    /// The revision it stands at.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Every account, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    /// One account.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.accounts.get(&id)
    }

    /// One gateway. Allocates nothing.
    #[must_use]
    pub fn gateway(&self, account: AccountId, id: &str) -> Option<&Arc<Gateway>> {
        self.accounts.get(&account)?.gateways.get(id)
    }

    /// A custom provider by its slug, without `custom-`. Allocates nothing.
    #[must_use]
    pub fn custom_provider(&self, account: AccountId, slug: &str) -> Option<&Arc<CustomProvider>> {
        self.accounts.get(&account)?.custom_providers.get(slug)
    }

    /// A custom provider by its public id.
    #[must_use]
    pub fn custom_provider_by_id(
        &self,
        account: AccountId,
        id: CustomProviderId,
    ) -> Option<&Arc<CustomProvider>> {
        self.account(account)?
            .custom_providers()
            .find(|provider| provider.record.id == id)
    }

    /// Every token.
    #[must_use]
    pub const fn tokens(&self) -> &TokenIndex {
        &self.tokens
    }

    /// How much may be spent with a token; none where it has no limits. One look-up.
    #[must_use]
    pub fn spend_limits_of_token(&self, id: TokenId) -> Option<&Arc<SpendLimits>> {
        self.spend_limits.get(&id)
    }

    /// A provider key by its public id. One look-up.
    #[must_use]
    pub fn provider_key(&self, account: AccountId, id: ProviderKeyId) -> Option<&Arc<ProviderKey>> {
        self.account(account)?.keys.get(&id)
    }

    /// The provider keys that use a secret.
    pub fn keys_of_secret(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> impl Iterator<Item = &Arc<ProviderKey>> {
        self.account(account).into_iter().flat_map(move |account| {
            let ids = account.secrets.get(&secret);
            ids.into_iter()
                .flat_map(|ids| ids.iter())
                .filter_map(|id| account.keys.get(id))
        })
    }

    /// The rotations that something is still to come of, in no order; also those of secrets that no key uses. Costs
    /// nothing where there is none.
    pub fn open_rotations(&self) -> impl Iterator<Item = &Rotation> {
        self.rotations.values().map(|rotating| &rotating.rotation)
    }

    /// The rotation of a secret, if something is still to come of it.
    #[must_use]
    pub fn open_rotation(&self, account: AccountId, secret: SecretId) -> Option<&Rotation> {
        let rotating = self.rotations.get(&(account, secret))?;
        Some(&rotating.rotation)
    }

    /// Builds the picture of what a store holds.
    #[must_use]
    pub fn build(loaded: Loaded) -> Self {
        Self::build_with(loaded, &SecretList::default())
    }

    /// As [`build`](Self::build); the secrets go into `list`, and are shared with it.
    pub(crate) fn build_with(loaded: Loaded, list: &SecretList) -> Self {
        let mut snapshot = Self {
            revision: loaded.revision,
            ..Self::default()
        };
        for account in loaded.accounts {
            snapshot.put_account(account);
        }
        for gateway in loaded.gateways {
            snapshot.put_gateway(gateway);
        }
        for provider in loaded.custom_providers {
            snapshot.put_custom_provider(provider);
        }
        for (route, deployed) in loaded.routes {
            snapshot.put_route(route, deployed);
        }
        for store in loaded.secrets_stores {
            snapshot.put_secrets_store(store);
        }
        let mut secrets: HashMap<(AccountId, SecretId), _> = HashMap::new();
        let mut rotations = rotations_by_secret(loaded.rotations, loaded.beside);
        for (secret, current) in loaded.secrets {
            let id = (secret.account, secret.id);
            let joined = Joined {
                secret: list.put(secret),
                current,
                rotating: rotations.remove(&id),
            };
            snapshot.note_rotation(id, joined.rotating.as_ref());
            secrets.insert(id, joined);
        }
        for key in loaded.provider_keys {
            let secret = secrets.get(&(key.account, key.secret));
            snapshot.put_provider_key(key, secret);
        }
        let times: HashMap<ProviderKeyId, _> = loaded.keys_last_used.into_iter().collect();
        let keys = snapshot
            .accounts
            .values()
            .flat_map(|account| account.provider_keys());
        for key in keys {
            if let Some(at) = times.get(&key.record.id) {
                key.last_used.touch_at(*at);
            }
        }
        for token in &loaded.tokens {
            snapshot.note_limits(token);
        }
        snapshot.tokens = TokenIndex::build(loaded.tokens, loaded.tokens_last_used);
        snapshot
    }

    pub(crate) fn put_token(&mut self, record: TokenRecord) {
        self.note_limits(&record);
        self.tokens = self.tokens.with(record);
    }

    pub(crate) fn remove_token(&mut self, id: TokenId) {
        self.spend_limits.remove_mut(&id);
        self.tokens = self.tokens.without(id);
    }

    /// Stores honour no token whose limits cannot be read.
    fn note_limits(&mut self, token: &TokenRecord) {
        let text = token.spend_limits.as_deref();
        let limits = text.and_then(|text| serde_json::from_str(text).ok());
        match limits {
            Some(limits) => self.spend_limits.insert_mut(token.id, Arc::new(limits)),
            None => drop(self.spend_limits.remove_mut(&token.id)),
        }
    }

    pub(crate) fn put_account(&mut self, record: AccountRecord) {
        match self.accounts.get_mut(&record.id) {
            Some(account) => Arc::make_mut(account).record = record,
            None => {
                let account = Account {
                    record: record.clone(),
                    gateways: FxHashMap::default(),
                    custom_providers: FxHashMap::default(),
                    secrets_stores: Vec::new(),
                    keys: ById::default(),
                    routes: ById::default(),
                    secrets: ById::default(),
                };
                self.accounts.insert(record.id, Arc::new(account));
            }
        }
    }

    /// A gateway without its account is left out: nothing can address it.
    pub(crate) fn put_gateway(&mut self, record: GatewayRecord) {
        let Some(account) = self.accounts.get_mut(&record.account) else {
            return;
        };
        let gateways = &mut Arc::make_mut(account).gateways;
        match gateways.get_mut(record.id.as_str()) {
            Some(gateway) => Arc::make_mut(gateway).record = record,
            None => {
                let gateway = Gateway {
                    record: record.clone(),
                    keys: Keys::default(),
                    routes: ById::default(),
                };
                gateways.insert(record.id.as_str().into(), Arc::new(gateway));
            }
        }
    }

    pub(crate) fn remove_gateway(&mut self, account: AccountId, id: &GatewayId) {
        let Some(account) = self.accounts.get_mut(&account) else {
            return;
        };
        let account = Arc::make_mut(account);
        if let Some(gateway) = account.gateways.remove(id.as_str()) {
            for key in gateway.keys() {
                account.forget(&key.record);
            }
            for route in gateway.routes.values() {
                account.routes.remove_mut(&route.record.id);
            }
        }
    }

    pub(crate) fn put_secrets_store(&mut self, record: SecretsStoreRecord) {
        self.remove_secrets_store(record.account, record.id);
        if let Some(account) = self.accounts.get_mut(&record.account) {
            let stores = &mut Arc::make_mut(account).secrets_stores;
            let age = |store: &SecretsStoreRecord| (store.created_at, store.id);
            let place = stores.partition_point(|other| age(other) < age(&record));
            stores.insert(place, Arc::new(record));
        }
    }

    pub(crate) fn remove_secrets_store(&mut self, account: AccountId, id: SecretsStoreId) {
        if let Some(account) = self.accounts.get_mut(&account) {
            let stores = &mut Arc::make_mut(account).secrets_stores;
            stores.retain(|store| store.id != id);
        }
    }

    pub(crate) fn put_custom_provider(&mut self, record: CustomProviderRecord) {
        if let Some(account) = self.accounts.get_mut(&record.account) {
            let providers = &mut Arc::make_mut(account).custom_providers;
            let slug = record.slug.as_str().into();
            providers.insert(slug, Arc::new(CustomProvider::new(record)));
        }
    }

    pub(crate) fn remove_custom_provider(&mut self, account: AccountId, id: CustomProviderId) {
        if let Some(account) = self.accounts.get_mut(&account) {
            let providers = &mut Arc::make_mut(account).custom_providers;
            providers.retain(|_slug, provider| provider.record.id != id);
        }
    }

    pub(crate) fn put_provider_key(&mut self, record: ProviderKeyRecord, secret: Option<&Joined>) {
        let Some(account) = self.accounts.get_mut(&record.account).map(Arc::make_mut) else {
            return;
        };
        let last_used = account
            .remove_key(record.id)
            .map(|key| key.last_used.clone())
            .unwrap_or_default();
        account.insert_key(ProviderKey::join(record, secret, last_used));
    }

    /// Gives a secret to every key that uses it; `None` where there is none any more.
    pub(crate) fn put_secret(&mut self, account: AccountId, id: SecretId, secret: Option<&Joined>) {
        let rotating = secret.and_then(|secret| secret.rotating.as_ref());
        self.note_rotation((account, id), rotating);
        let keys: Vec<_> = self
            .keys_of_secret(account, id)
            .map(|key| key.record.clone())
            .collect();
        for key in keys {
            self.put_provider_key(key, secret);
        }
    }

    fn note_rotation(&mut self, id: (AccountId, SecretId), rotating: Option<&Arc<Rotating>>) {
        match rotating.filter(|rotating| rotating.rotation.phase.is_open()) {
            Some(open) => self.rotations.insert_mut(id, Arc::clone(open)),
            None => drop(self.rotations.remove_mut(&id)),
        }
    }

    pub(crate) fn remove_provider_key(&mut self, account: AccountId, id: ProviderKeyId) {
        let Some(account) = self.accounts.get_mut(&account) else {
            return;
        };
        if account.keys.contains_key(&id) {
            Arc::make_mut(account).remove_key(id);
        }
    }
}

impl Account {
    /// The record.
    #[must_use]
    pub const fn record(&self) -> &AccountRecord {
        &self.record
    }

    /// Its secrets stores, the oldest first.
    #[must_use]
    pub fn secrets_stores(&self) -> &[Arc<SecretsStoreRecord>] {
        &self.secrets_stores
    }

    /// Its gateways, in no order.
    pub fn gateways(&self) -> impl Iterator<Item = &Arc<Gateway>> {
        self.gateways.values()
    }

    /// Its custom providers, in no order.
    pub fn custom_providers(&self) -> impl Iterator<Item = &Arc<CustomProvider>> {
        self.custom_providers.values()
    }

    /// Every provider key of every gateway, in no order.
    pub fn provider_keys(&self) -> impl Iterator<Item = &Arc<ProviderKey>> {
        self.keys.values()
    }

    /// How many provider keys there are in all gateways.
    #[must_use]
    pub fn provider_key_count(&self) -> usize {
        self.keys.size()
    }

    /// A key without its gateway is left out: nothing can address it.
    fn insert_key(&mut self, key: ProviderKey) {
        let Some(gateway) = self.gateways.get_mut(key.record.gateway.as_str()) else {
            return;
        };
        let key = Arc::new(key);
        let (id, secret) = (key.record.id, key.record.secret);
        Arc::make_mut(gateway).keys.insert(Arc::clone(&key));
        self.keys.insert_mut(id, key);
        let known = self.secrets.get(&secret).map_or(&[][..], |ids| ids);
        let ids = known.iter().copied().chain([id]).collect();
        self.secrets.insert_mut(secret, ids);
    }

    fn remove_key(&mut self, id: ProviderKeyId) -> Option<Arc<ProviderKey>> {
        let key = Arc::clone(self.keys.get(&id)?);
        let record = &key.record;
        if let Some(gateway) = self.gateways.get_mut(record.gateway.as_str()) {
            let keys = &mut Arc::make_mut(gateway).keys;
            keys.remove(record.provider.as_str(), record.alias.as_str());
        }
        self.forget(record);
        Some(key)
    }

    /// Takes a key out of the indexes.
    fn forget(&mut self, record: &ProviderKeyRecord) {
        self.keys.remove_mut(&record.id);
        let known = self.secrets.get(&record.secret);
        let ids: Option<Arc<[_]>> = known.map(|ids| {
            let others = ids.iter().filter(|id| **id != record.id);
            others.copied().collect()
        });
        match ids {
            Some(ids) if !ids.is_empty() => self.secrets.insert_mut(record.secret, ids),
            Some(_none_left) => drop(self.secrets.remove_mut(&record.secret)),
            None => {}
        }
    }
}

impl Gateway {
    /// The record.
    #[must_use]
    pub const fn record(&self) -> &GatewayRecord {
        &self.record
    }

    /// Its provider keys, sorted by provider, then alias.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<ProviderKey>> {
        self.keys.iter()
    }

    /// How many provider keys it has.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The key for a provider under an alias. Allocates nothing, and takes two binary searches.
    #[must_use]
    pub fn key(&self, provider: &str, alias: &str) -> Option<&Arc<ProviderKey>> {
        self.keys.find(provider, alias)
    }

    /// The keys for one provider, sorted by alias. Allocates nothing.
    pub fn keys_for(&self, provider: &str) -> impl Iterator<Item = &Arc<ProviderKey>> {
        self.keys.of_provider(provider)
    }
}
