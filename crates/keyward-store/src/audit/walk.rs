//! Going along the chain, line by line, and noting what is not as it was written. No I/O.

use std::collections::{BTreeMap, HashMap};

use keyward_registry::AuditFinding;

use super::{
    Chain, Link, Read, RowEntry,
    checkpoint::{Checkpoint, Sequence},
};

/// Findings that are told; more are only known to be there.
const MOST_FINDINGS: usize = 100;

/// What the newest line about a row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) seq: i64,
    /// None: it was removed.
    pub(crate) digest: Option<Vec<u8>>,
}

/// Kind, account, id.
pub(crate) type RowName = (String, String, String);

/// What the log says of rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) newest: HashMap<RowName, Newest>,
    /// Account and id of each secret and route that was ever removed, with the last line that did so: its versions went
    /// with it, and no line says so of each.
    pub(crate) removed_wholes: HashMap<(String, String), i64>,
}

/// What was found so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<AuditFinding>);

/// A walk along the chain, from its start.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    seq: i64,
    /// The hash of the line before; none where that line was missing or unreadable.
    previous: Option<Vec<u8>>,
    checkpoints: BTreeMap<i64, Vec<Checkpoint>>,
    rows: Option<Rows>,
    /// The revision of the newest line that does not say row by row what it wrote.
    unlisted: Option<i64>,
    pub(crate) findings: Findings,
    /// What is wrong with the checkpoints themselves: the log may be whole all the same.
    pub(crate) in_checkpoints: Findings,
}

impl Findings {
    pub(crate) fn add(&mut self, seq: i64, what: impl Into<String>) {
        if self.0.len() < MOST_FINDINGS {
            self.0.push(AuditFinding {
                seq: seq.cast_unsigned(),
                what: what.into(),
            });
        }
    }
}

impl Walk {
    /// A walk that compares the chain with `checkpoints`, whose signatures were checked, in the order of their file.
    pub(crate) fn new(checkpoints: impl IntoIterator<Item = Checkpoint>) -> Self {
        let mut sequence = Sequence::default();
        let mut walk = Self {
            previous: Some(vec![0; 32]),
            ..Self::default()
        };
        for checkpoint in checkpoints {
            let seq = checkpoint.seq;
            if let Some(fault) = sequence.take(&checkpoint).fault() {
                let what = format!("the checkpoint of line {seq} {fault}");
                walk.in_checkpoints.add(0, what);
            }
            let of_line = walk.checkpoints.entry(checkpoint.seq).or_default();
            of_line.push(checkpoint);
        }
        walk
    }

    /// Remembers what the newest line about each row says.
    pub(crate) fn with_rows(mut self) -> Self {
        self.rows = Some(Rows::default());
        self
    }

    /// The number of the last line.
    pub(crate) const fn seq(&self) -> i64 {
        self.seq
    }

    /// The last line and its hash; none before the first, and where that line cannot be read.
    pub(crate) fn end(&self) -> Option<(i64, Vec<u8>)> {
        let hash = self.previous.clone()?;
        (self.seq > 0).then_some((self.seq, hash))
    }

    /// Whether a row of this revision may have been written by a line that does not list its rows.
    pub(crate) fn may_be_unlisted(&self, revision: i64) -> bool {
        self.unlisted.is_some_and(|newest| revision <= newest)
    }

    /// What the newest lines say of rows, if it was to be remembered.
    pub(crate) fn take_rows(&mut self) -> Rows {
        self.rows.take().unwrap_or_default()
    }

    /// Takes the next line. `chain` checks its keyed code, where there is a keyring.
    pub(crate) fn take(&mut self, read: Read, chain: Option<&Chain>) {
        let (seq, link) = match read {
            Read::Unreadable(seq) => (seq, None),
            Read::Link(link) => (link.seq, Some(link)),
        };
        let expected = self.seq.saturating_add(1);
        if seq < expected {
            self.findings.add(seq, "it stands out of its order");
            return;
        }
        if seq > expected {
            let last = seq.saturating_sub(1);
            let what = match last.saturating_sub(expected) {
                0 => "it is missing".to_owned(),
                _ => format!("it is missing, and so are all up to line {last}"),
            };
            self.findings.add(expected, what);
            self.previous = None;
        }
        self.seq = seq;
        let Some(link) = link else {
            self.findings.add(seq, "it cannot be read");
            self.previous = None;
            return;
        };
        self.check(&link, chain);
        self.remember(&link);
        self.previous = Some(link.hash);
    }

    fn check(&mut self, link: &Link, chain: Option<&Chain>) {
        let follows = self
            .previous
            .as_ref()
            .is_none_or(|previous| *previous == link.previous);
        if !follows {
            let what =
                "it does not follow the line before it: that one was changed, replaced or inserted";
            self.findings.add(link.seq, what);
        }
        if !link.is_whole() {
            let what = "it is not as it was written: its hash, or that of the rows it lists, does not match";
            self.findings.add(link.seq, what);
        } else if chain.is_some_and(|chain| !chain.is_genuine(link)) {
            let what = "it was not written with the keyring: its keyed code does not match";
            self.findings.add(link.seq, what);
        }
        for checkpoint in self.checkpoints.remove(&link.seq).unwrap_or_default() {
            if checkpoint.hash != *link.hash {
                let at = checkpoint.at;
                let what = format!(
                    "it has another hash than the checkpoint that was signed at {at} ms: it or a line before it was replaced"
                );
                self.findings.add(link.seq, what);
            }
        }
    }

    fn remember(&mut self, link: &Link) {
        if link.line.format == 1 {
            self.unlisted = self.unlisted.max(Some(link.revision));
        }
        let Some(rows) = &mut self.rows else {
            return;
        };
        for RowEntry {
            kind,
            account,
            id,
            digest,
        } in &link.rows
        {
            // Ids of the two are never the same: each is 128 random bits.
            if matches!(kind.as_str(), "secret" | "route") && digest.is_none() {
                let whole = (account.clone(), id.clone());
                rows.removed_wholes.insert(whole, link.seq);
            }
            let name = (kind.clone(), account.clone(), id.clone());
            let newest = Newest {
                seq: link.seq,
                digest: digest.clone(),
            };
            rows.newest.insert(name, newest);
        }
    }

    /// The end of the chain: no checkpoint may stand beyond it.
    pub(crate) fn finish(&mut self) {
        let beyond = self.checkpoints.split_off(&self.seq.saturating_add(1));
        if let Some((seq, signed)) = beyond.last_key_value() {
            let at = signed
                .first()
                .map(|checkpoint| checkpoint.at)
                .unwrap_or_default();
            let last = self.seq;
            let what = format!(
                "the end was cut off: the log ends at line {last}, and a checkpoint of line {seq} was signed at {at} ms"
            );
            self.findings.add(last.saturating_add(1), what);
        }
    }
}
