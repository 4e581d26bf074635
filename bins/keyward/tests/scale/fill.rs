//! Fills a database by the store's own door, a thousand records at a time.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_auth::{Grant, Kind, NewToken, Permission, Permissions, TokenRecord};
use keyward_providers::{Catalogue, Override};
use keyward_registry::{
    AccountRecord, Actor, Alias, AuditLine, Batch, Change, GatewayId, GatewayRecord,
    GatewaySettings, ProviderKeyId, ProviderKeyRecord, ProviderSlug, Registry, RegistryStore,
    SecretsStoreRecord, Subject, testing::MemoryStore,
};
use keyward_secret::{AccountId, Destination, SecretBytes};
use keyward_store::SqliteStore;
use keyward_testing::{FakeProvider, Placement, TestCa};
use keyward_vault::{
    Policy, RecordId, SecretId, SecretRecord, SecretsStoreId, Vault, VersionNumber, version,
};
use tempfile::TempDir;

use crate::measure::allocated;

pub(crate) const ACCOUNT: AccountId = AccountId::from_bytes([0xAC; 16]);
pub(crate) const ACTOR: Actor = Actor::Command("scale");
/// Half of the keys stand in the gateway `big`, the others in gateways of this many.
const KEYS_PER_GATEWAY: usize = 100;
const BATCH: usize = 1_000;

/// A database file, and what opens it.
pub(crate) struct Database {
    directory: TempDir,
    vault: Arc<Vault>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) provider: FakeProvider,
    pub(crate) ca: TestCa,
}

/// What was put in.
#[derive(Default)]
pub(crate) struct Filled {
    gateways: usize,
    keys: usize,
    in_big: usize,
    tokens: usize,
    probe: Option<Probe>,
}

/// A token and a key that are looked up.
#[derive(Clone)]
pub(crate) struct Probe {
    pub(crate) digest: keyward_auth::TokenDigest,
    pub(crate) gateway: String,
    pub(crate) alias: String,
}

impl Filled {
    pub(crate) fn token_count(&self) -> usize {
        self.tokens
    }

    pub(crate) fn key_count(&self) -> usize {
        self.keys
    }

    pub(crate) fn in_big(&self) -> usize {
        self.in_big
    }

    pub(crate) fn gateway_count(&self) -> usize {
        self.gateways
    }

    pub(crate) fn probe(&self) -> Probe {
        self.probe.clone().unwrap()
    }
}

impl Database {
    pub(crate) async fn new() -> Self {
        let ca = TestCa::new();
        let keys = Vec::<String>::new();
        let provider = FakeProvider::start_tls(Placement::bearer(), keys, &ca).await;
        let base = Override {
            base_url: Some(provider.origin()),
            ..Override::default()
        };
        let catalogue = Catalogue::with_overrides(&[("openai".to_owned(), base)].into()).unwrap();
        let (vault, _root) = Vault::create().unwrap();
        let database = Self {
            directory: TempDir::new().unwrap(),
            vault: Arc::new(vault),
            catalogue: Arc::new(catalogue),
            provider,
            ca,
        };
        let account = AccountRecord {
            id: ACCOUNT,
            name: "scale".to_owned(),
            created_at: now(),
        };
        let store = database.store().await;
        let first = SecretsStoreRecord::first_of(ACCOUNT, now());
        let changes = vec![Change::PutAccount(account), Change::PutSecretsStore(first)];
        commit(&store, changes).await;
        store.close().await;
        database
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("keyward.db")
    }

    async fn store(&self) -> SqliteStore {
        let database = keyward_store::Database::open(&self.path()).await.unwrap();
        database.unlock(Arc::clone(&self.vault)).await.unwrap()
    }

    /// What `serve` does between opening the vault and listening.
    pub(crate) async fn open(&self) -> (Arc<Registry>, Arc<SqliteStore>) {
        let store = Arc::new(self.store().await);
        let (vault, catalogue) = (Arc::clone(&self.vault), Arc::clone(&self.catalogue));
        let registry = Registry::open(Arc::clone(&store) as _, vault, catalogue).await;
        (Arc::new(registry.unwrap()), store)
    }

    /// What the second of two registries takes, in bytes: the first is there for what is made once in a process.
    pub(crate) async fn memory(&self) -> usize {
        let (_first, store) = self.open().await;
        store.close().await;
        let before = allocated();
        let (_second, store) = self.open().await;
        store.close().await;
        drop(store);
        allocated().saturating_sub(before)
    }

    pub(crate) async fn add_keys(&self, count: usize, filled: &mut Filled) {
        let store = self.store().await;
        filled.keys = count;
        filled.in_big = count / 2;
        let mut changes = Vec::new();
        for number in 0..count {
            let is_big = number < filled.in_big;
            let gateway = match is_big {
                true => "big".to_owned(),
                false => format!("gateway-{}", (number - filled.in_big) / KEYS_PER_GATEWAY),
            };
            let is_first = match is_big {
                true => number == 0,
                false => (number - filled.in_big).is_multiple_of(KEYS_PER_GATEWAY),
            };
            if is_first {
                changes.push(Change::PutGateway(new_gateway(&gateway)));
                filled.gateways += 1;
            }
            changes.extend(self.new_key(&gateway, number));
            if number % BATCH == BATCH - 1 {
                commit(&store, std::mem::take(&mut changes)).await;
            }
        }
        commit(&store, changes).await;
        store.close().await;
    }

    pub(crate) async fn add_tokens(&self, count: usize, filled: &mut Filled) {
        let store = self.store().await;
        let mut changes = Vec::new();
        for number in 0..count {
            let record = new_token();
            if number == count / 2 {
                filled.probe = Some(Probe {
                    digest: record.digest,
                    gateway: "big".to_owned(),
                    alias: alias(filled.in_big / 2),
                });
            }
            changes.push(Change::Token(keyward_auth::Change::PutToken(record)));
            if number % BATCH == BATCH - 1 {
                commit(&store, std::mem::take(&mut changes)).await;
            }
        }
        commit(&store, changes).await;
        filled.tokens = count;
        store.close().await;
    }

    fn new_key(&self, gateway: &str, number: usize) -> Vec<Change> {
        let origin = self.provider.origin();
        new_key(&self.vault, &origin, gateway, number)
    }
}

fn new_key(vault: &Vault, origin: &str, gateway: &str, number: usize) -> Vec<Change> {
    let secret = SecretId::random().unwrap();
    let id = RecordId {
        account: ACCOUNT,
        secret,
        version: VersionNumber::FIRST,
    };
    let policy = Policy {
        destination: Some(Destination::parse([origin]).unwrap()),
        context: Box::default(),
    };
    let value = SecretBytes::new(format!("sk-scale-{number:032}").into_bytes());
    let sealed = vault.seal(&id, &policy, &value).unwrap();
    let record = SecretRecord {
        id: secret,
        account: ACCOUNT,
        store: SecretsStoreId::first_of(ACCOUNT),
        name: format!("{gateway}_openai_{}", alias(number)),
        comment: String::new(),
        scopes: vec!["ai_gateway".to_owned()],
        current: None,
        created_at: now(),
        modified_at: now(),
    };
    let mut changes: Vec<_> = version::create(record, sealed, "••••0000".to_owned(), now())
        .into_iter()
        .map(Change::Vault)
        .collect();
    let key = SecretId::random().unwrap();
    let id = ProviderKeyId::from_bytes(*key.as_bytes());
    let place = (ACCOUNT, GatewayId::parse(gateway).unwrap());
    let name = (
        ProviderSlug::parse("openai").unwrap(),
        Alias::parse(&alias(number)).unwrap(),
    );
    let record = ProviderKeyRecord::new(id, place, name, secret, now());
    changes.push(Change::PutProviderKey(record));
    changes
}

/// A store in memory with ten keys and ten tokens, to compare with.
pub(crate) struct Few {
    pub(crate) registry: Registry,
    probe: Probe,
}

impl Few {
    pub(crate) fn probe(&self) -> Probe {
        self.probe.clone()
    }
}

pub(crate) async fn small() -> Few {
    let (vault, _root) = Vault::create().unwrap();
    let store = MemoryStore::new();
    let account = AccountRecord {
        id: ACCOUNT,
        name: "few".to_owned(),
        created_at: now(),
    };
    let mut changes = vec![
        Change::PutAccount(account),
        Change::PutGateway(new_gateway("big")),
    ];
    for number in 0..10 {
        changes.extend(new_key(&vault, "https://api.openai.com", "big", number));
    }
    let tokens: Vec<_> = (0..10).map(|_number| new_token()).collect();
    let probe = Probe {
        digest: tokens[5].digest,
        gateway: "big".to_owned(),
        alias: alias(5),
    };
    let tokens = tokens.into_iter().map(keyward_auth::Change::PutToken);
    changes.extend(tokens.map(Change::Token));
    commit(&store, changes).await;
    let catalogue = Catalogue::built_in().unwrap();
    let registry = Registry::open(Arc::new(store), Arc::new(vault), Arc::new(catalogue));
    Few {
        registry: registry.await.unwrap(),
        probe,
    }
}

fn new_gateway(id: &str) -> GatewayRecord {
    GatewayRecord {
        account: ACCOUNT,
        id: GatewayId::parse(id).unwrap(),
        settings: GatewaySettings::default(),
        created_at: now(),
        modified_at: now(),
    }
}

fn new_token() -> TokenRecord {
    let token = NewToken::generate(Kind::Gateway).unwrap();
    TokenRecord {
        id: token.id,
        kind: Kind::Gateway,
        digest: token.digest,
        retiring: None,
        name: "an application".to_owned(),
        grant: Grant::new(ACCOUNT, Permissions::from_iter([Permission::AiGatewayRun])),
        spend_limits: None,
        issued_at: now(),
        modified_at: now(),
    }
}

pub(crate) fn alias(number: usize) -> String {
    format!("key-{number:06}")
}

async fn commit(store: &dyn RegistryStore, changes: Vec<Change>) {
    let audit = AuditLine {
        at: now(),
        actor: ACTOR,
        action: "scale.fill",
        subject: Subject::Account(ACCOUNT),
    };
    store.commit(Batch { changes, audit }).await.unwrap();
}

/// One moment for everything that is put in.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}
