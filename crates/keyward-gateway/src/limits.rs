//! Rate limits: which a request must keep to, where that is counted, and what becomes of one that is over.
//!
//! A gateway's limit counts each request of a client once, when all else allows it and it is about to be sent. What is
//! refused is not counted.

use std::{sync::Arc, time::SystemTime};

use keyward_registry::{GatewayRecord, RateLimitingTechnique};
use keyward_routes::{
    Ask, AtRate, CounterKeys, Counters, Decision, Limit, Limited, Loss, Partition, Technique,
};
use keyward_secret::AccountId;

use crate::respond::Refusal;

/// What the gateway counts with.
#[derive(Debug)]
pub(crate) struct RateLimits {
    keys: CounterKeys,
    counters: Arc<dyn Counters>,
}

impl RateLimits {
    /// Counts in `counters`, under names that are made with a random secret.
    pub(crate) fn build(counters: Arc<dyn Counters>) -> Result<Self, getrandom::Error> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        Ok(Self {
            keys: CounterKeys::new(&secret),
            counters,
        })
    }

    /// The limit of a gateway; none where it is off.
    pub(crate) fn of_gateway(&self, record: &GatewayRecord) -> Option<Ask> {
        let settings = &record.settings;
        if settings.rate_limiting_limit == 0 {
            return None;
        }
        let technique = match settings.rate_limiting_technique {
            Some(RateLimitingTechnique::Sliding) => Technique::Sliding,
            Some(RateLimitingTechnique::Fixed) | None => Technique::Fixed,
        };
        // What is out of bounds was not stored by a request, which is refused then; it is no way around the limit either.
        let longest = Limit::LONGEST_WINDOW.as_secs();
        let limit = settings.rate_limiting_limit.min(Limit::MOST);
        let window = settings.rate_limiting_interval.clamp(1, longest);
        let limit = Limit::new(limit, window, technique).ok()?;
        let (account, gateway) = (record.account, record.id.as_str());
        let all = &Partition::All;
        Some(Ask {
            key: self.keys.key(account, gateway, Limited::Gateway, all),
            limit,
            amount: 1,
        })
    }

    /// The limit of a route's element, for requests like the one that stands there.
    pub(crate) fn of_element(
        &self,
        account: AccountId,
        gateway: &str,
        route: &str,
        at: &AtRate<'_>,
    ) -> Ask {
        let element = at.element();
        let limited = Limited::Element { route, element };
        Ask {
            key: self.keys.key(account, gateway, limited, &at.partition()),
            limit: Limit::from(at.rate()),
            amount: 1,
        }
    }

    /// Counts a request in all of these limits, or in none. Waits only where the counters are elsewhere.
    pub(crate) async fn take(&self, asks: &[Ask], now: SystemTime) -> Decision {
        match self.counters.take_now(asks, now) {
            Some(decision) => decision,
            None => self.counters.take(asks, now).await,
        }
    }

    /// Counts a request in one limit: its gateway's, or that of a route's element.
    pub(crate) async fn settle(
        &self,
        ask: Ask,
        what: Limited<'_>,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        match self.take(&[ask], now).await {
            Decision::Within { .. } | Decision::Lost(Loss::Open) => Ok(()),
            Decision::Lost(Loss::Closed) => Err(Refusal::LimitsLost),
            Decision::Over { retry_after, .. } => {
                let what = what.name();
                metrics::counter!("keyward_rate_limited_total", "what" => what).increment(1);
                tracing::debug!(what, "over a rate limit");
                Err(Refusal::RateLimited {
                    what,
                    limit: ask.limit.limit().get(),
                    window: ask.limit.window().as_secs(),
                    seconds: retry_after.as_secs(),
                })
            }
        }
    }
}
