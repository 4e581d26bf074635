//! Budgets: how much may be spent in a window, wherever that is counted.
//!
//! What a request will cost is known when it is over, so an estimate is reserved before and settled after. Decisions are in
//! `budget/standing.rs`.

mod memory;
mod reservation;
mod row;
mod standing;
mod window;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime},
};

pub use self::{
    memory::MemoryBudgets,
    reservation::{Held, Reservation},
    row::BudgetRow,
    standing::{Overspent, Standing},
    window::BudgetWindow,
};
use crate::{CounterKey, Loss, Money};

/// So much money per window, at most.
///
/// ```
/// use keyward_routes::{Budget, BudgetWindow, Money};
///
/// let ten = Money::from_dollars(10.0).ok_or("not an amount")?;
/// let budget = Budget::new(ten, BudgetWindow::MONTH)?;
/// assert_eq!(format!("{} USD per {}", budget.limit(), budget.window()), "10 USD per month");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    limit: Money,
    window: BudgetWindow,
}

/// Why numbers make no budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// The limit is 0, or above [`Money::MOST`].
    #[error("a budget is above 0 and at most {most} US dollars", most = Money::MOST)]
    Limit,
    /// The window is 0, or longer than [`Limit::LONGEST_WINDOW`](crate::Limit::LONGEST_WINDOW).
    #[error("a window is 1 to {longest} seconds", longest = crate::Limit::LONGEST_WINDOW.as_secs())]
    Window,
}

impl Budget {
    /// `limit` per `window`.
    ///
    /// # Errors
    ///
    /// When the limit is 0 or above [`Money::MOST`].
    pub fn new(limit: Money, window: BudgetWindow) -> Result<Self, BudgetError> {
        if limit == Money::ZERO || limit > Money::MOST {
            return Err(BudgetError::Limit);
        }
        Ok(Self { limit, window })
    }

    /// How much may be spent in one window: above nothing, and at most [`Money::MOST`].
    #[must_use]
    pub const fn limit(&self) -> Money {
        self.limit
    }

    /// In which window.
    #[must_use]
    pub const fn window(&self) -> BudgetWindow {
        self.window
    }

    /// This budget for one of `instances` that share it: at least a billionth of a dollar.
    #[must_use]
    pub fn share(self, instances: std::num::NonZeroU64) -> Self {
        let limit = (self.limit.nanos() / instances).max(1);
        Self {
            limit: Money::from_nanos(limit),
            ..self
        }
    }
}

/// One budget that a request is to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what is asked, whole")]
pub struct Spend {
    /// Where it is counted.
    pub key: CounterKey,
    /// The budget.
    pub budget: Budget,
    /// What the request will cost, as far as that can be told before.
    pub estimate: Money,
}

impl Spend {
    /// Whether the one at a place is the first with its key: the one that is counted.
    #[must_use]
    pub fn is_first(asks: &[Self], place: usize) -> bool {
        let mut before = asks.iter().take(place);
        let key = asks.get(place).map(|ask| ask.key);
        !before.any(|other| Some(other.key) == key)
    }
}

/// What becomes of a request. Where it is admitted, its estimate is reserved in all of its budgets, else in none.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "who asks must handle each case")]
#[must_use]
pub enum Admission {
    /// It may go. Whatever becomes of it, [settle](Budgets::settle) the reservation.
    Admitted(Reservation),
    /// A budget has no room for it.
    Over(Overspent),
    /// It could not be counted.
    Lost(Loss),
}

/// An admission that may have to be waited for.
pub type Reserving<'a> = Pin<Box<dyn Future<Output = Admission> + Send + 'a>>;
/// How budgets stand, which may have to be waited for.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Option<Vec<Standing>>> + Send + 'a>>;
/// The end of what is under way.
pub type Settling<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// Counts what is spent, and says which requests a budget has room for.
///
/// A request is admitted where each of its budgets has room: where what was spent in the window, what is reserved in it and
/// the estimate are together no more than the limit, or where nothing is reserved and less than the limit was spent. So a
/// request that is estimated to cost more than what is left goes alone, and a window can be overspent by no more than what
/// the requests that were admitted cost beyond their estimates, or that one did.
///
/// Of several asks with the same key the first counts. Amounts are exact, in billionths of a dollar, and end where the
/// numbers of the store do.
pub trait Budgets: fmt::Debug + Send + Sync + 'static {
    /// Decides at once, where nothing has to be waited for; else nothing is reserved, and [`reserve`](Self::reserve)
    /// decides. No I/O.
    fn reserve_now(&self, asks: &[Spend], lasts: Duration, now: SystemTime) -> Option<Admission>;

    /// Decides, and reserves for as long as `lasts`, at most [`Reservation::LONGEST`]. Comes to an end in bounded time,
    /// whatever happens; where the caller goes away before, what may have been reserved is released in time.
    fn reserve<'a>(&'a self, asks: &'a [Spend], lasts: Duration, now: SystemTime) -> Reserving<'a>;

    /// Has a reservation last `lasts` from now on. One that had expired is made again. Waits for nothing.
    fn renew(&self, reservation: &Reservation, lasts: Duration, now: SystemTime);

    /// Counts what a request cost as spent, in the windows in which it was reserved, and frees what was reserved: also when
    /// that had expired. Waits for nothing.
    ///
    /// In a budget whose window was changed meanwhile it counts no more.
    fn settle(&self, reservation: Reservation, cost: Money, now: SystemTime);

    /// Waits until what was settled and renewed before is counted. Whether it is; bounded as [`reserve`](Self::reserve) is.
    fn settled(&self) -> Settling<'_>;

    /// How the budgets stand, one after the other; none where that cannot be told. Reserves nothing.
    fn look<'a>(&'a self, asks: &'a [Spend], now: SystemTime) -> Looking<'a>;

    /// What changed since this was last called and does not outlive the process by itself: one row for each counter. Where
    /// it cannot be stored, [`mark_changed`](Self::mark_changed) has it given again. Nothing, where the store keeps it.
    fn changed(&self, now: SystemTime) -> Vec<BudgetRow> {
        let _ = now;
        Vec::new()
    }

    /// Has [`changed`](Self::changed) give these counters again, as they stand then.
    fn mark_changed(&self, rows: &[BudgetRow]) {
        let _ = rows;
    }

    /// Adds what was stored before this process began, once, to what was counted since. What is past at `now` is left out.
    fn restore(&self, rows: &[BudgetRow], now: SystemTime) {
        let _ = (rows, now);
    }
}

#[cfg(test)]
mod tests {
    use super::BudgetError;

    #[test]
    fn what_is_told_of_budgets() {
        keyward_testing::assert_texts!("BudgetError", BudgetError {
            BudgetError::Limit => BudgetError::Limit,
            BudgetError::Window => BudgetError::Window,
        }, |error| keyward_testing::told(&error));
    }
}
