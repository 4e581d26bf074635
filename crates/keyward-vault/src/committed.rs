//! Authenticated encryption that commits to its key: what every record, slot and keyring is made of.
//!
//! XChaCha20-Poly1305 alone does not: one ciphertext can be made that opens under two keys. So each
//! ciphertext gets a key of its own, and beside it a commitment, both from HKDF-SHA256 over the given key,
//! the nonce and the associated data; the commitment is compared before anything is decrypted.
//!
//! Output: nonce (24 bytes), commitment (32 bytes), ciphertext with its tag (16 bytes more than the text).

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use keyward_secret::SecretBytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::SealErrorKind;

pub(crate) const NONCE: usize = 24;
const COMMITMENT: usize = 32;

/// A key of 256 bits that erases itself.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// Neither the key nor the data is as it was.
#[derive(Debug)]
pub(crate) struct Mismatch;

/// Encrypts `text` under `key`, with a nonce that must never come twice.
pub(crate) fn seal(
    key: &Key,
    label: &str,
    associated: &[u8],
    nonce: &[u8; NONCE],
    text: &[u8],
) -> Result<Vec<u8>, SealErrorKind> {
    let (own_key, commitment) =
        derive(key, label, associated, nonce).ok_or(SealErrorKind::Cipher)?;
    let cipher = XChaCha20Poly1305::new((&*own_key).into());
    let payload = Payload {
        msg: text,
        aad: associated,
    };
    let sealed = cipher
        .encrypt(nonce.into(), payload)
        .map_err(|_too_long| SealErrorKind::Cipher)?;
    Ok([nonce.as_slice(), &commitment, &sealed].concat())
}

/// Decrypts what [`seal`] made of the same key, label and associated data.
pub(crate) fn open(
    key: &Key,
    label: &str,
    associated: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, Mismatch> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(Mismatch)?;
    let (claimed, ciphertext) = rest.split_first_chunk::<COMMITMENT>().ok_or(Mismatch)?;
    let (own_key, commitment) = derive(key, label, associated, nonce).ok_or(Mismatch)?;
    if !bool::from(commitment.ct_eq(claimed)) {
        return Err(Mismatch);
    }
    let cipher = XChaCha20Poly1305::new((&*own_key).into());
    let payload = Payload {
        msg: ciphertext,
        aad: associated,
    };
    cipher
        .decrypt(nonce.into(), payload)
        .map(SecretBytes::new)
        .map_err(|_tag| Mismatch)
}

/// HKDF-SHA256: salt = nonce, info = length of the label, label, SHA-256 of the associated data; 64 bytes
/// out. The first half encrypts, the second commits.
fn derive(
    key: &Key,
    label: &str,
    associated: &[u8],
    nonce: &[u8; NONCE],
) -> Option<(Key, [u8; COMMITMENT])> {
    let mut out = Zeroizing::new([0; 64]);
    let length = u8::try_from(label.len()).ok()?;
    Hkdf::<Sha256>::new(Some(nonce), key.as_slice())
        .expand_multi_info(
            &[&[length], label.as_bytes(), &Sha256::digest(associated)],
            out.as_mut_slice(),
        )
        .ok()?;
    let (own_key, commitment) = out.split_first_chunk::<32>()?;
    Some((Zeroizing::new(*own_key), commitment.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::{NONCE, open, seal};

    #[test]
    fn what_was_sealed_opens_with_the_same_inputs_alone() {
        let key = Zeroizing::new([1; 32]);
        let sealed = seal(&key, "label", b"aad", &[2; NONCE], b"text").unwrap();
        assert_eq!(
            open(&key, "label", b"aad", &sealed).unwrap().expose(),
            b"text"
        );
        assert!(open(&Zeroizing::new([3; 32]), "label", b"aad", &sealed).is_err());
        assert!(open(&key, "lable", b"aad", &sealed).is_err());
        assert!(open(&key, "label", b"aaD", &sealed).is_err());
    }

    #[test]
    fn every_bit_counts() {
        let key = Zeroizing::new([1; 32]);
        let sealed = seal(&key, "label", b"aad", &[2; NONCE], b"text").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, "label", b"aad", &flipped).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open(&key, "label", b"aad", &sealed[..length]).is_err());
        }
    }
}
