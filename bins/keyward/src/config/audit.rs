//! `[audit]`: where checkpoints of the audit log go.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use keyward_store::{CheckpointFile, CheckpointSettings};
use serde::Deserialize;

use super::Seconds;
use crate::failure::Failure;

/// The audit log.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditSection {
    /// The file that signed checkpoints are appended to. Default: none are written.
    pub(crate) checkpoint_file: Option<PathBuf>,
    /// How often one is written where there is something new. Default 60 s.
    pub(crate) checkpoint_interval_secs: Option<Seconds>,
    /// After how many lines one is written without waiting. Default 100.
    pub(crate) checkpoint_lines: Option<NonZeroU64>,
}

impl AuditSection {
    /// Makes the file if it is not there. One that cannot be written stops the start.
    pub(crate) fn checkpoints(&self) -> Result<Option<CheckpointSettings>, Failure> {
        let Some(path) = &self.checkpoint_file else {
            return Ok(None);
        };
        let file = CheckpointFile::open(path).map_err(|error| {
            Failure::new(format!(
                "cannot write checkpoints of the audit log to {}",
                path.display()
            ))
            .caused_by(&error)
            .in_file(path)
            .help("`[audit] checkpoint_file` names it; correct the path or its permissions, or leave it out")
        })?;
        let interval = self.checkpoint_interval_secs;
        Ok(Some(CheckpointSettings {
            file,
            every: interval.map_or(Duration::from_secs(60), Seconds::duration),
            lines: self.checkpoint_lines.map_or(100, NonZeroU64::get),
        }))
    }
}
