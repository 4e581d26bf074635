//! The audit log of a database that an older schema wrote: its lines stay as they were, and are checked.

use std::{path::Path, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use keyward_store::AuditVerdict;
use keyward_vault::Vault;
use sha2::{Digest, Sha256};
use sqlx::{Connection, SqliteConnection, migrate::Migrator};

use crate::support::{commit, database, gateway, open, put_token, stranger, token};

fn put(digest: &mut Sha256, bytes: &[u8]) {
    digest.update((bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}

/// A line as the first schema wrote it, by the words of docs/audit.md.
async fn write_line(
    connection: &mut SqliteConnection,
    vault: &Vault,
    seq: i64,
    previous: [u8; 32],
) -> [u8; 32] {
    let (at, rows) = (1_800_000_000_000_i64 + seq, [9_u8; 32]);
    let texts = ["command old", "gateway.create", "gateway", "a1", "default"];
    let mut digest = Sha256::new();
    for number in [seq, seq, at] {
        digest.update(number.to_be_bytes());
    }
    for text in texts {
        put(&mut digest, text.as_bytes());
    }
    put(&mut digest, &rows);
    put(&mut digest, &previous);
    let hash: [u8; 32] = digest.finalize().into();
    let key = vault.newest_key();
    let subkey = vault.subkey(key, "keyward audit chain v1").unwrap();
    let mut hmac = Hmac::<Sha256>::new_from_slice(subkey.expose()).unwrap();
    hmac.update(&hash);
    let mac = [
        key.get().to_be_bytes().as_slice(),
        &hmac.finalize().into_bytes(),
    ]
    .concat();
    let insert = sqlx::query(
        "INSERT INTO audit (seq, revision, at, actor, action, subject_kind, subject_account,
             subject_id, rows_digest, previous, hash, mac)
         VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    );
    let [actor, action, kind, account, id] = texts;
    let insert = insert
        .bind(seq)
        .bind(at)
        .bind(actor)
        .bind(action)
        .bind(kind)
        .bind(account)
        .bind(id);
    let insert = insert.bind(rows.to_vec()).bind(previous.to_vec());
    let insert = insert.bind(hash.to_vec()).bind(mac);
    insert.execute(connection).await.unwrap();
    hash
}

#[tokio::test]
async fn lines_of_the_first_schema_stay_verifiable() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path());
    let vault = Arc::new(Vault::create().unwrap().0);

    // The first schema alone, with three lines.
    std::fs::File::create(&path).unwrap();
    let mut old = stranger(&path).await;
    let migrator = Migrator::new(Path::new("migrations")).await.unwrap();
    migrator.run_to(1, &mut old).await.unwrap();
    let mut previous = [0; 32];
    for seq in 1..=3 {
        previous = write_line(&mut old, &vault, seq, previous).await;
    }
    sqlx::query("UPDATE revision SET value = 3")
        .execute(&mut old)
        .await
        .unwrap();
    old.close().await.unwrap();

    let store = open(&path, &vault).await;
    let verdict = store.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Whole { lines: 3 });
    for change in [
        keyward_registry::Change::PutGateway(gateway("default")),
        put_token(token(1, "one")),
    ] {
        commit(&store, vec![change]).await.unwrap();
    }
    let verdict = store.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Whole { lines: 5 });

    // What an old line could not tell, nobody may put into its mouth.
    let mut stranger = stranger(&path).await;
    sqlx::query("UPDATE audit SET source = '10.0.0.1' WHERE seq = 2")
        .execute(&mut stranger)
        .await
        .unwrap();
    let verdict = store.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::BrokenAt { seq: 2 });
    store.close().await;
}
