//! A registry over a store in a directory, with one provider key whose value is `sk-1`.

use std::sync::Arc;

use keyward_providers::Catalogue;
use keyward_registry::{
    AccountRecord, Actor, Alias, AuditEntry, AuditQuery, AuditStore, CurrentValue, ExpiresAction,
    GatewayId, GatewaySettings, KeySource, KeyStatus, KeyValue, NewProviderKey, ProviderKey,
    ProviderKeyId, ProviderSlug, Refusal, Registry, StatusReason,
};
use keyward_secret::{Origin, SecretBytes};
use keyward_store::{AuditEvidence, AuditVerdict, DatabaseCopy, SqliteStore};
use keyward_vault::{
    VaultStore, VersionNumber, VersionState,
    rotation::{DEFAULT_OVERLAP, Event, RequestId, Rotation, RotationRequest},
};

pub(crate) use crate::support::time;
use crate::support::{ACCOUNT, Fixture, ORIGIN, record_id};

pub(crate) const ACTOR: Actor = Actor::Command("test");

pub(crate) struct Keys {
    fixture: Fixture,
    pub(crate) registry: Registry,
    key: ProviderKeyId,
    is_edited: bool,
}

pub(crate) fn number(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

pub(crate) fn value(text: &str) -> KeyValue {
    KeyValue::parse(&SecretBytes::copy_from(text.as_bytes())).unwrap()
}

pub(crate) fn asked(request: &str, verify: bool) -> RotationRequest {
    RotationRequest {
        request: RequestId::parse(request).unwrap(),
        overlap: DEFAULT_OVERLAP,
        verify,
    }
}

pub(crate) async fn registry(
    store: &Arc<SqliteStore>,
    vault: &Arc<keyward_vault::Vault>,
) -> Registry {
    let catalogue = Arc::new(Catalogue::built_in().unwrap());
    let store = Arc::clone(store);
    Registry::open(store, Arc::clone(vault), catalogue)
        .await
        .unwrap()
}

pub(crate) fn new_key(alias: &str, source: KeySource) -> NewProviderKey {
    NewProviderKey {
        account: ACCOUNT,
        gateway: GatewayId::parse("prod").unwrap(),
        provider: ProviderSlug::parse("openai").unwrap(),
        alias: Alias::parse(alias).unwrap(),
        source,
        description: String::new(),
        default_config: false,
        expires_at: None,
        expires_action: ExpiresAction::Stop,
        rate_limit: None,
        spend_limits: None,
    }
}

/// Makes the account, its gateway and the key.
pub(crate) async fn fill(registry: &Registry) -> ProviderKeyId {
    let account = AccountRecord {
        id: ACCOUNT,
        name: "test".to_owned(),
        created_at: time(0),
    };
    registry.create_account(account, ACTOR).await.unwrap();
    let (gateway, settings) = (
        GatewayId::parse("prod").unwrap(),
        GatewaySettings::default(),
    );
    registry
        .create_gateway(ACCOUNT, gateway, settings, ACTOR, time(0))
        .await
        .unwrap();
    let new = new_key("default", KeySource::Value(value("sk-1")));
    let key = registry.create_provider_key(new, ACTOR, time(0)).await;
    key.unwrap().record.id
}

impl Keys {
    pub(crate) async fn new() -> Self {
        let fixture = Fixture::new().await;
        let registry = registry(&fixture.store, &fixture.vault).await;
        let key = fill(&registry).await;
        Self {
            fixture,
            registry,
            key,
            is_edited: false,
        }
    }

    pub(crate) fn store(&self) -> &SqliteStore {
        &self.fixture.store
    }

    pub(crate) fn key(&self) -> Arc<ProviderKey> {
        self.find(self.key)
    }

    pub(crate) fn find(&self, key: ProviderKeyId) -> Arc<ProviderKey> {
        let snapshot = self.registry.snapshot();
        Arc::clone(snapshot.provider_key(ACCOUNT, key).unwrap())
    }

    pub(crate) async fn begin(
        &self,
        request: &str,
        text: &str,
        verify: bool,
    ) -> Result<Arc<ProviderKey>, Refusal> {
        self.begin_as(asked(request, verify), text).await
    }

    pub(crate) async fn begin_as(
        &self,
        asked: RotationRequest,
        text: &str,
    ) -> Result<Arc<ProviderKey>, Refusal> {
        self.registry
            .begin_rotation(ACCOUNT, self.key, &value(text), asked, ACTOR, time(0))
            .await
            .map_err(|error| error.refusal().clone())
    }

    pub(crate) async fn advance(
        &self,
        event: Event,
        seconds: u64,
    ) -> Result<Option<Rotation>, Refusal> {
        let secret = self.key().record.secret;
        self.registry
            .advance_rotation(ACCOUNT, secret, event, Actor::System, time(seconds))
            .await
            .map_err(|error| error.refusal().clone())
    }

    pub(crate) async fn judge(&self, version: u32, status: KeyStatus) {
        let why = (status != KeyStatus::Active).then(|| StatusReason {
            text: "it is refused".to_owned(),
            code: Some(401),
        });
        let secret = self.key().record.secret;
        self.registry
            .set_key_status(ACCOUNT, secret, number(version), status, why, time(5))
            .await
            .unwrap();
    }

    pub(crate) async fn replace(&self, text: &str) {
        self.registry
            .rotate_provider_key(ACCOUNT, self.key, &value(text), ACTOR, time(3))
            .await
            .unwrap();
    }

    /// A second key with the value of the first.
    pub(crate) async fn share(&self, alias: &str) -> ProviderKeyId {
        let new = new_key(alias, KeySource::Secret(self.key().record.secret));
        let key = self.registry.create_provider_key(new, ACTOR, time(1)).await;
        key.unwrap().record.id
    }

    pub(crate) async fn lose_secret(&self) {
        let secret = self.key().secret.clone().unwrap();
        self.registry
            .delete_secrets(ACCOUNT, secret.store, &[secret.id], ACTOR, time(1))
            .await
            .unwrap();
    }

    pub(crate) async fn delete(&self) {
        self.registry
            .delete_provider_key(ACCOUNT, self.key, ACTOR, time(2))
            .await
            .unwrap();
    }

    /// Changes one row behind the store's back.
    pub(crate) async fn edit(&mut self, sql: &'static str) {
        self.is_edited = true;
        let mut stranger = self.fixture.stranger().await;
        let edited = sqlx::query(sql).execute(&mut stranger).await.unwrap();
        assert_eq!(edited.rows_affected(), 1);
        sqlx::Connection::close(stranger).await.unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.fixture.reopen().await;
        self.registry = registry(&self.fixture.store, &self.fixture.vault).await;
    }

    pub(crate) fn open_rotations(&self) -> usize {
        self.registry.snapshot().open_rotations().count()
    }

    /// The values that a request may be sent with.
    #[track_caller]
    pub(crate) fn check(&self, current: &str, staged: Option<&str>, previous: Option<&str>) {
        let key = self.key();
        let found = [key.current.as_ref(), key.staged(), key.previous()];
        let expected = [Some(current), staged, previous].map(|text| text.map(str::to_owned));
        assert_eq!(found.map(|value| self.open(value)), expected);
    }

    pub(crate) fn open(&self, value: Option<&CurrentValue>) -> Option<String> {
        let value = value?;
        let origin = Origin::parse(ORIGIN).unwrap();
        let id = record_id(self.key().record.secret, value.version);
        let opened = self.fixture.vault.open(&value.sealed, &id, &origin);
        let opened = opened.unwrap().value;
        Some(String::from_utf8(opened.expose().to_vec()).unwrap())
    }

    /// The state of each version, rising.
    pub(crate) async fn states(&self) -> Vec<VersionState> {
        let secret = self.key().record.secret;
        let versions = self.store().list_versions(ACCOUNT, secret).await.unwrap();
        for version in &versions {
            let is_destroyed = version.state == VersionState::Destroyed;
            assert_eq!(version.sealed.is_none(), is_destroyed);
        }
        versions.iter().map(|version| version.state).collect()
    }

    /// Every line of the audit log.
    pub(crate) async fn lines(&self) -> Vec<AuditEntry> {
        let query = AuditQuery {
            limit: 1_000,
            ..AuditQuery::new(ACCOUNT)
        };
        self.store().list_audit(query).await.unwrap()
    }

    /// What the lines about rotations say was done.
    pub(crate) async fn actions(&self) -> Vec<String> {
        let lines = self.lines().await.into_iter().map(|line| line.action);
        lines.filter(|action| action.contains(".rotate")).collect()
    }

    /// The audit log is whole, and its rows are as it says.
    pub(crate) async fn close(self) {
        let verdict = self.store().verify_audit().await.unwrap();
        assert!(matches!(verdict, AuditVerdict::Whole { .. }), "{verdict:?}");
        self.fixture.store.close().await;
        let mut copy = DatabaseCopy::open(&self.fixture.path()).await.unwrap();
        let evidence = AuditEvidence {
            checkpoints: None,
            vault: Some(Arc::clone(&self.fixture.vault)),
        };
        let report = copy.check_audit(&evidence).await.unwrap();
        assert!(self.is_edited || report.findings.is_empty(), "{report:?}");
    }
}
