//! What is reserved for a request while it runs.

use std::{
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use keyward_routes::{Budgets, Money, Reservation};

use crate::spend::Asked;

/// A reservation, and what is needed to settle it.
pub(crate) struct Spending {
    /// None once it is settled.
    reservation: Option<Reservation>,
    budgets: Arc<dyn Budgets>,
    /// The model that was asked for.
    pub(crate) model: Box<str>,
    pub(crate) asked: Asked,
    /// What was set aside.
    pub(crate) estimate: Money,
    renewed: Instant,
}

impl Spending {
    /// What was reserved just now.
    pub(crate) fn new(
        reservation: Reservation,
        budgets: Arc<dyn Budgets>,
        (model, asked): (Box<str>, Asked),
        estimate: Money,
    ) -> Self {
        Self {
            reservation: Some(reservation),
            budgets,
            model,
            asked,
            estimate,
            renewed: Instant::now(),
        }
    }

    /// Has it last while its answer comes: before half of its time is over, nothing is done.
    pub(super) fn go_on(&mut self) {
        if self.renewed.elapsed() > Reservation::LASTS / 2
            && let Some(reservation) = &self.reservation
        {
            self.renewed = Instant::now();
            self.budgets
                .renew(reservation, Reservation::LASTS, super::clock());
        }
    }

    /// Counts what the request cost, and frees what was reserved.
    pub(crate) fn settle(mut self, cost: Money, now: SystemTime) {
        if let Some(reservation) = self.reservation.take() {
            self.budgets.settle(reservation, cost, now);
        }
    }
}

impl Drop for Spending {
    /// A request that was never sent: it was refused elsewhere, or its client left before.
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.budgets
                .settle(reservation, Money::ZERO, super::clock());
        }
    }
}

impl fmt::Debug for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spending")
            .field("reservation", &self.reservation)
            .finish_non_exhaustive()
    }
}
