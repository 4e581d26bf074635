//! Ways to unseal the root key, in the manner of LUKS: each slot wraps it for one key file or passphrase.
//!
//! ```text
//! magic "KWSL", format 1                     5 bytes
//! slot id                                    4, big-endian
//! kind: 1 key file, 2 passphrase             1
//! passphrase only: memory in KiB, iterations, lanes   3 × 4, big-endian
//! passphrase only: salt                     16
//! nonce, key commitment, wrapped root key   24 + 32 + 48
//! ```
//!
//! Everything before the nonce, and the vault's id, is associated data: parameters cannot be weakened.

mod key_file;
mod passphrase;

use std::fmt;

use keyward_secret::SecretBytes;
use zeroize::Zeroizing;

pub use self::{
    key_file::{KeyFile, ParseKeyFileError},
    passphrase::{PassphraseParams, PassphraseParamsError},
};
use crate::{
    RandomError, SealError, VaultId,
    committed::{self, Key},
    error::{SealErrorKind, UnsealErrorKind},
    keyring::{random_key, random_nonce},
};

const MAGIC: &[u8; 5] = b"KWSL\x01";
const LABEL: &str = "keyward slot v1";
const SALT: usize = 16;
/// Nonce, commitment, root key and tag.
const WRAPPED: usize = 24 + 32 + 32 + 16;

/// The key under which the keyring is sealed. Exists in clear only while slots are written or opened.
#[expect(
    missing_debug_implementations,
    reason = "a secret has no printable form"
)]
pub struct RootKey(Key);

/// One way to unseal a vault.
#[derive(Clone, PartialEq, Eq)]
pub struct Slot {
    id: u32,
    method: Method,
    wrapped: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    KeyFile,
    Passphrase {
        params: PassphraseParams,
        salt: [u8; SALT],
    },
}

/// What opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotKind {
    /// A key file.
    KeyFile,
    /// A passphrase.
    Passphrase,
}

impl SlotKind {
    /// `key file` or `passphrase`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyFile => "key file",
            Self::Passphrase => "passphrase",
        }
    }
}

/// What somebody brings to unseal a vault.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Unlock<'a> {
    /// A key file.
    KeyFile(&'a KeyFile),
    /// A passphrase: the bytes as they were typed, without the line break.
    Passphrase(&'a SecretBytes),
}

impl Unlock<'_> {
    /// Which slots it may open.
    #[must_use]
    pub const fn kind(&self) -> SlotKind {
        match self {
            Self::KeyFile(_) => SlotKind::KeyFile,
            Self::Passphrase(_) => SlotKind::Passphrase,
        }
    }
}

impl fmt::Debug for Unlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unlock({})", self.kind().as_str())
    }
}

/// The bytes are not a slot, or ask for parameters outside the bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the slot: {0}")]
pub struct ParseSlotError(Kind);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("it is not one, or of a format that this version does not know")]
    Form,
    #[error(transparent)]
    Params(PassphraseParamsError),
}

impl RootKey {
    pub(crate) fn generate() -> Result<Self, RandomError> {
        random_key().map(Self)
    }

    pub(crate) const fn key(&self) -> &Key {
        &self.0
    }
}

impl Slot {
    /// Wraps `root` so that `unlock` opens it. `params` count for a passphrase only, and decide how long this
    /// takes.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness, or not the memory that `params` ask for.
    pub fn wrap(
        id: u32,
        vault: VaultId,
        root: &RootKey,
        unlock: &Unlock<'_>,
        params: PassphraseParams,
    ) -> Result<Self, SealError> {
        let method = match unlock {
            Unlock::KeyFile(_) => Method::KeyFile,
            Unlock::Passphrase(_) => {
                let mut salt = [0; SALT];
                getrandom::fill(&mut salt).map_err(RandomError::new)?;
                Method::Passphrase { params, salt }
            }
        };
        let mut slot = Self {
            id,
            method,
            wrapped: Box::default(),
        };
        let key = slot
            .derive(unlock)
            .map_err(|_memory| SealErrorKind::Derivation)?;
        let nonce = random_nonce()?;
        slot.wrapped = committed::seal(
            &key,
            LABEL,
            &slot.associated(vault),
            &nonce,
            root.0.as_slice(),
        )?
        .into();
        Ok(slot)
    }

    /// Its number among the vault's slots.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// What opens it.
    #[must_use]
    pub const fn kind(&self) -> SlotKind {
        match self.method {
            Method::KeyFile => SlotKind::KeyFile,
            Method::Passphrase { .. } => SlotKind::Passphrase,
        }
    }

    pub(crate) fn open(
        &self,
        vault: VaultId,
        unlock: &Unlock<'_>,
    ) -> Result<RootKey, UnsealErrorKind> {
        let key = self.derive(unlock)?;
        let wrong = || UnsealErrorKind::WrongUnlock(unlock.kind().as_str());
        let root = committed::open(&key, LABEL, &self.associated(vault), &self.wrapped)
            .map_err(|_mismatch| wrong())?;
        let mut own = Zeroizing::new([0; 32]);
        if root.len() != own.len() {
            return Err(wrong());
        }
        own.copy_from_slice(root.expose());
        Ok(RootKey(own))
    }

    fn derive(&self, unlock: &Unlock<'_>) -> Result<Key, UnsealErrorKind> {
        match (&self.method, unlock) {
            (Method::KeyFile, Unlock::KeyFile(file)) => Ok(file.key().clone()),
            (Method::Passphrase { params, salt }, Unlock::Passphrase(passphrase)) => params
                .derive(passphrase, salt)
                .ok_or(UnsealErrorKind::Derivation),
            _ => Err(UnsealErrorKind::WrongUnlock(unlock.kind().as_str())),
        }
    }

    /// The bytes to store.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.wrapped);
        bytes
    }

    fn head(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.id.to_be_bytes());
        match &self.method {
            Method::KeyFile => bytes.push(1),
            Method::Passphrase { params, salt } => {
                bytes.push(2);
                for number in [params.memory_kib(), params.iterations(), params.lanes()] {
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
                bytes.extend_from_slice(salt);
            }
        }
        bytes
    }

    fn associated(&self, vault: VaultId) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(vault.as_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Parameters are checked here, before anyone allocates
    /// what they ask for.
    ///
    /// # Errors
    ///
    /// When the bytes are no slot, of an unknown format, or ask for parameters outside the bounds.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseSlotError> {
        let form = || ParseSlotError(Kind::Form);
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(form)?;
        let (id, rest) = rest.split_first_chunk::<4>().ok_or_else(form)?;
        let (kind, rest) = rest.split_first().ok_or_else(form)?;
        let (method, rest) = match kind {
            1 => (Method::KeyFile, rest),
            2 => read_passphrase(rest)?,
            _ => return Err(form()),
        };
        if rest.len() != WRAPPED {
            return Err(form());
        }
        Ok(Self {
            id: u32::from_be_bytes(*id),
            method,
            wrapped: rest.into(),
        })
    }
}

fn read_passphrase(bytes: &[u8]) -> Result<(Method, &[u8]), ParseSlotError> {
    let form = || ParseSlotError(Kind::Form);
    let (memory, rest) = bytes.split_first_chunk::<4>().ok_or_else(form)?;
    let (iterations, rest) = rest.split_first_chunk::<4>().ok_or_else(form)?;
    let (lanes, rest) = rest.split_first_chunk::<4>().ok_or_else(form)?;
    let (salt, rest) = rest.split_first_chunk::<SALT>().ok_or_else(form)?;
    let [memory, iterations, lanes] =
        [memory, iterations, lanes].map(|field| u32::from_be_bytes(*field));
    let params = PassphraseParams::build(memory, iterations, lanes)
        .map_err(|error| ParseSlotError(Kind::Params(error)))?;
    let method = Method::Passphrase {
        params,
        salt: *salt,
    };
    Ok((method, rest))
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("id", &self.id)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use keyward_secret::SecretBytes;
    use proptest::prelude::*;

    use super::{KeyFile, PassphraseParams, RootKey, Slot, Unlock};
    use crate::VaultId;

    const VAULT: VaultId = VaultId::from_bytes([1; 16]);

    fn quick() -> PassphraseParams {
        PassphraseParams::build(PassphraseParams::MIN_MEMORY_KIB, 1, 1).unwrap()
    }

    #[test]
    fn a_slot_opens_for_what_it_was_made_for() {
        let root = RootKey::generate().unwrap();
        let file = KeyFile::generate().unwrap();
        let passphrase = SecretBytes::copy_from(b"correct horse");
        for unlock in [Unlock::KeyFile(&file), Unlock::Passphrase(&passphrase)] {
            let slot = Slot::wrap(7, VAULT, &root, &unlock, quick()).unwrap();
            let slot = Slot::parse(&slot.to_bytes()).unwrap();
            let opened = slot.open(VAULT, &unlock).ok().unwrap();
            assert_eq!(opened.0.as_slice(), root.0.as_slice());
            assert!(slot.open(VaultId::from_bytes([2; 16]), &unlock).is_err());
            let (other_file, other_passphrase) = (
                KeyFile::generate().unwrap(),
                SecretBytes::copy_from(b"wrong"),
            );
            assert!(slot.open(VAULT, &Unlock::KeyFile(&other_file)).is_err());
            assert!(
                slot.open(VAULT, &Unlock::Passphrase(&other_passphrase))
                    .is_err()
            );
        }
    }

    #[test]
    fn no_bit_of_a_slot_can_be_changed() {
        let root = RootKey::generate().unwrap();
        let file = KeyFile::generate().unwrap();
        let unlock = Unlock::KeyFile(&file);
        let bytes = Slot::wrap(7, VAULT, &root, &unlock, quick())
            .unwrap()
            .to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(slot) = Slot::parse(&flipped) {
                assert!(slot.open(VAULT, &unlock).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn weakened_or_boundless_parameters_do_not_pass() {
        let root = RootKey::generate().unwrap();
        let passphrase = SecretBytes::copy_from(b"correct horse");
        let unlock = Unlock::Passphrase(&passphrase);
        let params = PassphraseParams::build(PassphraseParams::MIN_MEMORY_KIB, 2, 1).unwrap();
        let bytes = Slot::wrap(7, VAULT, &root, &unlock, params)
            .unwrap()
            .to_bytes();
        let with = |at: usize, number: u32| {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
            Slot::parse(&bytes)
        };
        // Fewer iterations parse, and do not open: they are authenticated.
        assert!(with(14, 1).unwrap().open(VAULT, &unlock).is_err());
        // What would ask for four terabytes is refused before anything is allocated.
        assert!(with(10, u32::MAX).is_err());
        assert!(with(14, u32::MAX).is_err());
        assert!(with(18, u32::MAX).is_err());
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _may_be_refused = Slot::parse(&bytes);
            let _may_be_refused = Slot::parse(&[b"KWSL\x01\0\0\0\x01\x02", bytes.as_slice()].concat());
        }
    }
}
