//! Whether a budget has room, decided from what was counted and the time.

use std::time::Duration;

use super::{Budget, BudgetWindow};
use crate::{
    Money,
    window::{Counted, overlap},
};

/// How a budget stands at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what is told of it, whole")]
pub struct Standing {
    /// What was spent in the window, with the share of the one before where it slides.
    pub spent: Money,
    /// What is reserved in it.
    pub reserved: Money,
    /// When the window ends that runs.
    pub ends_after: Duration,
}

/// Which budget has no room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what is told of it, whole")]
pub struct Overspent {
    /// The place of the budget among those that were asked for; of several without room, the one whose window ends last.
    pub which: usize,
    /// The budget.
    pub budget: Budget,
    /// How it stands.
    pub standing: Standing,
}

impl Standing {
    /// What two counters say, which are both as they stand at `now_ms`, in milliseconds since the epoch.
    #[must_use]
    pub fn of(spent: Counted, reserved: Counted, window: BudgetWindow, now_ms: u64) -> Self {
        let grid = window.grid();
        let length_ms = grid.length(spent.number);
        let left_ms = spent.left_ms(grid, now_ms);
        let overlap = overlap(window.technique(), left_ms, length_ms);
        let money = |counted: Counted| {
            let nanos = counted.counts(overlap, length_ms);
            Money::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        Self {
            spent: money(spent),
            reserved: money(reserved),
            ends_after: Duration::from_millis(left_ms),
        }
    }

    /// Whether the budget has room for a request that is estimated to cost so much.
    #[must_use]
    pub fn admits(&self, budget: Budget, estimate: Money) -> bool {
        let limit = budget.limit();
        // No limit is as high as the end of the numbers, so a sum that ends there is above it.
        let together = self.spent.plus(self.reserved).plus(estimate);
        together <= limit || (self.reserved == Money::ZERO && self.spent < limit)
    }
}

impl Overspent {
    /// The refusal of the budgets before `which`, if there is one, and what the budget there says.
    #[must_use]
    pub fn and(
        before: Option<Self>,
        which: usize,
        budget: Budget,
        estimate: Money,
        standing: Standing,
    ) -> Option<Self> {
        let ends_later = |before: Self| before.standing.ends_after >= standing.ends_after;
        if standing.admits(budget, estimate) || before.is_some_and(ends_later) {
            return before;
        }
        Some(Self {
            which,
            budget,
            standing,
        })
    }
}
