//! The unlocked store.

pub(crate) mod accounts;
mod auth;
mod authentic;
pub(crate) mod gateways;
pub(crate) mod provider_keys;
mod registry;
pub(crate) mod secrets;
pub(crate) mod tokens;
mod vault;
pub(crate) mod versions;

use std::{path::Path, sync::Arc, time::SystemTime};

use keyward_registry::{RowAuthenticator, StoreError};
use keyward_vault::Vault;
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::Mutex;

use crate::{
    audit::{self, Chain, Read},
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
    lock: Mutex<Option<Lock>>,
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
        let checkpointer = Checkpointer::start(path).await?;
        Ok(Self {
            door: Door {
                pool,
                authenticator: RowAuthenticator::new(Arc::clone(&vault)),
                chain: Chain::new(vault),
                checkpointer,
            },
            readers,
            lock: Mutex::new(Some(lock)),
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
                .fetch_one(&self.readers)
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
        self.check_audit()
            .await
            .map_err(|failure| failure.registry("read the audit log"))
    }

    async fn check_audit(&self) -> Result<AuditVerdict, Failure> {
        let mut transaction = self.read().await?;
        let mut previous = vec![0; 32];
        let mut seq = 0_i64;
        loop {
            let lines = audit::read_after(&mut transaction, seq).await?;
            if lines.is_empty() {
                let lines = seq.cast_unsigned();
                return Ok(AuditVerdict::Whole { lines });
            }
            for line in lines {
                seq = seq.saturating_add(1);
                let genuine = match line {
                    Read::Link(link) => {
                        let is_next = link.seq == seq && link.previous == previous;
                        let is_genuine = link.is_whole() && self.door.chain.is_genuine(&link);
                        (is_next && is_genuine).then_some(link.hash)
                    }
                    Read::Unreadable => None,
                };
                match genuine {
                    Some(hash) => previous = hash,
                    None => {
                        let seq = seq.cast_unsigned();
                        return Ok(AuditVerdict::BrokenAt { seq });
                    }
                }
            }
        }
    }

    /// Ends the background task, moves everything from the log into the file, closes the connections and
    /// gives up the lock. Calls that come later fail. A second call does nothing.
    pub async fn close(&self) {
        let mut lock = self.lock.lock().await;
        self.door.checkpointer.stop().await;
        self.readers.close().await;
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
