//! What is kept of a secret and of its versions.

use std::time::SystemTime;

use keyward_secret::AccountId;

use crate::{SealedRecord, SecretId, SecretsStoreId, VersionNumber, rotation::Rotation};

/// A secret: a name, and which of its versions is current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRecord {
    /// Its id.
    pub id: SecretId,
    /// The tenant.
    pub account: AccountId,
    /// The collection it stands in.
    pub store: SecretsStoreId,
    /// Its name, unique in nothing here: what names mean is the owner's affair.
    pub name: String,
    /// A note for people.
    pub comment: String,
    /// Which services may use it, as Cloudflare's Secrets Store names them.
    pub scopes: Vec<String>,
    /// The version in use.
    pub current: Option<VersionNumber>,
    /// When it was made.
    pub created_at: SystemTime,
    /// When it last changed.
    pub modified_at: SystemTime,
}

/// One version of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    /// The tenant.
    pub account: AccountId,
    /// The secret.
    pub secret: SecretId,
    /// The version.
    pub number: VersionNumber,
    /// Where it is in its life.
    pub state: VersionState,
    /// The value; none once it is destroyed.
    pub sealed: Option<SealedRecord>,
    /// What may be shown of the value.
    pub preview: String,
    /// When it was made.
    pub created_at: SystemTime,
    /// When its state last changed.
    pub changed_at: SystemTime,
}

/// Where a version is in its life. Each leads to the next, and to `Destroyed`; a roll-back makes `Retiring` `Current`
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever uses a version must decide for each"
)]
pub enum VersionState {
    /// Entered, not in use yet.
    Staged,
    /// In use.
    Current,
    /// Replaced, and still usable for a while.
    Retiring,
    /// Gone: the value is erased.
    Destroyed,
}

impl VersionState {
    const ALL: [Self; 4] = [Self::Staged, Self::Current, Self::Retiring, Self::Destroyed];

    /// The text that stores keep.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Current => "current",
            Self::Retiring => "retiring",
            Self::Destroyed => "destroyed",
        }
    }

    /// Reads [`as_str`](Self::as_str) back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One change of what is kept. Decisions return these; a store carries them out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store that leaves one out loses writes"
)]
pub enum Change {
    /// Makes or replaces a secret.
    PutSecret(SecretRecord),
    /// Makes or replaces a version.
    PutVersion(VersionRecord),
    /// Makes or replaces the one rotation that is kept of a secret.
    PutRotation(Box<Rotation>),
    /// Removes a secret with all its versions and its rotation.
    DeleteSecret {
        /// Its tenant.
        account: AccountId,
        /// The secret.
        secret: SecretId,
    },
}
