//! A body that was read whole, in one piece or with something put in between.

use std::sync::Arc;

use bytes::Bytes;
use keyward_routes::Spliced;

use super::Memory;

/// A body that was read. Clones share it, and each is sent from its beginning.
pub(crate) struct Whole {
    /// Several where something was put in between.
    parts: [Bytes; 5],
    next: usize,
    /// Its part of the room, given back with the last clone.
    lease: Arc<Memory>,
}

impl Whole {
    pub(super) fn new(all: Bytes, memory: Memory) -> Self {
        Self::of(all, Arc::new(memory))
    }

    fn of(all: Bytes, lease: Arc<Memory>) -> Self {
        Self {
            parts: [all, Bytes::new(), Bytes::new(), Bytes::new(), Bytes::new()],
            next: 0,
            lease,
        }
    }

    /// All of it. Copies where something was put in between.
    pub(crate) fn joined(&self) -> Bytes {
        match &self.parts {
            [all, between @ ..] if between.iter().all(Bytes::is_empty) => all.clone(),
            parts => parts.concat().into(),
        }
    }

    /// The same with another model, or with what was put into it.
    pub(crate) fn spliced(&self, spliced: Spliced) -> Self {
        Self {
            parts: spliced.parts,
            next: 0,
            lease: Arc::clone(&self.lease),
        }
    }

    /// Another body, made of a part of this one.
    pub(crate) fn with(&self, part: Bytes) -> Self {
        Self::of(part, Arc::clone(&self.lease))
    }

    /// How many bytes are still to be sent.
    pub(crate) fn left(&self) -> u64 {
        let left = self.parts.iter().skip(self.next).map(Bytes::len);
        u64::try_from(left.sum::<usize>()).unwrap_or(u64::MAX)
    }

    /// The next piece to be sent.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        loop {
            let part = self.parts.get(self.next)?.clone();
            self.next += 1;
            if !part.is_empty() {
                return Some(part);
            }
        }
    }
}

impl Clone for Whole {
    /// To be sent from its beginning.
    fn clone(&self) -> Self {
        Self {
            parts: self.parts.clone(),
            next: 0,
            lease: Arc::clone(&self.lease),
        }
    }
}
