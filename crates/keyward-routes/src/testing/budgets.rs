//! The contract of [`Budgets`].
#![expect(
    clippy::panic,
    reason = "the suite is test code: a store that breaks a promise must fail the test"
)]

use std::time::{Duration, SystemTime};

use super::key;
use crate::{
    Admission, Budget, BudgetError, BudgetWindow, Budgets, Limit, Limited, Money, Overspent,
    Reservation, Spend, Standing, Technique,
};

/// So long that none ends while the contract runs, but once a year.
const YEAR: u64 = Limit::LONGEST_WINDOW.as_secs();

/// A budget of this test run alone, for a value, in billionths of a dollar: `run` is any number that no other run has. One
/// is estimated.
///
/// # Errors
///
/// When the numbers make no budget.
pub fn spend(
    run: u64,
    value: &str,
    limit_nanos: u64,
    window: BudgetWindow,
) -> Result<Spend, BudgetError> {
    Ok(Spend {
        key: key(run, Limited::Rule("rule"), value),
        budget: Budget::new(Money::from_nanos(limit_nanos), window)?,
        estimate: Money::from_nanos(1),
    })
}

/// Everything that a store of budgets promises, whatever clock it goes by. `now` is read where it is asked for a time, and
/// must go on; `run` is any number that no other run has.
///
/// # Panics
///
/// When a promise is broken.
///
/// # Errors
///
/// Never, as the numbers make budgets.
pub async fn budget_contract(
    budgets: &dyn Budgets,
    run: u64,
    now: &(dyn Fn() -> SystemTime + Sync),
) -> Result<(), BudgetError> {
    let suite = Suite { budgets, run, now };
    suite.admits_what_fits().await?;
    suite.counts_what_it_cost().await?;
    suite.admits_what_is_larger_than_the_rest_alone().await?;
    suite.reserves_in_all_or_in_none().await?;
    suite.settles_a_part_by_itself().await?;
    suite.counts_what_expired().await?;
    suite.changed_budgets_hold_at_once().await?;
    suite.has_every_window().await
}

struct Suite<'a> {
    budgets: &'a dyn Budgets,
    run: u64,
    now: &'a (dyn Fn() -> SystemTime + Sync),
}

impl Suite<'_> {
    fn spend(&self, value: &str, limit: u64, estimate: u64) -> Result<Spend, BudgetError> {
        let year = BudgetWindow::seconds(YEAR, Technique::Fixed)?;
        Ok(Spend {
            estimate: Money::from_nanos(estimate),
            ..spend(self.run, value, limit, year)?
        })
    }

    async fn reserve(&self, asks: &[Spend]) -> Admission {
        self.reserve_for(asks, Reservation::LASTS).await
    }

    async fn reserve_for(&self, asks: &[Spend], lasts: Duration) -> Admission {
        self.budgets.reserve(asks, lasts, (self.now)()).await
    }

    #[track_caller]
    fn admitted(admission: Admission) -> Reservation {
        match admission {
            Admission::Admitted(reservation) => reservation,
            refused => panic!("not admitted: {refused:?}"),
        }
    }

    #[track_caller]
    fn over(admission: Admission) -> Overspent {
        match admission {
            Admission::Over(over) => over,
            other => panic!("not over its budget: {other:?}"),
        }
    }

    async fn settle(&self, reservation: Reservation, cost: u64) {
        let cost = Money::from_nanos(cost);
        self.budgets.settle(reservation, cost, (self.now)());
        assert!(self.budgets.settled().await, "it is not counted");
    }

    /// What was spent, and what is reserved.
    async fn stands(&self, ask: Spend) -> (u64, u64) {
        let standings = self.budgets.look(&[ask], (self.now)()).await;
        let Some(
            [
                Standing {
                    spent, reserved, ..
                },
            ],
        ) = standings.as_deref()
        else {
            panic!("how one budget stands: {standings:?}");
        };
        (spent.nanos(), reserved.nanos())
    }

    async fn admits_what_fits(&self) -> Result<(), BudgetError> {
        let ask = self.spend("fits", 10, 4)?;
        let first = Self::admitted(self.reserve(&[ask]).await);
        assert_eq!(first.held().len(), 1);
        let second = Self::admitted(self.reserve(&[ask]).await);
        assert_ne!(first.id(), second.id());
        let over = Self::over(self.reserve(&[ask]).await);
        assert_eq!((over.which, over.budget), (0, ask.budget));
        let Standing {
            spent,
            reserved,
            ends_after,
        } = over.standing;
        assert_eq!((spent.nanos(), reserved.nanos()), (0, 8));
        assert!(ends_after <= Limit::LONGEST_WINDOW && ends_after > Duration::ZERO);
        // What is less fits still, to the billionth.
        let small = |estimate| Spend {
            estimate: Money::from_nanos(estimate),
            ..ask
        };
        Self::over(self.reserve(&[small(3)]).await);
        let third = Self::admitted(self.reserve(&[small(2)]).await);
        Self::over(self.reserve(&[small(1)]).await);
        // Values are counted apart.
        let other = self.spend("other", 10, 4)?;
        let other = Self::admitted(self.reserve(&[other]).await);
        for reservation in [first, second, third, other] {
            self.settle(reservation, 0).await;
        }
        assert_eq!(self.stands(ask).await, (0, 0));
        // Nothing is asked, nothing is refused.
        let nothing = Self::admitted(self.reserve(&[]).await);
        assert!(nothing.held().is_empty());
        self.settle(nothing, 1).await;
        Ok(())
    }

    async fn counts_what_it_cost(&self) -> Result<(), BudgetError> {
        let ask = self.spend("cost", 100, 10)?;
        let (more, less) = (self.reserve(&[ask]).await, self.reserve(&[ask]).await);
        assert_eq!(self.stands(ask).await, (0, 20));
        self.settle(Self::admitted(more), 17).await;
        assert_eq!(self.stands(ask).await, (17, 10));
        self.settle(Self::admitted(less), 3).await;
        assert_eq!(self.stands(ask).await, (20, 0));
        // Large amounts are exact.
        let ask = self.spend("large", Money::MOST.nanos(), 1)?;
        let large = Self::admitted(self.reserve(&[ask]).await);
        let cost = Money::MOST.nanos() - 1_000_000_001;
        self.settle(large, cost).await;
        for more in [1, 999_999_999] {
            let one = Self::admitted(self.reserve(&[ask]).await);
            self.settle(one, more).await;
        }
        assert_eq!(self.stands(ask).await, (Money::MOST.nanos() - 1, 0));
        let last = Self::admitted(self.reserve(&[ask]).await);
        Self::over(self.reserve(&[ask]).await);
        self.settle(last, 1).await;
        Self::over(self.reserve(&[ask]).await);
        Ok(())
    }

    async fn admits_what_is_larger_than_the_rest_alone(&self) -> Result<(), BudgetError> {
        let large = self.spend("alone", 10, 25)?;
        let first = Self::admitted(self.reserve(&[large]).await);
        // While it runs there is room for nothing.
        Self::over(self.reserve(&[large]).await);
        let small = self.spend("alone", 10, 0)?;
        Self::over(self.reserve(&[small]).await);
        self.settle(first, 9).await;
        let second = Self::admitted(self.reserve(&[large]).await);
        self.settle(second, 30).await;
        let over = Self::over(self.reserve(&[small]).await);
        assert_eq!(over.standing.spent.nanos(), 39);
        Ok(())
    }

    async fn reserves_in_all_or_in_none(&self) -> Result<(), BudgetError> {
        let (wide, tight) = (self.spend("wide", 100, 3)?, self.spend("tight", 5, 3)?);
        let both = Self::admitted(self.reserve(&[wide, tight]).await);
        assert_eq!(both.held().len(), 2);
        for _ in 0..3 {
            assert_eq!(Self::over(self.reserve(&[wide, tight]).await).which, 1);
            assert_eq!(Self::over(self.reserve(&[tight, wide]).await).which, 0);
        }
        assert_eq!(self.stands(wide).await, (0, 3));
        self.settle(both, 2).await;
        assert_eq!(self.stands(wide).await, (2, 0));
        assert_eq!(self.stands(tight).await, (2, 0));
        // A key that is named twice is counted once.
        let twice = Self::admitted(self.reserve(&[wide, wide]).await);
        assert_eq!(self.stands(wide).await, (2, 3));
        self.settle(twice, 3).await;
        assert_eq!(self.stands(wide).await, (5, 0));
        Ok(())
    }

    async fn settles_a_part_by_itself(&self) -> Result<(), BudgetError> {
        let parts = ["kept", "given back", "given back too"];
        let [kept, given, too] = parts.map(|value| self.spend(value, 100, 5));
        let [kept, given, too] = [kept?, given?, too?];
        let mut all = Self::admitted(self.reserve(&[kept, given, too]).await);
        let part = all.split_off(1);
        assert_eq!((all.held().len(), part.held().len()), (1, 2));
        self.settle(part, 0).await;
        assert_eq!(self.stands(given).await, (0, 0));
        assert_eq!(self.stands(too).await, (0, 0));
        assert_eq!(self.stands(kept).await, (0, 5));
        assert!(all.split_off(2).held().is_empty());
        self.settle(all, 7).await;
        assert_eq!(self.stands(kept).await, (7, 0));
        Ok(())
    }

    async fn counts_what_expired(&self) -> Result<(), BudgetError> {
        let ask = self.spend("expired", 10, 6)?;
        let soon = Duration::from_millis(1);
        let reservation = Self::admitted(self.reserve_for(&[ask], soon).await);
        while self.stands(ask).await != (0, 0) {}
        let other = Self::admitted(self.reserve(&[ask]).await);
        assert_eq!(self.stands(ask).await, (0, 6));
        // Renewed, it is reserved again, and not twice.
        for _ in 0..2 {
            let lasts = Reservation::LASTS;
            self.budgets.renew(&reservation, lasts, (self.now)());
            assert!(self.budgets.settled().await, "it is not renewed");
            assert_eq!(self.stands(ask).await, (0, 12));
        }
        self.budgets.renew(&reservation, soon, (self.now)());
        assert!(self.budgets.settled().await, "it is not renewed");
        while self.stands(ask).await != (0, 6) {}
        self.settle(reservation, 4).await;
        assert_eq!(self.stands(ask).await, (4, 6));
        self.settle(other, 6).await;
        assert_eq!(self.stands(ask).await, (10, 0));
        Ok(())
    }

    async fn changed_budgets_hold_at_once(&self) -> Result<(), BudgetError> {
        let ask = self.spend("changed", 10, 6)?;
        let reservation = Self::admitted(self.reserve(&[ask]).await);
        Self::over(self.reserve(&[ask]).await);
        let grown = self.spend("changed", 12, 6)?;
        let other = Self::admitted(self.reserve(&[grown]).await);
        // Other windows have nothing to do with these.
        let month = Spend {
            budget: Budget::new(ask.budget.limit(), BudgetWindow::MONTH)?,
            ..ask
        };
        let third = Self::admitted(self.reserve(&[month]).await);
        self.settle(reservation, 6).await;
        assert_eq!(self.stands(month).await, (0, 6));
        self.settle(other, 6).await;
        self.settle(third, 7).await;
        assert_eq!(self.stands(month).await, (7, 0));
        Ok(())
    }

    async fn has_every_window(&self) -> Result<(), BudgetError> {
        const DAY: u64 = 24 * 3600;
        for (window, longest) in [
            (BudgetWindow::seconds(YEAR, Technique::Sliding)?, YEAR),
            (BudgetWindow::DAY, DAY),
            (BudgetWindow::WEEK, 7 * DAY),
            (BudgetWindow::MONTH, 31 * DAY),
        ] {
            let ask = spend(self.run, &window.code(), 2, window)?;
            let reservation = Self::admitted(self.reserve(&[ask, ask]).await);
            let standing = self.budgets.look(&[ask], (self.now)()).await;
            let standing = standing.and_then(|standings| standings.first().copied());
            let ends_after = standing.unwrap_or_default().ends_after;
            assert!(ends_after <= Duration::from_secs(longest), "{window}");
            assert!(ends_after > Duration::ZERO, "{window}");
            self.settle(reservation, 5).await;
            Self::over(self.reserve(&[ask]).await);
        }
        Ok(())
    }
}
