//! Truncates the write-ahead log after a value was destroyed, so that no copy of it stays in there.
//!
//! Outside the call that destroyed it, and tried until it succeeds: a reader that holds an older picture of
//! the database makes a checkpoint fail.

use std::{path::Path, time::Duration};

use sqlx::{
    Connection, Row,
    sqlite::{SqliteConnection, SqliteRow},
};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use crate::connect;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The task, as long as this is held.
#[derive(Debug)]
pub(crate) struct Checkpointer(Mutex<Option<Running>>, mpsc::WeakSender<()>);

#[derive(Debug)]
struct Running {
    wake: mpsc::Sender<()>,
    task: JoinHandle<()>,
}

impl Checkpointer {
    /// Truncates the log once before it returns: the process before this one may have ended too early.
    pub(crate) async fn start(path: &Path) -> Result<Self, sqlx::Error> {
        let mut connection = connect::checkpointer(path).await?;
        let done = is_truncated(&mut connection).await;
        let (wake, woken) = mpsc::channel(1);
        let weak = wake.downgrade();
        let task = tokio::spawn(run(connection, woken));
        let own = Self(Mutex::new(Some(Running { wake, task })), weak);
        if !done {
            own.request();
        }
        Ok(own)
    }

    /// Asks for a checkpoint. Never waits: a request that stands already covers this one too, because the
    /// task takes it off before it begins.
    pub(crate) fn request(&self) {
        if let Some(wake) = self.1.upgrade() {
            let _stands_already = wake.try_send(());
        }
    }

    /// Ends the task and closes its connection.
    pub(crate) async fn stop(&self) {
        let running = self.0.lock().await.take();
        if let Some(Running { wake, task }) = running {
            drop(wake);
            if let Err(error) = task.await {
                tracing::error!(%error, "the task that truncates the write-ahead log failed");
            }
        }
    }
}

async fn run(mut connection: SqliteConnection, mut woken: mpsc::Receiver<()>) {
    'requests: while woken.recv().await.is_some() {
        let mut pause = FIRST_PAUSE;
        while !is_truncated(&mut connection).await {
            // A further request or the end cuts the pause short.
            if let Ok(None) = tokio::time::timeout(pause, woken.recv()).await {
                break 'requests;
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "a connection did not close cleanly");
    }
}

async fn is_truncated(connection: &mut SqliteConnection) -> bool {
    match truncate(connection).await {
        Ok(done) => done,
        Err(error) => {
            tracing::warn!(%error, "the write-ahead log was not truncated; trying again");
            false
        }
    }
}

/// Whether everything is in the database file and the log is empty.
pub(crate) async fn truncate(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let row: SqliteRow = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(connection)
        .await?;
    // Columns: busy, frames in the log, frames moved (sqlite.org/pragma.html#pragma_wal_checkpoint).
    Ok(row.try_get::<i64, _>(0)? == 0)
}
