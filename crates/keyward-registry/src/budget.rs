//! What was spent of budgets, kept over a restart.

use std::{fmt, time::SystemTime};

use keyward_routes::BudgetRow;

use crate::{BoxFuture, StoreError};

/// Where counters of budgets are kept that are counted in memory.
pub trait BudgetStore: Send + Sync + fmt::Debug {
    /// Keeps these in the place of what is kept of the same counters, all or none, and lets go of what is past at `now`.
    /// Returns when it is durable.
    fn save_budgets<'a>(
        &'a self,
        rows: &'a [BudgetRow],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Everything that is kept and not past at `now`, in any order.
    fn load_budgets(&self, now: SystemTime) -> BoxFuture<'_, Result<Vec<BudgetRow>, StoreError>>;
}
