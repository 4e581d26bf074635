//! Checking a copy of the log where no server runs: a copy of the database, or an export.

use std::{
    io::{self, BufRead},
    path::{Path, PathBuf},
    sync::Arc,
};

use keyward_registry::{AuditFinding, StoreError};
use keyward_vault::{SealState, Vault, VaultId};
use sqlx::sqlite::SqliteConnection;

use super::{
    AuditPublicKey, Chain,
    checkpoint::{Checkpoint, Follows, NoCheckpoint, Sequence},
    entry, tables,
    walk::{Findings, Walk},
    walk_to_end,
};
use crate::{OpenError, connect, failure::Failure, open, seal};

/// What a copy is compared with.
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "arguments by name")]
pub struct AuditEvidence<'a> {
    /// The text of a file of checkpoints, and the key that signed them.
    pub checkpoints: Option<(&'a str, AuditPublicKey)>,
    /// The opened vault, which checks the keyed codes as well.
    pub vault: Option<Arc<Vault>>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct AuditReport {
    /// Lines of the log.
    pub lines: u64,
    /// Genuine checkpoints that the log was compared with.
    pub checkpoints: u64,
    /// Rows that were compared with what the log says of them; none in an export.
    pub rows: u64,
    /// Rows that lines of the first format wrote, which do not say what.
    pub uncovered: u64,
    /// Whether the keyed codes were checked.
    pub has_codes: bool,
    /// What is not as it was written, the first hundred. Empty: everything is.
    pub findings: Vec<AuditFinding>,
    /// What is no fault, and worth knowing.
    pub notes: Vec<String>,
}

/// A copy of the database, opened to be read. Nothing in it is changed.
#[derive(Debug)]
pub struct DatabaseCopy {
    path: PathBuf,
    connection: SqliteConnection,
}

impl DatabaseCopy {
    /// Opens a copy; also the database of a server that runs, as it stands at this moment.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is damaged or no database of Keyward's, or is of another version.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let refuse = |error| OpenError::database(path, error);
        let mut connection = connect::copy(path).await.map_err(refuse)?;
        open::check_schema(&mut connection, path)
            .await
            .map_err(refuse)??;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The seal of the vault in it.
    ///
    /// # Errors
    ///
    /// When the copy cannot be read.
    pub async fn load_seal(&mut self) -> Result<Option<SealState>, StoreError> {
        let loaded = seal::load(&mut self.connection).await;
        loaded.map_err(|failure| failure.registry("read the seal of the copy"))
    }

    /// Checks the chain, the rows it tells of, and what there is of evidence.
    ///
    /// # Errors
    ///
    /// When the copy cannot be read. What is wrong in it is in the report.
    pub async fn check_audit(
        &mut self,
        evidence: &AuditEvidence<'_>,
    ) -> Result<AuditReport, StoreError> {
        let checked = self.check(evidence).await;
        checked.map_err(|failure| failure.registry("read the copy"))
    }

    async fn check(&mut self, evidence: &AuditEvidence<'_>) -> Result<AuditReport, Failure> {
        use sqlx::Connection;
        // One picture, also where a server writes at the same time.
        let mut transaction = self.connection.begin().await?;
        let vault = seal::load(&mut transaction).await?.map(|state| state.vault);
        let mut report = AuditReport::default();
        let mut walk = begin(evidence, vault, &mut report).with_rows();
        let chain = evidence.vault.clone().map(Chain::new);
        walk_to_end(&mut transaction, &mut walk, chain.as_ref()).await?;
        let compared = tables::compare(&mut transaction, &mut walk).await?;
        report.rows = compared.rows;
        report.uncovered = compared.uncovered;
        Ok(end(walk, chain.as_ref(), report))
    }
}

/// Checks an export, one JSON object in each line.
///
/// # Errors
///
/// When it cannot be read. What is wrong in it is in the report.
pub fn check_audit_export(
    export: impl BufRead,
    evidence: &AuditEvidence<'_>,
) -> io::Result<AuditReport> {
    let mut report = AuditReport::default();
    let mut walk = begin(evidence, None, &mut report);
    let chain = evidence.vault.clone().map(Chain::new);
    for line in export.lines() {
        let line = line?;
        if !line.trim().is_empty() {
            let next = walk.seq().saturating_add(1);
            walk.take(entry::read_json(&line, next), chain.as_ref());
        }
    }
    report
        .notes
        .push("an export holds no tables: rows were not compared".to_owned());
    Ok(end(walk, chain.as_ref(), report))
}

fn begin(evidence: &AuditEvidence<'_>, vault: Option<VaultId>, report: &mut AuditReport) -> Walk {
    let Some((text, key)) = evidence.checkpoints else {
        let note = "no checkpoints were given: a log whose end was cut off, or that somebody computed anew, looks whole";
        report.notes.push(note.to_owned());
        return Walk::new([]);
    };
    let mut findings = Findings::default();
    let mut genuine = Vec::new();
    let mut sequence = Sequence::default();
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() {
            continue;
        }
        let mut add = |what: &str| {
            findings.add(0, format!("line {number} of the checkpoints {what}"));
        };
        match Checkpoint::parse(line) {
            Ok(checkpoint) if checkpoint.key() != key => add("names another key"),
            Ok(checkpoint) if !checkpoint.is_signed_by(key) => {
                add("is not as it was signed: its signature does not match");
            }
            Ok(checkpoint) if vault.is_some_and(|vault| vault != checkpoint.vault) => {
                add("is of another vault");
            }
            Ok(checkpoint) => {
                let follows = sequence.take(&checkpoint);
                if let Some(fault) = follows.fault() {
                    add(fault);
                }
                if follows == Follows::AnotherFile {
                    report.notes.push(format!(
                        "line {number} of the checkpoints follows one of another file, as after a log rotation; check that file too"
                    ));
                }
                genuine.push(checkpoint);
            }
            Err(NoCheckpoint::CutOff) => report.notes.push(format!(
                "line {number} of the checkpoints is cut off, as by a crash; it was left out"
            )),
            Err(NoCheckpoint::Malformed) => add("is no checkpoint"),
        }
    }
    if genuine.is_empty() {
        findings.add(0, "the file of checkpoints holds none that counts");
    }
    report.checkpoints = u64::try_from(genuine.len()).unwrap_or(u64::MAX);
    let mut walk = Walk::new(genuine);
    // They were told with their line in the file.
    walk.findings = findings;
    walk
}

fn end(mut walk: Walk, chain: Option<&Chain>, mut report: AuditReport) -> AuditReport {
    walk.finish();
    report.lines = walk.seq().cast_unsigned();
    report.has_codes = chain.is_some();
    report.findings = walk.findings.0;
    report
}
