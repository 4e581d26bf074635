//! A store of one's own for the vault: one JSON file, replaced as a whole; and the contract suite that tells whether
//! it is a good one.
//!
//! Good for a few hundred secrets of one process. The point is the seam: implement [`VaultStore`], run
//! [`run_contract`] against it in your tests, and the vault works on your database. Tokens and the registry have a
//! trait and a suite of the same kind (`keyward_auth::testing`, `keyward_registry::testing`).
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

mod own_store {
    pub(crate) mod file;
    pub(crate) mod stored;
}

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

use keyward_examples::provider_key;
use keyward_secret::{AccountId, Destination, Origin};
use keyward_vault::{
    Policy, RecordId, SecretId, SecretRecord, SecretsStoreId, Vault, VaultStore, VersionNumber,
    testing::run_contract, version,
};

use crate::own_store::file::FileStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;

    // The suite panics at the first promise that the store breaks. It wants a new, empty store for each.
    let made = AtomicU32::new(0);
    run_contract(async || {
        let number = made.fetch_add(1, Ordering::Relaxed);
        FileStore::new(directory.path().join(format!("contract-{number}.json")))
    })
    .await;
    println!("the store keeps every promise of the contract");

    // In use: seal, store, and read by another handle of the same file.
    let (vault, _root_key) = Vault::create()?;
    let account = AccountId::from_bytes([1; 16]);
    let policy = Policy {
        destination: Some(Destination::parse(["https://api.openai.com"])?),
        context: Box::default(),
    };
    let id = RecordId {
        account,
        secret: SecretId::random()?,
        version: VersionNumber::FIRST,
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let secret = SecretRecord {
        id: id.secret,
        account,
        store: SecretsStoreId::first_of(account),
        name: "our openai key".to_owned(),
        comment: String::new(),
        scopes: Vec::new(),
        current: None,
        created_at: now,
        modified_at: now,
    };
    let file = directory.path().join("vault.json");
    let sealed = vault.seal(&id, &policy, &provider_key()?)?;
    let changes = version::create(secret, sealed, "sk-…".to_owned(), now);
    FileStore::new(&file).apply(changes).await?;

    let store = FileStore::new(&file);
    let found = store.find_secret(account, id.secret).await?;
    let (secret, current) = found.ok_or("the secret is not there")?;
    let sealed = current
        .and_then(|version| version.sealed)
        .ok_or("the secret has no value")?;
    let opened = vault.open(&sealed, &id, &Origin::parse("https://api.openai.com")?)?;
    println!(
        "stored and read again: `{}` opens: {}",
        secret.name,
        opened.value.ct_eq(&provider_key()?)
    );
    println!(
        "the file holds the value in clear: {}",
        holds(&std::fs::read(&file)?, opened.value.expose())
    );
    Ok(())
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
