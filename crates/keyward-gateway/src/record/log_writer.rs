//! Entries of the log on their way to the store, and what the log keeps for too long or too much of on its way out.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use keyward_registry::{GatewaySettings, LogBody, LogLimit, LogRecord, LogTrim, StoreError};
use tokio_util::sync::CancellationToken;

use super::{clock, logs::TAKE_EVERY};
use crate::Gateway;

/// How many entries go to the store at once: a transaction, for which other writers wait.
const AT_ONCE: usize = 1_000;
/// What entries that wait for the store, or are on their way there, may take in memory together, in bytes: some 20,000
/// without bodies. So many are only there while it does not answer.
const MOST_HELD: usize = 20_000 * ENTRY;
/// What an entry takes in memory about, in bytes, without its bodies.
const ENTRY: usize = 1_024;
/// After how many turns the store lets go of what is too old or too much: about a minute.
const TRIM_EVERY: u32 = 240;
/// How many entries go at once.
const TRIM_AT_ONCE: u32 = 5_000;

/// What the store does not have yet.
pub(super) struct LogWriter {
    gateway: Arc<Gateway>,
    /// Held to put records in and to take them out.
    waiting: Mutex<VecDeque<LogRecord>>,
    /// What they take in memory, with those that are being written.
    held: AtomicUsize,
    /// Whether the store takes nothing at present: that is said once.
    is_stuck: AtomicBool,
}

/// What a record takes in memory about, in bytes.
fn held(record: &LogRecord) -> usize {
    let bodies = [&record.request, &record.response].into_iter().flatten();
    ENTRY
        + bodies
            .map(|body| LogBody::as_bytes(body).len())
            .sum::<usize>()
}

impl LogWriter {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            gateway,
            waiting: Mutex::default(),
            held: AtomicUsize::new(0),
            is_stuck: AtomicBool::new(false),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<LogRecord>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a record where there is room for it, without its bodies where there is none for them.
    pub(super) fn add(&self, record: LogRecord) -> bool {
        if self.reserve(held(&record)) {
            self.waiting().push_back(record);
            return true;
        }
        let record = LogRecord::new(record.entry);
        let has_room = self.reserve(held(&record));
        if has_room {
            self.waiting().push_back(record);
        }
        has_room
    }

    fn reserve(&self, bytes: usize) -> bool {
        let reserved = self.held.fetch_update(Relaxed, Relaxed, |before| {
            let after = before.saturating_add(bytes);
            (after <= MOST_HELD).then_some(after)
        });
        reserved.is_ok()
    }

    /// Gives records to the store until `last` is cancelled; then those that wait still.
    pub(super) async fn write(&self, last: CancellationToken) {
        let mut ticks = tokio::time::interval(TAKE_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut until_trim = TRIM_EVERY;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = last.cancelled() => break,
            }
            self.save().await;
            until_trim -= 1;
            if until_trim == 0 {
                until_trim = TRIM_EVERY;
                self.trim(&last).await;
            }
        }
        self.save().await;
    }

    async fn save(&self) {
        loop {
            let records: Vec<LogRecord> = {
                let mut waiting = self.waiting();
                let batch = waiting.len().min(AT_ONCE);
                waiting.drain(..batch).collect()
            };
            if records.is_empty() {
                return;
            }
            let limits = self.limits(&records);
            let store = self.gateway.registry().store();
            match store.save_logs(&records, &limits).await {
                Ok(full) => {
                    if full > 0 {
                        metrics::counter!("keyward_log_full_total").increment(full);
                    }
                    let held = records.iter().map(held).sum();
                    self.held.fetch_sub(held, Relaxed);
                    self.is_stuck.store(false, Relaxed);
                }
                Err(error) => {
                    if !self.is_stuck.swap(true, Relaxed) {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "cannot write the log; it is tried again four times a second, and not said again before it succeeds"
                        );
                    }
                    let mut waiting = self.waiting();
                    for record in records.into_iter().rev() {
                        waiting.push_front(record);
                    }
                    return;
                }
            }
        }
    }

    /// The gateways of a batch that take no more than so many entries.
    fn limits(&self, records: &[LogRecord]) -> Vec<LogLimit> {
        let snapshot = self.gateway.registry().snapshot();
        let mut limits = BTreeMap::new();
        for record in records {
            let place = record.entry.place();
            if let Some(gateway) = snapshot.gateway(place.account, place.gateway.as_str())
                && let (Some(most), true) = retention(&gateway.record().settings)
            {
                limits.insert(place, most);
            }
        }
        let limits = limits.into_iter();
        limits
            .map(|(place, most)| LogLimit { place, most })
            .collect()
    }

    async fn trim(&self, last: &CancellationToken) {
        if let Err(error) = self.trim_all(last).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot let go of old entries of the log; it is tried again"
            );
        }
    }

    async fn trim_all(&self, last: &CancellationToken) -> Result<(), StoreError> {
        let store = self.gateway.registry().store();
        let before = clock().checked_sub(self.gateway.config().log_retention);
        for (place, count) in store.count_logs().await? {
            let snapshot = self.gateway.registry().snapshot();
            let gateway = snapshot.gateway(place.account, place.gateway.as_str());
            let most = match gateway.map(|gateway| retention(&gateway.record().settings)) {
                // One that is made again under its name begins with nothing.
                None => Some(0),
                Some((most, false)) => most,
                Some((_, true)) => None,
            };
            let trim = LogTrim {
                most: most.filter(|most| count > *most),
                before,
                at_once: TRIM_AT_ONCE,
            };
            // What came meanwhile is written in between.
            while !last.is_cancelled()
                && store.trim_logs(place.clone(), trim).await? == u64::from(TRIM_AT_ONCE)
            {
                self.save().await;
            }
        }
        Ok(())
    }
}

/// How many entries of a gateway there are at most, and whether it is the new ones that have no room then.
fn retention(settings: &GatewaySettings) -> (Option<u64>, bool) {
    /// What the reference has where nothing is set: the least that can be.
    const STOP: &str = "STOP_INSERTING";
    let stops = settings.log_management_strategy.as_deref() == Some(STOP);
    (settings.log_management, stops)
}
