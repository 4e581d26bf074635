//! A vault, a store in a directory of its own, and records to put into it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_auth::{Grant, Kind, Permission, Permissions, TokenDigest, TokenId, TokenRecord};
use keyward_registry::{
    Actor, Alias, AuditLine, Batch, Change, GatewayId, GatewayRecord, GatewaySettings,
    ProviderKeyId, ProviderKeyRecord, ProviderSlug, RegistryStore, StoreError, Subject,
};
use keyward_secret::{AccountId, Destination, SecretBytes};
use keyward_store::{Database, SqliteStore};
use keyward_vault::{
    KeyFile, PassphraseParams, Policy, RecordId, SealedRecord, SecretId, SecretRecord,
    SecretsStoreId, Slot, Unlock, Vault, VersionNumber, version,
};
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

pub(crate) const ACCOUNT: AccountId = AccountId::from_bytes([0xa1; 16]);
pub(crate) const ORIGIN: &str = "https://api.openai.com";

/// An open store, and the directory that goes when it goes.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) directory: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (vault, _root) = Vault::create().unwrap();
        let vault = Arc::new(vault);
        let store = open(&database(directory.path()), &vault).await;
        Self {
            store: Arc::new(store),
            vault,
            directory,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        database(self.directory.path())
    }

    /// A connection that knows nothing of Keyward, as somebody with a shell has one.
    pub(crate) async fn stranger(&self) -> SqliteConnection {
        stranger(&self.path()).await
    }

    pub(crate) async fn reopen(&mut self) {
        self.store.close().await;
        self.store = Arc::new(open(&self.path(), &self.vault).await);
    }
}

pub(crate) fn database(directory: &Path) -> PathBuf {
    directory.join("keyward.db")
}

/// Closes the store of a fixture, and opens another one over the same file.
pub(crate) async fn open_again(fixture: &Fixture) -> SqliteStore {
    fixture.store.close().await;
    open(&fixture.path(), &fixture.vault).await
}

pub(crate) async fn open(path: &Path, vault: &Arc<Vault>) -> SqliteStore {
    let database = Database::open(path).await.unwrap();
    database.unlock(Arc::clone(vault)).await.unwrap()
}

pub(crate) async fn stranger(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    options.connect().await.unwrap()
}

/// Makes a vault with one key file slot, and keeps its seal in a new database.
pub(crate) async fn init(path: &Path) -> KeyFile {
    let file = KeyFile::generate().unwrap();
    let (vault, root) = Vault::create().unwrap();
    let params = PassphraseParams::build(PassphraseParams::MIN_MEMORY_KIB, 1, 1).unwrap();
    let slot = Slot::wrap(1, vault.id(), &root, &Unlock::KeyFile(&file), params).unwrap();
    let state = vault.seal_state(&root, vec![slot]).unwrap();
    let database = Database::open(path).await.unwrap();
    database.save_seal(state, None).await.unwrap();
    database.close().await;
    file
}

pub(crate) async fn unseal(path: &Path, file: &KeyFile) -> (SqliteStore, Arc<Vault>) {
    let database = Database::open(path).await.unwrap();
    let state = database.load_seal().await.unwrap().unwrap();
    let vault = Arc::new(Vault::unseal(&state, &Unlock::KeyFile(file)).unwrap());
    let store = database.unlock(Arc::clone(&vault)).await.unwrap();
    (store, vault)
}

pub(crate) async fn commit(store: &SqliteStore, changes: Vec<Change>) -> Result<u64, StoreError> {
    let audit = AuditLine {
        at: time(100),
        actor: Actor::Command("test"),
        action: "test.change",
        subject: Subject::Account(ACCOUNT),
    };
    RegistryStore::commit(store, Batch { changes, audit }).await
}

pub(crate) fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

pub(crate) fn gateway(id: &str) -> GatewayRecord {
    GatewayRecord {
        account: ACCOUNT,
        id: GatewayId::parse(id).unwrap(),
        settings: GatewaySettings::default(),
        created_at: time(1),
        modified_at: time(1),
    }
}

pub(crate) fn key(secret: SecretId) -> ProviderKeyRecord {
    let id = ProviderKeyId::from_bytes([0x1d; 16]);
    let place = (ACCOUNT, GatewayId::parse("default").unwrap());
    let name = (ProviderSlug::parse("openai").unwrap(), Alias::default());
    ProviderKeyRecord::new(id, place, name, secret, time(2))
}

pub(crate) fn token(number: u64, name: &str) -> TokenRecord {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    TokenRecord {
        id: TokenId::parse(&format!("{number:012}")).unwrap(),
        kind: Kind::Gateway,
        digest: TokenDigest::from_bytes(digest),
        retiring: None,
        name: name.to_owned(),
        grant: Grant::new(ACCOUNT, Permissions::from_iter([Permission::AiGatewayRun])),
        spend_limits: None,
        issued_at: time(3),
        modified_at: time(3),
    }
}

pub(crate) fn put_token(token: TokenRecord) -> Change {
    Change::Token(keyward_auth::Change::PutToken(token))
}

pub(crate) fn record_id(secret: SecretId, version: VersionNumber) -> RecordId {
    RecordId {
        account: ACCOUNT,
        secret,
        version,
    }
}

pub(crate) fn seal(
    vault: &Vault,
    secret: SecretId,
    version: VersionNumber,
    value: &str,
) -> SealedRecord {
    let policy = Policy {
        destination: Some(Destination::parse([ORIGIN]).unwrap()),
        context: Box::default(),
    };
    let value = SecretBytes::copy_from(value.as_bytes());
    vault
        .seal(&record_id(secret, version), &policy, &value)
        .unwrap()
}

/// The changes that store `value` as a new secret.
pub(crate) fn new_secret(vault: &Vault, id: SecretId, value: &str) -> Vec<Change> {
    let record = SecretRecord {
        id,
        account: ACCOUNT,
        store: SecretsStoreId::first_of(ACCOUNT),
        name: "default_openai_default".to_owned(),
        comment: String::new(),
        scopes: vec!["ai_gateway".to_owned()],
        current: None,
        created_at: time(4),
        modified_at: time(4),
    };
    let sealed = seal(vault, id, VersionNumber::FIRST, value);
    let changes = version::create(record, sealed, "••••".to_owned(), time(4));
    changes.into_iter().map(Change::Vault).collect()
}

/// The changes that replace the value of a stored secret.
pub(crate) async fn replacement(
    store: &SqliteStore,
    vault: &Vault,
    id: SecretId,
    value: &str,
) -> Vec<Change> {
    use keyward_vault::VaultStore;
    let (secret, current) = store.find_secret(ACCOUNT, id).await.unwrap().unwrap();
    let versions = current.as_slice();
    let number = version::next_number(&secret, versions).unwrap();
    let sealed = seal(vault, id, number, value);
    let changes = version::replace(&secret, versions, sealed, "••••".to_owned(), time(5)).unwrap();
    changes.into_iter().map(Change::Vault).collect()
}
