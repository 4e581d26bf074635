//! Random order that can be repeated.

use std::hash::{BuildHasher, RandomState};

/// A small generator (splitmix64): good enough for an order, and for nothing else.
#[derive(Debug)]
pub(crate) struct Shuffle {
    seed: u64,
    state: u64,
}

impl Shuffle {
    /// Starts from `seed`, or from one that differs with every run.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        // A short seed is easier to type again.
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000);
        Self { seed, state: seed }
    }

    /// The seed.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Puts `items` into a random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let choices = u64::try_from(last + 1).unwrap_or(u64::MAX);
            let chosen = usize::try_from(self.next() % choices).unwrap_or(last);
            items.swap(last, chosen);
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.state;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_order_and_reaches_every_order() {
        let order = |seed| {
            let mut items = [0, 1, 2];
            Shuffle::new(Some(seed)).shuffle(&mut items);
            items
        };
        assert_eq!(order(7), order(7));
        let orders: std::collections::HashSet<_> = (0..100).map(order).collect();
        assert_eq!(orders.len(), 6);
    }
}
