//! What is kept free for a request while it runs.

use std::time::Duration;

use super::BudgetWindow;
use crate::{CounterKey, Money};

/// What is reserved for one request, in each of its budgets. Where it is never settled, it expires.
#[derive(Debug)]
#[must_use = "what is reserved and not settled stays reserved until it expires"]
pub struct Reservation {
    id: u128,
    held: Box<[Held]>,
}

/// What is reserved in one budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what stores keep, whole")]
pub struct Held {
    /// Where it is counted.
    pub key: CounterKey,
    /// What windows that budget has.
    pub window: BudgetWindow,
    /// The number of the one in which it was reserved.
    pub number: u64,
    /// How much.
    pub estimate: Money,
}

impl Reservation {
    /// How long one should last that is not renewed: ten minutes. A guess at how long a request of which nothing is heard
    /// may still run.
    pub const LASTS: Duration = Duration::from_mins(10);
    /// The longest that one lasts.
    pub const LONGEST: Duration = Duration::from_hours(24);

    /// A reservation as a store made it. `id` is one that no other reservation of all that share the store has; those of
    /// [`MemoryBudgets`](super::MemoryBudgets) are below 2^64.
    pub fn new(id: u128, held: Vec<Held>) -> Self {
        Self {
            id,
            held: held.into_boxed_slice(),
        }
    }

    /// Takes what is reserved in the budgets from the one at `place` on, so that it can be settled by itself. Budgets are in
    /// the order in which they were asked for.
    pub fn split_off(&mut self, place: usize) -> Self {
        let mut held = std::mem::take(&mut self.held).into_vec();
        let rest = held.split_off(place.min(held.len()));
        self.held = held.into_boxed_slice();
        Self::new(self.id, rest)
    }

    /// That of a request without budgets.
    pub fn none() -> Self {
        Self::new(0, Vec::new())
    }

    /// What tells it apart.
    #[must_use]
    pub const fn id(&self) -> u128 {
        self.id
    }

    /// What is reserved, in each budget once.
    #[must_use]
    pub const fn held(&self) -> &[Held] {
        &self.held
    }

    /// How long it lasts, in milliseconds.
    pub(super) fn lasts_ms(lasts: Duration) -> u64 {
        u64::try_from(lasts.min(Self::LONGEST).as_millis()).unwrap_or(u64::MAX)
    }
}
