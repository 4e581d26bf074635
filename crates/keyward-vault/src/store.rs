//! What a store must do for the vault.

use std::{error::Error, fmt, pin::Pin};

use keyward_secret::AccountId;

use crate::{Change, SealState, SecretId, SecretRecord, VersionRecord, rotation::Rotation};

/// A future that a storage trait returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A secret with its current version.
type Current = (SecretRecord, Option<VersionRecord>);

/// Where seals, secrets and versions are kept. Object-safe.
///
/// A secret goes by its account and its id: the same id in another account is another secret.
pub trait VaultStore: Send + Sync + fmt::Debug {
    /// The seal, if a vault was ever made here.
    fn load_seal(&self) -> BoxFuture<'_, Result<Option<SealState>, StoreError>>;

    /// Keeps the seal if the one there is at `expected` (none: if there is none yet), and gives it the next
    /// revision: 1, then one more each time. The revision that `state` holds is not looked at.
    ///
    /// # Errors
    ///
    /// [`StoreError::is_conflict`] where it is at another; then nothing was written.
    fn save_seal(
        &self,
        state: SealState,
        expected: Option<u64>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// A secret and its current version, if it names one.
    fn find_secret(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Option<Current>, StoreError>>;

    /// Those of `secrets` that there are, rising by id, each with its current version as by
    /// [`find_secret`](Self::find_secret). One look-up for all of them.
    fn find_secrets<'a>(
        &'a self,
        account: AccountId,
        secrets: &'a [SecretId],
    ) -> BoxFuture<'a, Result<Vec<Current>, StoreError>>;

    /// Every secret of an account, by the bytes of its name, then by id.
    fn list_secrets(
        &self,
        account: AccountId,
    ) -> BoxFuture<'_, Result<Vec<SecretRecord>, StoreError>>;

    /// Every version of a secret, rising.
    fn list_versions(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Vec<VersionRecord>, StoreError>>;

    /// The last rotation of a secret, if it ever had one.
    fn find_rotation(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Option<Rotation>, StoreError>>;

    /// Carries out all changes in their order, or none. Returns when they are durable, and every read that
    /// begins later sees them. Deleting what the account does not have changes nothing and is no error.
    ///
    /// # Errors
    ///
    /// [`StoreError::is_conflict`] where a version or a rotation would be left whose secret its account does not have.
    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// A store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempted}: {kind}")]
pub struct StoreError {
    attempted: &'static str,
    kind: Kind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("somebody else was faster, or it exists already")]
    Conflict,
    #[error("the store did not answer")]
    Unavailable,
    #[error("what is stored cannot be read")]
    Damaged,
}

impl StoreError {
    /// Somebody else was faster, or a unique key is taken.
    #[must_use]
    pub const fn conflict(attempted: &'static str) -> Self {
        Self {
            attempted,
            kind: Kind::Conflict,
            source: None,
        }
    }

    /// The store does not answer now, and may later.
    #[must_use]
    pub fn unavailable(
        attempted: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            attempted,
            kind: Kind::Unavailable,
            source: Some(source.into()),
        }
    }

    /// What the store holds cannot be read.
    #[must_use]
    pub fn damaged(
        attempted: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            attempted,
            kind: Kind::Damaged,
            source: Some(source.into()),
        }
    }

    /// Whether somebody else was faster, or a unique key is taken.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.kind == Kind::Conflict
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind == Kind::Unavailable
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, StoreError};

        keyward_testing::assert_texts!("StoreError", Kind {
            Kind::Conflict => Kind::Conflict,
            Kind::Unavailable => Kind::Unavailable,
            Kind::Damaged => Kind::Damaged,
        }, |kind| keyward_testing::told(&StoreError {
            attempted: "save the seal",
            kind,
            source: Some("the disk is full".into()),
        }));
    }
}
