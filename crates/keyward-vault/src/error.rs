//! Why something could not be sealed, opened or unsealed.

use std::error::Error;

use keyward_secret::Destination;

use crate::{SecretId, VersionNumber};

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no randomness")]
pub struct RandomError(#[source] Box<dyn Error + Send + Sync>);

impl RandomError {
    pub(crate) fn new(source: getrandom::Error) -> Self {
        Self(Box::new(source))
    }
}

/// A value could not be sealed.
#[derive(Debug, thiserror::Error)]
#[error("cannot seal the value")]
pub struct SealError(#[from] SealErrorKind);

#[derive(Debug, thiserror::Error)]
pub(crate) enum SealErrorKind {
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("it is {length} bytes long; at most 65536 are sealed")]
    TooLong { length: usize },
    #[error("its policy is longer than a record's header can be")]
    PolicyTooLong,
    #[error("the cipher refused it")]
    Cipher,
    #[error(
        "the machine has not the memory that the passphrase's parameters ask for; free some, or make its slot with less"
    )]
    Derivation,
}

impl From<RandomError> for SealError {
    fn from(error: RandomError) -> Self {
        Self(SealErrorKind::Random(error))
    }
}

/// A sealed version could not be opened. Two different things may be wrong, and no third.
#[derive(Debug, thiserror::Error)]
#[error("cannot open secret {secret}, version {version}")]
pub struct OpenError {
    pub(crate) secret: SecretId,
    pub(crate) version: VersionNumber,
    #[source]
    pub(crate) kind: OpenErrorKind,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenErrorKind {
    #[error(
        "the record is damaged, is another secret's, or was sealed by another vault; restore it from a backup, or enter the value again"
    )]
    Damaged,
    #[error("it is sealed for {}; enter the value again to seal it for another destination", Shown(sealed_for.as_ref()))]
    WrongDestination { sealed_for: Option<Destination> },
}

struct Shown<'a>(Option<&'a Destination>);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(destination) => destination.fmt(f),
            None => f.write_str("no destination"),
        }
    }
}

impl OpenError {
    /// Whether the record is good, and the wanted origin is not one it may go to.
    #[must_use]
    pub const fn is_wrong_destination(&self) -> bool {
        matches!(self.kind, OpenErrorKind::WrongDestination { .. })
    }

    /// Whether the record does not open at all. What exactly is wrong with it is not told.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        matches!(self.kind, OpenErrorKind::Damaged)
    }

    /// Where a good record may go, as text; none where it is damaged.
    #[must_use]
    pub fn sealed_for(&self) -> Option<String> {
        match &self.kind {
            OpenErrorKind::WrongDestination { sealed_for } => {
                Some(Shown(sealed_for.as_ref()).to_string())
            }
            OpenErrorKind::Damaged => None,
        }
    }
}

/// A value could not be sealed once more.
#[derive(Debug, thiserror::Error)]
#[error("cannot copy the value")]
pub struct ResealError(#[source] ResealErrorKind);

#[derive(Debug, thiserror::Error)]
enum ResealErrorKind {
    #[error(transparent)]
    Open(OpenError),
    #[error(transparent)]
    Seal(SealError),
}

impl ResealError {
    /// Whether the record that holds the value does not open.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        matches!(self.0, ResealErrorKind::Open(_))
    }
}

impl From<OpenError> for ResealError {
    fn from(error: OpenError) -> Self {
        Self(ResealErrorKind::Open(error))
    }
}

impl From<SealError> for ResealError {
    fn from(error: SealError) -> Self {
        Self(ResealErrorKind::Seal(error))
    }
}

/// The vault could not be unsealed.
#[derive(Debug, thiserror::Error)]
#[error("cannot unseal the vault")]
pub struct UnsealError(#[source] pub(crate) UnsealErrorKind);

#[derive(Debug, thiserror::Error)]
pub(crate) enum UnsealErrorKind {
    #[error("it has no {0} slot")]
    NoSuchSlot(&'static str),
    #[error("the {0} is not the one that this vault was sealed with")]
    WrongUnlock(&'static str),
    #[error("the keyring is damaged; restore the database from a backup")]
    DamagedKeyring,
    #[error(
        "the machine has not the memory that the passphrase's parameters ask for; free some, or make its slot with less"
    )]
    Derivation,
}

impl UnsealError {
    /// Whether what was brought is another vault's, or mistyped.
    #[must_use]
    pub const fn is_wrong_unlock(&self) -> bool {
        matches!(
            self.0,
            UnsealErrorKind::WrongUnlock(_) | UnsealErrorKind::NoSuchSlot(_)
        )
    }

    /// Whether what is stored of the seal is damaged.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        matches!(self.0, UnsealErrorKind::DamagedKeyring)
    }
}

#[cfg(test)]
mod tests {
    use keyward_secret::Destination;
    use keyward_testing::{assert_texts, told};

    use super::{
        OpenError, OpenErrorKind, RandomError, ResealError, ResealErrorKind, SealError,
        SealErrorKind, UnsealError, UnsealErrorKind,
    };
    use crate::{SecretId, VersionNumber};

    fn random() -> RandomError {
        RandomError("the device is gone".into())
    }

    fn open(kind: OpenErrorKind) -> OpenError {
        OpenError {
            secret: SecretId::from_bytes([7; 16]),
            version: VersionNumber::FIRST,
            kind,
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        assert_texts!("RandomError", ["no randomness" => random()]);
        assert_texts!("SealError", SealErrorKind {
            SealErrorKind::Random(_) => SealErrorKind::Random(random()),
            SealErrorKind::TooLong { .. } => SealErrorKind::TooLong { length: 65537 },
            SealErrorKind::PolicyTooLong => SealErrorKind::PolicyTooLong,
            SealErrorKind::Cipher => SealErrorKind::Cipher,
            SealErrorKind::Derivation => SealErrorKind::Derivation,
        }, |kind| told(&SealError(kind)));
        let destination = || Destination::parse(["https://api.openai.com"]).unwrap();
        assert_texts!("OpenError", OpenErrorKind {
            OpenErrorKind::Damaged => OpenErrorKind::Damaged,
            OpenErrorKind::WrongDestination { .. } => OpenErrorKind::WrongDestination {
                sealed_for: Some(destination()),
            },
        }, |kind| told(&open(kind)));
        assert_texts!("ResealError", ResealErrorKind {
            ResealErrorKind::Open(_) => ResealErrorKind::Open(open(OpenErrorKind::Damaged)),
            ResealErrorKind::Seal(_) => ResealErrorKind::Seal(SealErrorKind::Cipher.into()),
        }, |kind| told(&ResealError(kind)));
        assert_texts!("UnsealError", UnsealErrorKind {
            UnsealErrorKind::NoSuchSlot(_) => UnsealErrorKind::NoSuchSlot("passphrase"),
            UnsealErrorKind::WrongUnlock(_) => UnsealErrorKind::WrongUnlock("passphrase"),
            UnsealErrorKind::DamagedKeyring => UnsealErrorKind::DamagedKeyring,
            UnsealErrorKind::Derivation => UnsealErrorKind::Derivation,
        }, |kind| told(&UnsealError(kind)));
    }
}
