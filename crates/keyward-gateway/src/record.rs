//! What is written down off the request path: counts to the metrics, last uses to the store.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_auth::TokenId;
use keyward_registry::{ProviderKeyId, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{Gateway, counters::CLASS_NAMES};

/// How often counts go to the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// After how many counts last uses go to the store.
const SAVE_EVERY: u32 = 10;

impl Gateway {
    /// Writes down counts every second and last uses every ten seconds, until `stop` is cancelled; then once
    /// more. Run it beside [`serve`](Self::serve).
    pub async fn record(self: Arc<Self>, stop: CancellationToken) {
        let mut recorder = Recorder {
            counted: Vec::new(),
            // What was used before this start is in the store already.
            saved_until: clock(),
            gateway: self,
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
            until_save -= 1;
            if until_save == 0 {
                until_save = SAVE_EVERY;
                recorder.save().await;
            }
        }
        recorder.count();
        recorder.save().await;
    }
}

struct Recorder {
    gateway: Arc<Gateway>,
    /// What was counted at the last turn: per provider, per class of status, over all workers.
    counted: Vec<[u64; CLASS_NAMES.len()]>,
    saved_until: SystemTime,
}

impl Recorder {
    fn count(&mut self) {
        let mut totals = vec![[0_u64; CLASS_NAMES.len()]; self.gateway.providers().slugs().count()];
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
            .slugs()
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
    }

    async fn save(&mut self) {
        // A second earlier than the last turn: last uses are kept to the second.
        let since = self.saved_until - Duration::from_secs(1);
        let until = clock();
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
    clippy::disallowed_methods,
    reason = "the recorder is a shell: it reads the clock for itself alone"
)]
fn clock() -> SystemTime {
    SystemTime::now()
}
