//! What is done off the request path: counts go to the metrics and to the store, last uses to the store, and changes
//! that were stored but not published are published.

mod budgets;
mod keys;
mod log_writer;
mod logs;
mod usage;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_auth::TokenId;
use keyward_registry::{ProviderKeyId, StoreError, TrafficSpan, traffic_secs};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::budgets::BudgetRecorder;
pub(crate) use self::usage::Costs;
pub use self::usage::ModelCost;
use crate::{Gateway, counters::CLASS_NAMES, traffic::Waiting};

/// How often counts go to the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// After how many counts last uses go to the store.
const SAVE_EVERY: u32 = 10;
/// After how many turns of saving the store lets go of old counts of requests.
const TRIM_EVERY: u32 = 6;
/// How many rows of counts go to the store at once, and do not wait for its turn.
const ROWS_AT_ONCE: usize = 10_000;

impl Gateway {
    /// Writes down counts for the metrics and what was spent of budgets every second, and last uses and counts for the
    /// store every ten seconds, until `stop` is cancelled; then once more. What ends after that is told to nobody: run it
    /// beside [`serve`](Self::serve), and cancel `stop` when that has ended. Publishes every second what the registry could not publish
    /// ([`Registry::settle`](keyward_registry::Registry::settle)). Learns from providers' answers how stored keys fare,
    /// asks providers where it has to, and drives rotations.
    pub async fn record(self: Arc<Self>, stop: CancellationToken) {
        // A task of its own: what goes wrong there takes no count with it. It ends with this one.
        let keeping = tokio::spawn(Arc::clone(&self).keep(stop.clone()));
        let keeping = AbortOnDropHandle::new(keeping);
        // What was spent is known when the log was told of it: it is kept after that.
        let logged = CancellationToken::new();
        let logging = tokio::spawn(Arc::clone(&self).keep_log(stop.clone()));
        let logging = AbortOnDropHandle::new(logging);
        let counting = self.count(logged.clone());
        tokio::join!(counting, async {
            if let Err(error) = logging.await {
                tracing::error!(%error, "the writer of the log failed");
            }
            stop.cancelled().await;
            logged.cancel();
        });
        if let Err(error) = keeping.await {
            tracing::error!(%error, "the keeper of stored keys failed");
        }
    }

    async fn count(self: Arc<Self>, stop: CancellationToken) {
        let mut recorder = Recorder {
            counted: Vec::new(),
            // What was used before this start is in the store already.
            saved_until: clock(),
            budgets: BudgetRecorder::new(&self),
            gateway: self,
            waiting: Waiting::default(),
            until_trim: TRIM_EVERY,
            has_told_of_dropped: false,
        };
        let mut ticks = tokio::time::interval(COUNT_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut until_save = SAVE_EVERY;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => break,
            }
            recorder.count();
            if until_save == SAVE_EVERY {
                recorder.gateway.show_keys(clock());
            }
            recorder.count_traffic();
            recorder.settle().await;
            recorder.budgets.keep(clock()).await;
            until_save -= 1;
            if until_save == 0 {
                until_save = SAVE_EVERY;
                recorder.save().await;
                recorder.save_traffic().await;
                recorder.trim_traffic().await;
            } else if recorder.waiting.len() > ROWS_AT_ONCE {
                recorder.save_traffic().await;
            }
        }
        recorder.count();
        recorder.count_traffic();
        recorder.save().await;
        recorder.save_traffic().await;
        recorder.budgets.end(clock()).await;
    }
}

struct Recorder {
    gateway: Arc<Gateway>,
    /// What was counted at the last turn: per provider, per class of status, over all workers.
    counted: Vec<[u64; CLASS_NAMES.len()]>,
    saved_until: SystemTime,
    budgets: BudgetRecorder,
    /// Counts of requests that the store does not have yet.
    waiting: Waiting,
    /// How many turns of saving are left until the store lets go of old counts.
    until_trim: u32,
    has_told_of_dropped: bool,
}

impl Recorder {
    fn count(&mut self) {
        let mut totals = vec![[0_u64; CLASS_NAMES.len()]; self.gateway.providers().names().count()];
        for counters in self.gateway.all_counters() {
            for (total, row) in totals.iter_mut().zip(counters.read()) {
                for (sum, count) in total.iter_mut().zip(row) {
                    *sum += count;
                }
            }
        }
        self.counted.resize(totals.len(), [0; CLASS_NAMES.len()]);
        let rows = self
            .gateway
            .providers()
            .names()
            .zip(&totals)
            .zip(&self.counted);
        for ((slug, total), before) in rows {
            for ((class, now), before) in CLASS_NAMES.iter().zip(total).zip(before) {
                if now > before {
                    metrics::counter!(
                        "keyward_requests_total",
                        "provider" => slug.to_owned(),
                        "status" => *class
                    )
                    .increment(now - before);
                }
            }
        }
        self.counted = totals;
        let load = self.gateway.upstreams().load();
        gauge("keyward_upstream_connections", load.connections);
        gauge("keyward_upstream_streams", load.streams);
        gauge("keyward_upstream_waiting", load.waiting);
        self.show_what_is_held();
    }

    /// How full what is bounded is.
    fn show_what_is_held(&self) {
        let in_flight = self.gateway.in_flight();
        let (connections, requests) = (in_flight.connections(), in_flight.requests());
        gauge("keyward_connections_open", connections);
        gauge("keyward_requests_in_flight", requests);
        if let Some(limits) = self.gateway.limits() {
            let bytes = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
            let reserved = limits.reserved(connections, requests);
            let most = limits.reserved(limits.connections, limits.requests);
            gauge("keyward_memory_reserved_bytes", bytes(reserved));
            gauge("keyward_memory_reservable_bytes", bytes(most));
        }
    }

    async fn settle(&self) {
        if let Err(error) = self.gateway.registry().settle().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a change is stored and not in force yet; it is tried again"
            );
        }
    }

    /// Takes what every worker counted. A request counts in the minute in which it is taken, within a second of its
    /// answer.
    fn count_traffic(&mut self) {
        let minute = TrafficSpan::Minute.start(traffic_secs(clock()));
        for tally in self.gateway.all_tallies() {
            self.waiting.take(&tally, minute);
        }
        let lost = std::mem::take(&mut self.waiting.lost);
        if lost > 0 {
            metrics::counter!("keyward_traffic_lost_total").increment(lost);
        }
    }

    async fn save_traffic(&mut self) {
        let store = self.gateway.registry().store();
        loop {
            let rows = self.waiting.next(ROWS_AT_ONCE);
            if rows.is_empty() {
                return;
            }
            if let Err(error) = store.save_traffic(&rows).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot keep how many requests there were; it is tried again"
                );
                return;
            }
            self.waiting.kept(rows);
        }
    }

    async fn trim_traffic(&mut self) {
        self.until_trim -= 1;
        if self.until_trim > 0 {
            return;
        }
        self.until_trim = TRIM_EVERY;
        let most = self.gateway.config().traffic_rows;
        match self
            .gateway
            .registry()
            .store()
            .trim_traffic(clock(), most)
            .await
        {
            Ok(0) => {}
            Ok(rows) if !self.has_told_of_dropped => {
                self.has_told_of_dropped = true;
                tracing::warn!(
                    rows,
                    most,
                    "there are more counts of requests than are kept, and the oldest went; raise `[store] traffic_rows` to keep them for longer. This is said once"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot let go of old counts of requests; it is tried again"
            ),
        }
    }

    async fn save(&mut self) {
        let until = clock();
        let since = save_from(self.saved_until, until);
        match self.save_since(since).await {
            Ok(()) => self.saved_until = until,
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot keep when keys were last used; it is tried again"
            ),
        }
    }

    async fn save_since(&self, since: SystemTime) -> Result<(), StoreError> {
        let registry = self.gateway.registry();
        let snapshot = registry.snapshot();
        let keys: Vec<(ProviderKeyId, SystemTime)> = snapshot
            .accounts()
            .flat_map(|account| account.provider_keys())
            .filter_map(|key| Some((key.record.id, key.last_used.get()?)))
            .filter(|(_, used)| *used >= since)
            .collect();
        let tokens: Vec<(TokenId, SystemTime)> = snapshot.tokens().used_since(since).collect();
        if keys.is_empty() && tokens.is_empty() {
            return Ok(());
        }
        registry.store().save_last_used(&keys, &tokens).await
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and bytes of one process are far below 2^52"
)]
fn gauge(name: &'static str, count: usize) {
    metrics::gauge!(name).set(count as f64);
}

/// Since when uses are to be saved: a second before the last turn, because last uses are kept to the second;
/// and never less than a turn before `now`, so that a clock that was set back loses nothing.
fn save_from(saved_until: SystemTime, now: SystemTime) -> SystemTime {
    let turn = COUNT_EVERY * SAVE_EVERY;
    let last_turn = now.checked_sub(turn).unwrap_or(now).min(saved_until);
    last_turn
        .checked_sub(Duration::from_secs(1))
        .unwrap_or(last_turn)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the recorder is a shell: it reads the clock for itself alone"
)]
fn clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::save_from;

    #[test]
    fn a_clock_that_was_set_back_loses_no_use() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(save_from(at(100), at(110)), at(99));
        assert_eq!(save_from(at(100), at(130)), at(99));
        assert_eq!(save_from(at(9_000), at(110)), at(99));
    }
}
