//! Why a database cannot be opened, in one sentence for people.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use crate::failure::{CANNOT_OPEN, CORRUPT, NOT_A_DATABASE, READ_ONLY, primary_code};

/// A database cannot be opened. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the database {}: {kind}", path.display())]
pub struct OpenError {
    path: PathBuf,
    kind: Kind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("its directory does not exist; create it, or name another")]
    NoDirectory,
    #[error("another process uses it; stop that one first")]
    InUse,
    #[error("the file or its directory cannot be written; check owner and permissions")]
    ReadOnly,
    #[error("the file is damaged, or no database of Keyward's; restore it from a backup")]
    Damaged,
    #[error(
        "it has schema {found}, and this version of Keyward knows schemas up to {known}; use the newer version"
    )]
    Newer { found: i64, known: i64 },
    #[error(
        "it has schema {found}, and this version of Keyward reads copies of schema {known}; let a server of this version open the database once, and copy it again"
    )]
    Older { found: i64, known: i64 },
    #[error("the system or the database refused")]
    Failed,
}

impl OpenError {
    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory is missing.
    #[must_use]
    pub const fn is_missing_directory(&self) -> bool {
        matches!(self.kind, Kind::NoDirectory)
    }

    /// Whether another process has it open.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        matches!(self.kind, Kind::InUse)
    }

    /// Whether file or directory cannot be written.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        matches!(self.kind, Kind::ReadOnly)
    }

    /// Whether the file is damaged, or is not a database of Keyward's at all.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        matches!(self.kind, Kind::Damaged)
    }

    /// Whether a newer version of Keyward wrote it.
    #[must_use]
    pub const fn is_newer(&self) -> bool {
        matches!(self.kind, Kind::Newer { .. })
    }

    pub(crate) fn no_directory(path: &Path) -> Self {
        Self::build(path, Kind::NoDirectory, None)
    }

    pub(crate) fn in_use(path: &Path) -> Self {
        Self::build(path, Kind::InUse, None)
    }

    pub(crate) fn damaged(path: &Path) -> Self {
        Self::build(path, Kind::Damaged, None)
    }

    pub(crate) fn newer(path: &Path, found: i64, known: i64) -> Self {
        Self::build(path, Kind::Newer { found, known }, None)
    }

    pub(crate) fn older(path: &Path, found: i64, known: i64) -> Self {
        Self::build(path, Kind::Older { found, known }, None)
    }

    pub(crate) fn system(path: &Path, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::ReadOnly,
            _ => Kind::Failed,
        };
        Self::build(path, kind, Some(error.into()))
    }

    pub(crate) fn database(path: &Path, error: sqlx::Error) -> Self {
        let kind = match primary_code(&error) {
            Some(CORRUPT | NOT_A_DATABASE) => Kind::Damaged,
            Some(READ_ONLY | CANNOT_OPEN) => Kind::ReadOnly,
            _ => Kind::Failed,
        };
        Self::build(path, kind, Some(error.into()))
    }

    pub(crate) fn migration(path: &Path, error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                Self::database(path, error)
            }
            error => Self::build(path, Kind::Damaged, Some(error.into())),
        }
    }

    fn build(path: &Path, kind: Kind, source: Option<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            path: path.to_owned(),
            kind,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, OpenError};

        keyward_testing::assert_texts!("OpenError", Kind {
            Kind::NoDirectory => Kind::NoDirectory,
            Kind::InUse => Kind::InUse,
            Kind::ReadOnly => Kind::ReadOnly,
            Kind::Damaged => Kind::Damaged,
            Kind::Newer { .. } => Kind::Newer { found: 9, known: 4 },
            Kind::Older { .. } => Kind::Older { found: 2, known: 4 },
            Kind::Failed => Kind::Failed,
        }, |kind| keyward_testing::told(&OpenError {
            path: "data/keyward.db".into(),
            kind,
            source: Some("the disk is gone".into()),
        }));
    }
}
