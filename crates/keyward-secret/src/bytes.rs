//! The one type that holds secret bytes.

use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Secret bytes: erased on drop, compared in constant time.
///
/// Not `Debug`, `Display`, `Clone` or `Serialize`: a struct that holds one must say how it prints.
#[expect(
    missing_debug_implementations,
    reason = "a secret has no printable form"
)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes `bytes` over without copying.
    ///
    /// The caller sees to it that the vector did not grow on the way: a reallocation leaves a copy behind.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies `bytes`, for a caller that erases its own copy.
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// Lends the plaintext. Every call is a place where a secret could leak.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in time that depends on the lengths alone.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }

    /// Shares the bytes without copying them; the last holder erases them.
    #[must_use]
    pub fn into_shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::SecretBytes;

    #[test]
    fn equal_bytes_are_equal_and_others_are_not() {
        let secret = SecretBytes::copy_from(b"sk-one");
        assert!(secret.ct_eq(&SecretBytes::copy_from(b"sk-one")));
        assert!(!secret.ct_eq(&SecretBytes::copy_from(b"sk-two")));
        assert!(!secret.ct_eq(&SecretBytes::copy_from(b"sk-on")));
    }
}
