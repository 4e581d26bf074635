//! A buffer that grows without leaving copies of what it held.

use std::io;

use bytes::Bytes;
use zeroize::Zeroizing;

/// Bytes that may hold a secret: a request's body, or an answer that shows a token once.
///
/// A `Vec` that grows leaves its old allocation behind as it was. This one moves by hand, and erases what it
/// leaves.
#[derive(Default)]
pub(crate) struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            let mut wider = Self::with_capacity(needed.max(self.0.capacity().saturating_mul(2)));
            wider.0.extend_from_slice(&self.0);
            *self = wider;
        }
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes to send; erased when the last holder is done.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Buffer;

    proptest! {
        #[test]
        fn what_goes_in_piecemeal_comes_out_whole(pieces: Vec<Vec<u8>>, capacity in 0_usize..64) {
            let mut buffer = Buffer::with_capacity(capacity);
            pieces.iter().for_each(|piece| buffer.extend(piece));
            prop_assert_eq!(buffer.len(), buffer.as_slice().len());
            prop_assert_eq!(buffer.into_bytes(), pieces.concat());
        }
    }
}
