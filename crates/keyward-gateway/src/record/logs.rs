//! What requests tell the log goes to the store, in batches; and what the log keeps for too long or too much of goes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use keyward_registry::{GatewaySettings, LogEntry, LogId, LogMetadata, LogRecord, LogText};
use keyward_routes::{CustomCost, Metadata, Prices};
use tokio_util::sync::CancellationToken;

use super::{clock, log_writer::LogWriter, usage::UsageMeter};
use crate::{
    Gateway,
    log::{Entries, Entry, Text},
    observe::{Finished, Models},
};

/// How often entries are taken, and go to the store. A client that reads the log after its request finds it there.
pub(super) const TAKE_EVERY: Duration = Duration::from_millis(250);
/// How much compressed answers may become together in one turn, in bytes: others wait for it.
const MOST_DECODED: usize = 64 * 1024 * 1024;

/// Takes what requests tell, and settles what was reserved for them. Waits for nothing.
struct LogKeeper {
    gateway: Arc<Gateway>,
    /// Swapped with a worker's entries, so that neither is built anew each turn.
    spare: Entries,
    usage: UsageMeter,
    has_told_of_lost: bool,
}

impl Gateway {
    /// Takes what requests tell the log and gives it to the store, until `stop` is cancelled; then once more.
    pub(super) async fn keep_log(self: Arc<Self>, stop: CancellationToken) {
        let writer = LogWriter::new(Arc::clone(&self));
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
                let observer = self.gateway.observer();
                let models = observer.map(|_| Models::of(&entry, self.gateway.providers()));
                // Of what was compressed: else it was settled when it ended.
                entry.settle(prices);
                self.usage.count(&entry, self.gateway.providers(), clock());
                let is_kept =
                    entry.is_told && is_kept(&entry, self.gateway.config().log_sample_percent);
                if !is_kept && observer.is_none() {
                    continue;
                }
                let of = entry.series.parts();
                let gateway = snapshot.gateway(of.account, of.gateway.as_str());
                let settings = gateway.map(|gateway| &gateway.record().settings);
                let Some(told) = told(&entry, settings, prices) else {
                    continue;
                };
                if let (Some(observer), Some(models)) = (observer, models) {
                    observer.finished(&Finished::of(&entry, &told, &models, &self.gateway));
                }
                if is_kept && !writer.add(with_bodies(&entry, told)) {
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

/// Whether the log keeps an entry of which so many of a hundred are kept where nothing failed.
fn is_kept(entry: &Entry, percent: u8) -> bool {
    // The end of an id is random.
    let [.., one, two, three, four] = entry.id.to_bytes();
    u32::from_be_bytes([one, two, three, four]) % 100 < u32::from(percent) || !is_success(entry)
}

/// A record of an entry, with the bodies where they are kept.
fn with_bodies(entry: &Entry, told: LogEntry) -> LogRecord {
    let Some(bodies) = &entry.bodies else {
        return LogRecord::new(told);
    };
    LogRecord {
        entry: told,
        request: bodies.request(),
        // Of one that broke off there is a part.
        response: entry.is_whole.then(|| bodies.response()).flatten(),
    }
}

fn is_success(entry: &Entry) -> bool {
    entry.is_whole && entry.status.is_some_and(|status| status < 400)
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
