//! What is kept of a budget's counter over a restart.

use std::time::SystemTime;

use super::BudgetWindow;
use crate::{CounterKey, Money, counter::memory::milliseconds, window::Counted};

/// What one counter says, for a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what stores keep, whole")]
pub struct BudgetRow {
    /// The counter.
    pub key: CounterKey,
    /// What windows its budget has.
    pub window: BudgetWindow,
    /// Which window it is, from the epoch on.
    pub number: u64,
    /// What was spent in it.
    pub spent: Money,
    /// What was spent in the window before it.
    pub spent_before: Money,
    /// What was reserved in it.
    pub reserved: Money,
    /// What was reserved in the window before it.
    pub reserved_before: Money,
    /// When the last of what is reserved expires, in milliseconds since the epoch.
    pub expires_ms: u64,
}

impl BudgetRow {
    /// From when on nothing of it matters any more, in milliseconds since the epoch: when the window ends that follows the
    /// one in which was counted.
    #[must_use]
    pub const fn past_at_ms(&self) -> u64 {
        let counted = Counted {
            number: self.number,
            current: 0,
            previous: 0,
        };
        counted.past_at(self.window.grid())
    }

    /// Whether nothing of it matters any more.
    #[must_use]
    pub fn is_past(&self, now: SystemTime) -> bool {
        self.past_at_ms() <= milliseconds(now)
    }
}
