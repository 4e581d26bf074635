//! What was spent of budgets goes to the store, and comes back at the next start.

use std::{sync::Arc, time::SystemTime};

use keyward_registry::Registry;
use keyward_routes::Budgets;

use crate::Gateway;

/// How often it is waited at the end for what is counted elsewhere: each time as long as a decision may take.
const WAITS_AT_END: usize = 20;

/// Has the store keep what does not outlive this process by itself.
#[derive(Debug)]
pub(super) struct BudgetRecorder {
    registry: Arc<Registry>,
    budgets: Arc<dyn Budgets>,
    /// Until then nothing is stored: it would take the place of what was spent before.
    is_restored: bool,
}

impl BudgetRecorder {
    pub(super) fn new(gateway: &Gateway) -> Self {
        Self {
            registry: Arc::clone(gateway.registry()),
            budgets: Arc::clone(&gateway.config().budgets),
            is_restored: false,
        }
    }

    /// Stores what changed. The first time takes back what was stored before this process began.
    pub(super) async fn keep(&mut self, now: SystemTime) {
        if !self.is_restored && !self.restore(now).await {
            return;
        }
        let rows = self.budgets.changed(now);
        if rows.is_empty() {
            return;
        }
        if let Err(error) = self.registry.store().save_budgets(&rows, now).await {
            self.budgets.mark_changed(&rows);
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot keep what was spent of budgets; it is tried again"
            );
        }
    }

    /// The same once more, when nothing runs any longer; and waits a moment for what is counted elsewhere.
    pub(super) async fn end(&mut self, now: SystemTime) {
        self.keep(now).await;
        for _ in 0..WAITS_AT_END {
            if self.budgets.settled().await {
                return;
            }
        }
        tracing::warn!(
            "not all that was spent of budgets could be counted before the end: what is left is counted by nobody"
        );
    }

    async fn restore(&mut self, now: SystemTime) -> bool {
        match self.registry.store().load_budgets(now).await {
            Ok(rows) => {
                self.budgets.restore(&rows, now);
                self.is_restored = true;
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot read what was spent of budgets before this start; until then they are counted without it, and not stored; it is tried again"
            ),
        }
        self.is_restored
    }
}
