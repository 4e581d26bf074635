//! Lines as they are handed out and taken back: the format of an export.

use data_encoding::HEXLOWER;
use keyward_registry::{AuditEntry, AuditRow};

use super::{Line, Link, Read, RowEntry};

impl Link {
    /// The line as an export has it.
    pub(crate) fn to_entry(&self) -> AuditEntry {
        let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
        let rows = self.rows.iter().map(|row| AuditRow {
            kind: row.kind.clone(),
            account: row.account.clone(),
            id: row.id.clone(),
            digest: row.digest.as_deref().map(hex),
        });
        let line = self.line.clone();
        AuditEntry {
            seq: self.seq.cast_unsigned(),
            revision: self.revision.cast_unsigned(),
            format: line.format.cast_unsigned(),
            at: line.at.cast_unsigned(),
            actor: line.actor,
            source: line.source,
            action: line.action,
            result: line.result,
            times: line.times.cast_unsigned(),
            subject_kind: line.subject_kind,
            subject_account: line.subject_account,
            subject_id: line.subject_id,
            rows: rows.collect(),
            rows_digest: hex(&self.rows_digest),
            previous: hex(&self.previous),
            hash: hex(&self.hash),
            mac: hex(&self.mac),
        }
    }

    /// Reads an entry back; `None` where its bytes are not written as they should be.
    fn of_entry(entry: AuditEntry) -> Option<Self> {
        let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).ok();
        let rows = entry.rows.into_iter().map(|row| {
            Some(RowEntry {
                digest: match row.digest {
                    Some(digest) => Some(bytes(&digest)?),
                    None => None,
                },
                kind: row.kind,
                account: row.account,
                id: row.id,
            })
        });
        Some(Self {
            seq: entry.seq.cast_signed(),
            revision: entry.revision.cast_signed(),
            rows: rows.collect::<Option<_>>()?,
            rows_digest: bytes(&entry.rows_digest)?,
            previous: bytes(&entry.previous)?,
            hash: bytes(&entry.hash)?,
            mac: bytes(&entry.mac)?,
            line: Line {
                format: entry.format.cast_signed(),
                at: entry.at.cast_signed(),
                actor: entry.actor,
                source: entry.source,
                action: entry.action,
                result: entry.result,
                times: entry.times.cast_signed(),
                subject_kind: entry.subject_kind,
                subject_account: entry.subject_account,
                subject_id: entry.subject_id,
            },
        })
    }
}

/// A line of an export; `next` is the number that it should have, for one that cannot be read.
pub(crate) fn read_json(text: &str, next: i64) -> Read {
    let Ok(entry) = serde_json::from_str::<AuditEntry>(text) else {
        return Read::Unreadable(next);
    };
    let seq = entry.seq.cast_signed();
    Link::of_entry(entry).map_or(Read::Unreadable(seq), |link| Read::Link(Box::new(link)))
}
