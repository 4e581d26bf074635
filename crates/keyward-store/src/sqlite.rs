//! The unlocked store.

pub(crate) mod accounts;
mod audit;
mod auth;
pub(crate) mod authentic;
mod budgets;
pub(crate) mod by_id;
pub(crate) mod custom_providers;
pub(crate) mod gateways;
mod logs;
pub(crate) mod provider_keys;
mod registry;
pub(crate) mod rotations;
pub(crate) mod route_history;
pub(crate) mod routes;
pub(crate) mod secrets;
pub(crate) mod secrets_stores;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;
mod traffic;
mod vault;
pub(crate) mod versions;

use std::{path::Path, sync::Arc, time::SystemTime};

use keyward_registry::{RowAuthenticator, StoreError};
use keyward_vault::Vault;
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::{Mutex, watch};

use self::audit::AuditWatch;
pub use self::audit::CheckpointSettings;
use crate::{
    audit::{Chain, Walk, walk_to_end},
    checkpoint::{self, Checkpointer},
    connect,
    failure::Failure,
    lock::Lock,
    write::Door,
};

/// Everything Keyward keeps, in one SQLite file. Writes go one after another through one connection; reads
/// see what was committed before they began, and wait for no write.
///
/// [`close`](Self::close) it: dropping it gives up the lock too, but leaves the write-ahead log to the next
/// opening.
#[derive(Debug)]
pub struct SqliteStore {
    door: Door,
    readers: SqlitePool,
    pinger: SqlitePool,
    lock: Mutex<Option<Lock>>,
    /// Who searches the log or sums it up: one at a time, so that other reads have a connection.
    searching: Arc<Mutex<()>>,
    watch: AuditWatch,
}

/// What became of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever asked must act on both answers"
)]
pub enum AuditVerdict {
    /// Every line is genuine and in its place.
    Whole {
        /// How many there are.
        lines: u64,
    },
    /// A line was changed, left out or moved.
    BrokenAt {
        /// The number of the first line that is not as it was written.
        seq: u64,
    },
}

impl SqliteStore {
    pub(crate) async fn start(
        path: &Path,
        pool: SqlitePool,
        lock: Lock,
        vault: Arc<Vault>,
    ) -> Result<Self, sqlx::Error> {
        let readers = connect::readers(path).await?;
        let pinger = connect::pinger(path).await?;
        let checkpointer = Checkpointer::start(path).await?;
        Ok(Self {
            door: Door {
                pool,
                authenticator: RowAuthenticator::new(Arc::clone(&vault)),
                chain: Chain::new(vault),
                checkpointer,
                newest_line: watch::Sender::new(0),
            },
            readers,
            pinger,
            lock: Mutex::new(Some(lock)),
            searching: Arc::default(),
            watch: AuditWatch::default(),
        })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let ping = async {
            let _revision: i64 = sqlx::query_scalar("SELECT value FROM revision")
                .fetch_one(&self.pinger)
                .await?;
            Ok(())
        };
        ping.await
            .map_err(|failure: Failure| failure.registry("reach the database"))
    }

    /// Reads the audit log from its start and checks every line.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        self.verify_chain()
            .await
            .map_err(|failure| failure.registry("read the audit log"))
    }

    async fn verify_chain(&self) -> Result<AuditVerdict, Failure> {
        let mut transaction = self.read().await?;
        let mut walk = Walk::new([]);
        walk_to_end(&mut transaction, &mut walk, Some(&self.door.chain)).await?;
        Ok(match walk.findings.0.first() {
            Some(first) => AuditVerdict::BrokenAt { seq: first.seq },
            None => AuditVerdict::Whole {
                lines: walk.seq().cast_unsigned(),
            },
        })
    }

    /// Ends the background task, moves everything from the log into the file, closes the connections and
    /// gives up the lock. Calls that come later fail. A second call does nothing.
    pub async fn close(&self) {
        let mut lock = self.lock.lock().await;
        self.door.checkpointer.stop().await;
        self.readers.close().await;
        self.pinger.close().await;
        let truncated = async {
            let mut connection = self.door.pool.acquire().await?;
            checkpoint::truncate(&mut connection).await
        };
        match truncated.await {
            Ok(true) | Err(sqlx::Error::PoolClosed) => {}
            Ok(false) => tracing::warn!("the write-ahead log is in use and was not truncated"),
            Err(error) => tracing::error!(%error, "the write-ahead log was not truncated"),
        }
        self.door.pool.close().await;
        drop(lock.take());
    }

    #[cfg(test)]
    pub(crate) const fn writer(&self) -> &SqlitePool {
        &self.door.pool
    }

    /// One picture of the database for several reads.
    async fn read(&self) -> Result<Transaction<'static, Sqlite>, Failure> {
        Ok(self.readers.begin().await?)
    }

    const fn authenticator(&self) -> &RowAuthenticator {
        &self.door.authenticator
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the traits of vault and auth bring no time for the audit line"
    )]
    fn now() -> SystemTime {
        SystemTime::now()
    }
}
