//! Numbered keys under the root key: the newest seals, all open.
//!
//! Sealed under the root key as one blob: for each key its number (four bytes, big-endian) and its 32 bytes,
//! in rising order. The vault's id is the associated data.

use keyward_secret::SecretBytes;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    KeyId, RandomError, VaultId,
    committed::{self, Key, NONCE},
    error::SealErrorKind,
};

const LABEL: &str = "keyward keyring v1";
const ENTRY: usize = 4 + 32;

/// Numbered keys. Never empty.
pub(crate) struct Keyring {
    older: Vec<(KeyId, Key)>,
    newest: (KeyId, Key),
}

/// A key derived from a key of the keyring, for one purpose.
#[expect(
    missing_debug_implementations,
    reason = "a secret has no printable form"
)]
pub struct Subkey(Key);

impl Subkey {
    /// Lends the key's 256 bits.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Keyring {
    /// A ring with one new key.
    pub(crate) fn generate() -> Result<Self, RandomError> {
        let key = random_key()?;
        Ok(Self {
            older: Vec::new(),
            newest: (KeyId::FIRST, key),
        })
    }

    #[cfg(test)]
    pub(crate) fn from_fixed(key: [u8; 32]) -> Self {
        Self {
            older: Vec::new(),
            newest: (KeyId::FIRST, Zeroizing::new(key)),
        }
    }

    /// A ring with these keys, rising.
    #[cfg(test)]
    pub(crate) fn from_fixed_keys(keys: impl IntoIterator<Item = (u32, [u8; 32])>) -> Self {
        let mut older: Vec<_> = keys
            .into_iter()
            .map(|(id, key)| (KeyId::new(id).expect("from 1"), Zeroizing::new(key)))
            .collect();
        let newest = older.pop().expect("a key");
        Self { older, newest }
    }

    /// The key that seals.
    pub(crate) const fn newest(&self) -> (KeyId, &Key) {
        (self.newest.0, &self.newest.1)
    }

    /// The number of the key that has been in the ring longest.
    pub(crate) fn oldest(&self) -> KeyId {
        self.older.first().unwrap_or(&self.newest).0
    }

    /// A key by its number.
    pub(crate) fn find(&self, id: KeyId) -> Option<&Key> {
        std::iter::once(&self.newest)
            .chain(&self.older)
            .find(|(known, _)| *known == id)
            .map(|(_, key)| key)
    }

    /// A key for another purpose than sealing: HKDF-SHA256 without salt, `label` as info.
    pub(crate) fn subkey(&self, id: KeyId, label: &'static str) -> Option<Subkey> {
        let mut out = Zeroizing::new([0; 32]);
        hkdf::Hkdf::<Sha256>::new(None, self.find(id)?.as_slice())
            .expand(label.as_bytes(), out.as_mut_slice())
            .ok()?;
        Some(Subkey(out))
    }

    pub(crate) fn seal(&self, root: &Key, vault: VaultId) -> Result<Box<[u8]>, SealErrorKind> {
        self.seal_with(root, vault, &random_nonce()?)
    }

    pub(crate) fn seal_with(
        &self,
        root: &Key,
        vault: VaultId,
        nonce: &[u8; NONCE],
    ) -> Result<Box<[u8]>, SealErrorKind> {
        let count = self.older.len() + 1;
        let mut text = Zeroizing::new(Vec::with_capacity(count * ENTRY));
        for (id, key) in self.older.iter().chain([&self.newest]) {
            text.extend_from_slice(&id.get().to_be_bytes());
            text.extend_from_slice(key.as_slice());
        }
        let sealed = committed::seal(root, LABEL, vault.as_bytes(), nonce, &text)?;
        Ok(sealed.into())
    }

    pub(crate) fn open(root: &Key, vault: VaultId, sealed: &[u8]) -> Option<Self> {
        let text = committed::open(root, LABEL, vault.as_bytes(), sealed).ok()?;
        Self::parse(&text)
    }

    fn parse(text: &SecretBytes) -> Option<Self> {
        let (entries, rest) = text.expose().as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return None;
        }
        let mut keys: Vec<(KeyId, Key)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let (id, key) = entry.split_first_chunk::<4>()?;
            let id = KeyId::new(u32::from_be_bytes(*id))?;
            if keys.last().is_some_and(|(last, _)| *last >= id) {
                return None;
            }
            let mut own = Zeroizing::new([0; 32]);
            own.copy_from_slice(key);
            keys.push((id, own));
        }
        let newest = keys.pop()?;
        Some(Self {
            older: keys,
            newest,
        })
    }
}

pub(crate) fn random_key() -> Result<Key, RandomError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(RandomError::new)?;
    Ok(key)
}

pub(crate) fn random_nonce() -> Result<[u8; NONCE], RandomError> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(RandomError::new)?;
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use super::{Keyring, random_key};
    use crate::{KeyId, VaultId};

    #[test]
    fn a_sealed_ring_opens_under_its_root_key_and_for_its_vault() {
        let vault = VaultId::from_bytes([1; 16]);
        let root = random_key().unwrap();
        let ring = Keyring::generate().unwrap();
        let sealed = ring.seal(&root, vault).unwrap();
        let opened = Keyring::open(&root, vault, &sealed).unwrap();
        assert_eq!(opened.newest().1.as_slice(), ring.newest().1.as_slice());
        assert!(Keyring::open(&random_key().unwrap(), vault, &sealed).is_none());
        assert!(Keyring::open(&root, VaultId::from_bytes([2; 16]), &sealed).is_none());
    }

    #[test]
    fn the_oldest_key_stays_when_another_comes() {
        let rings: [&[_]; 3] = [&[3], &[3, 4], &[3, 4, 9]];
        for numbers in rings {
            let ring = Keyring::from_fixed_keys(numbers.iter().map(|number| (*number, [1; 32])));
            assert_eq!(Some(ring.oldest()), KeyId::new(3));
        }
    }

    #[test]
    fn subkeys_differ_by_label_and_by_key() {
        let ring = Keyring::generate().unwrap();
        let one = ring.subkey(KeyId::FIRST, "one").unwrap();
        assert_eq!(
            one.expose(),
            ring.subkey(KeyId::FIRST, "one").unwrap().expose()
        );
        assert_ne!(
            one.expose(),
            ring.subkey(KeyId::FIRST, "two").unwrap().expose()
        );
        assert!(ring.subkey(KeyId::new(2).unwrap(), "one").is_none());
    }
}
