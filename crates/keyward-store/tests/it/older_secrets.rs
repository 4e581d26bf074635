//! Secrets of a database that is older than secrets stores: they stand in the store that the account begins with,
//! under the codes that they have.

use std::{path::Path, sync::Arc};

use keyward_registry::{Canonical, Change, DecidingRow, RegistryStore, RowAuthenticator};
use keyward_vault::{SecretId, SecretRecord, SecretsStoreId, Vault};
use sqlx::{Connection, migrate::Migrator};

use crate::support::{ACCOUNT, commit, database, new_secret, open, stranger};

const SECRET: SecretId = SecretId::from_bytes([1; 16]);

/// A secret as the first schema authenticated it.
struct Old<'a>(&'a SecretRecord);

impl DecidingRow for Old<'_> {
    const KIND: &'static str = "secret";

    fn write(&self, out: &mut Canonical) {
        let secret = self.0;
        out.bytes(secret.id.as_bytes());
        out.bytes(secret.account.as_bytes());
        out.text(&secret.name);
        out.text(&secret.comment);
        out.list(secret.scopes.iter(), |out, scope| out.text(scope));
        out.option(secret.current, |out, number| {
            out.number(number.get().into());
        });
        out.time(secret.created_at);
        out.time(secret.modified_at);
    }
}

#[tokio::test]
async fn a_secret_of_the_first_schema_stands_in_the_first_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path());
    let vault = Arc::new(Vault::create().unwrap().0);
    std::fs::File::create(&path).unwrap();
    let mut old = stranger(&path).await;
    let migrator = Migrator::new(Path::new("migrations")).await.unwrap();
    migrator.run_to(1, &mut old).await.unwrap();
    let changes = new_secret(&vault, SECRET, "sk-old");
    let [Change::Vault(keyward_vault::Change::PutSecret(secret)), _] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    let mut secret = secret.clone();
    secret.current = None;
    let mac = RowAuthenticator::new(Arc::clone(&vault)).mac(&Old(&secret), 7);
    sqlx::query(
        "INSERT INTO secrets (account, id, name, comment, scopes, current, created_at, modified_at,
             revision, mac)
         VALUES ($1, $2, $3, $4, '[\"ai_gateway\"]', NULL, $5, $5, 7, $6)",
    )
    .bind(ACCOUNT.to_string())
    .bind(SECRET.to_string())
    .bind(&secret.name)
    .bind(&secret.comment)
    .bind(1_800_000_004_000_i64)
    .bind(mac.unwrap().to_bytes().to_vec())
    .execute(&mut old)
    .await
    .unwrap();
    old.close().await.unwrap();

    let store = open(&path, &vault).await;
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.tampered, []);
    assert_eq!(loaded.secrets, [(secret.clone(), None)]);
    assert_eq!(secret.store, SecretsStoreId::first_of(ACCOUNT));

    // It is written again as it was, and moved to another store by a write alone.
    secret.comment = "new".to_owned();
    let put =
        |secret: &SecretRecord| Change::Vault(keyward_vault::Change::PutSecret(secret.clone()));
    commit(&store, vec![put(&secret)]).await.unwrap();
    assert_eq!(store.load().await.unwrap().secrets[0].0, secret);
    let mut elsewhere = stranger(&path).await;
    sqlx::query("UPDATE secrets SET store = '57575757575757575757575757575757'")
        .execute(&mut elsewhere)
        .await
        .unwrap();
    let moved = store.load().await.unwrap();
    assert_eq!((moved.secrets.len(), moved.tampered.len()), (0, 1));
    secret.store = SecretsStoreId::from_bytes([0x57; 16]);
    commit(&store, vec![put(&secret)]).await.unwrap();
    assert_eq!(store.load().await.unwrap().secrets[0].0, secret);
    store.close().await;
}
