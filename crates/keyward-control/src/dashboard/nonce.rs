//! Random texts that let somebody in: sessions, one-time links, the proof that a form is ours.

use data_encoding::BASE64URL_NOPAD;
use keyward_secret::SecretBytes;
use sha2::{Digest as _, Sha256};

/// How many characters a text has: 32 bytes in base64url.
const LENGTH: usize = 43;

/// 256 random bits as a text that may stand in a cookie, a path and a form.
pub(crate) struct Nonce(SecretBytes);

/// The SHA-256 of such a text: what is kept of it.
pub(crate) type Digest = [u8; 32];

impl Nonce {
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut random = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(random.as_mut())?;
        let mut text = vec![0; LENGTH];
        BASE64URL_NOPAD.encode_mut(random.as_ref(), &mut text);
        Ok(Self(SecretBytes::new(text)))
    }

    pub(crate) fn digest(&self) -> Digest {
        digest(self.0.expose())
    }

    /// Compares in constant time.
    pub(crate) fn is(&self, presented: &SecretBytes) -> bool {
        self.0.ct_eq(presented)
    }

    /// The text, to be sent to whoever it is for.
    pub(crate) fn expose(&self) -> &str {
        std::str::from_utf8(self.0.expose()).unwrap_or_default()
    }

    /// The text behind the start of a path.
    pub(crate) fn into_path(self, start: &str) -> SecretBytes {
        let mut path = Vec::with_capacity(start.len() + LENGTH);
        path.extend(start.as_bytes());
        path.extend(self.0.expose());
        SecretBytes::new(path)
    }
}

/// The digest of what was presented.
pub(crate) fn digest(presented: &[u8]) -> Digest {
    Sha256::digest(presented).into()
}

#[cfg(test)]
mod tests {
    use keyward_secret::SecretBytes;

    use super::{LENGTH, Nonce, digest};

    #[test]
    fn a_nonce_is_itself_and_no_other() {
        let (one, other) = (Nonce::generate().unwrap(), Nonce::generate().unwrap());
        assert_eq!(one.expose().len(), LENGTH);
        assert!(one.is(&SecretBytes::copy_from(one.expose().as_bytes())));
        assert!(!one.is(&SecretBytes::copy_from(other.expose().as_bytes())));
        assert!(!one.is(&SecretBytes::copy_from(b"")));
        assert_eq!(one.digest(), digest(one.expose().as_bytes()));
        assert_ne!(one.digest(), other.digest());
    }
}
