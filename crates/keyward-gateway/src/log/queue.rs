//! Requests that one worker has to tell of, until the recorder takes them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyward_routes::Prices;

use super::Entry;

/// One worker's entries since the recorder's last turn.
#[derive(Debug)]
pub(crate) struct LogQueue {
    waiting: Mutex<Waiting>,
    /// What they may take in memory together, in bytes.
    most: usize,
    prices: Arc<Prices>,
}

/// Each as it was while its request was under way: they are handed over without a copy.
pub(crate) type Entries = Vec<Box<Entry>>;

#[derive(Debug, Default)]
struct Waiting {
    entries: Entries,
    bytes: usize,
    lost: u64,
}

impl LogQueue {
    /// For entries that take so many bytes of memory together, of requests that cost as these prices say.
    pub(crate) fn new(most: usize, prices: Arc<Prices>) -> Self {
        Self {
            waiting: Mutex::default(),
            most,
            prices,
        }
    }

    /// What requests cost.
    pub(super) fn prices(&self) -> &Prices {
        &self.prices
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an entry, without its bodies where there is no room for them; or counts it as lost.
    pub(super) fn push(&self, mut entry: Box<Entry>) {
        let mut held = entry.held();
        let mut waiting = self.lock();
        let mut bodies = None;
        if waiting.bytes + held > self.most {
            bodies = entry.bodies.take();
            held = entry.held();
        }
        // What is reserved must be settled; requests that have something reserved are bounded elsewhere.
        if waiting.bytes + held > self.most && entry.spending.is_none() {
            waiting.lost = waiting.lost.saturating_add(1);
            // Freed without the lock.
            drop(waiting);
            drop((entry, bodies));
            return;
        }
        waiting.bytes += held;
        waiting.entries.push(entry);
        drop(waiting);
        drop(bodies);
    }

    /// Takes everything away, into an empty list that is left in its place. Gives how many had no room.
    pub(crate) fn take(&self, into: &mut Entries) -> u64 {
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.entries, into);
        waiting.bytes = 0;
        std::mem::take(&mut waiting.lost)
    }
}
