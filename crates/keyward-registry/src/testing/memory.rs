//! Everything in memory: no database, no authentication codes, nothing kept.

mod audit;
mod logs;
mod routes;
mod traffic;
mod vault;

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use keyward_auth::{TokenId, TokenRecord};
use keyward_routes::BudgetRow;
use keyward_secret::AccountId;
use keyward_vault::{
    SealState, SecretId, SecretRecord, SecretsStoreId, VersionNumber, VersionRecord, VersionState,
    rotation::Rotation,
};

use self::{audit::entry, logs::Logs, routes::Routes, traffic::Traffic};
use crate::{
    AccountRecord, AuditEntry, AuditLine, Batch, BoxFuture, BudgetStore, Change, CustomProviderId,
    CustomProviderRecord, Feed, GatewayId, GatewayRecord, Loaded, Part, ProviderKeyId,
    ProviderKeyRecord, RegistryStore, RouteDeploymentRecord, RouteId, RouteVersionId,
    RouteVersionRecord, Row, SecretsStoreRecord, StoreError, Subject, TrafficQuery, TrafficRow,
    TrafficStore, TrafficSums, traffic_secs,
};

/// Keeps everything in memory. Its futures are ready at once.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Clone, Debug, Default)]
struct State {
    revision: u64,
    seal: Option<SealState>,
    accounts: BTreeMap<AccountId, AccountRecord>,
    gateways: BTreeMap<(AccountId, GatewayId), GatewayRecord>,
    keys: BTreeMap<ProviderKeyId, Used<ProviderKeyRecord>>,
    secrets_stores: BTreeMap<(AccountId, SecretsStoreId), SecretsStoreRecord>,
    custom_providers: BTreeMap<CustomProviderId, CustomProviderRecord>,
    routes: Routes,
    secrets: BTreeMap<(AccountId, SecretId), SecretRecord>,
    versions: BTreeMap<(AccountId, SecretId, VersionNumber), VersionRecord>,
    rotations: BTreeMap<(AccountId, SecretId), Rotation>,
    tokens: BTreeMap<TokenId, Used<TokenRecord>>,
    feed: Vec<(u64, Subject)>,
    audit: Vec<AuditLine>,
    log: Vec<AuditEntry>,
    traffic: Traffic,
    logs: Logs,
    budgets: BTreeMap<[u8; 16], BudgetRow>,
}

/// A record, and when it was last used.
type Used<R> = (R, Option<SystemTime>);

/// The change contradicts what is stored.
struct Conflict;

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The audit lines of every batch, the oldest first.
    #[must_use]
    pub fn audit(&self) -> Vec<AuditLine> {
        self.state().audit.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All or none: works on a copy that takes the place of the state if it succeeds.
    fn change(&self, changes: Vec<Change>, audit: Option<AuditLine>) -> Result<u64, Conflict> {
        let mut state = self.state();
        if changes.is_empty() && audit.is_none() {
            return Ok(state.revision);
        }
        let mut next = state.clone();
        next.revision += 1;
        for change in changes {
            let subject = change.subject();
            next.carry_out(change)?;
            next.feed.retain(|(_, known)| *known != subject);
            next.feed.push((next.revision, subject));
        }
        if !next.everything_has_a_secret() {
            return Err(Conflict);
        }
        if let Some(line) = audit {
            let account = Some(line.subject.account().to_string());
            next.write_line(AuditEntry {
                action: line.action.to_owned(),
                subject_kind: line.subject.kind().to_owned(),
                subject_account: account,
                subject_id: line.subject.id(),
                ..entry(&line.actor, line.at)
            });
            next.audit.push(line);
        }
        *state = next;
        Ok(state.revision)
    }
}

impl State {
    fn carry_out(&mut self, change: Change) -> Result<(), Conflict> {
        match change {
            Change::PutAccount(record) => drop(self.accounts.insert(record.id, record)),
            Change::PutGateway(record) => self.put_gateway(record)?,
            Change::DeleteGateway { account, id } => drop(self.gateways.remove(&(account, id))),
            Change::PutProviderKey(record) => self.put_provider_key(record)?,
            Change::DeleteProviderKey { account, id } => {
                self.keys
                    .retain(|known, (key, _)| *known != id || key.account != account);
            }
            Change::PutSecretsStore(record) => self.put_secrets_store(record)?,
            Change::DeleteSecretsStore { account, id } => {
                drop(self.secrets_stores.remove(&(account, id)));
            }
            Change::PutCustomProvider(record) => self.put_custom_provider(*record)?,
            Change::DeleteCustomProvider { account, id } => {
                self.custom_providers
                    .retain(|known, provider| *known != id || provider.account != account);
            }
            Change::Route(change) => self.routes.carry_out(change)?,
            Change::Vault(change) => self.carry_out_vault(change)?,
            Change::Token(keyward_auth::Change::PutToken(record)) => self.put_token(record)?,
            Change::Token(keyward_auth::Change::DeleteToken { account, id }) => {
                self.tokens
                    .retain(|known, (token, _)| *known != id || token.grant.account != account);
            }
        }
        Ok(())
    }

    fn put_gateway(&mut self, record: GatewayRecord) -> Result<(), Conflict> {
        let place = (record.account, record.id.clone());
        let known = self.gateways.get(&place);
        if known.is_some_and(|known| known.created_at != record.created_at) {
            return Err(Conflict);
        }
        self.gateways.insert(place, record);
        Ok(())
    }

    fn put_provider_key(&mut self, record: ProviderKeyRecord) -> Result<(), Conflict> {
        let place = |key: &ProviderKeyRecord| {
            let names = (key.gateway.clone(), key.provider.clone(), key.alias.clone());
            (key.account, names)
        };
        let taken = self
            .keys
            .values()
            .any(|(known, _)| known.id != record.id && place(known) == place(&record));
        let known = self.keys.get(&record.id);
        if taken || known.is_some_and(|(known, _)| known.account != record.account) {
            return Err(Conflict);
        }
        let used = known.and_then(|(_, used)| *used);
        self.keys.insert(record.id, (record, used));
        Ok(())
    }

    fn put_secrets_store(&mut self, record: SecretsStoreRecord) -> Result<(), Conflict> {
        let taken = self.secrets_stores.values().any(|known| {
            known.id != record.id && (known.account, &known.name) == (record.account, &record.name)
        });
        if taken {
            return Err(Conflict);
        }
        self.secrets_stores
            .insert((record.account, record.id), record);
        Ok(())
    }

    fn put_custom_provider(&mut self, record: CustomProviderRecord) -> Result<(), Conflict> {
        let taken = self.custom_providers.values().any(|known| {
            known.id != record.id && known.account == record.account && known.slug == record.slug
        });
        let known = self.custom_providers.get(&record.id);
        if taken || known.is_some_and(|known| known.account != record.account) {
            return Err(Conflict);
        }
        self.custom_providers.insert(record.id, record);
        Ok(())
    }

    fn put_token(&mut self, record: TokenRecord) -> Result<(), Conflict> {
        let taken = self
            .tokens
            .values()
            .any(|(known, _)| known.id != record.id && known.shares_digest_with(&record));
        let known = self.tokens.get(&record.id);
        if taken || known.is_some_and(|(known, _)| known.grant.account != record.grant.account) {
            return Err(Conflict);
        }
        let used = known.and_then(|(_, used)| *used);
        self.tokens.insert(record.id, (record, used));
        Ok(())
    }

    fn read(&self, subject: &Subject) -> Option<Row> {
        match subject {
            Subject::Account(id) => self.accounts.get(id).cloned().map(Row::Account),
            Subject::Gateway(account, id) => {
                let gateway = self.gateways.get(&(*account, id.clone()));
                gateway.cloned().map(Row::Gateway)
            }
            Subject::ProviderKey(account, id) => {
                let key = self.keys.get(id).map(|(key, _)| key.clone());
                key.filter(|key| key.account == *account)
                    .map(Row::ProviderKey)
            }
            Subject::SecretsStore(account, id) => {
                let store = self.secrets_stores.get(&(*account, *id));
                store.cloned().map(Row::SecretsStore)
            }
            Subject::CustomProvider(account, id) => {
                let provider = self.custom_providers.get(id).cloned();
                provider
                    .filter(|provider| provider.account == *account)
                    .map(|provider| Row::CustomProvider(Box::new(provider)))
            }
            Subject::Route(account, id) => self
                .routes
                .find(*account, *id)
                .map(|route| Row::Route(Box::new(route))),
            Subject::Secret(account, id) => self
                .current(*account, *id)
                .map(|secret| Row::Secret(Box::new(secret))),
            Subject::Token(account, id) => {
                let token = self.tokens.get(id).map(|(token, _)| token.clone());
                token
                    .filter(|token| token.grant.account == *account)
                    .map(Row::Token)
            }
        }
    }

    fn load(&self) -> Loaded {
        let secrets = self.secrets.keys();
        let is_beside = |version: &&VersionRecord| {
            matches!(version.state, VersionState::Staged | VersionState::Retiring)
        };
        Loaded {
            revision: self.revision,
            accounts: self.accounts.values().cloned().collect(),
            gateways: self.gateways.values().cloned().collect(),
            provider_keys: self.keys.values().map(|(key, _)| key.clone()).collect(),
            secrets_stores: self.secrets_stores.values().cloned().collect(),
            custom_providers: self.custom_providers.values().cloned().collect(),
            routes: self.routes.all(),
            secrets: secrets
                .filter_map(|(account, id)| self.current(*account, *id))
                .collect(),
            rotations: self.rotations.values().cloned().collect(),
            beside: self.versions.values().filter(is_beside).cloned().collect(),
            tokens: self
                .tokens
                .values()
                .map(|(token, _)| token.clone())
                .collect(),
            keys_last_used: last_used(&self.keys),
            tokens_last_used: last_used(&self.tokens),
            tampered: Vec::new(),
        }
    }
}

fn last_used<I: Copy, R>(records: &BTreeMap<I, Used<R>>) -> Vec<(I, SystemTime)> {
    let used = records
        .iter()
        .filter_map(|(id, (_, used))| Some((*id, (*used)?)));
    used.collect()
}

/// Never moves a time back; leaves out what does not exist.
fn touch<I: Copy + Ord, R>(records: &mut BTreeMap<I, Used<R>>, used: &[(I, SystemTime)]) {
    for (id, at) in used {
        if let Some((_, known)) = records.get_mut(id) {
            *known = (*known).max(Some(*at));
        }
    }
}

impl BudgetStore for MemoryStore {
    fn save_budgets<'a>(
        &'a self,
        rows: &'a [BudgetRow],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let budgets = &mut self.state().budgets;
        budgets.extend(rows.iter().map(|row| (row.key.to_bytes(), *row)));
        budgets.retain(|_, row| !row.is_past(now));
        Box::pin(ready(Ok(())))
    }

    fn load_budgets(&self, now: SystemTime) -> BoxFuture<'_, Result<Vec<BudgetRow>, StoreError>> {
        let state = self.state();
        let rows = state.budgets.values().filter(|row| !row.is_past(now));
        Box::pin(ready(Ok(rows.copied().collect())))
    }
}

impl TrafficStore for MemoryStore {
    fn save_traffic<'a>(&'a self, rows: &'a [TrafficRow]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.state().traffic.add(rows);
        Box::pin(ready(Ok(())))
    }

    fn trim_traffic(
        &self,
        now: SystemTime,
        most_rows: u64,
    ) -> BoxFuture<'_, Result<u64, StoreError>> {
        let dropped = self.state().traffic.trim(traffic_secs(now), most_rows);
        Box::pin(ready(Ok(dropped)))
    }

    fn sum_traffic(&self, query: TrafficQuery) -> BoxFuture<'_, Result<TrafficSums, StoreError>> {
        let sums = self.state().traffic.sum(&query);
        Box::pin(ready(Ok(sums)))
    }
}

impl RegistryStore for MemoryStore {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, StoreError>> {
        Box::pin(ready(Ok(self.state().load())))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        let result = self
            .change(batch.changes, Some(batch.audit))
            .map_err(|Conflict| StoreError::conflict("store the change"));
        Box::pin(ready(result))
    }

    fn feed_after(&self, revision: u64) -> BoxFuture<'_, Result<Feed, StoreError>> {
        let state = self.state();
        let newer = state.feed.iter().filter(|(at, _)| *at > revision);
        let feed = Feed {
            revision: state.revision,
            subjects: newer.map(|(_, subject)| subject.clone()).collect(),
        };
        Box::pin(ready(Ok(feed)))
    }

    fn read<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(ready(Ok(self.state().read(subject))))
    }

    fn route_versions(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteVersionRecord>, StoreError>> {
        let found = self.state().routes.versions(account, route, part);
        Box::pin(ready(Ok(found)))
    }

    fn find_route_version(
        &self,
        account: AccountId,
        route: RouteId,
        id: RouteVersionId,
    ) -> BoxFuture<'_, Result<Option<RouteVersionRecord>, StoreError>> {
        let found = self.state().routes.find_version(account, route, id);
        Box::pin(ready(Ok(found)))
    }

    fn route_deployments(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteDeploymentRecord>, StoreError>> {
        let found = self.state().routes.deployments(account, route, part);
        Box::pin(ready(Ok(found)))
    }

    fn save_last_used<'a>(
        &'a self,
        keys: &'a [(ProviderKeyId, SystemTime)],
        tokens: &'a [(TokenId, SystemTime)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.state();
        touch(&mut state.keys, keys);
        touch(&mut state.tokens, tokens);
        Box::pin(ready(Ok(())))
    }
}
