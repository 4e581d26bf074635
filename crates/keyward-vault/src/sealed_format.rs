//! The bytes of a record, versioned.
//!
//! ```text
//! header      magic "KWSR", format 1, suite 1, purpose 1           7 bytes
//!             vault id                                            16
//!             key id                                               4, big-endian
//!             account id                                          16
//!             secret id                                           16
//!             version                                              4, big-endian
//!             bound: 0 or 1                                        1
//!             length of the destination, destination           4 + n   (canonical, keyward-secret)
//!             length of the owner's context, context           4 + n
//! nonce                                                           24
//! key commitment                                                  32
//! ciphertext and tag                                          n + 16
//! ```
//!
//! The header as a whole is the associated data. Suite 1 is HKDF-SHA256 and XChaCha20-Poly1305
//! (`committed.rs`); purpose 1 is a secret's value. There is one encoding of a header: what is read is
//! written again and compared.

use std::fmt;

use keyward_secret::{AccountId, Destination};

use crate::{KeyId, Policy, RecordId, SecretId, VaultId, VersionNumber, error::SealErrorKind};

const MAGIC: &[u8; 4] = b"KWSR";
const FORMAT: u8 = 1;
const SUITE: u8 = 1;
const PURPOSE_VALUE: u8 = 1;
/// Nonce, commitment and tag.
const OVERHEAD: usize = 24 + 32 + 16;
const MAX_VALUE: usize = 65_536;
const MAX_DESTINATION: usize = 64 * 1024;
const MAX_CONTEXT: usize = 4 * 1024;

/// A sealed value: opaque, authenticated, safe to store.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedRecord {
    bytes: Box<[u8]>,
    header: Header,
    header_length: usize,
}

/// What stands in clear, and is authenticated when the record is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) vault: VaultId,
    pub(crate) key: KeyId,
    pub(crate) id: RecordId,
    pub(crate) policy: Policy,
}

/// The bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the sealed record: {0}")]
pub struct ParseRecordError(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("it does not begin as one")]
    Magic,
    #[error(
        "its format, suite or purpose is not one that this version knows; use the version that wrote it"
    )]
    Unknown,
    #[error("it is cut short, too long or not in its one canonical form")]
    Form,
}

impl ParseRecordError {
    /// Whether the record is of a format that a later version may know.
    #[must_use]
    pub const fn is_unknown_format(&self) -> bool {
        matches!(self.0, Kind::Unknown)
    }
}

impl Header {
    /// The header's bytes: the associated data.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, SealErrorKind> {
        let Policy {
            destination,
            context,
        } = &self.policy;
        let bound = u8::from(destination.is_some());
        let destination = destination
            .as_ref()
            .map_or_else(Vec::new, Destination::to_canonical);
        if destination.len() > MAX_DESTINATION || context.len() > MAX_CONTEXT {
            return Err(SealErrorKind::PolicyTooLong);
        }
        let mut bytes = Vec::with_capacity(72 + destination.len() + context.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[FORMAT, SUITE, PURPOSE_VALUE]);
        bytes.extend_from_slice(self.vault.as_bytes());
        bytes.extend_from_slice(&self.key.get().to_be_bytes());
        bytes.extend_from_slice(self.id.account.as_bytes());
        bytes.extend_from_slice(self.id.secret.as_bytes());
        bytes.extend_from_slice(&self.id.version.get().to_be_bytes());
        bytes.push(bound);
        for field in [destination.as_slice(), context] {
            let length =
                u32::try_from(field.len()).map_err(|_long| SealErrorKind::PolicyTooLong)?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(field);
        }
        Ok(bytes)
    }
}

impl SealedRecord {
    /// Reads a record's bytes. Checks their form; only opening it shows whether they are genuine.
    ///
    /// # Errors
    ///
    /// When the bytes are no record, or one of a format that this version does not know.
    pub fn parse(bytes: impl Into<Box<[u8]>>) -> Result<Self, ParseRecordError> {
        let bytes = bytes.into();
        let (header, header_length) = read_header(&bytes).map_err(ParseRecordError)?;
        Ok(Self {
            header,
            header_length,
            bytes,
        })
    }

    pub(crate) fn assemble(header: Header, mut bytes: Vec<u8>, sealed: &[u8]) -> Self {
        let header_length = bytes.len();
        bytes.extend_from_slice(sealed);
        Self {
            bytes: bytes.into(),
            header,
            header_length,
        }
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The keyring key it was sealed with, as the header says: not authenticated.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.header.key
    }

    /// The policy as the header says: **not authenticated**. Ask [`Vault::policy`](crate::Vault::policy)
    /// where something depends on it.
    #[must_use]
    pub const fn unverified_policy(&self) -> &Policy {
        &self.header.policy
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    /// Header bytes, and what is sealed.
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes
            .split_at_checked(self.header_length)
            .unwrap_or((&self.bytes, &[]))
    }
}

impl fmt::Debug for SealedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedRecord")
            .field("id", &self.header.id)
            .field("key", &self.header.key)
            .finish_non_exhaustive()
    }
}

fn read_header(bytes: &[u8]) -> Result<(Header, usize), Kind> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Kind::Magic)?;
    let (kind, rest) = rest.split_first_chunk::<3>().ok_or(Kind::Form)?;
    if *kind != [FORMAT, SUITE, PURPOSE_VALUE] {
        return Err(Kind::Unknown);
    }
    let (vault, rest) = rest.split_first_chunk::<16>().ok_or(Kind::Form)?;
    let (key, rest) = rest.split_first_chunk::<4>().ok_or(Kind::Form)?;
    let (account, rest) = rest.split_first_chunk::<16>().ok_or(Kind::Form)?;
    let (secret, rest) = rest.split_first_chunk::<16>().ok_or(Kind::Form)?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or(Kind::Form)?;
    let (bound, rest) = rest.split_first().ok_or(Kind::Form)?;
    let (destination, rest) = read_field(rest, MAX_DESTINATION)?;
    let (context, rest) = read_field(rest, MAX_CONTEXT)?;
    if rest.len() < OVERHEAD || rest.len() > OVERHEAD + MAX_VALUE {
        return Err(Kind::Form);
    }
    let destination = match (bound, destination) {
        (0, []) => None,
        (1, bytes) => {
            let destination = Destination::from_canonical(bytes);
            Some(destination.map_err(|_not_canonical| Kind::Form)?)
        }
        _ => return Err(Kind::Form),
    };
    let header = Header {
        vault: VaultId::from_bytes(*vault),
        key: KeyId::new(u32::from_be_bytes(*key)).ok_or(Kind::Form)?,
        id: RecordId {
            account: AccountId::from_bytes(*account),
            secret: SecretId::from_bytes(*secret),
            version: VersionNumber::new(u32::from_be_bytes(*version)).ok_or(Kind::Form)?,
        },
        policy: Policy {
            destination,
            context: context.into(),
        },
    };
    Ok((header, bytes.len() - rest.len()))
}

fn read_field(bytes: &[u8], limit: usize) -> Result<(&[u8], &[u8]), Kind> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(Kind::Form)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_wide| Kind::Form)?;
    if length > limit {
        return Err(Kind::Form);
    }
    rest.split_at_checked(length).ok_or(Kind::Form)
}

/// The longest value that is sealed: the Secrets Store's limit (wire-spec §4.8).
pub(crate) const fn fits(length: usize) -> bool {
    length <= MAX_VALUE
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, ParseRecordError};

        keyward_testing::assert_texts!("ParseRecordError", Kind {
            Kind::Magic => Kind::Magic,
            Kind::Unknown => Kind::Unknown,
            Kind::Form => Kind::Form,
        }, |kind| keyward_testing::told(&ParseRecordError(kind)));
    }
}
