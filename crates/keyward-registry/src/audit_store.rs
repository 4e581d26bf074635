//! What a store must do for the audit log beside writing the lines of changes.

use std::{fmt, time::SystemTime};

use keyward_secret::AccountId;
use serde::{Deserialize, Serialize};

use crate::{AuditResult, BoxFuture, RefusedAttempt, StoreError};

/// The audit log, as it is read, and what is written to it besides changes.
pub trait AuditStore: Send + Sync + fmt::Debug {
    /// Appends a line for each. None of them is a change: no revision, no feed.
    fn append_refused(
        &self,
        attempts: Vec<RefusedAttempt>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The lines that `query` asks for, in its order, [`limit`](AuditQuery::limit) at most.
    fn list_audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>>;

    /// Checks the whole log now, and says what was found.
    fn check_audit(&self) -> BoxFuture<'_, Result<AuditState, StoreError>>;

    /// What is known of the log without looking. At once.
    fn audit_state(&self) -> AuditState;
}

/// Which lines are asked for. Conditions hold together.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store that leaves a condition out shows what nobody asked for"
)]
pub struct AuditQuery {
    /// Lines about records of this account.
    pub account: AccountId,
    /// And those that are about no account: the vault's, and attempts that named none.
    pub with_server: bool,
    /// Not before this moment.
    pub since: Option<SystemTime>,
    /// Before this moment.
    pub before: Option<SystemTime>,
    /// The actor as the log names it, or a token's id alone.
    pub actor: Option<String>,
    /// The id of the token that was the actor.
    pub token: Option<String>,
    /// The address that the request came from.
    pub source: Option<String>,
    /// The action, such as `token.create`.
    pub action: Option<String>,
    /// The result.
    pub result: Option<AuditResult>,
    /// Only what was refused, whatever the result says exactly.
    pub is_refused: bool,
    /// The kind of record, such as `token`.
    pub subject_kind: Option<String>,
    /// The record's id.
    pub subject_id: Option<String>,
    /// Beyond the line of this number, in the order that is asked for.
    pub after: Option<u64>,
    /// The newest first.
    pub newest_first: bool,
    /// How many at most.
    pub limit: usize,
}

impl AuditQuery {
    /// Every line about `account`, the oldest first, 100 at most.
    #[must_use]
    pub const fn new(account: AccountId) -> Self {
        Self {
            account,
            with_server: false,
            since: None,
            before: None,
            actor: None,
            token: None,
            source: None,
            action: None,
            result: None,
            is_refused: false,
            subject_kind: None,
            subject_id: None,
            after: None,
            newest_first: false,
            limit: 100,
        }
    }
}

/// A line of the log as it is stored, whole: enough to check its hash. Written as JSON it is a line of an export;
/// bytes are lower-case hexadecimal digits. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "the format of an export")]
pub struct AuditEntry {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// The revision at which the store stood.
    pub revision: u64,
    /// What the hash covers.
    pub format: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Who: `token ID`, `command NAME` or `unknown`.
    pub actor: String,
    /// From which address.
    pub source: Option<String>,
    /// What was done or tried.
    pub action: String,
    /// What came of it.
    pub result: String,
    /// How many attempts the line stands for.
    pub times: u64,
    /// The kind of record.
    pub subject_kind: String,
    /// The record's account; none for the vault, and where none was named.
    pub subject_account: Option<String>,
    /// The record's id.
    pub subject_id: String,
    /// What was written, row by row.
    pub rows: Vec<AuditRow>,
    /// The digest of `rows`.
    pub rows_digest: String,
    /// The hash of the line before.
    pub previous: String,
    /// The hash of this line.
    pub hash: String,
    /// The keyed code of the hash: the number of the keyring's key, and HMAC-SHA256.
    pub mac: String,
}

/// A row that a line wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "the format of an export")]
pub struct AuditRow {
    /// The kind of row.
    pub kind: String,
    /// Its account; empty for the vault.
    pub account: String,
    /// Its id.
    pub id: String,
    /// The digest of what was written; none where it was removed.
    pub digest: Option<String>,
}

/// What is known of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct AuditState {
    /// Lines up to this number were checked.
    pub verified_to: u64,
    /// When they last were; none: not yet.
    pub checked_at: Option<SystemTime>,
    /// What is not as it was written, the first hundred. Empty: the log is whole.
    pub findings: Vec<AuditFinding>,
    /// The key that signs checkpoints, such as `ed25519:` and 64 hexadecimal digits; none before its first use.
    pub public_key: Option<String>,
    /// Checkpoints; none where no file is configured for them.
    pub checkpoints: Option<CheckpointState>,
}

/// How checkpoints fare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct CheckpointState {
    /// The line at which the newest one was signed; none yet since the start.
    pub newest: Option<u64>,
    /// When it was signed.
    pub signed_at: Option<SystemTime>,
    /// Whether the last attempt to write one failed.
    pub is_failing: bool,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct AuditFinding {
    /// The number of the line that is concerned; 0 where it is none.
    pub seq: u64,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            0 => f.write_str(&self.what),
            seq => write!(f, "line {seq}: {}", self.what),
        }
    }
}
