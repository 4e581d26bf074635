//! What was deleted is in no file any more.

use std::{fs, path::Path, time::Duration};

use keyward_registry::Change;
use keyward_vault::{SecretId, VaultStore};
use sqlx::Connection;

use crate::support::{ACCOUNT, Fixture, commit, new_secret, replacement};

const SECRET: SecretId = SecretId::from_bytes([1; 16]);

/// The files of `directory` that hold `needle`.
fn files_with(directory: &Path, needle: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        if content.windows(needle.len()).any(|window| window == needle) {
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    names
}

/// The end of the current value as it is stored: ciphertext and tag.
async fn stored_bytes(fixture: &Fixture) -> Vec<u8> {
    let secret = fixture.store.find_secret(ACCOUNT, SECRET).await.unwrap();
    let sealed = secret.unwrap().1.unwrap().sealed.unwrap();
    let bytes = sealed.as_bytes();
    bytes[bytes.len() - 24..].to_vec()
}

async fn deletion() -> (Fixture, Vec<u8>) {
    let fixture = Fixture::new().await;
    commit(
        &fixture.store,
        new_secret(&fixture.vault, SECRET, &"sk-0123456789".repeat(20)),
    )
    .await
    .unwrap();
    let needle = stored_bytes(&fixture).await;
    // The search finds what is there.
    assert!(!files_with(fixture.directory.path(), &needle).is_empty());
    (fixture, needle)
}

fn delete() -> Vec<Change> {
    vec![Change::Vault(keyward_vault::Change::DeleteSecret {
        account: ACCOUNT,
        secret: SECRET,
    })]
}

/// Whether no file holds the value within `limit`, without closing the store.
async fn is_erased_within(limit: Duration, fixture: &Fixture, needle: &[u8]) -> bool {
    let erased = async {
        while !files_with(fixture.directory.path(), needle).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(limit, erased).await.is_ok()
}

async fn wait_until_erased(fixture: &Fixture, needle: &[u8]) {
    let limit = Duration::from_secs(20);
    assert!(is_erased_within(limit, fixture, needle).await);
}

#[tokio::test]
async fn a_deleted_value_is_in_no_file_soon_and_after_closing() {
    let (fixture, needle) = deletion().await;
    commit(&fixture.store, delete()).await.unwrap();
    wait_until_erased(&fixture, &needle).await;
    fixture.store.close().await;
    assert_eq!(
        files_with(fixture.directory.path(), &needle),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn closing_at_once_erases_too() {
    let (fixture, needle) = deletion().await;
    commit(&fixture.store, delete()).await.unwrap();
    fixture.store.close().await;
    assert_eq!(
        files_with(fixture.directory.path(), &needle),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_replaced_value_is_in_no_file_soon() {
    let (fixture, needle) = deletion().await;
    let changes = replacement(&fixture.store, &fixture.vault, SECRET, "sk-new").await;
    commit(&fixture.store, changes).await.unwrap();
    wait_until_erased(&fixture, &needle).await;
    fixture.store.close().await;
}

#[tokio::test]
async fn the_log_is_truncated_once_the_last_reader_of_the_old_picture_is_gone() {
    let (fixture, needle) = deletion().await;
    let mut stranger = fixture.stranger().await;
    let mut reader = stranger.begin().await.unwrap();
    let _rows = sqlx::query("SELECT id FROM secrets")
        .fetch_all(&mut *reader)
        .await
        .unwrap();
    // The call returns although the reader stands in the way.
    commit(&fixture.store, delete()).await.unwrap();
    // Long enough for several tries to fail.
    let limit = Duration::from_millis(400);
    assert!(!is_erased_within(limit, &fixture, &needle).await);
    reader.rollback().await.unwrap();
    wait_until_erased(&fixture, &needle).await;
    stranger.close().await.unwrap();
    fixture.store.close().await;
}
