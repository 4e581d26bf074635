//! The audit log: a hash chain, each line of it under a keyed code.
//!
//! A line's hash covers the hash before it, so nothing can be changed, left out or moved in between; the code
//! keeps anyone without the keyring from computing a chain of his own. That the newest lines were cut off is
//! not seen from the inside: signed checkpoints outside the database are for that.

pub(crate) mod checkpoint;
mod copy;
mod entry;
mod line;
mod rows;
mod sink;
mod tables;
mod walk;

use std::{collections::HashMap, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use keyward_vault::{KeyId, Vault, VaultId};
use sha2::Sha256;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

pub use self::{
    checkpoint::{AuditPublicKey, ParseKeyError},
    copy::{AuditEvidence, AuditReport, DatabaseCopy, check_audit_export},
    sink::CheckpointFile,
};
pub(crate) use self::{
    line::{Line, Link},
    rows::{RowEntry, digest_of_entries},
    tables::compare as compare_tables,
    walk::Walk,
};
use crate::failure::Failure;

const LABEL: &str = "keyward audit chain v1";
/// Lines that are read at a time.
const PAGE: i64 = 1_000;

/// Makes and checks the codes of lines, under a key of its own that is derived from the keyring.
pub(crate) struct Chain(Arc<Vault>);

/// A line as it was read.
#[derive(Debug)]
pub(crate) enum Read {
    Link(Box<Link>),
    /// It does not parse. Its number, as far as there is one.
    Unreadable(i64),
}

impl Chain {
    pub(crate) const fn new(vault: Arc<Vault>) -> Self {
        Self(vault)
    }

    /// Appends a line, and returns its number. The caller holds the transaction of the write that the line
    /// tells of.
    pub(crate) async fn append(
        &self,
        connection: &mut SqliteConnection,
        line: &Line,
        revision: i64,
        rows: &[RowEntry],
    ) -> Result<i64, Failure> {
        let last: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
                .fetch_optional(&mut *connection)
                .await?;
        let (last, previous) = last.unwrap_or((0, vec![0; 32]));
        let seq = last.saturating_add(1);
        let rows_digest = digest_of_entries(rows);
        let hash = line
            .hash(seq, revision, &rows_digest, &previous)
            .ok_or_else(|| Failure::damaged("a line has no format"))?;
        let mac = self
            .mac(self.0.newest_key(), &hash)
            .ok_or_else(|| Failure::damaged("the keyring has no key"))?;
        sqlx::query(
            "INSERT INTO audit (seq, revision, format, at, actor, source, action, result, times,
                 subject_kind, subject_account, subject_id, rows_digest, previous, hash, mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(seq)
        .bind(revision)
        .bind(line.format)
        .bind(line.at)
        .bind(&line.actor)
        .bind(line.source.as_deref())
        .bind(&line.action)
        .bind(&line.result)
        .bind(line.times)
        .bind(&line.subject_kind)
        .bind(line.subject_account.as_deref())
        .bind(&line.subject_id)
        .bind(rows_digest.as_slice())
        .bind(previous)
        .bind(hash.as_slice())
        .bind(mac)
        .execute(&mut *connection)
        .await?;
        for (position, row) in (0_i64..).zip(rows) {
            sqlx::query(
                "INSERT INTO audit_rows (seq, position, kind, account, id, digest)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(seq)
            .bind(position)
            .bind(&row.kind)
            .bind(&row.account)
            .bind(&row.id)
            .bind(row.digest.as_deref())
            .execute(&mut *connection)
            .await?;
        }
        Ok(seq)
    }

    pub(crate) fn vault(&self) -> VaultId {
        self.0.id()
    }

    pub(crate) fn newest_key(&self) -> KeyId {
        self.0.newest_key()
    }

    /// What signs checkpoints, derived from the keyring's key `key`; none where the ring has no such key.
    pub(crate) fn signer(&self, key: KeyId) -> Result<Option<checkpoint::Signer>, Failure> {
        checkpoint::Signer::derive(&self.0, key)
    }

    /// Whether the code of a line is genuine.
    pub(crate) fn is_genuine(&self, link: &Link) -> bool {
        let checked = || {
            let (key, tag) = link.mac.split_first_chunk()?;
            let key = KeyId::new(u32::from_be_bytes(*key))?;
            Some(self.hmac(key, &link.hash)?.verify_slice(tag).is_ok())
        };
        checked().unwrap_or(false)
    }

    /// The number of the key, and the code under it.
    fn mac(&self, key: KeyId, hash: &[u8]) -> Option<Vec<u8>> {
        let tag = self.hmac(key, hash)?.finalize().into_bytes();
        Some([key.get().to_be_bytes().as_slice(), &tag].concat())
    }

    fn hmac(&self, key: KeyId, hash: &[u8]) -> Option<Hmac<Sha256>> {
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

/// Takes `walk` from where it is to the end of the log. `chain` checks the keyed codes, where there is a keyring.
pub(crate) async fn walk_to_end(
    connection: &mut SqliteConnection,
    walk: &mut Walk,
    chain: Option<&Chain>,
) -> Result<(), Failure> {
    loop {
        let lines = read_after(connection, walk.seq()).await?;
        if lines.is_empty() {
            return Ok(());
        }
        for line in lines {
            walk.take(line, chain);
        }
        // A long log must not keep others of this thread from their turn.
        tokio::task::yield_now().await;
    }
}

/// The lines after `seq`, with what they wrote, a page of them.
async fn read_after(connection: &mut SqliteConnection, seq: i64) -> Result<Vec<Read>, Failure> {
    let rows = sqlx::query("SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2")
        .bind(seq)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await?;
    let Some(last) = rows.last() else {
        return Ok(Vec::new());
    };
    let last = number(last);
    let entries =
        sqlx::query("SELECT * FROM audit_rows WHERE seq > $1 AND seq <= $2 ORDER BY seq, position")
            .bind(seq)
            .bind(last)
            .fetch_all(connection)
            .await?;
    Ok(join(&rows, &entries))
}

fn number(row: &SqliteRow) -> i64 {
    crate::column::Columns(row).get("seq").unwrap_or_default()
}

/// Lines with what they wrote. An entry that does not parse is left out, which its line's digest tells.
pub(crate) fn join(rows: &[SqliteRow], entries: &[SqliteRow]) -> Vec<Read> {
    let mut written: HashMap<i64, Vec<RowEntry>> = HashMap::new();
    for (seq, entry) in entries.iter().filter_map(RowEntry::parse) {
        written.entry(seq).or_default().push(entry);
    }
    let lines = rows.iter().map(|row| {
        let seq = number(row);
        let entries = written.remove(&seq).unwrap_or_default();
        Link::parse(row, entries).map_or(Read::Unreadable(seq), |link| Read::Link(Box::new(link)))
    });
    lines.collect()
}
