//! Budgets counted in one process.

mod shard;

use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use self::shard::{Shard, Turn};
use super::{
    Admission, BudgetRow, Budgets, Looking, Overspent, Reservation, Reserving, Settling, Spend,
    Standing,
};
use crate::{
    Money,
    counter::{
        memory::milliseconds,
        shards::{SHARDS, Shards},
    },
};

/// Budgets counted in this process's memory: exact for one instance.
///
/// There are never more counters than a number of them. Where there is no room, counters are let go of whose windows are
/// past. If that leaves no room, the values that come new to a budget are counted together, in one counter of that budget for
/// each of 16 locks. What is reserved takes some 100 bytes for each request that runs, and each of its budgets.
///
/// A decision takes one short lock for each of its budgets, and nothing is waited for.
///
/// # What outlives the process
///
/// What [`changed`](Budgets::changed) gives is for a store, and [`restore`](Budgets::restore) takes it back at the next start. A
/// process that is killed loses what was reserved, renewed and settled since it was last taken and stored: where that is done
/// every second, a second's and what the store takes. What was reserved by then counts as spent after the restart until
/// the last reservation of its counter would have expired, since nobody knows what those requests cost; what they did cost
/// is not counted after that.
#[derive(Debug)]
pub struct MemoryBudgets {
    shards: Shards<Shard>,
    most_of_shard: usize,
    /// The next reservation's id.
    next: AtomicU64,
}

impl MemoryBudgets {
    /// The default of how many counters there are at most: some 200 bytes each.
    pub const MOST: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

    /// At most about `most` counters, and 16 more for each budget.
    #[must_use]
    pub fn new(most: NonZeroUsize) -> Self {
        Self {
            shards: Shards::default(),
            most_of_shard: most.get().div_ceil(SHARDS),
            next: AtomicU64::new(1),
        }
    }

    /// How many counters there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shards.each().map(|shard| shard.count()).sum()
    }

    /// How many reservations are open, each counted once for each of its budgets.
    #[must_use]
    pub fn count_open(&self) -> usize {
        self.shards.each().map(|shard| shard.count_open()).sum()
    }

    /// Decides, as [`Budgets::reserve`] does.
    pub fn try_reserve(&self, asks: &[Spend], lasts: Duration, now: SystemTime) -> Admission {
        if asks.is_empty() {
            return Admission::Admitted(Reservation::none());
        }
        let turn = self.turn(now);
        let mut shards = self.shards.lock_all(asks.iter().map(|ask| ask.key));
        for shard in shards.each() {
            shard.release(turn);
        }
        let mut over = None;
        for (place, ask) in asks.iter().enumerate() {
            if let Some(shard) = shards.part(ask.key) {
                let standing = shard.standing(ask, turn);
                over = Overspent::and(over, place, ask.budget, ask.estimate, standing);
            }
        }
        if let Some(over) = over {
            return Admission::Over(over);
        }
        let id = self.next_id();
        let expires_ms = turn.now_ms.saturating_add(Reservation::lasts_ms(lasts));
        let mut held = Vec::with_capacity(asks.len());
        for (place, ask) in asks.iter().enumerate() {
            if !Spend::is_first(asks, place) {
                continue;
            }
            if let Some(shard) = shards.part(ask.key) {
                held.push(shard.reserve(id, ask, expires_ms, turn));
            }
        }
        Admission::Admitted(Reservation::new(id.into(), held))
    }

    /// How the budgets stand, one after the other.
    #[must_use]
    pub fn standings(&self, asks: &[Spend], now: SystemTime) -> Vec<Standing> {
        let turn = self.turn(now);
        let standing = |ask: &Spend| {
            let mut shard = self.shards.lock(ask.key);
            shard.release(turn);
            shard.standing(ask, turn)
        };
        asks.iter().map(standing).collect()
    }

    fn turn(&self, now: SystemTime) -> Turn {
        Turn {
            now_ms: milliseconds(now),
            most: self.most_of_shard,
        }
    }

    fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for MemoryBudgets {
    fn default() -> Self {
        Self::new(Self::MOST)
    }
}

impl Budgets for MemoryBudgets {
    fn reserve_now(&self, asks: &[Spend], lasts: Duration, now: SystemTime) -> Option<Admission> {
        Some(self.try_reserve(asks, lasts, now))
    }

    fn reserve<'a>(&'a self, asks: &'a [Spend], lasts: Duration, now: SystemTime) -> Reserving<'a> {
        Box::pin(std::future::ready(self.try_reserve(asks, lasts, now)))
    }

    fn renew(&self, reservation: &Reservation, lasts: Duration, now: SystemTime) {
        let turn = self.turn(now);
        let expires_ms = turn.now_ms.saturating_add(Reservation::lasts_ms(lasts));
        let id = memory_id(reservation);
        for held in reservation.held() {
            let mut shard = self.shards.lock(held.key);
            shard.release(turn);
            shard.renew(id, held, expires_ms, turn);
        }
    }

    fn settle(&self, reservation: Reservation, cost: Money, now: SystemTime) {
        let turn = self.turn(now);
        let id = memory_id(&reservation);
        for held in reservation.held() {
            let mut shard = self.shards.lock(held.key);
            shard.release(turn);
            shard.settle(id, held, cost, turn);
        }
    }

    fn settled(&self) -> Settling<'_> {
        Box::pin(std::future::ready(true))
    }

    fn look<'a>(&'a self, asks: &'a [Spend], now: SystemTime) -> Looking<'a> {
        Box::pin(std::future::ready(Some(self.standings(asks, now))))
    }

    fn changed(&self, now: SystemTime) -> Vec<BudgetRow> {
        let turn = self.turn(now);
        let mut rows = Vec::new();
        for mut shard in self.shards.each() {
            shard.take_changed(&mut rows, turn);
        }
        rows
    }

    fn mark_changed(&self, rows: &[BudgetRow]) {
        for row in rows {
            self.shards.lock(row.key).mark_changed(row.key);
        }
    }

    fn restore(&self, rows: &[BudgetRow], now: SystemTime) {
        let turn = self.turn(now);
        for row in rows {
            if !row.is_past(now) {
                // What is reserved in two windows is two reservations, as each has one number.
                let ids = [self.next_id(), self.next_id()];
                self.shards.lock(row.key).restore(row, ids, turn);
            }
        }
    }
}

/// Those that are made here have such an id.
fn memory_id(reservation: &Reservation) -> u64 {
    u64::try_from(reservation.id()).unwrap_or_default()
}
