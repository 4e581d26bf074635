//! What requests tell the log goes to the store, in batches; and what the log keeps for too long or too much of goes.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use keyward_registry::{
    GatewaySettings, LogEntry, LogId, LogLimit, LogMetadata, LogRecord, LogText, LogTrim,
};
use keyward_routes::{CustomCost, Metadata, Money, Prices, Reserve};
use tokio_util::sync::CancellationToken;

use super::clock;
use crate::{
    Gateway,
    log::{Entries, Entry, Text},
    spend::{self, Ended},
};

/// How often entries go to the store. A client that reads the log after its request finds it there.
const SAVE_EVERY: Duration = Duration::from_millis(250);
/// How many entries go to the store at once: a transaction, for which other writers wait.
const AT_ONCE: usize = 1_000;
/// How many entries wait for the store at most. More are only there while it does not answer.
const MOST_WAITING: usize = 20_000;
/// After how many turns the store lets go of what is too old or too much: about a minute.
const TRIM_EVERY: u32 = 240;
/// How many entries go at once.
const TRIM_AT_ONCE: u32 = 5_000;

/// What has to be told, and is not in the store yet.
struct LogKeeper {
    gateway: Arc<Gateway>,
    waiting: VecDeque<LogRecord>,
    /// Swapped with a worker's entries, so that neither is built anew each turn.
    spare: Entries,
    has_told_of_lost: bool,
}

impl Gateway {
    /// Takes what requests tell the log and gives it to the store, until `stop` is cancelled; then once more.
    pub(super) async fn keep_log(self: Arc<Self>, stop: CancellationToken) {
        let mut keeper = LogKeeper {
            gateway: self,
            waiting: VecDeque::new(),
            spare: Vec::new(),
            has_told_of_lost: false,
        };
        let mut ticks = tokio::time::interval(SAVE_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut until_trim = TRIM_EVERY;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => break,
            }
            keeper.take();
            keeper.save().await;
            until_trim -= 1;
            if until_trim == 0 {
                until_trim = TRIM_EVERY;
                keeper.trim().await;
            }
        }
        keeper.take();
        keeper.save().await;
    }
}

impl LogKeeper {
    /// Takes what every worker has.
    fn take(&mut self) {
        let snapshot = self.gateway.registry().snapshot();
        let prices = &self.gateway.config().prices;
        let mut lost = 0;
        for queue in self.gateway.all_logs() {
            lost += queue.take(&mut self.spare);
            for mut entry in self.spare.drain(..) {
                entry.read();
                settle(&mut entry, prices);
                if !entry.is_told {
                    continue;
                }
                if self.waiting.len() >= MOST_WAITING {
                    lost += 1;
                    continue;
                }
                let of = entry.series.parts();
                let gateway = snapshot.gateway(of.account, of.gateway.as_str());
                let settings = gateway.map(|gateway| &gateway.record().settings);
                if let Some(told) = told(&entry, settings, prices) {
                    self.waiting.push_back(LogRecord::new(told));
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

    async fn save(&mut self) {
        while !self.waiting.is_empty() {
            let batch = self.waiting.len().min(AT_ONCE);
            let records: Vec<LogRecord> = self.waiting.drain(..batch).collect();
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
                    for record in records.into_iter().rev() {
                        self.waiting.push_front(record);
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

    async fn trim(&self) {
        if let Err(error) = self.trim_all().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot let go of old entries of the log; it is tried again"
            );
        }
    }

    async fn trim_all(&self) -> Result<(), keyward_registry::StoreError> {
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
            while store.trim_logs(place.clone(), trim).await? == u64::from(TRIM_AT_ONCE) {}
        }
        Ok(())
    }
}

/// Settles what was reserved for a request by what it cost.
fn settle(entry: &mut Entry, prices: &Prices) {
    let Some(spending) = entry.spending.take() else {
        return;
    };
    let (provider, model) = (&entry.series.parts().provider, spending.model.as_deref());
    let now = clock();
    let cost = match prices.reserve(provider.as_str(), model.unwrap_or_default(), now) {
        Reserve::Price(price) | Reserve::Fallback(price) => {
            let ended = Ended {
                status: entry.status,
                is_own: entry.code.is_some(),
                usage: entry.usage,
                seen: entry.seen,
            };
            spend::cost(price, &spending.asked, ended)
        }
        Reserve::Uncounted | Reserve::Refused => Money::ZERO,
    };
    if entry.model.is_none() {
        entry.model.clone_from(&spending.model);
    }
    spending.settle(cost, now);
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
        success: entry.is_whole && entry.status.is_some_and(|status| status < 400),
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
