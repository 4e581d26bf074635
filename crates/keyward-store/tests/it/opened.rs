//! Opening: what is not a whole database of this version is refused in one sentence, and left as it is.

use std::{
    error::Error,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use keyward_registry::RegistryStore;
use keyward_store::{Database, OpenError};
use keyward_vault::Vault;
use sqlx::Connection;
use tempfile::TempDir;

use crate::support::{Fixture, commit, database, init, open, put_token, stranger, token, unseal};

/// SQLite's page size, unless somebody sets another.
const PAGE: usize = 4_096;

/// A database with some rows, closed.
async fn written() -> (TempDir, PathBuf) {
    let fixture = Fixture::new().await;
    for number in 0..40 {
        let token = token(number, &"name".repeat(50));
        commit(&fixture.store, vec![put_token(token)])
            .await
            .unwrap();
    }
    fixture.store.close().await;
    let path = fixture.path();
    (fixture.directory, path)
}

async fn refused(path: &Path) -> OpenError {
    let before = fs::read(path).ok();
    let error = Database::open(path).await.expect_err("it opened");
    assert_eq!(fs::read(path).ok(), before, "the file was changed");
    let sentence = error.to_string();
    assert!(
        sentence.starts_with("cannot open the database "),
        "{sentence}"
    );
    assert!(!sentence.contains('\n'), "{sentence}");
    error
}

#[tokio::test]
async fn a_new_file_is_private() {
    let fixture = Fixture::new().await;
    commit(&fixture.store, vec![put_token(token(1, "one"))])
        .await
        .unwrap();
    for entry in fs::read_dir(fixture.directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
    }
    fixture.store.ping().await.unwrap();
    fixture.store.close().await;
    assert!(fixture.store.ping().await.is_err());
    fixture.store.close().await;
}

#[tokio::test]
async fn a_seal_is_found_again_and_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path());
    let file = init(&path).await;
    let (store, vault) = unseal(&path, &file).await;
    commit(&store, vec![put_token(token(1, "one"))])
        .await
        .unwrap();
    store.close().await;
    let (store, again) = unseal(&path, &file).await;
    assert_eq!(again.id(), vault.id());
    assert_eq!(store.load().await.unwrap().tokens, [token(1, "one")]);
    store.close().await;
}

#[tokio::test]
async fn another_vault_honours_no_row() {
    let (directory, path) = written().await;
    let (other, _root) = Vault::create().unwrap();
    let store = open(&path, &Arc::new(other)).await;
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.tokens.len(), loaded.tampered.len()), (0, 40));
    store.close().await;
    drop(directory);
}

#[tokio::test]
async fn the_directory_must_exist() {
    let directory = tempfile::tempdir().unwrap();
    let error = refused(&directory.path().join("none/keyward.db")).await;
    assert!(error.is_missing_directory(), "{error:?}");
    assert!(!directory.path().join("none").exists());
}

#[tokio::test]
async fn one_process_at_a_time() {
    let fixture = Fixture::new().await;
    let error = refused(&fixture.path()).await;
    assert!(error.is_in_use(), "{error:?}");
    fixture.store.close().await;
    Database::open(&fixture.path()).await.unwrap().close().await;
}

#[tokio::test]
async fn a_file_of_another_kind_is_no_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path());
    fs::write(&path, "listen = \"127.0.0.1:8787\"\n".repeat(100)).unwrap();
    let error = refused(&path).await;
    assert!(error.is_damaged(), "{error:?}");
}

#[tokio::test]
async fn somebody_elses_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path());
    fs::write(&path, "").unwrap();
    let mut connection = stranger(&path).await;
    sqlx::query("CREATE TABLE theirs (id INTEGER)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let error = refused(&path).await;
    assert!(error.is_damaged(), "{error:?}");
}

#[tokio::test]
async fn damaged_pages_and_a_cut_file_are_noticed() {
    let (directory, path) = written().await;
    let whole = fs::read(&path).unwrap();
    // Every page but the first, whose header says what the file is; each alone.
    let pages = whole.len() / PAGE;
    assert!(pages > 10);
    for page in 1..pages {
        let mut damaged = whole.clone();
        damaged[page * PAGE..][..PAGE].fill(0x5a);
        fs::write(&path, &damaged).unwrap();
        let error = refused(&path).await;
        assert!(error.is_damaged(), "page {page}: {error:?}");
    }

    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = refused(&path).await;
    assert!(error.is_damaged(), "{error:?}");

    fs::write(&path, &whole).unwrap();
    Database::open(&path).await.unwrap().close().await;
    drop(directory);
}

#[tokio::test]
async fn a_newer_schema_is_named_and_left_alone() {
    let (directory, path) = written().await;
    let mut connection = stranger(&path).await;
    sqlx::query("PRAGMA user_version = 70")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let error = refused(&path).await;
    assert!(error.is_newer(), "{error:?}");
    let sentence = error.to_string();
    let known = format!("up to {};", Database::newest_schema());
    assert!(
        sentence.contains("schema 70") && sentence.contains(&known),
        "{sentence}"
    );
    drop(directory);
}

#[tokio::test]
async fn no_error_holds_a_value_of_a_row() {
    let fixture = Fixture::new().await;
    let one = token(1, "marked-name");
    commit(&fixture.store, vec![put_token(one.clone())])
        .await
        .unwrap();
    let mut same_digest = token(2, "marked-name");
    same_digest.digest = one.digest;
    let conflict = commit(&fixture.store, vec![put_token(same_digest)])
        .await
        .unwrap_err();
    assert!(conflict.is_conflict());
    let mut stranger = stranger(&fixture.path()).await;
    sqlx::query("DROP TABLE feed")
        .execute(&mut stranger)
        .await
        .unwrap();
    let failed = commit(&fixture.store, vec![put_token(token(3, "marked-name"))])
        .await
        .unwrap_err();
    assert!(!failed.is_conflict());
    for error in [conflict, failed] {
        let mut text = format!("{error} {error:?}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text += &format!(" {error} {error:?}");
            cause = error.source();
        }
        assert!(!text.contains("marked-name"), "{text}");
    }
}

/// The kernel lets nobody make a file in sysfs, not even root, for whom permissions count nothing.
#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let error = refused(Path::new("/sys/keyward.db")).await;
    assert!(error.is_read_only(), "{error:?} {:?}", error.source());
}
