//! Provider keys of a database that is older than rotations: they keep the codes that they have, and nobody gives them by
//! hand what those codes say nothing of.

use std::{path::Path, sync::Arc};

use keyward_registry::{
    Canonical, Change, DecidingRow, ExpiresAction, ProviderKeyRecord, RegistryStore,
    RowAuthenticator,
};
use keyward_routes::SpendLimits;
use keyward_vault::{SecretId, Vault};
use sqlx::{Connection, SqliteConnection, migrate::Migrator};

use crate::support::{commit, database, key, open, stranger};

/// A provider key as it was authenticated before schema 7.
struct Old<'a>(&'a ProviderKeyRecord);

impl DecidingRow for Old<'_> {
    const KIND: &'static str = "provider_key";

    fn write(&self, out: &mut Canonical) {
        let key = self.0;
        out.bytes(key.id.as_bytes());
        out.bytes(key.account.as_bytes());
        out.text(key.gateway.as_str());
        out.text(key.provider.as_str());
        out.text(key.alias.as_str());
        out.bytes(key.secret.as_bytes());
        out.number(u64::from(key.default_config));
        out.option(key.rate_limit, Canonical::number);
        out.option(key.rate_limit_period, Canonical::number);
        out.option(key.disabled_at, Canonical::time);
        out.option(key.expires_at, Canonical::time);
        out.text(key.status.as_str());
        out.option(key.status_reason.as_deref(), Canonical::text);
        out.option(key.status_since, Canonical::time);
        out.time(key.created_at);
        out.time(key.modified_at);
    }
}

async fn put_old(old: &mut SqliteConnection, vault: &Arc<Vault>, key: &ProviderKeyRecord) {
    let mac = RowAuthenticator::new(Arc::clone(vault)).mac(&Old(key), 7);
    sqlx::query(
        "INSERT INTO provider_keys (id, account, gateway, provider, alias, secret, default_config,
             status, created_at, modified_at, revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, 0, 'active', $7, $7, 7, $8)",
    )
    .bind(key.id.to_string())
    .bind(key.account.to_string())
    .bind(key.gateway.as_str())
    .bind(key.provider.as_str())
    .bind(key.alias.as_str())
    .bind(key.secret.to_string())
    .bind(1_800_000_002_000_i64)
    .bind(mac.unwrap().to_bytes().to_vec())
    .execute(old)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_key_that_is_older_than_rotations_keeps_its_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path());
    let vault = Arc::new(Vault::create().unwrap().0);
    std::fs::File::create(&path).unwrap();
    let mut old = stranger(&path).await;
    let migrator = Migrator::new(Path::new("migrations")).await.unwrap();
    migrator.run_to(6, &mut old).await.unwrap();
    let mut key = key(SecretId::from_bytes([1; 16]));
    put_old(&mut old, &vault, &key).await;
    old.close().await.unwrap();

    let store = open(&path, &vault).await;
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.tampered, []);
    assert_eq!(loaded.provider_keys, std::slice::from_ref(&key));
    assert_eq!(key.expires_action, ExpiresAction::Stop);

    for edit in [
        "UPDATE provider_keys SET expires_action = 'warn'",
        "UPDATE provider_keys SET expires_action = NULL, status_code = 401",
        "UPDATE provider_keys SET status_code = NULL, spend_limits = '{}'",
    ] {
        let mut elsewhere = stranger(&path).await;
        sqlx::query(edit).execute(&mut elsewhere).await.unwrap();
        elsewhere.close().await.unwrap();
        let edited = store.load().await.unwrap();
        let counts = (edited.provider_keys.len(), edited.tampered.len());
        assert_eq!(counts, (0, 1), "{edit}");
    }
    // By a write alone.
    key.expires_action = ExpiresAction::Warn;
    key.status_code = Some(401);
    key.spend_limits = Some(SpendLimits::new(true, Vec::new()).unwrap());
    commit(&store, vec![Change::PutProviderKey(key.clone())])
        .await
        .unwrap();
    assert_eq!(store.load().await.unwrap().provider_keys, [key]);
    store.close().await;
}
