//! Counters of one process.

use std::{
    num::NonZeroUsize,
    time::{SystemTime, UNIX_EPOCH},
};

use rustc_hash::FxHashMap;

use super::{
    Ask, Counters, Decision, Taking,
    shards::{SHARDS, Shards},
};
use crate::{CounterKey, grid::Grid, window::Counted};

/// How often a full shard is searched for counters that are past, in milliseconds.
const SWEEP_EVERY_MS: u64 = 1000;

/// Counters in this process's memory: exact for one instance, and gone with it.
///
/// There are never more than a number of them. Where there is no room, counters are let go of whose windows are past.
/// If that leaves no room, the values that come new to a limit are counted together, in one counter of that limit for
/// each lock: whoever makes values up gets 16 times the limit at most, and whoever is counted already is not touched.
///
/// A decision takes one short lock for each of its limits and nothing is waited for; it allocates nothing but for a new
/// counter.
#[derive(Debug)]
pub struct MemoryCounters {
    shards: Shards<Shard>,
    most_of_shard: usize,
}

#[derive(Debug, Default)]
struct Shard {
    counters: FxHashMap<CounterKey, Counter>,
    /// One for each limit of whose values some found no room.
    overflow: FxHashMap<CounterKey, Counter>,
    swept_at_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    counted: Counted,
    window_ms: u64,
}

impl MemoryCounters {
    /// The default of how many counters there are at most: some 64 bytes each.
    pub const MOST: NonZeroUsize = NonZeroUsize::new(262_144).unwrap();

    /// At most about `most` counters, and 16 more for each limit.
    #[must_use]
    pub fn new(most: NonZeroUsize) -> Self {
        Self {
            shards: Shards::default(),
            most_of_shard: most.get().div_ceil(SHARDS),
        }
    }

    /// How many counters there are.
    #[must_use]
    pub fn count(&self) -> usize {
        let shards = self.shards.each();
        shards
            .map(|shard| shard.counters.len() + shard.overflow.len())
            .sum()
    }

    /// Decides, as [`Counters::take`] does.
    pub fn decide(&self, asks: &[Ask], now: SystemTime) -> Decision {
        let now_ms = milliseconds(now);
        let mut shards = self.shards.lock_all(asks.iter().map(|ask| ask.key));
        let mut decision = Decision::FREE;
        for (place, ask) in asks.iter().enumerate() {
            let Some(shard) = shards.part(ask.key) else {
                continue;
            };
            let bounds = ask.limit.bounds();
            let counted = shard.read(ask, now_ms, self.most_of_shard);
            decision = decision.and(place, counted.fit(bounds, ask.amount, now_ms));
        }
        if matches!(decision, Decision::Within { .. }) {
            for (place, ask) in asks.iter().enumerate() {
                if !Ask::is_first(asks, place) {
                    continue;
                }
                if let Some(shard) = shards.part(ask.key) {
                    shard.add(ask, now_ms, self.most_of_shard);
                }
            }
        }
        decision
    }
}

impl Default for MemoryCounters {
    fn default() -> Self {
        Self::new(Self::MOST)
    }
}

impl Counters for MemoryCounters {
    fn take_now(&self, asks: &[Ask], now: SystemTime) -> Option<Decision> {
        Some(self.decide(asks, now))
    }

    fn take<'a>(&'a self, asks: &'a [Ask], now: SystemTime) -> Taking<'a> {
        Box::pin(std::future::ready(self.decide(asks, now)))
    }
}

impl Shard {
    /// What is counted for an ask, as of now.
    fn read(&mut self, ask: &Ask, now_ms: u64, most: usize) -> Counted {
        let bounds = ask.limit.bounds();
        let (counters, key) = self.place(ask.key, now_ms, most);
        let counter = counters.get(&key);
        // Another window than the counter was made for: what was counted says nothing of it.
        let counted = counter.filter(|counter| counter.window_ms == bounds.window_ms);
        let counted = counted.map_or_else(Counted::default, |counter| counter.counted);
        counted.at(bounds.grid(), now_ms)
    }

    fn add(&mut self, ask: &Ask, now_ms: u64, most: usize) {
        let mut counted = self.read(ask, now_ms, most);
        counted.add(ask.amount);
        let counter = Counter {
            counted,
            window_ms: ask.limit.bounds().window_ms,
        };
        let (counters, key) = self.place(ask.key, now_ms, most);
        counters.insert(key, counter);
    }

    /// Where a key is counted, and under which name: by itself, or with all that come new where there is no room.
    fn place(
        &mut self,
        key: CounterKey,
        now_ms: u64,
        most: usize,
    ) -> (&mut FxHashMap<CounterKey, Counter>, CounterKey) {
        match self.counters.contains_key(&key) || self.has_room(now_ms, most) {
            true => (&mut self.counters, key),
            false => (&mut self.overflow, key.overflow()),
        }
    }

    /// Whether a new counter has room, once what is past is gone.
    fn has_room(&mut self, now_ms: u64, most: usize) -> bool {
        if self.counters.len() < most {
            return true;
        }
        if now_ms.abs_diff(self.swept_at_ms) >= SWEEP_EVERY_MS {
            self.swept_at_ms = now_ms;
            let lives = |counter: &mut Counter| {
                let grid = Grid::even(counter.window_ms);
                !counter.counted.is_past(grid, now_ms)
            };
            self.counters.retain(|_, counter| lives(counter));
            self.overflow.retain(|_, counter| lives(counter));
        }
        self.counters.len() < most
    }
}

/// Since the epoch.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
