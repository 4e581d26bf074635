//! Rate limits: which a request must keep to, where that is counted, and what becomes of one that is over.
//!
//! A gateway's limit counts each request of a client once, when all else allows it and it is about to be sent; a provider
//! key's counts each request that is sent with it. What is over one limit is counted in none.

use std::{sync::Arc, time::SystemTime};

use keyward_registry::{GatewayRecord, ProviderKeyRecord, RateLimitingTechnique};
use keyward_routes::{
    Ask, AtRate, CounterKeys, Counters, Decision, Limit, Limited, Loss, Partition, Technique,
};
use keyward_secret::AccountId;
use keyward_vault::Vault;

use crate::respond::Refusal;

/// What the secret of the counters' names is derived under. The keyring holds no other secret of that name.
const LABEL: &str = "keyward counter names v1";

/// A limit that a request must keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    ask: Ask,
    /// What is limited, in one word.
    what: &'static str,
}

/// Why a request is not let through by its limits.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) refusal: Refusal,
    /// Which of them it is over; none where it could not be counted.
    pub(crate) place: Option<usize>,
}

/// What the gateway counts with.
#[derive(Debug)]
pub(crate) struct RateLimits {
    keys: CounterKeys,
    counters: Arc<dyn Counters>,
}

impl RateLimits {
    /// Counts in `counters`, under names that are made with a secret of the vault's keyring: instances over one vault
    /// count as one, where they count in one place. None only if the keyring has no key.
    pub(crate) fn build(counters: Arc<dyn Counters>, vault: &Vault) -> Option<Self> {
        // Not the newest: who was started before it was added would count under other names.
        let secret = vault.subkey(vault.oldest_key(), LABEL)?;
        let (secret, _) = secret.expose().split_first_chunk()?;
        Some(Self {
            keys: CounterKeys::new(secret),
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
        self.due(place, limited, &at.partition(), at.limit())
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

    /// What names counters.
    pub(crate) const fn keys(&self) -> &CounterKeys {
        &self.keys
    }

    /// The limit of a provider key.
    pub(crate) fn of_key(&self, record: &ProviderKeyRecord) -> Option<Due> {
        let place = (record.account, record.gateway.as_str());
        let limited = Limited::ProviderKey(record.id.as_bytes());
        Some(self.due(place, limited, &Partition::All, record.limit()?))
    }

    /// Counts a request in its limit.
    pub(crate) async fn settle(&self, due: Due, now: SystemTime) -> Result<(), Refusal> {
        let counted = self.count([due], now).await;
        counted.map_err(|over| over.refusal)
    }

    /// Counts a request in all of these limits, or in none. Waits only where the counters are elsewhere.
    pub(crate) async fn count<const N: usize>(
        &self,
        dues: [Due; N],
        now: SystemTime,
    ) -> Result<(), Over> {
        let asks = dues.map(|due| due.ask);
        let decision = match self.counters.take_now(&asks, now) {
            Some(decision) => decision,
            None => self.counters.take(&asks, now).await,
        };
        let (place, retry_after) = match decision {
            Decision::Within { .. } | Decision::Lost(Loss::Open) => return Ok(()),
            Decision::Over { which, retry_after } => (which, retry_after),
            Decision::Lost(Loss::Closed) => {
                return Err(Over {
                    refusal: Refusal::LimitsLost,
                    place: None,
                });
            }
        };
        let Some(Due { ask, what }) = dues.get(place).copied() else {
            return Ok(());
        };
        metrics::counter!("keyward_rate_limited_total", "what" => what).increment(1);
        tracing::debug!(what, "over a rate limit");
        Err(Over {
            refusal: Refusal::RateLimited {
                what,
                limit: ask.limit.limit().get(),
                window: ask.limit.window().as_secs(),
                seconds: retry_after.as_secs(),
            },
            place: Some(place),
        })
    }
}
