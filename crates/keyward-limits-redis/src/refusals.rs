//! What is known to be over its limit, so that a flood costs Redis nothing.

use std::{
    array,
    hash::BuildHasher as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use keyward_routes::{Ask, CounterKey, Decision, Fit, Limit};
use rustc_hash::{FxBuildHasher, FxHashMap};

/// How many locks the refusals are spread over.
const SHARDS: usize = 16;
/// How many there are of each at most: beyond, Redis is asked.
const MOST_OF_SHARD: usize = 4096;
/// How often a full shard is searched for what is past.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// For how long Redis is not asked again, however long the window: so long does it take until a counter that somebody
/// removed by hand is noticed.
const BELIEVED_FOR: Duration = Duration::from_secs(10);

/// Refusals of Redis, for as long as they hold. By this process's own clock that is never set, not the time of day.
#[derive(Debug)]
pub(crate) struct Refusals {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    refusals: FxHashMap<CounterKey, Refusal>,
    swept_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Refusal {
    /// A limit that was changed meanwhile is another.
    limit: Limit,
    amount: u64,
    /// When it would fit, if nothing else came.
    ends_at: Instant,
    believed_until: Instant,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            shards: array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Refusals {
    /// The refusal of asks of which one is known to be over its limit.
    pub(crate) fn find(&self, asks: &[Ask], now: Instant) -> Option<Decision> {
        let mut decision = Decision::FREE;
        for (place, ask) in asks.iter().enumerate() {
            let Some(refusal) = self.shard(ask.key).refusals.get(&ask.key).copied() else {
                continue;
            };
            let holds = refusal.limit == ask.limit
                && refusal.amount <= ask.amount
                && now < refusal.believed_until;
            if holds {
                let left = refusal.ends_at.saturating_duration_since(now);
                // Rounded up: no earlier than it would fit.
                let left = left + Duration::from_micros(999);
                let retry_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                decision = decision.and(place, Fit::Over { retry_ms });
            }
        }
        matches!(decision, Decision::Over { .. }).then_some(decision)
    }

    /// Remembers that an ask does not fit for so long.
    pub(crate) fn note(&self, ask: &Ask, retry_ms: u64, now: Instant) {
        let left = Duration::from_millis(retry_ms);
        let Some(ends_at) = now.checked_add(left) else {
            return;
        };
        let refusal = Refusal {
            limit: ask.limit,
            amount: ask.amount,
            ends_at,
            believed_until: ends_at.min(now + BELIEVED_FOR),
        };
        let mut shard = self.shard(ask.key);
        if shard.refusals.contains_key(&ask.key) || shard.has_room(now) {
            shard.refusals.insert(ask.key, refusal);
        }
    }

    fn shard(&self, key: CounterKey) -> MutexGuard<'_, Shard> {
        // The high bits: the map takes the low ones.
        let place = usize::try_from(FxBuildHasher.hash_one(key) >> 60).unwrap_or_default();
        let [first, ..] = &self.shards;
        let shard = self.shards.get(place).unwrap_or(first);
        // What is in it is whole whenever the lock is given up.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        let count = |shard: &Mutex<Shard>| shard.lock().unwrap().refusals.len();
        self.shards.iter().map(count).sum()
    }
}

impl Shard {
    fn has_room(&mut self, now: Instant) -> bool {
        if self.refusals.len() < MOST_OF_SHARD {
            return true;
        }
        let is_due = |swept_at| now.saturating_duration_since(swept_at) >= SWEEP_EVERY;
        if self.swept_at.is_none_or(is_due) {
            self.swept_at = Some(now);
            self.refusals
                .retain(|_, refusal| now < refusal.believed_until);
        }
        self.refusals.len() < MOST_OF_SHARD
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use keyward_routes::{Ask, Decision, testing::ask};

    use super::{BELIEVED_FOR, MOST_OF_SHARD, Refusals, SHARDS};

    fn retry(decision: Option<Decision>) -> Option<u64> {
        match decision {
            Some(Decision::Over { retry_after, .. }) => Some(retry_after.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn a_refusal_holds_until_its_window_ends_for_this_limit_and_no_smaller_amount() {
        let refusals = Refusals::default();
        let now = Instant::now();
        let over = ask(1, "over", 10, 60).unwrap();
        let after = |ms| now + Duration::from_millis(ms);
        refusals.note(&over, 3500, now);
        assert_eq!(retry(refusals.find(&[over], now)), Some(4));
        assert_eq!(retry(refusals.find(&[over], after(2500))), Some(1));
        assert_eq!(retry(refusals.find(&[over], after(3500))), None);

        let other = ask(1, "other", 10, 60).unwrap();
        assert_eq!(retry(refusals.find(&[other], now)), None);
        assert_eq!(retry(refusals.find(&[other, over], now)), Some(4));
        let more = Ask { amount: 2, ..over };
        assert_eq!(retry(refusals.find(&[more], now)), Some(4));
        let changed = ask(1, "over", 11, 60).unwrap();
        assert_eq!(retry(refusals.find(&[changed], now)), None);

        refusals.note(&more, 3500, now);
        assert_eq!(retry(refusals.find(&[over], now)), None);
    }

    #[test]
    fn a_long_refusal_is_asked_for_again() {
        let refusals = Refusals::default();
        let now = Instant::now();
        let over = ask(1, "over", 10, 86_400).unwrap();
        refusals.note(&over, 86_400_000, now);
        assert_eq!(retry(refusals.find(&[over], now)), Some(86_400));
        assert_eq!(retry(refusals.find(&[over], now + BELIEVED_FOR)), None);
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let refusals = Refusals::default();
        let now = Instant::now();
        let most = SHARDS * MOST_OF_SHARD;
        for value in 0..most + 10_000 {
            let over = ask(1, &value.to_string(), 10, 60).unwrap();
            refusals.note(&over, 1000, now);
        }
        assert!(refusals.count() <= most);
        assert!(refusals.count() > most / 2);
        // What is past makes room.
        let later = now + Duration::from_secs(2);
        for value in 0..most {
            let over = ask(2, &value.to_string(), 10, 60).unwrap();
            refusals.note(&over, 1000, later);
        }
        let new = ask(2, "0", 10, 60).unwrap();
        assert_eq!(retry(refusals.find(&[new], later)), Some(1));
    }
}
