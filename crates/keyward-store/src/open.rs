//! Opening a database file: lock, look, migrate. Nothing is changed in a file that is not ours to change.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use keyward_vault::{SealState, StoreError, Vault};
use sqlx::{Connection, Sqlite, SqlitePool, migrate::Migrator, sqlite::SqliteConnection};

use crate::{
    OpenError, SqliteStore, connect,
    failure::{BUSY, Failure, primary_code},
    lock::{Lock, LockError},
    seal,
};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// `KWRD`, in the file's header.
const APPLICATION_ID: i64 = 0x4b57_5244;
/// What the newest migration sets as `user_version`.
const SCHEMA: i64 = 13;

/// A database file whose schema is current. Still sealed: it offers the seal, and rows once it is
/// [unlocked](Self::unlock).
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    writer: SqlitePool,
    lock: Lock,
}

impl Database {
    /// Opens the file, or makes it (mode 0600) in a directory that exists; brings its schema up to date. Holds
    /// a lock on `keyward.lock` beside it until the store is closed.
    ///
    /// # Errors
    ///
    /// When the directory is missing, another process has the file open, it cannot be written, it is damaged
    /// or no database of Keyward's, or a newer version wrote it. Then nothing in it was changed.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let directory = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Err(OpenError::no_directory(path)),
        };
        if !directory.is_dir() {
            return Err(OpenError::no_directory(path));
        }
        let lock = Lock::take(directory).map_err(|error| match error {
            LockError::Held => OpenError::in_use(path),
            LockError::Failed(error) => OpenError::system(path, error),
        })?;
        create(path, directory).map_err(|error| OpenError::system(path, error))?;
        inspect(path).await?;
        let writer = connect::writer(path)
            .await
            .map_err(|error| OpenError::database(path, error))?;
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|error| OpenError::migration(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            writer,
            lock,
        })
    }

    /// The newest schema that this version knows; what it writes to the file's header as `user_version`.
    #[must_use]
    pub const fn newest_schema() -> i64 {
        SCHEMA
    }

    /// The seal, if a vault was ever made here.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or what it holds is no seal.
    pub async fn load_seal(&self) -> Result<Option<SealState>, StoreError> {
        let load = async {
            let mut connection = self.writer.acquire().await?;
            seal::load(&mut connection).await
        };
        load.await.map_err(|failure| failure.vault("read the seal"))
    }

    /// Keeps the first seal of a new vault, or a later one in the place of `expected`. Before the vault is
    /// unsealed there is no key to write an audit line under, so none is written.
    ///
    /// # Errors
    ///
    /// [`StoreError::is_conflict`] where the seal there is at another revision; then nothing was written.
    pub async fn save_seal(
        &self,
        state: SealState,
        expected: Option<u64>,
    ) -> Result<(), StoreError> {
        let save = async {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            seal::save(&mut transaction, &state, expected).await?;
            Ok(transaction.commit().await?)
        };
        save.await
            .map_err(|failure: Failure| failure.vault("keep the seal"))
    }

    /// The store. The keys that authenticate rows and the audit log are derived from the keyring of `vault`.
    ///
    /// # Errors
    ///
    /// When no further connection can be opened.
    pub async fn unlock(self, vault: Arc<Vault>) -> Result<SqliteStore, OpenError> {
        SqliteStore::start(&self.path, self.writer, self.lock, vault)
            .await
            .map_err(|error| OpenError::database(&self.path, error))
    }

    /// Closes the file and gives up the lock.
    pub async fn close(self) {
        self.writer.close().await;
        drop(self.lock);
    }
}

/// Sees to it that the file is there, private and writable. SQLite would make it readable to all, and open
/// one that cannot be written as read-only without a word.
fn create(path: &Path, directory: &Path) -> io::Result<()> {
    let new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match new {
        // The name must last as long as what is written into the file.
        Ok(_file) => File::open(directory)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Whether the file is a whole database that this version may change.
async fn inspect(path: &Path) -> Result<(), OpenError> {
    let refuse = |error: sqlx::Error| match primary_code(&error) {
        Some(BUSY) => OpenError::in_use(path),
        _ => OpenError::database(path, error),
    };
    let mut connection = connect::inspector(path).await.map_err(refuse)?;
    let verdict = verdict(&mut connection, path).await;
    connection.close().await.map_err(refuse)?;
    verdict.map_err(refuse)?
}

/// Whether an opened copy is a whole database of this very schema.
pub(crate) async fn check_schema(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<Result<(), OpenError>, sqlx::Error> {
    if let Err(error) = verdict(connection, path).await? {
        return Ok(Err(error));
    }
    let schema: i64 = scalar(connection, "PRAGMA user_version").await?;
    Ok(match schema {
        0 => Err(OpenError::damaged(path)),
        schema if schema < SCHEMA => Err(OpenError::older(path, schema, SCHEMA)),
        _ => Ok(()),
    })
}

/// The outer error is the database's, the inner one is ours about it.
async fn verdict(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<Result<(), OpenError>, sqlx::Error> {
    let application: i64 = scalar(connection, "PRAGMA application_id").await?;
    let schema: i64 = scalar(connection, "PRAGMA user_version").await?;
    let objects: i64 = scalar(connection, "SELECT count(*) FROM sqlite_schema").await?;
    let is_new = application == 0 && schema == 0 && objects == 0;
    if !is_new && application != APPLICATION_ID {
        return Ok(Err(OpenError::damaged(path)));
    }
    if schema > SCHEMA {
        return Ok(Err(OpenError::newer(path, schema, SCHEMA)));
    }
    let check: String = scalar(connection, "PRAGMA quick_check(1)").await?;
    if check != "ok" {
        return Ok(Err(OpenError::damaged(path)));
    }
    Ok(Ok(()))
}

async fn scalar<T>(connection: &mut SqliteConnection, sql: &'static str) -> Result<T, sqlx::Error>
where
    T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + Send + Unpin,
{
    sqlx::query_scalar(sql).fetch_one(connection).await
}
