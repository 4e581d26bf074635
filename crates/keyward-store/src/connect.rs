//! How connections are set up: one that writes, a few that read, one that is asked whether the
//! database answers, one that checkpoints.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, SqlitePool,
    sqlite::{
        SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};

/// How long a statement waits for a lock of another connection.
const BUSY: Duration = Duration::from_secs(5);
/// A checkpoint holds up writers while it waits for readers, so it gives up soon and is tried again.
const CHECKPOINT_BUSY: Duration = Duration::from_millis(100);
/// How long a call waits for its turn.
pub(crate) const TURN: Duration = Duration::from_secs(10);
const READERS: u32 = 2;
/// How many rows the thread that reads may be ahead: with few, each costs a change of threads, which is most of
/// what reading everything takes. About 1 KiB each.
const ROWS_AHEAD: usize = 1_024;

/// What looks at a file before anything may be changed in it.
pub(crate) async fn inspector(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    plain(path).connect().await
}

/// What reads a copy, or the file of a server that runs. A copy without a log beside it is read as it is, so that
/// nothing is made beside it.
pub(crate) async fn copy(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = Path::new(&log).exists();
    plain(path)
        .read_only(true)
        .immutable(!has_log)
        .connect()
        .await
}

/// The one connection that writes. Puts the file into WAL mode.
pub(crate) async fn writer(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(1);
    lasting(options).connect_with(wal(path)).await
}

/// The connections that read. They refuse to write.
pub(crate) async fn readers(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqlitePoolOptions::new().max_connections(READERS);
    lasting(options)
        .connect_with(
            wal(path)
                .row_buffer_size(ROWS_AHEAD)
                .pragma("query_only", "ON"),
        )
        .await
}

/// The connection that only tells whether the database answers: no read, however long, keeps it waiting.
pub(crate) async fn pinger(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqlitePoolOptions::new().max_connections(1);
    lasting(options)
        .connect_with(wal(path).pragma("query_only", "ON"))
        .await
}

/// The connection that truncates the write-ahead log.
pub(crate) async fn checkpointer(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    wal(path).busy_timeout(CHECKPOINT_BUSY).connect().await
}

fn lasting(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options
        .acquire_timeout(TURN)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn wal(path: &Path) -> SqliteConnectOptions {
    plain(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
}

fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .disable_statement_logging()
}
