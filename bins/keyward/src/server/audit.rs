//! The audit log beside the server: refused attempts are written, the chain is checked and signed.

use std::{sync::Arc, time::Duration};

use keyward_registry::Registry;
use keyward_store::{CheckpointSettings, SqliteStore};
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::join;
use crate::{clock, open::Opened};

/// How often refused attempts are written.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Both tasks.
#[derive(Debug)]
pub(super) struct Audit {
    refusals: Task,
    watch: Task,
}

#[derive(Debug)]
struct Task {
    stop: CancellationToken,
    handle: JoinHandle<()>,
}

impl Audit {
    pub(super) fn start(opened: &Opened, checkpoints: Option<CheckpointSettings>) -> Self {
        let registry = Arc::clone(&opened.registry);
        let store = Arc::clone(&opened.store);
        Self {
            refusals: Task::start(|stop| write_refusals(registry, stop)),
            watch: Task::start(|stop| watch(store, checkpoints, stop)),
        }
    }

    /// Writes what is outstanding, then signs it. Called when nothing more is served.
    pub(super) async fn stop(self) {
        self.refusals.stop("the writer of refused attempts").await;
        self.watch.stop("the watch over the audit log").await;
    }
}

impl Task {
    fn start<F>(run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let handle = tokio::spawn(run(stop.clone()));
        Self { stop, handle }
    }

    async fn stop(self, what: &str) {
        self.stop.cancel();
        join(self.handle, what).await;
    }
}

async fn watch(
    store: Arc<SqliteStore>,
    checkpoints: Option<CheckpointSettings>,
    stop: CancellationToken,
) {
    store.watch_audit(checkpoints, stop.cancelled()).await;
}

async fn write_refusals(registry: Arc<Registry>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(WRITE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_last = tokio::select! {
            _ = ticks.tick() => false,
            () = stop.cancelled() => true,
        };
        if let Err(error) = registry.keep_refused(clock::now(), is_last).await {
            tracing::warn!(%error, "refused attempts are not in the audit log yet; trying again");
        }
        if is_last {
            return;
        }
    }
}
