//! What the fuzz harness calls. No part of the interface: it may change with any release.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use crate::{Scrubber, decode, tunnel::FrameScrub};

/// The body of an error answer with these headers, decoded; none where it cannot or may not be.
#[must_use]
pub fn decoded(headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    decode::decode(headers, body).ok()
}

/// Masks the credential in the payload of WebSocket frames.
#[expect(missing_debug_implementations, reason = "no part of the interface")]
pub struct Frames(FrameScrub);

impl Frames {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(scrubber: Arc<Scrubber>) -> Self {
        Self(FrameScrub::new(scrubber))
    }

    /// Takes a piece in, and gives out what may go on.
    pub fn pass(&mut self, piece: Bytes) -> Bytes {
        self.0.pass(piece)
    }

    /// What is held back, at the end.
    pub fn finish(&mut self) -> Bytes {
        self.0.finish()
    }
}
