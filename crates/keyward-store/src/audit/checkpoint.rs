//! Checkpoints: signed statements of how the audit log stood, one line of text each. No I/O.
//!
//! `keyward-audit-checkpoint v2 VAULT SEQ HASH TIME KEY PREVIOUS SIGNATURE`, separated by single spaces. The
//! signature is over the text before it, without the space; `PREVIOUS` is the digest of the checkpoint before, so that
//! none can be taken out from between others (docs/audit.md). Version 1 had no `PREVIOUS`.

use std::{fmt, str::FromStr, time::SystemTime};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use keyward_vault::{KeyId, Vault, VaultId};
use sha2::{Digest, Sha256};

use crate::{column, failure::Failure};

const LABEL: &str = "keyward audit checkpoint signing v1";
const BEGIN: &str = "keyward-audit-checkpoint";
/// Without the checkpoint before.
const FIRST_VERSION: &str = "v1";
const VERSION: &str = "v2";
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
    /// The digest of the checkpoint before it, [`NONE_BEFORE`] where there was none. `None`: of the first version,
    /// which does not say.
    previous: Option<[u8; 32]>,
    signature: Vec<u8>,
}

/// What stands in the place of a digest where no checkpoint was before.
pub(crate) const NONE_BEFORE: [u8; 32] = [0; 32];

/// Goes along a file, and sees whether each checkpoint follows the one before it.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    last: Option<[u8; 32]>,
    /// Whether one of them named the one before it.
    is_chained: bool,
}

/// How a checkpoint stands to the one before it in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// It follows it, or does not say.
    Yes,
    /// The file begins with it, and it follows one that stands elsewhere.
    AnotherFile,
    /// It follows another one: what was between them is gone, or they changed places.
    Another,
    /// It follows none.
    None,
    /// It does not say, although some before it do.
    Unchained,
}

impl Sequence {
    /// Takes the next genuine checkpoint.
    pub(crate) fn take(&mut self, checkpoint: &Checkpoint) -> Follows {
        let last = self.last.replace(checkpoint.digest());
        let was_chained = self.is_chained;
        self.is_chained |= checkpoint.previous.is_some();
        match (checkpoint.previous, last) {
            (None, _) if was_chained => Follows::Unchained,
            (None, _) | (Some(NONE_BEFORE), None) => Follows::Yes,
            (Some(_), None) => Follows::AnotherFile,
            (Some(previous), Some(last)) if previous == last => Follows::Yes,
            (Some(NONE_BEFORE), Some(_)) => Follows::None,
            (Some(_), Some(_)) => Follows::Another,
        }
    }

    /// What the next one has to say of the one before it.
    pub(crate) fn end(&self) -> [u8; 32] {
        self.last.unwrap_or(NONE_BEFORE)
    }
}

impl Follows {
    /// What is wrong with it.
    pub(crate) const fn fault(self) -> Option<&'static str> {
        match self {
            Self::Yes | Self::AnotherFile => None,
            Self::Another => Some(
                "does not follow the checkpoint before it: one between them was removed, or they were moved",
            ),
            Self::None => Some(
                "follows no checkpoint, although others stand before it: one was removed, or two files were put together",
            ),
            Self::Unchained => Some(
                "does not name the checkpoint before it, although others before it do: an old one was put there",
            ),
        }
    }
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

    /// Signs that the line `seq` of the log of `vault` has `hash`, after the checkpoint whose digest is `previous`.
    pub(crate) fn sign(
        &self,
        vault: VaultId,
        (seq, hash): (i64, [u8; 32]),
        previous: [u8; 32],
        at: SystemTime,
    ) -> Checkpoint {
        self.sign_as(vault, (seq, hash), Some(previous), at)
    }

    fn sign_as(
        &self,
        vault: VaultId,
        (seq, hash): (i64, [u8; 32]),
        previous: Option<[u8; 32]>,
        at: SystemTime,
    ) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            vault,
            seq,
            hash,
            at: column::millis(at),
            key: self.public,
            previous,
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
        let rest = format!("{vault} {seq} {hash} {at} {key}");
        match self.previous {
            None => format!("{BEGIN} {FIRST_VERSION} {rest}"),
            Some(previous) => format!("{BEGIN} {VERSION} {rest} {}", HEXLOWER.encode(&previous)),
        }
    }

    /// What the checkpoint after it names.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_line()).into()
    }

    /// The line, without its end.
    pub(crate) fn to_line(&self) -> String {
        let signature = HEXLOWER.encode(&self.signature);
        format!("{} {signature}", self.statement())
    }

    /// Reads a line. Whether it is genuine, [`is_signed_by`](Self::is_signed_by) says.
    pub(crate) fn parse(line: &str) -> Result<Self, NoCheckpoint> {
        let fields: Vec<_> = line.split(' ').collect();
        let (begin, vault, seq, hash, at, key, previous, signature) = match *fields.as_slice() {
            [begin, FIRST_VERSION, vault, seq, hash, at, key, signature] => {
                (begin, vault, seq, hash, at, key, None, signature)
            }
            [
                begin,
                VERSION,
                vault,
                seq,
                hash,
                at,
                key,
                previous,
                signature,
            ] => (begin, vault, seq, hash, at, key, Some(previous), signature),
            _ => return Err(NoCheckpoint::of(line, fields.len())),
        };
        let parsed = || {
            let digest = |hex: &str| -> Option<[u8; 32]> { bytes(hex)?.try_into().ok() };
            let previous = match previous {
                None => None,
                Some(previous) => Some(digest(previous)?),
            };
            let checkpoint = Self {
                vault: VaultId::parse(vault).ok()?,
                seq: seq.parse().ok()?,
                hash: digest(hash)?,
                at: at.parse().ok()?,
                key: key.parse().ok()?,
                previous,
                signature: Vec::new(),
            };
            // What is signed is the text, so there must be one text only.
            let is_canonical = line.strip_suffix(signature)?.trim_end() == checkpoint.statement();
            (begin == BEGIN && is_canonical && checkpoint.seq > 0).then_some(checkpoint)
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

impl NoCheckpoint {
    /// What a line is that has not as many fields as one of its version.
    fn of(line: &str, fields: usize) -> Self {
        let cut_off = |version: &str, whole: usize| {
            let start = format!("{BEGIN} {version} ");
            fields < whole && (line.starts_with(&start) || start.starts_with(line))
        };
        match cut_off(FIRST_VERSION, 8) || cut_off(VERSION, 9) {
            true => Self::CutOff,
            false => Self::Malformed,
        }
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

    use super::{Checkpoint, Follows, NONE_BEFORE, NoCheckpoint, Sequence, Signer};

    fn signed() -> (Signer, Checkpoint) {
        let (vault, _root) = Vault::create().unwrap();
        let signer = Signer::derive(&vault, vault.newest_key()).unwrap().unwrap();
        let checkpoint = signer.sign(vault.id(), (7, [3; 32]), [4; 32], at());
        (signer, checkpoint)
    }

    fn at() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    /// A line of the first version is as genuine as ever, and nobody makes one of a later line.
    #[test]
    fn lines_of_the_first_version_are_still_read() {
        let (signer, checkpoint) = signed();
        let first = signer.sign_as(checkpoint.vault, (7, [3; 32]), None, at());
        let line = first.to_line();
        assert!(line.starts_with("keyward-audit-checkpoint v1 "), "{line}");
        assert_eq!(line.split(' ').count(), 8);
        let read = Checkpoint::parse(&line).unwrap();
        assert!(read == first && read.is_signed_by(signer.public()));
        let fields: Vec<_> = line.split(' ').collect();
        assert_eq!(
            Checkpoint::parse(&fields[..7].join(" ")).unwrap_err(),
            NoCheckpoint::CutOff
        );

        let line = checkpoint.to_line();
        let mut fields: Vec<_> = line.split(' ').collect();
        fields[1] = "v1";
        fields.remove(7);
        let downgraded = Checkpoint::parse(&fields.join(" ")).unwrap();
        assert!(!downgraded.is_signed_by(signer.public()));
    }

    #[test]
    fn what_is_taken_out_or_moved_does_not_follow() {
        let (signer, checkpoint) = signed();
        let vault = checkpoint.vault;
        let old = signer.sign_as(vault, (1, [1; 32]), None, at());
        let mut chain = vec![old];
        for seq in 2..=5 {
            let previous = chain.last().unwrap().digest();
            chain.push(signer.sign(vault, (seq, [1; 32]), previous, at()));
        }
        let follows = |order: &[usize]| -> Vec<Follows> {
            let mut sequence = Sequence::default();
            let order = order.iter();
            order.map(|at| sequence.take(&chain[*at])).collect()
        };
        let (yes, another) = (Follows::Yes, Follows::Another);
        assert_eq!(follows(&[0, 1, 2, 3, 4]), [yes; 5]);
        assert_eq!(follows(&[0, 1, 3, 4]), [yes, yes, another, yes]);
        assert_eq!(follows(&[0, 2, 1]), [yes, another, another]);
        assert_eq!(follows(&[0, 1, 1]), [yes, yes, another]);
        assert_eq!(follows(&[2, 3]), [Follows::AnotherFile, yes]);
        assert_eq!(follows(&[0, 1, 0]), [yes, yes, Follows::Unchained]);
        let mut sequence = Sequence::default();
        assert_eq!(sequence.end(), NONE_BEFORE);
        let anew = signer.sign(vault, (6, [1; 32]), NONE_BEFORE, at());
        assert_eq!(sequence.take(&anew), yes);
        assert_eq!(sequence.end(), anew.digest());
        assert_eq!(sequence.take(&anew), Follows::None);
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

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::ParseKeyError;

        keyward_testing::assert_texts!("ParseKeyError", [
            "a key" => ParseKeyError(()),
        ]);
    }
}
