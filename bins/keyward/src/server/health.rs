//! Whether requests can be served: asked of the store every two seconds, told to probes at once.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use keyward_control::Readiness;
use keyward_store::SqliteStore;
use tokio::task::JoinHandle;

use super::metrics::Metrics;

const EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(1);

/// The task that asks, and what it learnt last.
#[derive(Debug)]
pub(super) struct Health {
    latest: Arc<Mutex<Readiness>>,
    task: JoinHandle<()>,
}

impl Health {
    pub(super) fn start(store: Arc<SqliteStore>, metrics: Metrics) -> Self {
        let latest = Arc::new(Mutex::new(Readiness::Ready));
        let task = tokio::spawn(watch(store, metrics, Arc::clone(&latest)));
        Self { latest, task }
    }

    /// What `/readyz` asks.
    pub(super) fn question(&self) -> Arc<dyn Fn() -> Readiness + Send + Sync> {
        let latest = Arc::clone(&self.latest);
        Arc::new(move || {
            latest
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        })
    }

    /// From now on the answer is no.
    pub(super) fn not_ready(&self, reason: &str) {
        self.task.abort();
        set(&self.latest, no(reason));
    }

    pub(super) async fn stop(self) {
        self.task.abort();
        // Aborted or not, it is over.
        let _over = self.task.await;
    }
}

async fn watch(store: Arc<SqliteStore>, metrics: Metrics, latest: Arc<Mutex<Readiness>>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
        let readiness = match tokio::time::timeout(PATIENCE, store.ping()).await {
            Ok(Ok(())) => Readiness::Ready,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store does not answer");
                no("the store does not answer")
            }
            Err(_elapsed) => no("the store does not answer in time"),
        };
        set(&latest, readiness);
    }
}

fn no(reason: &str) -> Readiness {
    Readiness::NotReady {
        reason: reason.to_owned(),
    }
}

fn set(latest: &Mutex<Readiness>, readiness: Readiness) {
    *latest.lock().unwrap_or_else(PoisonError::into_inner) = readiness;
}
