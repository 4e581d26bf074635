//! A line of the audit log, as it stands in its table, and the hash that ties it to the line before it.

use std::{net::IpAddr, time::SystemTime};

use keyward_registry::{Actor, AuditLine, AuditResult, RefusedAttempt, Subject};
use keyward_vault::VaultId;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;

use super::rows::{RowEntry, digest_of_entries};
use crate::column::{Columns, millis};

/// What is written today. Format 1 knew no source, no result and no count.
const FORMAT: i64 = 2;
const LABEL: &str = "keyward audit line v2";

/// What a line tells, in the form of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) format: i64,
    pub(crate) at: i64,
    pub(crate) actor: String,
    pub(crate) source: Option<String>,
    pub(crate) action: String,
    pub(crate) result: String,
    pub(crate) times: i64,
    pub(crate) subject_kind: String,
    /// None: the vault, which serves every account, or nothing that has an account.
    pub(crate) subject_account: Option<String>,
    pub(crate) subject_id: String,
}

/// A line with its place in the chain, as somebody finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) seq: i64,
    pub(crate) revision: i64,
    pub(crate) line: Line,
    /// What it wrote; empty for a line of format 1.
    pub(crate) rows: Vec<RowEntry>,
    pub(crate) rows_digest: Vec<u8>,
    pub(crate) previous: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    pub(crate) mac: Vec<u8>,
}

impl Line {
    pub(crate) fn of(line: &AuditLine) -> Self {
        Self::about(line.at, &line.actor, line.action, &line.subject)
    }

    pub(crate) fn about(at: SystemTime, actor: &Actor, action: &str, subject: &Subject) -> Self {
        Self {
            subject_kind: subject.kind().to_owned(),
            subject_account: Some(subject.account().to_string()),
            subject_id: subject.id(),
            ..Self::about_server(at, actor, action)
        }
    }

    pub(crate) fn about_vault(at: SystemTime, actor: &Actor, action: &str, vault: VaultId) -> Self {
        Self {
            subject_kind: "vault".to_owned(),
            subject_id: vault.to_string(),
            ..Self::about_server(at, actor, action)
        }
    }

    pub(crate) fn refused(attempt: &RefusedAttempt) -> Self {
        let RefusedAttempt {
            at, actor, action, ..
        } = attempt;
        let line = match &attempt.subject {
            Some(subject) => Self::about(*at, actor, action, subject),
            None => Self::about_server(*at, actor, action),
        };
        Self {
            result: attempt.result.as_str().to_owned(),
            times: i64::try_from(attempt.times).unwrap_or(i64::MAX),
            ..line
        }
    }

    fn about_server(at: SystemTime, actor: &Actor, action: &str) -> Self {
        Self {
            format: FORMAT,
            at: millis(at),
            actor: actor.to_string(),
            source: actor.source().as_ref().map(IpAddr::to_string),
            action: action.to_owned(),
            result: AuditResult::Done.as_str().to_owned(),
            times: 1,
            subject_kind: "server".to_owned(),
            subject_account: None,
            subject_id: String::new(),
        }
    }

    fn parse(columns: Columns<'_>) -> Option<Self> {
        Some(Self {
            format: columns.get("format")?,
            at: columns.get("at")?,
            actor: columns.text("actor")?,
            source: columns.get("source")?,
            action: columns.text("action")?,
            result: columns.text("result")?,
            times: columns.get("times")?,
            subject_kind: columns.text("subject_kind")?,
            subject_account: columns.get("subject_account")?,
            subject_id: columns.text("subject_id")?,
        })
    }

    /// The hash of the line at its place. `None` where it is in no format that is known, or tells what its
    /// format cannot.
    pub(crate) fn hash(
        &self,
        seq: i64,
        revision: i64,
        rows: &[u8],
        previous: &[u8],
    ) -> Option<[u8; 32]> {
        // Absent texts are hashed as empty ones, and no line has an empty one there.
        let is_empty = |text: &Option<String>| text.as_deref() == Some("");
        if is_empty(&self.source) || is_empty(&self.subject_account) {
            return None;
        }
        match self.format {
            1 => self.hash_1(seq, revision, rows, previous),
            FORMAT => Some(self.hash_2(seq, revision, rows, previous)),
            _ => None,
        }
    }

    fn hash_1(&self, seq: i64, revision: i64, rows: &[u8], previous: &[u8]) -> Option<[u8; 32]> {
        let tells_more =
            self.source.is_some() || self.result != AuditResult::Done.as_str() || self.times != 1;
        if tells_more {
            return None;
        }
        let mut digest = Sha256::new();
        for number in [seq, revision, self.at] {
            digest.update(number.to_be_bytes());
        }
        let account = self.subject_account.as_deref().unwrap_or_default();
        for text in [&self.actor, &self.action, &self.subject_kind, account] {
            put(&mut digest, text.as_bytes());
        }
        for bytes in [self.subject_id.as_bytes(), rows, previous] {
            put(&mut digest, bytes);
        }
        Some(digest.finalize().into())
    }

    fn hash_2(&self, seq: i64, revision: i64, rows: &[u8], previous: &[u8]) -> [u8; 32] {
        let mut digest = Sha256::new();
        put(&mut digest, LABEL.as_bytes());
        for number in [seq, revision, self.at, self.times] {
            digest.update(number.to_be_bytes());
        }
        for text in [
            &self.actor,
            self.source.as_deref().unwrap_or_default(),
            &self.action,
            &self.result,
            &self.subject_kind,
            self.subject_account.as_deref().unwrap_or_default(),
            &self.subject_id,
        ] {
            put(&mut digest, text.as_bytes());
        }
        for bytes in [rows, previous] {
            put(&mut digest, bytes);
        }
        digest.finalize().into()
    }
}

impl Link {
    /// The row with what it wrote; `None` where a column is not in the form that a write gives it.
    pub(crate) fn parse(row: &SqliteRow, rows: Vec<RowEntry>) -> Option<Self> {
        let columns = Columns(row);
        Some(Self {
            seq: columns.get("seq")?,
            revision: columns.get("revision")?,
            line: Line::parse(columns)?,
            rows,
            rows_digest: columns.get("rows_digest")?,
            previous: columns.get("previous")?,
            hash: columns.get("hash")?,
            mac: columns.get("mac")?,
        })
    }

    /// Whether the line is as its hash says, and what it wrote as its digest says.
    pub(crate) fn is_whole(&self) -> bool {
        let rows_fit = match self.line.format {
            1 => self.rows.is_empty(),
            _ => {
                // The same of a digest that is absent.
                let mut digests = self.rows.iter().filter_map(|row| row.digest.as_ref());
                digests.all(|digest| !digest.is_empty())
                    && digest_of_entries(&self.rows) == *self.rows_digest
            }
        };
        let hash = self
            .line
            .hash(self.seq, self.revision, &self.rows_digest, &self.previous);
        rows_fit && hash.is_some_and(|hash| hash == *self.hash)
    }
}

/// Every field behind its length, so that no two lines hash the same bytes.
pub(super) fn put(digest: &mut Sha256, bytes: &[u8]) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    digest.update(length.to_be_bytes());
    digest.update(bytes);
}
