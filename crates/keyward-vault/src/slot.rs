//! Ways to unseal the root key, in the manner of LUKS: each slot wraps it for one key file, passphrase,
//! recovery key or command.
//!
//! ```text
//! magic "KWSL", format 1                     5 bytes
//! slot id                                    4, big-endian
//! kind: 1 key file, 2 passphrase, 3 recovery key, 4 command   1
//! kinds 2 and 4: memory in KiB, iterations, lanes     3 × 4, big-endian
//! kinds 2 and 4: salt                       16
//! nonce, key commitment, wrapped root key   24 + 32 + 48
//! ```
//!
//! Everything before the nonce, and the vault's id, is associated data: parameters cannot be weakened, and a
//! slot of one kind cannot be passed off as one of another. A command slot does not say what to run: whoever
//! writes to the database must not choose a program.

mod bytes;
mod command;
mod key_file;
mod passphrase;
mod recovery;

use std::fmt;

use keyward_secret::SecretBytes;
use zeroize::Zeroizing;

pub use self::{
    bytes::ParseSlotError,
    command::{CommandOutput, CommandOutputError},
    key_file::{KeyFile, ParseKeyFileError},
    passphrase::{PassphraseParams, PassphraseParamsError},
    recovery::{ParseRecoveryKeyError, RecoveryKey},
};
use crate::{
    RandomError, SealError, VaultId,
    committed::{self, Key, NONCE},
    error::{SealErrorKind, UnsealErrorKind},
    keyring::{random_key, random_nonce},
};

const LABEL: &str = "keyward slot v1";
const SALT: usize = 16;

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

/// How what is brought becomes the key that wraps the root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    KeyFile,
    Passphrase(Stretch),
    Recovery,
    Command(Stretch),
}

/// Argon2id, for what a person may have chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    params: PassphraseParams,
    salt: [u8; SALT],
}

/// What must be new for every slot.
pub(crate) struct Fresh {
    pub(crate) salt: [u8; SALT],
    pub(crate) nonce: [u8; NONCE],
}

/// What opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotKind {
    /// A key file.
    KeyFile,
    /// A passphrase.
    Passphrase,
    /// A recovery key.
    Recovery,
    /// What a command writes.
    Command,
}

impl SlotKind {
    /// `key file`, `passphrase`, `recovery key` or `command`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyFile => "key file",
            Self::Passphrase => "passphrase",
            Self::Recovery => "recovery key",
            Self::Command => "command",
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
    /// A recovery key.
    Recovery(&'a RecoveryKey),
    /// What a command wrote.
    Command(&'a CommandOutput),
}

impl Unlock<'_> {
    /// Which slots it may open.
    #[must_use]
    pub const fn kind(&self) -> SlotKind {
        match self {
            Self::KeyFile(_) => SlotKind::KeyFile,
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::Recovery(_) => SlotKind::Recovery,
            Self::Command(_) => SlotKind::Command,
        }
    }
}

impl fmt::Debug for Unlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unlock({})", self.kind().as_str())
    }
}

impl RootKey {
    pub(crate) fn generate() -> Result<Self, RandomError> {
        random_key().map(Self)
    }

    pub(crate) const fn key(&self) -> &Key {
        &self.0
    }
}

impl Fresh {
    fn draw() -> Result<Self, RandomError> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(RandomError::new)?;
        Ok(Self {
            salt,
            nonce: random_nonce()?,
        })
    }
}

impl Slot {
    /// Wraps `root` so that `unlock` opens it. `params` count for a passphrase and for a command's output, and
    /// decide how long this takes.
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
        Self::wrap_with(id, vault, root, unlock, params, &Fresh::draw()?)
    }

    pub(crate) fn wrap_with(
        id: u32,
        vault: VaultId,
        root: &RootKey,
        unlock: &Unlock<'_>,
        params: PassphraseParams,
        fresh: &Fresh,
    ) -> Result<Self, SealError> {
        let stretch = Stretch {
            params,
            salt: fresh.salt,
        };
        let method = match unlock {
            Unlock::KeyFile(_) => Method::KeyFile,
            Unlock::Passphrase(_) => Method::Passphrase(stretch),
            Unlock::Recovery(_) => Method::Recovery,
            Unlock::Command(_) => Method::Command(stretch),
        };
        let mut slot = Self {
            id,
            method,
            wrapped: Box::default(),
        };
        let key = slot
            .derive(unlock)
            .map_err(|_memory| SealErrorKind::Derivation)?;
        slot.wrapped = committed::seal(
            &key,
            LABEL,
            &slot.associated(vault),
            &fresh.nonce,
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
            Method::Passphrase(_) => SlotKind::Passphrase,
            Method::Recovery => SlotKind::Recovery,
            Method::Command(_) => SlotKind::Command,
        }
    }

    /// How costly each try is; none where what opens it is random and needs no cost.
    #[must_use]
    pub const fn params(&self) -> Option<PassphraseParams> {
        match self.method {
            Method::Passphrase(stretch) | Method::Command(stretch) => Some(stretch.params),
            Method::KeyFile | Method::Recovery => None,
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
            (Method::Passphrase(stretch), Unlock::Passphrase(passphrase)) => {
                stretch.derive(passphrase)
            }
            (Method::Recovery, Unlock::Recovery(recovery)) => {
                recovery.derive().ok_or(UnsealErrorKind::Derivation)
            }
            (Method::Command(stretch), Unlock::Command(output)) => stretch.derive(output.bytes()),
            _ => Err(UnsealErrorKind::WrongUnlock(unlock.kind().as_str())),
        }
    }
}

impl Stretch {
    fn derive(&self, secret: &SecretBytes) -> Result<Key, UnsealErrorKind> {
        self.params
            .derive(secret, &self.salt)
            .ok_or(UnsealErrorKind::Derivation)
    }
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
impl RootKey {
    pub(crate) fn from_fixed(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }
}

#[cfg(test)]
mod tests;
