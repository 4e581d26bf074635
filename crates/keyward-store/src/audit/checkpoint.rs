//! Checkpoints: signed statements of how the audit log stood, one line of text each. No I/O.
//!
//! `keyward-audit-checkpoint v1 VAULT SEQ HASH TIME KEY SIGNATURE`, separated by single spaces. The signature is
//! over the text before it, without the space (docs/audit.md).

use std::{fmt, str::FromStr, time::SystemTime};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use keyward_vault::{KeyId, Vault, VaultId};

use crate::{column, failure::Failure};

const LABEL: &str = "keyward audit checkpoint signing v1";
const BEGIN: &str = "keyward-audit-checkpoint";
const VERSION: &str = "v1";
const SCHEME: &str = "ed25519:";

/// The key by which checkpoints are checked: 32 bytes of Ed25519. Its text is `ed25519:` and 64 lower-case
/// hexadecimal digits; the prefix may be left out where it is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuditPublicKey([u8; 32]);

/// A text is no public key.
#[derive(Debug, thiserror::Error)]
#[error("a public key is `ed25519:` and 64 hexadecimal digits; `keyward audit key` prints it")]
pub struct ParseKeyError(());

/// Signs checkpoints.
pub(crate) struct Signer {
    pair: Ed25519KeyPair,
    public: AuditPublicKey,
}

/// How the log stood at a moment, as somebody signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) vault: VaultId,
    pub(crate) seq: i64,
    pub(crate) hash: [u8; 32],
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    key: AuditPublicKey,
    signature: Vec<u8>,
}

/// Why a line of a checkpoint file is not one to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCheckpoint {
    /// It ends too early, as a line does whose writer was killed or found the disk full.
    CutOff,
    /// It is something else.
    Malformed,
}

impl Signer {
    /// The pair of keys that is derived from the keyring's key `key`; none where the ring has no such key.
    pub(crate) fn derive(vault: &Vault, key: KeyId) -> Result<Option<Self>, Failure> {
        let Some(seed) = vault.subkey(key, LABEL) else {
            return Ok(None);
        };
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(Failure::damaged)?;
        let public = pair.public_key().as_ref().try_into();
        let public = AuditPublicKey(public.map_err(Failure::damaged)?);
        Ok(Some(Self { pair, public }))
    }

    pub(crate) const fn public(&self) -> AuditPublicKey {
        self.public
    }

    /// Signs that the line `seq` of the log of `vault` has `hash`.
    pub(crate) fn sign(
        &self,
        vault: VaultId,
        seq: i64,
        hash: [u8; 32],
        at: SystemTime,
    ) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            vault,
            seq,
            hash,
            at: column::millis(at),
            key: self.public,
            signature: Vec::new(),
        };
        let signature = self.pair.sign(checkpoint.statement().as_bytes());
        checkpoint.signature = signature.as_ref().to_vec();
        checkpoint
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public)
    }
}

impl Checkpoint {
    /// What is signed.
    fn statement(&self) -> String {
        let Self { vault, seq, at, .. } = self;
        let (hash, key) = (HEXLOWER.encode(&self.hash), self.key);
        format!("{BEGIN} {VERSION} {vault} {seq} {hash} {at} {key}")
    }

    /// The line, without its end.
    pub(crate) fn to_line(&self) -> String {
        let signature = HEXLOWER.encode(&self.signature);
        format!("{} {signature}", self.statement())
    }

    /// Reads a line. Whether it is genuine, [`is_signed_by`](Self::is_signed_by) says.
    pub(crate) fn parse(line: &str) -> Result<Self, NoCheckpoint> {
        let fields: Vec<_> = line.split(' ').collect();
        let [begin, version, vault, seq, hash, at, key, signature] = fields.as_slice() else {
            let whole = format!("{BEGIN} {VERSION} ");
            let begins = line.starts_with(&whole) || whole.starts_with(line);
            return Err(if begins && fields.len() < 8 {
                NoCheckpoint::CutOff
            } else {
                NoCheckpoint::Malformed
            });
        };
        let parsed = || {
            let known = *begin == BEGIN && *version == VERSION;
            let checkpoint = Self {
                vault: VaultId::parse(vault).ok()?,
                seq: seq.parse().ok()?,
                hash: bytes(hash)?.try_into().ok()?,
                at: at.parse().ok()?,
                key: key.parse().ok()?,
                signature: Vec::new(),
            };
            // What is signed is the text, so there must be one text only.
            let is_canonical = line.strip_suffix(signature)?.trim_end() == checkpoint.statement();
            (known && is_canonical && checkpoint.seq > 0).then_some(checkpoint)
        };
        let mut checkpoint = parsed().ok_or(NoCheckpoint::Malformed)?;
        checkpoint.signature = match bytes(signature) {
            Some(bytes) if bytes.len() == 64 => bytes,
            _ if signature.len() < 128 => return Err(NoCheckpoint::CutOff),
            _ => return Err(NoCheckpoint::Malformed),
        };
        Ok(checkpoint)
    }

    /// Whether the holder of the private half of `key` signed it, naming that very key.
    pub(crate) fn is_signed_by(&self, key: AuditPublicKey) -> bool {
        let public = UnparsedPublicKey::new(&ED25519, key.0);
        let statement = self.statement();
        self.key == key && public.verify(statement.as_bytes(), &self.signature).is_ok()
    }

    pub(crate) const fn key(&self) -> AuditPublicKey {
        self.key
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    HEXLOWER.decode(hex.as_bytes()).ok()
}

impl AuditPublicKey {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for AuditPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for AuditPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AuditPublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(SCHEME).unwrap_or(text);
        bytes(digits)
            .and_then(|bytes| Self::from_bytes(&bytes))
            .ok_or(ParseKeyError(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use keyward_vault::Vault;

    use super::{Checkpoint, NoCheckpoint, Signer};

    fn signed() -> (Signer, Checkpoint) {
        let (vault, _root) = Vault::create().unwrap();
        let signer = Signer::derive(&vault, vault.newest_key()).unwrap().unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let checkpoint = signer.sign(vault.id(), 7, [3; 32], at);
        (signer, checkpoint)
    }

    #[test]
    fn a_line_is_read_back_and_genuine_for_its_key_alone() {
        let (signer, checkpoint) = signed();
        let read = Checkpoint::parse(&checkpoint.to_line()).unwrap();
        assert_eq!(read, checkpoint);
        assert!(read.is_signed_by(signer.public()));
        assert!(!read.is_signed_by(signed().0.public()));
        let text = signer.public().to_string();
        assert_eq!(
            text.parse::<super::AuditPublicKey>().unwrap(),
            signer.public()
        );
    }

    #[test]
    fn no_character_of_a_line_can_be_changed() {
        let (signer, checkpoint) = signed();
        let line = checkpoint.to_line();
        for at in 0..line.len() {
            for with in ["0", "1", "f", " ", "x"] {
                let mut edited = line.clone();
                edited.replace_range(at..=at, with);
                if edited == line {
                    continue;
                }
                let is_genuine =
                    Checkpoint::parse(&edited).is_ok_and(|read| read.is_signed_by(signer.public()));
                assert!(!is_genuine, "{edited}");
            }
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_told_from_others() {
        let (_, checkpoint) = signed();
        let line = checkpoint.to_line();
        for end in 1..line.len() {
            let cut = Checkpoint::parse(&line[..end]);
            // A key that is cut off is no key: what is cut there is malformed, or cut off, and never whole.
            assert!(cut.is_err(), "{end}");
        }
        assert_eq!(
            Checkpoint::parse(&line[..60]).unwrap_err(),
            NoCheckpoint::CutOff
        );
        assert_eq!(
            Checkpoint::parse("a b").unwrap_err(),
            NoCheckpoint::Malformed
        );
    }
}
