//! Everything in memory: no database, no authentication codes, nothing kept.

mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use keyward_auth::{TokenId, TokenRecord};
use keyward_secret::AccountId;
use keyward_vault::{
    SealState, SecretId, SecretRecord, SecretsStoreId, VaultStore, VersionNumber, VersionRecord,
    VersionState, rotation::Rotation,
};

use self::traffic::Traffic;
use crate::{
    AccountRecord, Actor, AuditEntry, AuditLine, AuditQuery, AuditResult, AuditState, AuditStore,
    Batch, BoxFuture, Change, CustomProviderId, CustomProviderRecord, Feed, GatewayId,
    GatewayRecord, Loaded, Part, ProviderKeyId, ProviderKeyRecord, RefusedAttempt, RegistryStore,
    RouteChange, RouteDeploymentRecord, RouteId, RouteRecord, RouteVersionId, RouteVersionRecord,
    Row, SecretsStoreRecord, StoreError, Subject, TrafficQuery, TrafficRow, TrafficStore,
    TrafficSums, traffic_secs,
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
    routes: BTreeMap<RouteId, RouteRecord>,
    route_versions: BTreeMap<(AccountId, RouteId, u32), RouteVersionRecord>,
    route_deployments: BTreeMap<(AccountId, RouteId, u32), RouteDeploymentRecord>,
    secrets: BTreeMap<(AccountId, SecretId), SecretRecord>,
    versions: BTreeMap<(AccountId, SecretId, VersionNumber), VersionRecord>,
    rotations: BTreeMap<(AccountId, SecretId), Rotation>,
    tokens: BTreeMap<TokenId, Used<TokenRecord>>,
    feed: Vec<(u64, Subject)>,
    audit: Vec<AuditLine>,
    log: Vec<AuditEntry>,
    traffic: Traffic,
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

/// A line about nothing, without the hashes and codes that nobody checks here.
fn entry(actor: &Actor, at: SystemTime) -> AuditEntry {
    let at = at.duration_since(SystemTime::UNIX_EPOCH);
    AuditEntry {
        seq: 0,
        revision: 0,
        format: 0,
        at: at.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        }),
        actor: actor.to_string(),
        source: actor.source().map(|source| source.to_string()),
        action: String::new(),
        result: AuditResult::Done.as_str().to_owned(),
        times: 1,
        subject_kind: "server".to_owned(),
        subject_account: None,
        subject_id: String::new(),
        rows: Vec::new(),
        rows_digest: String::new(),
        previous: String::new(),
        hash: String::new(),
        mac: String::new(),
    }
}

fn is_asked_for(query: &AuditQuery, entry: &AuditEntry) -> bool {
    let millis = |time: SystemTime| {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    };
    let fits = |wanted: &Option<String>, found: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted == found)
    };
    let is_ours = match &entry.subject_account {
        Some(account) => *account == query.account.to_string(),
        None => query.with_server,
    };
    let token = entry.actor.strip_prefix("token ");
    let is_beyond = query.after.is_none_or(|seq| {
        if query.newest_first {
            entry.seq < seq
        } else {
            entry.seq > seq
        }
    });
    is_ours
        && is_beyond
        && query.since.is_none_or(|since| entry.at >= millis(since))
        && query.before.is_none_or(|before| entry.at < millis(before))
        && (fits(&query.actor, &entry.actor) || fits(&query.actor, token.unwrap_or_default()))
        && fits(&query.token, token.unwrap_or_default())
        && fits(&query.source, entry.source.as_deref().unwrap_or_default())
        && fits(&query.action, &entry.action)
        && query
            .result
            .is_none_or(|result| result.as_str() == entry.result)
        && !(query.is_refused && entry.result == AuditResult::Done.as_str())
        && fits(&query.subject_kind, &entry.subject_kind)
        && fits(&query.subject_id, &entry.subject_id)
}

impl AuditStore for MemoryStore {
    fn append_refused(
        &self,
        attempts: Vec<RefusedAttempt>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut state = self.state();
        for attempt in attempts {
            let subject = attempt.subject.as_ref();
            let mut entry = AuditEntry {
                action: attempt.action.into_owned(),
                result: attempt.result.as_str().to_owned(),
                times: attempt.times,
                ..entry(&attempt.actor, attempt.at)
            };
            if let Some(subject) = subject {
                entry.subject_kind = subject.kind().to_owned();
                entry.subject_account = Some(subject.account().to_string());
                entry.subject_id = subject.id();
            }
            state.write_line(entry);
        }
        Box::pin(ready(Ok(())))
    }

    fn list_audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>> {
        let mut found: Vec<_> = self
            .state()
            .log
            .iter()
            .filter(|entry| is_asked_for(&query, entry))
            .cloned()
            .collect();
        if query.newest_first {
            found.reverse();
        }
        found.truncate(query.limit);
        Box::pin(ready(Ok(found)))
    }

    fn check_audit(&self) -> BoxFuture<'_, Result<AuditState, StoreError>> {
        Box::pin(ready(Ok(self.audit_state())))
    }

    fn audit_state(&self) -> AuditState {
        AuditState {
            verified_to: u64::try_from(self.state().log.len()).unwrap_or(u64::MAX),
            ..AuditState::default()
        }
    }
}

impl State {
    fn write_line(&mut self, entry: AuditEntry) {
        let seq = u64::try_from(self.log.len()).unwrap_or(u64::MAX);
        self.log.push(AuditEntry {
            seq: seq.saturating_add(1),
            revision: self.revision,
            ..entry
        });
    }

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
            Change::Route(change) => self.carry_out_route(change)?,
            Change::Vault(change) => self.carry_out_vault(change)?,
            Change::Token(keyward_auth::Change::PutToken(record)) => self.put_token(record)?,
            Change::Token(keyward_auth::Change::DeleteToken { account, id }) => {
                self.tokens
                    .retain(|known, (token, _)| *known != id || token.grant.account != account);
            }
        }
        Ok(())
    }

    fn carry_out_route(&mut self, change: RouteChange) -> Result<(), Conflict> {
        match change {
            RouteChange::PutRoute(record) => self.put_route(record)?,
            RouteChange::DeleteRoute { account, id } => {
                let is_other =
                    |place: &(AccountId, RouteId, u32)| (place.0, place.1) != (account, id);
                self.route_versions.retain(|place, _| is_other(place));
                self.route_deployments.retain(|place, _| is_other(place));
                self.routes
                    .retain(|known, route| *known != id || route.account != account);
            }
            RouteChange::PutVersion(record) => {
                let place = (record.account, record.route, record.number);
                if self.route_versions.insert(place, record).is_some() {
                    return Err(Conflict);
                }
            }
            RouteChange::DeleteVersion {
                account,
                route,
                number,
            } => {
                drop(self.route_versions.remove(&(account, route, number)));
            }
            RouteChange::PutDeployment(record) => {
                let place = (record.account, record.route, record.number);
                if self.route_deployments.insert(place, record).is_some() {
                    return Err(Conflict);
                }
            }
            RouteChange::DeleteDeployment {
                account,
                route,
                number,
            } => {
                drop(self.route_deployments.remove(&(account, route, number)));
            }
        }
        Ok(())
    }

    fn carry_out_vault(&mut self, change: keyward_vault::Change) -> Result<(), Conflict> {
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

    fn everything_has_a_secret(&self) -> bool {
        let versions = self.versions.keys().map(|place| (place.0, place.1));
        let mut all = versions.chain(self.rotations.keys().copied());
        all.all(|secret| self.secrets.contains_key(&secret))
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

    fn put_route(&mut self, record: RouteRecord) -> Result<(), Conflict> {
        let place =
            |route: &RouteRecord| (route.account, route.gateway.clone(), route.name.clone());
        let taken = self
            .routes
            .values()
            .any(|known| known.id != record.id && place(known) == place(&record));
        let known = self.routes.get(&record.id);
        if taken || known.is_some_and(|known| known.account != record.account) {
            return Err(Conflict);
        }
        self.routes.insert(record.id, record);
        Ok(())
    }

    fn deployed(&self, route: RouteRecord) -> (RouteRecord, Option<RouteVersionRecord>) {
        let version = self.route_versions.values().find(|version| {
            (version.account, version.route, version.id)
                == (route.account, route.id, route.deployed)
        });
        let version = version.cloned();
        (route, version)
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

    fn current(
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
            Subject::Route(account, id) => {
                let route = self.routes.get(id).cloned();
                route
                    .filter(|route| route.account == *account)
                    .map(|route| Row::Route(Box::new(self.deployed(route))))
            }
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
            routes: self
                .routes
                .values()
                .map(|route| self.deployed(route.clone()))
                .collect(),
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

fn newest<R: Clone>(
    records: &BTreeMap<(AccountId, RouteId, u32), R>,
    account: AccountId,
    route: RouteId,
    part: Part,
) -> Vec<R> {
    let ours = records.range((account, route, 0)..=(account, route, u32::MAX));
    let skipped = usize::try_from(part.skipped).unwrap_or(usize::MAX);
    let most = usize::try_from(part.most).unwrap_or(usize::MAX);
    let asked = ours.rev().skip(skipped).take(most);
    asked.map(|(_, record)| record.clone()).collect()
}

/// Never moves a time back; leaves out what does not exist.
fn touch<I: Copy + Ord, R>(records: &mut BTreeMap<I, Used<R>>, used: &[(I, SystemTime)]) {
    for (id, at) in used {
        if let Some((_, known)) = records.get_mut(id) {
            *known = (*known).max(Some(*at));
        }
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
        let found = newest(&self.state().route_versions, account, route, part);
        Box::pin(ready(Ok(found)))
    }

    fn find_route_version(
        &self,
        account: AccountId,
        route: RouteId,
        id: RouteVersionId,
    ) -> BoxFuture<'_, Result<Option<RouteVersionRecord>, StoreError>> {
        let state = self.state();
        let found = state
            .route_versions
            .values()
            .find(|version| (version.account, version.route, version.id) == (account, route, id));
        Box::pin(ready(Ok(found.cloned())))
    }

    fn route_deployments(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteDeploymentRecord>, StoreError>> {
        let found = newest(&self.state().route_deployments, account, route, part);
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
