//! What is reserved for a request while it runs.

use std::{
    fmt, mem,
    sync::Arc,
    time::{Instant, SystemTime},
};

use keyward_routes::{Budgets, Money, Reservation};

use crate::spend::Asked;

/// A reservation, and what is needed to settle it.
pub(crate) struct Spending {
    /// In the budgets that are not the key's. None once it is settled.
    reservation: Option<Reservation>,
    /// In those of the key that the request is sent with: it may be sent again with another.
    of_key: Option<Reservation>,
    budgets: Arc<dyn Budgets>,
    /// The model that was asked for.
    pub(crate) model: Box<str>,
    pub(crate) asked: Asked,
    /// What was set aside; none where the request does not count.
    pub(crate) estimate: Option<Money>,
    renewed: Instant,
}

impl Spending {
    /// What was reserved just now. In the budgets of the key it is the part from the place `key_from` on.
    pub(crate) fn new(
        mut reservation: Reservation,
        key_from: usize,
        budgets: Arc<dyn Budgets>,
        (model, asked): (Box<str>, Asked),
        estimate: Option<Money>,
    ) -> Self {
        let of_key = reservation.split_off(key_from);
        Self {
            reservation: Some(reservation),
            of_key: Some(of_key),
            budgets,
            model,
            asked,
            estimate,
            renewed: Instant::now(),
        }
    }

    /// Takes what was reserved in the budgets of another key that the request is sent with from now on. With the one before
    /// it cost nothing.
    pub(crate) fn move_to(&mut self, of_key: Reservation, now: SystemTime) {
        if let Some(before) = self.of_key.replace(of_key) {
            self.budgets.settle(before, Money::ZERO, now);
        }
    }

    /// Has it last while its answer comes: before half of its time is over, nothing is done.
    pub(super) fn go_on(&mut self) {
        if self.renewed.elapsed() <= Reservation::LASTS / 2 {
            return;
        }
        self.renewed = Instant::now();
        for reservation in self.reservation.iter().chain(&self.of_key) {
            let now = super::clock();
            self.budgets.renew(reservation, Reservation::LASTS, now);
        }
    }

    /// Counts what the request cost, and frees what was reserved.
    pub(crate) fn settle(mut self, cost: Money, now: SystemTime) {
        self.end(cost, now);
    }

    fn end(&mut self, cost: Money, now: SystemTime) {
        for reservation in [&mut self.reservation, &mut self.of_key] {
            if let Some(reservation) = mem::take(reservation) {
                self.budgets.settle(reservation, cost, now);
            }
        }
    }
}

impl Drop for Spending {
    /// A request that was never sent: it was refused elsewhere, or its client left before.
    fn drop(&mut self) {
        if self.reservation.is_some() || self.of_key.is_some() {
            self.end(Money::ZERO, super::clock());
        }
    }
}

impl fmt::Debug for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spending")
            .field("reservation", &self.reservation)
            .field("of_key", &self.of_key)
            .finish_non_exhaustive()
    }
}
