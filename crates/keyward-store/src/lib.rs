//! SQLite storage for every Keyward part.
//!
//! - [`Database`] is the opened file, still sealed: its schema is checked, and the seal can be read.
//! - [`SqliteStore`] is the store after [`Database::unlock`]. It implements the storage traits of the parts:
//!   [`RegistryStore`](keyward_registry::RegistryStore), [`VaultStore`](keyward_vault::VaultStore) and
//!   [`TokenStore`](keyward_auth::TokenStore).
//! - [`OpenError`] says in one sentence why a file cannot be opened.
//!
//! Every write goes through one door (`write.rs`): rows, revision, change feed and audit line in one
//! transaction, durable when the call returns (WAL, `synchronous=FULL`). Every deciding row is authenticated
//! when it is read; one that fails counts as absent and is reported. Not detected is a row that was put back
//! to an older state together with its revision and its code, nor the roll-back of the whole file.
//!
//! Deleted values are overwritten (`secure_delete`), and the write-ahead log that held them is truncated by a
//! task in the background (`checkpoint.rs`). No claim is made about flash, snapshots and backups.
//!
//! ```no_run
//! use std::{path::Path, sync::Arc};
//!
//! use keyward_store::Database;
//! use keyward_vault::{KeyFile, Unlock, Vault};
//!
//! # async fn example(key_file: KeyFile) -> Result<(), Box<dyn std::error::Error>> {
//! // One process at a time: the file is locked until it is closed.
//! let database = Database::open(Path::new("/var/lib/keyward/keyward.db")).await?;
//! let seal = database.load_seal().await?.ok_or("no vault was made here yet")?;
//! let vault = Arc::new(Vault::unseal(&seal, &Unlock::KeyFile(&key_file))?);
//! let store = database.unlock(vault).await?;
//! # drop(store);
//! # Ok(())
//! # }
//! ```
//!
//! # What it is not
//!
//! No cache, no way to run SQL, and no store for many nodes: PostgreSQL will be another crate behind the same traits.
//!
//! # Features
//!
//! None: everything is always there.

mod audit;
mod checkpoint;
mod column;
mod connect;
mod failure;
mod lock;
mod open;
mod open_error;
mod seal;
mod sqlite;
mod write;

pub use audit::{
    AuditEvidence, AuditPublicKey, AuditReport, CheckpointFile, DatabaseCopy, ParseKeyError,
    check_audit_export,
};
pub use open::Database;
pub use open_error::OpenError;
pub use sqlite::{AuditVerdict, CheckpointSettings, SqliteStore};
