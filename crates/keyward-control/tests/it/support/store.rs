//! A store in memory that can be told to fail.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use keyward_auth::{TokenId, TokenRecord};
use keyward_registry::{
    AccountRecord, AuditEntry, AuditFinding, AuditQuery, AuditState, AuditStore, Batch, BoxFuture,
    BudgetStore, Change, CustomProviderId, CustomProviderRecord, Feed, GatewayRecord, Loaded,
    LogBody, LogDeletion, LogEntry, LogId, LogLimit, LogPage, LogPatch, LogPlace, LogQuery,
    LogRecord, LogScan, LogSide, LogStore, LogSumQuery, LogSums, LogTrim, Part, ProviderKeyId,
    ProviderKeyRecord, RefusedAttempt, RegistryStore, RouteDeploymentRecord, RouteId,
    RouteVersionId, RouteVersionRecord, Row, SecretsStoreRecord, StoreError, Subject, TrafficQuery,
    TrafficRow, TrafficStore, TrafficSums,
};
use keyward_routes::BudgetRow;
use keyward_secret::AccountId;
use keyward_vault::{
    SealState, SecretId, SecretRecord, SecretsStoreId, VaultStore, VersionRecord,
    rotation::Rotation, testing::MemoryStore,
};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct FakeStore {
    /// The revision from which on every write fails.
    pub(crate) down_from: OnceLock<u64>,
    /// While it is set, no secret is read.
    pub(crate) is_silent: AtomicBool,
    /// How often anything was read: secrets, the audit log, how many requests there were.
    pub(crate) lookups: AtomicUsize,
    /// What a check of the audit log finds.
    pub(crate) findings: Mutex<Vec<AuditFinding>>,
    /// While it is set, a write is stored and its call does not return.
    pub(crate) is_held: AtomicBool,
    pub(crate) released: Notify,
    vault: MemoryStore,
    log: keyward_registry::testing::MemoryStore,
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    revision: u64,
    feed: Vec<(u64, Subject)>,
    accounts: BTreeMap<AccountId, AccountRecord>,
    gateways: BTreeMap<(AccountId, String), GatewayRecord>,
    keys: BTreeMap<ProviderKeyId, ProviderKeyRecord>,
    custom_providers: BTreeMap<CustomProviderId, CustomProviderRecord>,
    stores: BTreeMap<(AccountId, SecretsStoreId), SecretsStoreRecord>,
    tokens: BTreeMap<TokenId, TokenRecord>,
}

impl FakeStore {
    /// Counts a look-up of secrets, which fails while the store is silent.
    fn hear(&self) -> Result<(), keyward_vault::StoreError> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        if self.is_silent.load(Ordering::Relaxed) {
            return Err(keyward_vault::StoreError::unavailable(
                "read a secret",
                "disk canary-path /var/lib is gone",
            ));
        }
        Ok(())
    }

    /// How many writes are stored.
    pub(crate) fn revision(&self) -> u64 {
        self.rows.lock().unwrap().revision
    }
}

impl RegistryStore for FakeStore {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, StoreError>> {
        Box::pin(async { Ok(Loaded::default()) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            if self
                .down_from
                .get()
                .is_some_and(|from| self.revision() >= *from)
            {
                return Err(StoreError::unavailable(
                    "write",
                    "disk canary-path /var/lib is gone",
                ));
            }
            let mut vault = Vec::new();
            let mut routes = Vec::new();
            let revision = {
                let mut rows = self.rows.lock().unwrap();
                rows.revision += 1;
                let revision = rows.revision;
                for change in batch.changes {
                    rows.feed.push((revision, change.subject()));
                    if matches!(change.subject(), Subject::Route(..)) {
                        routes.push(change);
                    } else {
                        rows.apply(change, &mut vault);
                    }
                }
                revision
            };
            self.vault.apply(vault).await.unwrap();
            let line = Batch {
                changes: routes,
                audit: batch.audit,
            };
            self.log.commit(line).await.unwrap();
            if self.is_held.load(Ordering::Relaxed) {
                self.released.notified().await;
            }
            Ok(revision)
        })
    }

    fn feed_after(&self, revision: u64) -> BoxFuture<'_, Result<Feed, StoreError>> {
        let rows = self.rows.lock().unwrap();
        let feed = Feed {
            revision: rows.revision,
            subjects: rows
                .feed
                .iter()
                .filter(|(at, _)| *at > revision)
                .map(|(_, subject)| subject.clone())
                .collect(),
        };
        Box::pin(async { Ok(feed) })
    }

    fn read<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async move {
            if let Subject::Secret(account, id) = subject {
                let found = self.vault.find_secret(*account, *id).await.unwrap();
                return Ok(found.map(|found| Row::Secret(Box::new(found))));
            }
            if let Subject::Route(..) = subject {
                return self.log.read(subject).await;
            }
            Ok(self.rows.lock().unwrap().find(subject))
        })
    }

    fn route_versions(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteVersionRecord>, StoreError>> {
        self.log.route_versions(account, route, part)
    }

    fn find_route_version(
        &self,
        account: AccountId,
        route: RouteId,
        id: RouteVersionId,
    ) -> BoxFuture<'_, Result<Option<RouteVersionRecord>, StoreError>> {
        self.log.find_route_version(account, route, id)
    }

    fn route_deployments(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteDeploymentRecord>, StoreError>> {
        self.log.route_deployments(account, route, part)
    }

    fn save_last_used<'a>(
        &'a self,
        _keys: &'a [(ProviderKeyId, SystemTime)],
        _tokens: &'a [(TokenId, SystemTime)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

impl BudgetStore for FakeStore {
    fn save_budgets<'a>(
        &'a self,
        rows: &'a [BudgetRow],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.log.save_budgets(rows, now)
    }

    fn load_budgets(&self, now: SystemTime) -> BoxFuture<'_, Result<Vec<BudgetRow>, StoreError>> {
        self.log.load_budgets(now)
    }
}

impl TrafficStore for FakeStore {
    fn save_traffic<'a>(&'a self, rows: &'a [TrafficRow]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.log.save_traffic(rows)
    }

    fn trim_traffic(
        &self,
        now: SystemTime,
        most_rows: u64,
    ) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.log.trim_traffic(now, most_rows)
    }

    fn sum_traffic(&self, query: TrafficQuery) -> BoxFuture<'_, Result<TrafficSums, StoreError>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.log.sum_traffic(query)
    }
}

impl LogStore for FakeStore {
    fn save_logs<'a>(
        &'a self,
        records: &'a [LogRecord],
        limits: &'a [LogLimit],
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.log.save_logs(records, limits)
    }

    fn list_logs(&self, query: LogQuery) -> BoxFuture<'_, Result<LogPage, StoreError>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.log.list_logs(query)
    }

    fn scan_logs(&self, scan: LogScan) -> BoxFuture<'_, Result<Vec<LogEntry>, StoreError>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.log.scan_logs(scan)
    }

    fn sum_logs(&self, query: LogSumQuery) -> BoxFuture<'_, Result<LogSums, StoreError>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.log.sum_logs(query)
    }

    fn find_log(
        &self,
        place: LogPlace,
        id: LogId,
    ) -> BoxFuture<'_, Result<Option<LogEntry>, StoreError>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.log.find_log(place, id)
    }

    fn find_log_body(
        &self,
        place: LogPlace,
        id: LogId,
        side: LogSide,
    ) -> BoxFuture<'_, Result<Option<LogBody>, StoreError>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.log.find_log_body(place, id, side)
    }

    fn patch_log(
        &self,
        place: LogPlace,
        id: LogId,
        patch: LogPatch,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.log.patch_log(place, id, patch)
    }

    fn delete_logs(&self, deletion: LogDeletion) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.log.delete_logs(deletion)
    }

    fn trim_logs(&self, place: LogPlace, trim: LogTrim) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.log.trim_logs(place, trim)
    }

    fn count_logs(&self) -> BoxFuture<'_, Result<Vec<(LogPlace, u64)>, StoreError>> {
        self.log.count_logs()
    }
}

impl AuditStore for FakeStore {
    fn append_refused(
        &self,
        attempts: Vec<RefusedAttempt>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.log.append_refused(attempts)
    }

    fn list_audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.log.list_audit(query)
    }

    fn check_audit(&self) -> BoxFuture<'_, Result<AuditState, StoreError>> {
        let state = self.audit_state();
        Box::pin(async { Ok(state) })
    }

    fn audit_state(&self) -> AuditState {
        AuditState {
            findings: self.findings.lock().unwrap().clone(),
            ..self.log.audit_state()
        }
    }
}

impl Rows {
    fn apply(&mut self, change: Change, vault: &mut Vec<keyward_vault::Change>) {
        match change {
            Change::PutAccount(account) => drop(self.accounts.insert(account.id, account)),
            Change::PutGateway(gateway) => {
                drop(
                    self.gateways
                        .insert((gateway.account, gateway.id.to_string()), gateway),
                );
            }
            Change::DeleteGateway { account, id } => {
                drop(self.gateways.remove(&(account, id.to_string())))
            }
            Change::PutProviderKey(key) => drop(self.keys.insert(key.id, key)),
            Change::DeleteProviderKey { id, .. } => drop(self.keys.remove(&id)),
            Change::PutCustomProvider(provider) => {
                drop(self.custom_providers.insert(provider.id, *provider));
            }
            Change::DeleteCustomProvider { id, .. } => drop(self.custom_providers.remove(&id)),
            Change::PutSecretsStore(store) => {
                drop(self.stores.insert((store.account, store.id), store))
            }
            Change::DeleteSecretsStore { account, id } => drop(self.stores.remove(&(account, id))),
            Change::Route(_) => unreachable!("kept apart"),
            Change::Vault(change) => vault.push(change),
            Change::Token(keyward_auth::Change::PutToken(token)) => {
                drop(self.tokens.insert(token.id, token))
            }
            Change::Token(keyward_auth::Change::DeleteToken { id, .. }) => {
                drop(self.tokens.remove(&id))
            }
        }
    }

    fn find(&self, subject: &Subject) -> Option<Row> {
        match subject {
            Subject::Account(id) => self.accounts.get(id).cloned().map(Row::Account),
            Subject::Gateway(account, id) => self
                .gateways
                .get(&(*account, id.to_string()))
                .cloned()
                .map(Row::Gateway),
            Subject::ProviderKey(_, id) => self.keys.get(id).cloned().map(Row::ProviderKey),
            Subject::CustomProvider(_, id) => {
                let provider = self.custom_providers.get(id).cloned();
                provider.map(|provider| Row::CustomProvider(Box::new(provider)))
            }
            Subject::Token(_, id) => self.tokens.get(id).cloned().map(Row::Token),
            Subject::SecretsStore(account, id) => self
                .stores
                .get(&(*account, *id))
                .cloned()
                .map(Row::SecretsStore),
            Subject::Secret(..) | Subject::Route(..) => None,
        }
    }
}

impl VaultStore for FakeStore {
    fn load_seal(&self) -> BoxFuture<'_, Result<Option<SealState>, keyward_vault::StoreError>> {
        self.vault.load_seal()
    }

    fn save_seal(
        &self,
        state: SealState,
        expected: Option<u64>,
    ) -> BoxFuture<'_, Result<(), keyward_vault::StoreError>> {
        self.vault.save_seal(state, expected)
    }

    fn find_secret(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<
        '_,
        Result<Option<(SecretRecord, Option<VersionRecord>)>, keyward_vault::StoreError>,
    > {
        match self.hear() {
            Ok(()) => self.vault.find_secret(account, secret),
            Err(silent) => Box::pin(async { Err(silent) }),
        }
    }

    fn find_secrets<'a>(
        &'a self,
        account: AccountId,
        secrets: &'a [SecretId],
    ) -> BoxFuture<'a, Result<Vec<(SecretRecord, Option<VersionRecord>)>, keyward_vault::StoreError>>
    {
        match self.hear() {
            Ok(()) => self.vault.find_secrets(account, secrets),
            Err(silent) => Box::pin(async { Err(silent) }),
        }
    }

    fn list_secrets(
        &self,
        account: AccountId,
    ) -> BoxFuture<'_, Result<Vec<SecretRecord>, keyward_vault::StoreError>> {
        self.vault.list_secrets(account)
    }

    fn list_versions(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Vec<VersionRecord>, keyward_vault::StoreError>> {
        self.vault.list_versions(account, secret)
    }

    fn find_rotation(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Option<Rotation>, keyward_vault::StoreError>> {
        self.vault.find_rotation(account, secret)
    }

    fn apply(
        &self,
        changes: Vec<keyward_vault::Change>,
    ) -> BoxFuture<'_, Result<(), keyward_vault::StoreError>> {
        self.vault.apply(changes)
    }
}
