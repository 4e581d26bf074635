//! A copy of a body on its way, within the room that remembered bodies share.

use std::{fmt, sync::Arc};

use crate::replay::Room;

/// What came of a body so far: all of it or nothing.
pub(super) struct BodyCopy {
    /// None once it was too long or there was no room: half of it says nothing.
    copied: Option<Vec<u8>>,
    most: usize,
    /// How much of the room it has.
    taken: usize,
    room: Arc<Room>,
}

impl BodyCopy {
    /// Of a body of at most so many bytes.
    pub(super) fn new(most: usize, room: &Arc<Room>) -> Self {
        Self {
            copied: Some(Vec::new()),
            most,
            taken: 0,
            room: Arc::clone(room),
        }
    }

    /// Copies the next piece.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let Some(copied) = &mut self.copied else {
            return;
        };
        let length = copied.len() + bytes.len();
        if length > self.most {
            self.let_go();
            return;
        }
        if length > self.taken {
            // Twice as much each time, so that it is seldom moved.
            let wanted = length.max(self.taken * 2).min(self.most);
            if !self.room.take(wanted - self.taken) {
                self.let_go();
                return;
            }
            self.taken = wanted;
            copied.reserve_exact(wanted - copied.len());
        }
        copied.extend_from_slice(bytes);
    }

    /// What was copied; none where that is not all.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.copied.as_deref()
    }

    /// What it takes in memory, and of the room, in bytes.
    pub(super) const fn held(&self) -> usize {
        self.taken
    }

    fn let_go(&mut self) {
        self.copied = None;
        self.room.give_back(std::mem::take(&mut self.taken));
    }
}

impl Drop for BodyCopy {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl fmt::Debug for BodyCopy {
    /// No byte of what a person asked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyCopy")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}
