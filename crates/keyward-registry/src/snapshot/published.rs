//! How a new picture reaches those who read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;

use super::Snapshot;

/// The newest picture, and the number by which readers learn of it.
#[derive(Debug)]
pub(crate) struct Published {
    generation: AtomicU64,
    snapshot: ArcSwap<Versioned>,
}

#[derive(Debug)]
struct Versioned {
    generation: u64,
    snapshot: Arc<Snapshot>,
}

impl Published {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self {
            generation: AtomicU64::new(0),
            snapshot: ArcSwap::from_pointee(Versioned {
                generation: 0,
                snapshot: Arc::new(snapshot),
            }),
        }
    }

    pub(crate) fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.load().snapshot)
    }

    /// Swaps the picture in, then tells readers. Called by one writer at a time.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        let generation = self.generation.load(Ordering::Relaxed) + 1;
        self.snapshot.store(Arc::new(Versioned {
            generation,
            snapshot: Arc::new(snapshot),
        }));
        self.generation.store(generation, Ordering::Release);
    }
}

/// One worker's view: keeps the picture it read last, and costs one load of a number while nothing changes.
#[derive(Debug)]
pub struct SnapshotReader {
    published: Arc<Published>,
    generation: u64,
    snapshot: Arc<Snapshot>,
}

impl SnapshotReader {
    pub(crate) fn new(published: Arc<Published>) -> Self {
        let versioned = published.snapshot.load_full();
        Self {
            published,
            generation: versioned.generation,
            snapshot: Arc::clone(&versioned.snapshot),
        }
    }

    /// The newest picture, and whether it is another than last time.
    ///
    /// A change that was published before this call is seen by it.
    pub fn current(&mut self) -> (&Arc<Snapshot>, bool) {
        // Acquire pairs with the release in `publish`: who sees the number sees the picture too. On x86-64
        // and AArch64 that costs no more than a relaxed load.
        let is_new = self.published.generation.load(Ordering::Acquire) != self.generation;
        if is_new {
            let versioned = self.published.snapshot.load_full();
            self.generation = versioned.generation;
            self.snapshot = Arc::clone(&versioned.snapshot);
        }
        (&self.snapshot, is_new)
    }

    /// The number of the picture that [`current`](Self::current) gave last: raised by every change.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }
}
