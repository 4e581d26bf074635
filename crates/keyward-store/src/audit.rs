//! The audit log: a hash chain, each line of it under a keyed code.
//!
//! A line's hash covers the hash before it, so nothing can be changed, left out or moved in between; the code
//! keeps anyone without the keyring from computing a chain of his own. That the newest lines were cut off is
//! not seen from the inside.

use std::{sync::Arc, time::SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use keyward_registry::{AuditLine, Subject};
use keyward_vault::{KeyId, Vault, VaultId};
use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::{
    column::{Columns, millis},
    failure::Failure,
};

const LABEL: &str = "keyward audit chain v1";

/// What a line tells, in the form of its columns.
#[derive(Debug)]
pub(crate) struct Line {
    at: i64,
    actor: String,
    action: String,
    subject_kind: String,
    /// None: the vault.
    subject_account: Option<String>,
    subject_id: String,
}

/// Makes and checks the codes of lines, under a key of its own that is derived from the keyring.
pub(crate) struct Chain(Arc<Vault>);

/// The digest of the rows that one write made or removed.
#[derive(Default)]
pub(crate) struct RowsDigest(Sha256);

impl Line {
    pub(crate) fn of(line: &AuditLine) -> Self {
        Self::about(line.at, line.actor.to_string(), line.action, &line.subject)
    }

    pub(crate) fn about(at: SystemTime, actor: String, action: &str, subject: &Subject) -> Self {
        Self {
            at: millis(at),
            actor,
            action: action.to_owned(),
            subject_kind: subject.kind().to_owned(),
            subject_account: Some(subject.account().to_string()),
            subject_id: subject.id(),
        }
    }

    pub(crate) fn about_vault(at: SystemTime, actor: String, action: &str, vault: VaultId) -> Self {
        Self {
            at: millis(at),
            actor,
            action: action.to_owned(),
            subject_kind: "vault".to_owned(),
            subject_account: None,
            subject_id: vault.to_string(),
        }
    }

    fn parse(columns: Columns<'_>) -> Option<Self> {
        Some(Self {
            at: columns.get("at")?,
            actor: columns.text("actor")?,
            action: columns.text("action")?,
            subject_kind: columns.text("subject_kind")?,
            subject_account: columns.get("subject_account")?,
            subject_id: columns.text("subject_id")?,
        })
    }

    fn hash(&self, seq: i64, revision: i64, rows: &[u8], previous: &[u8]) -> [u8; 32] {
        let mut digest = Sha256::new();
        for number in [seq, revision, self.at] {
            digest.update(number.to_be_bytes());
        }
        let account = self.subject_account.as_deref().unwrap_or_default();
        let texts = [&self.actor, &self.action, &self.subject_kind, account];
        for text in texts.map(str::as_bytes) {
            put(&mut digest, text);
        }
        for bytes in [self.subject_id.as_bytes(), rows, previous] {
            put(&mut digest, bytes);
        }
        digest.finalize().into()
    }
}

impl RowsDigest {
    /// Takes in that the row of `subject` was made or replaced (its code), or removed (none).
    pub(crate) fn add(&mut self, subject: &Subject, mac: Option<&[u8]>) {
        let account = subject.account();
        put(&mut self.0, subject.kind().as_bytes());
        put(&mut self.0, account.as_bytes());
        put(&mut self.0, subject.id().as_bytes());
        put(&mut self.0, mac.unwrap_or_default());
    }

    /// Takes in a row that has no code of its own.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        put(&mut self.0, bytes);
    }
}

/// Every field behind its length, so that no two lines hash the same bytes.
fn put(digest: &mut Sha256, bytes: &[u8]) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    digest.update(length.to_be_bytes());
    digest.update(bytes);
}

impl Chain {
    pub(crate) const fn new(vault: Arc<Vault>) -> Self {
        Self(vault)
    }

    /// Appends a line. The caller holds the transaction of the write that the line tells of.
    pub(crate) async fn append(
        &self,
        connection: &mut SqliteConnection,
        line: &Line,
        revision: i64,
        rows: RowsDigest,
    ) -> Result<(), Failure> {
        let last: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
                .fetch_optional(&mut *connection)
                .await?;
        let (last, previous) = last.unwrap_or((0, vec![0; 32]));
        let seq = last.saturating_add(1);
        let rows: [u8; 32] = rows.0.finalize().into();
        let hash = line.hash(seq, revision, &rows, &previous);
        let mac = self
            .mac(self.0.newest_key(), &hash)
            .ok_or_else(|| Failure::damaged("the keyring has no key"))?;
        sqlx::query(
            "INSERT INTO audit (seq, revision, at, actor, action, subject_kind, subject_account,
                 subject_id, rows_digest, previous, hash, mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(seq)
        .bind(revision)
        .bind(line.at)
        .bind(&line.actor)
        .bind(&line.action)
        .bind(&line.subject_kind)
        .bind(line.subject_account.as_deref())
        .bind(&line.subject_id)
        .bind(rows.as_slice())
        .bind(previous)
        .bind(hash.as_slice())
        .bind(mac)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Whether `row` is the genuine line `seq` after a line with the hash `previous`; its hash, if so.
    pub(crate) fn verify(&self, row: &SqliteRow, seq: i64, previous: &[u8]) -> Option<[u8; 32]> {
        let columns = Columns(row);
        let is_next =
            columns.get::<i64>("seq")? == seq && columns.get::<&[u8]>("previous")? == previous;
        let line = Line::parse(columns)?;
        let rows: &[u8] = columns.get("rows_digest")?;
        let hash = line.hash(seq, columns.get("revision")?, rows, previous);
        let (key, tag) = columns.get::<&[u8]>("mac")?.split_first_chunk()?;
        let key = KeyId::new(u32::from_be_bytes(*key))?;
        let genuine = self.hmac(key, &hash)?.verify_slice(tag).is_ok();
        (is_next && genuine && columns.get::<&[u8]>("hash")? == hash).then_some(hash)
    }

    /// The number of the key, and the code under it.
    fn mac(&self, key: KeyId, hash: &[u8; 32]) -> Option<Vec<u8>> {
        let tag = self.hmac(key, hash)?.finalize().into_bytes();
        Some([key.get().to_be_bytes().as_slice(), &tag].concat())
    }

    fn hmac(&self, key: KeyId, hash: &[u8; 32]) -> Option<Hmac<Sha256>> {
        let subkey = self.0.subkey(key, LABEL)?;
        let mut hmac = Hmac::new_from_slice(subkey.expose()).ok()?;
        hmac.update(hash);
        Some(hmac)
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").finish_non_exhaustive()
    }
}
