//! The handle: an unsealed vault, and what is stored of its seal.

use std::fmt;

use keyward_secret::{Origin, SecretBytes};

use crate::{
    KeyId, OpenError, Opened, Policy, RandomError, RecordId, ResealError, RootKey, SealError,
    SealedRecord, SecretId, Slot, Subkey, Unlock, UnsealError, Unsealed, VaultId, VersionNumber,
    keyring::{Keyring, random_nonce},
    seal,
};

/// An unsealed vault: seals values, and opens them for the origins they may go to.
///
/// Holds the keyring in memory that erases itself. Does no I/O; every call is some microseconds of computing.
pub struct Vault {
    id: VaultId,
    keyring: Keyring,
}

/// What is stored of the seal. Holds nothing that opens without what one of its slots was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealState {
    /// The vault.
    pub vault: VaultId,
    /// The ways to unseal it. One at least; [`Unsealed`] adds and removes them.
    pub slots: Vec<Slot>,
    /// The keyring, sealed under the root key.
    pub keyring: Box<[u8]>,
    /// Rises with every change.
    pub revision: u64,
}

impl Vault {
    /// A new vault with a keyring of one key, and the root key to wrap in slots.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn create() -> Result<(Self, RootKey), RandomError> {
        let vault = Self {
            id: VaultId::random()?,
            keyring: Keyring::generate()?,
        };
        Ok((vault, RootKey::generate()?))
    }

    /// What to store, so that whoever opens one of `slots` can unseal this vault.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn seal_state(&self, root: &RootKey, slots: Vec<Slot>) -> Result<SealState, SealError> {
        Ok(SealState {
            vault: self.id,
            slots,
            keyring: self.keyring.seal(root.key(), self.id)?,
            revision: 1,
        })
    }

    /// Unseals a vault: tries every slot of the kind that `unlock` is of. A passphrase takes as long as its
    /// parameters say. [`Unsealed::open`] also tells which slot opened.
    ///
    /// # Errors
    ///
    /// [`UnsealError::is_wrong_unlock`] where no slot opens; [`UnsealError::is_damaged`] where the keyring
    /// does not.
    pub fn unseal(state: &SealState, unlock: &Unlock<'_>) -> Result<Self, UnsealError> {
        Unsealed::open(state, unlock).map(Unsealed::into_vault)
    }

    pub(crate) const fn assemble(id: VaultId, keyring: Keyring) -> Self {
        Self { id, keyring }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> VaultId {
        self.id
    }

    /// Seals `value` under the newest key, as the version that `id` names, for the destination that `policy`
    /// names.
    ///
    /// # Errors
    ///
    /// When the value is longer than 65,536 bytes, the policy does not fit in a header, or the system gives
    /// no randomness.
    pub fn seal(
        &self,
        id: &RecordId,
        policy: &Policy,
        value: &SecretBytes,
    ) -> Result<SealedRecord, SealError> {
        let nonce = random_nonce()?;
        seal::seal(self.id, &self.keyring, id, policy, value, &nonce)
    }

    /// Opens `record` for `wanted`.
    ///
    /// # Errors
    ///
    /// [`OpenError::is_damaged`] where the record is not the genuine record of `expected`;
    /// [`OpenError::is_wrong_destination`] where it is, and may not go to `wanted`.
    pub fn open(
        &self,
        record: &SealedRecord,
        expected: &RecordId,
        wanted: &Origin,
    ) -> Result<Opened, OpenError> {
        seal::open_for(self.id, &self.keyring, record, expected, wanted)
    }

    /// The policy of a genuine record: what [`open`](Self::open) goes by. The value stays in here.
    ///
    /// # Errors
    ///
    /// [`OpenError::is_damaged`].
    pub fn policy(&self, record: &SealedRecord, expected: &RecordId) -> Result<Policy, OpenError> {
        let (_value, policy) = seal::open(self.id, &self.keyring, record, expected)?;
        Ok(policy)
    }

    /// Seals the value of a genuine record once more, as the first version of the secret `copy` of the same
    /// account, for the destination that it is sealed for already: a copy goes nowhere that the value may not go.
    /// The value stays in here. `context` takes the place of the owner's context.
    ///
    /// # Errors
    ///
    /// [`ResealError::is_damaged`] where the record is not the genuine record of `expected`; otherwise when the
    /// context does not fit, or the system gives no randomness.
    pub fn reseal(
        &self,
        record: &SealedRecord,
        expected: &RecordId,
        copy: SecretId,
        context: Box<[u8]>,
    ) -> Result<SealedRecord, ResealError> {
        let (value, policy) = seal::open(self.id, &self.keyring, record, expected)?;
        let id = RecordId {
            account: expected.account,
            secret: copy,
            version: VersionNumber::FIRST,
        };
        let policy = Policy { context, ..policy };
        Ok(self.seal(&id, &policy, &value)?)
    }

    /// The number of the key that seals now.
    #[must_use]
    pub const fn newest_key(&self) -> KeyId {
        self.keyring.newest().0
    }

    /// The number of the key that has been in the ring longest: the same before and after another was added.
    #[must_use]
    pub fn oldest_key(&self) -> KeyId {
        self.keyring.oldest()
    }

    /// A key for another purpose than sealing, derived from the keyring's key `key`; none where the ring has
    /// no such key.
    #[must_use]
    pub fn subkey(&self, key: KeyId, label: &'static str) -> Option<Subkey> {
        self.keyring.subkey(key, label)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use keyward_secret::{AccountId, Destination, Origin, SecretBytes};

    use super::Vault;
    use crate::{Policy, RecordId, SecretId, VersionNumber};

    #[test]
    fn a_copy_goes_where_the_value_goes_and_nowhere_else() {
        let (vault, _root) = Vault::create().unwrap();
        let (stranger, _root) = Vault::create().unwrap();
        let id = RecordId {
            account: AccountId::from_bytes([1; 16]),
            secret: SecretId::from_bytes([2; 16]),
            version: VersionNumber::new(7).unwrap(),
        };
        let origin = Origin::parse("https://api.openai.com").unwrap();
        let elsewhere = Origin::parse("https://evil.example").unwrap();
        let copy = SecretId::from_bytes([3; 16]);
        let copied = RecordId {
            secret: copy,
            version: VersionNumber::FIRST,
            ..id
        };
        for destination in [None, Some(Destination::exact(origin.clone()).unwrap())] {
            let policy = Policy {
                destination: destination.clone(),
                context: Box::from([1]),
            };
            let value = SecretBytes::copy_from(b"sk-copied");
            let record = vault.seal(&id, &policy, &value).unwrap();
            let resealed = vault.reseal(&record, &id, copy, Box::from([9])).unwrap();
            let expected = Policy {
                context: Box::from([9]),
                ..policy
            };
            assert_eq!(vault.policy(&resealed, &copied).unwrap(), expected);
            assert!(vault.policy(&resealed, &id).is_err());
            let opened = vault.open(&resealed, &copied, &origin).ok();
            let value = opened.map(|opened| opened.value.expose().to_vec());
            assert_eq!(value, destination.map(|_| b"sk-copied".to_vec()));
            assert!(vault.open(&resealed, &copied, &elsewhere).is_err());
            let wrong = vault.reseal(&record, &copied, copy, Box::default());
            assert!(wrong.unwrap_err().is_damaged());
            let foreign = stranger.reseal(&record, &id, copy, Box::default());
            assert!(foreign.unwrap_err().is_damaged());
        }
    }
}
