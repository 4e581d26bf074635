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

/// A limit that a request must keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    ask: Ask,
    /// What is limited, in one word.
    what: &'static str,
}

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
    pub(crate) fn of_gateway(&self, record: &GatewayRecord) -> Option<Due> {
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
        let place = (record.account, record.id.as_str());
        Some(self.due(place, Limited::Gateway, &Partition::All, limit))
    }

    /// The limit of a route's element, for requests like the one that stands there.
    pub(crate) fn of_element(&self, place: (AccountId, &str), route: &str, at: &AtRate<'_>) -> Due {
        let element = at.element();
        let limited = Limited::Element { route, element };
        self.due(place, limited, &at.partition(), Limit::from(at.rate()))
    }

    fn due(
        &self,
        (account, gateway): (AccountId, &str),
        limited: Limited<'_>,
        partition: &Partition<'_>,
        limit: Limit,
    ) -> Due {
        let ask = Ask {
            key: self.keys.key(account, gateway, limited, partition),
            limit,
            amount: 1,
        };
        let what = limited.name();
        Due { ask, what }
    }

    /// Counts a request in its limit. Waits only where the counters are elsewhere.
    pub(crate) async fn settle(&self, due: Due, now: SystemTime) -> Result<(), Refusal> {
        let Due { ask, what } = due;
        let decision = match self.counters.take_now(&[ask], now) {
            Some(decision) => decision,
            None => self.counters.take(&[ask], now).await,
        };
        match decision {
            Decision::Within { .. } | Decision::Lost(Loss::Open) => Ok(()),
            Decision::Lost(Loss::Closed) => Err(Refusal::LimitsLost),
            Decision::Over { retry_after, .. } => {
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
