//! Sealing and opening one record. The nonce is an argument of crate-private functions only.

use std::fmt;

use keyward_secret::{AccountId, Destination, Origin, SecretBytes};

use crate::{
    OpenError, Policy, SealError, SealedRecord, SecretId, VaultId, VersionNumber,
    committed::{self, NONCE},
    error::{OpenErrorKind, SealErrorKind},
    keyring::Keyring,
    sealed_format::{Header, fits},
};

const LABEL: &str = "keyward record v1";

/// Which value a record holds. A record that says another is refused like a damaged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordId {
    /// The tenant.
    pub account: AccountId,
    /// The secret.
    pub secret: SecretId,
    /// Which of its versions.
    pub version: VersionNumber,
}

/// A value, opened for an origin it may go to.
#[non_exhaustive]
pub struct Opened {
    /// The value.
    pub value: SecretBytes,
    /// Every origin it may go to.
    pub destination: Destination,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

/// Seals `value` under the newest key of the ring.
pub(crate) fn seal(
    vault: VaultId,
    keyring: &Keyring,
    id: &RecordId,
    policy: &Policy,
    value: &SecretBytes,
    nonce: &[u8; NONCE],
) -> Result<SealedRecord, SealError> {
    if !fits(value.len()) {
        return Err(SealErrorKind::TooLong {
            length: value.len(),
        }
        .into());
    }
    let (key_id, key) = keyring.newest();
    let header = Header {
        vault,
        key: key_id,
        id: *id,
        policy: policy.clone(),
    };
    let bytes = header.to_bytes()?;
    let sealed = committed::seal(key, LABEL, &bytes, nonce, value.expose())?;
    Ok(SealedRecord::assemble(header, bytes, &sealed))
}

/// Opens `record` if it is the one that `expected` says and its tag is good, wherever it may go.
pub(crate) fn open(
    vault: VaultId,
    keyring: &Keyring,
    record: &SealedRecord,
    expected: &RecordId,
) -> Result<(SecretBytes, Policy), OpenError> {
    let damaged = || OpenError {
        secret: expected.secret,
        version: expected.version,
        kind: OpenErrorKind::Damaged,
    };
    let header = record.header();
    if header.vault != vault || header.id != *expected {
        return Err(damaged());
    }
    let key = keyring.find(header.key).ok_or_else(damaged)?;
    let (associated, sealed) = record.parts();
    let value = committed::open(key, LABEL, associated, sealed).map_err(|_mismatch| damaged())?;
    Ok((value, header.policy.clone()))
}

/// As [`open`], for an origin that must be in the record's destination.
pub(crate) fn open_for(
    vault: VaultId,
    keyring: &Keyring,
    record: &SealedRecord,
    expected: &RecordId,
    wanted: &Origin,
) -> Result<Opened, OpenError> {
    let (value, policy) = open(vault, keyring, record, expected)?;
    match policy.destination {
        Some(destination) if destination.contains(wanted) => Ok(Opened { value, destination }),
        sealed_for => Err(OpenError {
            secret: expected.secret,
            version: expected.version,
            kind: OpenErrorKind::WrongDestination { sealed_for },
        }),
    }
}

#[cfg(test)]
mod tests;
