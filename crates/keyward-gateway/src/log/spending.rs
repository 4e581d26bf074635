//! What is reserved for a request while it runs.

use std::{
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use keyward_routes::{Budgets, Money, Reservation};

use crate::spend::Asked;

/// A reservation, and what is needed to settle it. Dropped unsettled, it expires by itself.
pub(crate) struct Spending {
    reservation: Reservation,
    budgets: Arc<dyn Budgets>,
    /// The model that was asked for.
    pub(crate) model: Option<Box<str>>,
    pub(crate) asked: Asked,
    renewed: Instant,
}

impl Spending {
    /// What was reserved just now.
    pub(crate) fn new(
        reservation: Reservation,
        budgets: Arc<dyn Budgets>,
        model: Option<Box<str>>,
        asked: Asked,
    ) -> Self {
        Self {
            reservation,
            budgets,
            model,
            asked,
            renewed: Instant::now(),
        }
    }

    /// Has it last while its answer comes: before half of its time is over, nothing is done.
    pub(super) fn go_on(&mut self) {
        if self.renewed.elapsed() > Reservation::LASTS / 2 {
            self.renewed = Instant::now();
            self.budgets
                .renew(&self.reservation, Reservation::LASTS, super::clock());
        }
    }

    /// Counts what the request cost, and frees what was reserved.
    pub(crate) fn settle(self, cost: Money, now: SystemTime) {
        self.budgets.settle(self.reservation, cost, now);
    }
}

impl fmt::Debug for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spending")
            .field("reservation", &self.reservation)
            .finish_non_exhaustive()
    }
}
