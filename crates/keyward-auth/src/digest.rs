//! SHA-256 of a token's text: the only form of a token that is stored.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use sha2::{Digest, Sha256};

/// The SHA-256 of a token's whole text, and the only form of it that is stored.
///
/// A plain digest is enough where a password would need a slow one: the text holds 256 random bits, so
/// guessing it back is out of reach.
///
/// Digests are compared and looked up in ordinary, not in constant time. What the time of a comparison
/// tells is how far the digest of a *presented* text agrees with a stored one. To make use of it, a caller
/// would have to find texts whose SHA-256 begins as wanted, and would then know some bits of a digest that
/// does not lead back to the token.
///
/// A digest is not for logs: [`TokenId`](crate::TokenId) is. `Debug` prints nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest with these bytes, as they come from a store.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // One write of the bytes and nothing before it, so that a hasher may take a part of them.
        state.write(&self.0);
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenDigest").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::TokenDigest;

    #[test]
    fn the_digest_is_sha_256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            TokenDigest::of(b"abc").as_bytes(),
            b"\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\
              \xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad",
        );
    }

    #[test]
    fn the_printed_form_holds_nothing_of_it() {
        assert_eq!(
            format!("{:?}", TokenDigest::of(b"abc")),
            "TokenDigest { .. }"
        );
    }
}
