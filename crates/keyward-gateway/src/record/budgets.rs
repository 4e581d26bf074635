//! What was spent of budgets goes to the store, and comes back at the next start.

use std::{error::Error, sync::Arc, time::SystemTime};

use crate::Gateway;

/// How often it is waited at the end for what is counted elsewhere: each time as long as a decision may take.
const WAITS_AT_END: usize = 20;

/// Has the store keep what does not outlive this process by itself.
#[derive(Debug)]
pub(super) struct BudgetRecorder(Arc<Gateway>);

impl BudgetRecorder {
    pub(super) fn new(gateway: &Arc<Gateway>) -> Self {
        Self(Arc::clone(gateway))
    }

    /// Stores what changed: not before what was stored is taken back, whose place it would take.
    pub(super) async fn keep(&self, now: SystemTime) {
        if let Err(error) = self.0.restore_budgets().await {
            tracing::error!(
                error = &error as &dyn Error,
                "cannot read what was spent of budgets before this start; until then they are counted without it, and not stored; it is tried again"
            );
            return;
        }
        let budgets = &self.0.config().budgets;
        let rows = budgets.changed(now);
        if rows.is_empty() {
            return;
        }
        if let Err(error) = self.0.registry().store().save_budgets(&rows, now).await {
            budgets.mark_changed(&rows);
            tracing::warn!(
                error = &error as &dyn Error,
                "cannot keep what was spent of budgets; it is tried again"
            );
        }
    }

    /// The same once more, when nothing runs any longer; and waits a moment for what is counted elsewhere.
    pub(super) async fn end(&self, now: SystemTime) {
        self.keep(now).await;
        for _ in 0..WAITS_AT_END {
            if self.0.config().budgets.settled().await {
                return;
            }
        }
        tracing::warn!(
            "not all that was spent of budgets could be counted before the end: what is left is counted by nobody"
        );
    }
}
