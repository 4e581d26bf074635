//! What the fuzz harness calls. No part of the interface: it may change with any release.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Scrubber, tunnel::FrameScrub};

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
