//! Why the database did not do it, before it takes the form of one trait's error.

use std::error::Error;

/// A call failed. Holds no value of any row: SQLite's messages name tables and columns only.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A unique key is taken, or the change contradicts what is stored.
    #[error("the change conflicts with what is stored")]
    Conflict,
    /// It may work later.
    #[error("the database did not answer")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// What is stored cannot be read.
    #[error("the database holds what cannot be read")]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
}

/// SQLite's primary result codes (sqlite.org/rescode.html): the low byte of an extended one.
pub(crate) const CORRUPT: u32 = 11;
pub(crate) const NOT_A_DATABASE: u32 = 26;
pub(crate) const READ_ONLY: u32 = 8;
pub(crate) const CANNOT_OPEN: u32 = 14;
pub(crate) const BUSY: u32 = 5;

/// The primary result code, where SQLite itself refused.
pub(crate) fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

impl Failure {
    pub(crate) fn damaged(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Damaged(source.into())
    }

    pub(crate) fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    pub(crate) fn registry(self, attempted: &'static str) -> keyward_registry::StoreError {
        match self {
            Self::Conflict => keyward_registry::StoreError::conflict(attempted),
            Self::Unavailable(source) => {
                keyward_registry::StoreError::unavailable(attempted, source)
            }
            Self::Damaged(source) => keyward_registry::StoreError::damaged(attempted, source),
        }
    }

    pub(crate) fn vault(self, attempted: &'static str) -> keyward_vault::StoreError {
        match self {
            Self::Conflict => keyward_vault::StoreError::conflict(attempted),
            Self::Unavailable(source) => keyward_vault::StoreError::unavailable(attempted, source),
            Self::Damaged(source) => keyward_vault::StoreError::damaged(attempted, source),
        }
    }

    pub(crate) fn token(self) -> keyward_auth::StoreError {
        match self {
            Self::Conflict => keyward_auth::StoreError::conflict(self),
            Self::Unavailable(source) => keyward_auth::StoreError::unavailable(source),
            Self::Damaged(source) => keyward_auth::StoreError::damaged(source),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let conflict = error
            .as_database_error()
            .is_some_and(|error| error.is_unique_violation() || error.is_foreign_key_violation());
        if conflict {
            return Self::Conflict;
        }
        match primary_code(&error) {
            Some(CORRUPT | NOT_A_DATABASE) => Self::Damaged(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::Failure;

        keyward_testing::assert_texts!("Failure", Failure {
            Failure::Conflict => Failure::Conflict,
            Failure::Unavailable(_) => Failure::Unavailable("it is locked".into()),
            Failure::Damaged(_) => Failure::Damaged("a row is short".into()),
        }, |failure| keyward_testing::told(&failure));
    }
}
