//! Counters spread over several locks.

use std::{
    array,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::CounterKey;

/// How many locks there are.
pub(crate) const SHARDS: usize = 16;

/// What is kept of counters, in parts with a lock each. A counter's key says in which it is.
#[derive(Debug)]
pub(crate) struct Shards<T>([Mutex<T>; SHARDS]);

/// The parts that were asked for, locked until this goes.
#[derive(Debug)]
pub(crate) struct Locked<'a, T>([Option<MutexGuard<'a, T>>; SHARDS]);

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self(array::from_fn(|_| Mutex::default()))
    }
}

impl<T> Shards<T> {
    /// Locks the parts of all keys, always in the same order, so that no two wait for each other.
    pub(crate) fn lock_all(&self, keys: impl IntoIterator<Item = CounterKey>) -> Locked<'_, T> {
        let mut wanted = [false; SHARDS];
        for key in keys {
            if let Some(wanted) = wanted.get_mut(place_of(key)) {
                *wanted = true;
            }
        }
        let mut all = self.0.iter().zip(wanted);
        Locked(array::from_fn(|_| {
            let (shard, is_wanted) = all.next()?;
            is_wanted.then(|| lock(shard))
        }))
    }

    /// Locks the part of one key.
    pub(crate) fn lock(&self, key: CounterKey) -> MutexGuard<'_, T> {
        let [first, ..] = &self.0;
        lock(self.0.get(place_of(key)).unwrap_or(first))
    }

    /// One part after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.0.iter().map(lock)
    }
}

impl<T> Locked<'_, T> {
    /// The part of a key that was asked for.
    pub(crate) fn part(&mut self, key: CounterKey) -> Option<&mut T> {
        self.0.get_mut(place_of(key))?.as_deref_mut()
    }

    /// Every part that was asked for.
    pub(crate) fn each(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().filter_map(Option::as_deref_mut)
    }
}

fn place_of(key: CounterKey) -> usize {
    // The high bits: the map takes the low ones.
    usize::try_from(key.mixed() >> 60).unwrap_or_default() % SHARDS
}

/// What is counted is whole whenever the lock is given up.
fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
