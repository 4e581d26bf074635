//! What requests tell the log goes to the store, in batches; and what the log keeps for too long or too much of goes.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use keyward_registry::{
    GatewaySettings, LogEntry, LogId, LogLimit, LogMetadata, LogRecord, LogText, LogTrim,
};
use keyward_routes::{CustomCost, Metadata, Prices, Reserve};
use tokio_util::sync::CancellationToken;

use super::{clock, usage::UsageMeter};
use crate::{
    Gateway,
    log::{Entries, Entry, Text},
    spend::{self, Ended},
};

/// How often entries are taken, and go to the store. A client that reads the log after its request finds it there.
const TAKE_EVERY: Duration = Duration::from_millis(250);
/// How many entries go to the store at once: a transaction, for which other writers wait.
const AT_ONCE: usize = 1_000;
/// How many entries wait for the store at most. More are only there while it does not answer.
const MOST_WAITING: usize = 20_000;
/// After how many turns the store lets go of what is too old or too much: about a minute.
const TRIM_EVERY: u32 = 240;
/// How much compressed answers may become together in one turn, in bytes: others wait for it.
const MOST_DECODED: usize = 64 * 1024 * 1024;
/// How many entries go at once.
const TRIM_AT_ONCE: u32 = 5_000;

/// Takes what requests tell, and settles what was reserved for them. Waits for nothing.
struct LogKeeper {
    gateway: Arc<Gateway>,
    /// Swapped with a worker's entries, so that neither is built anew each turn.
    spare: Entries,
    usage: UsageMeter,
    has_told_of_lost: bool,
}

/// What the store does not have yet.
struct LogWriter {
    gateway: Arc<Gateway>,
    /// Held to put records in and to take them out.
    waiting: Mutex<VecDeque<LogRecord>>,
}

impl Gateway {
    /// Takes what requests tell the log and gives it to the store, until `stop` is cancelled; then once more.
    pub(super) async fn keep_log(self: Arc<Self>, stop: CancellationToken) {
        let writer = LogWriter {
            gateway: Arc::clone(&self),
            waiting: Mutex::default(),
        };
        let mut keeper = LogKeeper {
            usage: UsageMeter::new(&self.config().prices, self.cost_sums()),
            gateway: self,
            spare: Vec::new(),
            has_told_of_lost: false,
        };
        let last = CancellationToken::new();
        // Beside the taking: while the store is slow, what was reserved is settled nevertheless.
        let mut writing = pin!(writer.write(last.clone()));
        let mut ticks = tokio::time::interval(TAKE_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => keeper.take(&writer),
                () = stop.cancelled() => break,
                () = &mut writing => return,
            }
        }
        keeper.take(&writer);
        last.cancel();
        writing.await;
    }
}

impl LogKeeper {
    /// Takes what every worker has.
    fn take(&mut self, writer: &LogWriter) {
        let snapshot = self.gateway.registry().snapshot();
        let prices = &self.gateway.config().prices;
        let (mut lost, mut left) = (0, MOST_DECODED);
        for queue in self.gateway.all_logs() {
            lost += queue.take(&mut self.spare);
            for mut entry in self.spare.drain(..) {
                // A decoder that fails on a provider's bytes takes nothing else with it.
                let read = AssertUnwindSafe(|| entry.read(&mut left));
                if catch_unwind(read).is_err() {
                    tracing::error!("an answer could not be read for what it took");
                }
                settle(&mut entry, prices);
                self.usage.count(&entry, self.gateway.providers(), clock());
                if !entry.is_told || !is_kept(&entry, self.gateway.config().log_sample_percent) {
                    continue;
                }
                let of = entry.series.parts();
                let gateway = snapshot.gateway(of.account, of.gateway.as_str());
                let settings = gateway.map(|gateway| &gateway.record().settings);
                if let Some(told) = told(&entry, settings, prices)
                    && !writer.add(LogRecord::new(told))
                {
                    lost += 1;
                }
            }
        }
        if lost > 0 {
            metrics::counter!("keyward_log_lost_total").increment(lost);
            if !self.has_told_of_lost {
                self.has_told_of_lost = true;
                tracing::warn!(
                    lost,
                    "requests came faster than the log could be written, and some are not in it; `keyward_log_lost_total` counts them. This is said once"
                );
            }
        }
    }
}

impl LogWriter {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<LogRecord>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a record, where there is room for it.
    fn add(&self, record: LogRecord) -> bool {
        let mut waiting = self.waiting();
        let has_room = waiting.len() < MOST_WAITING;
        if has_room {
            waiting.push_back(record);
        }
        has_room
    }

    /// Gives records to the store until `last` is cancelled; then those that wait still.
    async fn write(&self, last: CancellationToken) {
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
                Ok(0) => {}
                Ok(full) => {
                    metrics::counter!("keyward_log_full_total").increment(full);
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot write the log; it is tried again"
                    );
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

    async fn trim_all(&self, last: &CancellationToken) -> Result<(), keyward_registry::StoreError> {
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

/// Whether the log keeps an entry of which so many of a hundred are kept where nothing failed.
fn is_kept(entry: &Entry, percent: u8) -> bool {
    // The end of an id is random.
    let [.., one, two, three, four] = entry.id.to_bytes();
    u32::from_be_bytes([one, two, three, four]) % 100 < u32::from(percent) || !is_success(entry)
}

/// Settles what was reserved for a request by what it cost.
fn settle(entry: &mut Entry, prices: &Prices) {
    let Some(spending) = entry.spending.take() else {
        return;
    };
    let now = clock();
    let provider = entry.series.parts().provider.as_str();
    let cost = match prices.reserve(provider, &spending.model, now) {
        Reserve::Price(price) | Reserve::Fallback(price) => {
            let ended = Ended {
                status: entry.status,
                is_own: entry.code.is_some(),
                is_whole: entry.is_whole,
                usage: entry.usage,
                seen: entry.seen,
                bytes: entry.response_bytes,
            };
            spend::cost(price, &spending.asked, spending.estimate, ended)
        }
        Reserve::Uncounted | Reserve::Refused => spending.estimate,
    };
    if entry.model.is_none() {
        entry.model = Some(spending.model.clone());
    }
    spending.settle(cost, now);
}

fn is_success(entry: &Entry) -> bool {
    entry.is_whole && entry.status.is_some_and(|status| status < 400)
}

/// How many entries of a gateway there are at most, and whether it is the new ones that have no room then.
fn retention(settings: &GatewaySettings) -> (Option<u64>, bool) {
    /// What the reference has where nothing is set: the least that can be.
    const STOP: &str = "STOP_INSERTING";
    let stops = settings.log_management_strategy.as_deref() == Some(STOP);
    (settings.log_management, stops)
}

/// What the log says of a request. Where its gateway is gone, there is nobody to tell.
fn told(entry: &Entry, settings: Option<&GatewaySettings>, prices: &Prices) -> Option<LogEntry> {
    let settings = settings?;
    let of = entry.series.parts();
    let id = LogId::from_bytes(entry.id.to_bytes())?;
    let text = |text| {
        let bytes = entry.texts.get(text)?;
        Some(LogText::new(&String::from_utf8_lossy(bytes)))
    };
    let usage = entry.usage;
    let custom = entry.texts.get(Text::CustomCost);
    let custom = custom.and_then(|bytes| CustomCost::parse(bytes).ok());
    let model = entry.model.as_deref();
    let cost = match (&custom, model) {
        (Some(custom), _) => custom.price().cost(&usage),
        (None, Some(model)) => prices.cost(of.provider.as_str(), model, &usage, id.made_at()),
        (None, None) => None,
    };
    let metadata = entry.texts.get(Text::Metadata).map(Metadata::parse);
    Some(LogEntry {
        id,
        account: of.account,
        gateway: of.gateway.clone(),
        event_id: text(Text::Event),
        provider: of.provider.clone(),
        model: model.map(LogText::new),
        path: entry.texts.get(Text::Path).map_or_else(
            || LogText::new(""),
            |path| LogText::path(behind_provider(&String::from_utf8_lossy(path))),
        ),
        request_content_type: text(Text::RequestType),
        response_content_type: text(Text::ResponseType),
        status: entry.status,
        success: is_success(entry),
        cached: false,
        duration: entry.duration,
        step: entry.step,
        usage,
        cost,
        custom_cost: custom.is_some(),
        metadata: metadata.as_ref().map(LogMetadata::from).unwrap_or_default(),
        provider_key: of.key,
        token: entry.token,
        user_agent: text(Text::UserAgent),
        authentication: settings.authentication,
        byok: of.key.is_some(),
        compat: entry.is_compat,
        error_code: entry.code.map(u32::from),
        request_bytes: entry.request_bytes,
        response_bytes: entry.response_bytes,
        feedback: None,
        score: None,
    })
}

/// What stands behind `/v1/{account}/{gateway}/{provider}/` in a path.
fn behind_provider(path: &str) -> &str {
    path.splitn(6, '/').nth(5).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::behind_provider;

    #[test]
    fn a_path_is_told_from_behind_the_provider() {
        for (path, told) in [
            (
                "/v1/a/prod/openai/v1/chat/completions",
                "v1/chat/completions",
            ),
            ("/v1/a/prod/openai/", ""),
            ("/v1/a/prod/openai", ""),
            ("/v1/a/prod", ""),
        ] {
            assert_eq!(behind_provider(path), told, "{path}");
        }
    }
}
