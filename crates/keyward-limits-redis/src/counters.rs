//! The store of counters.

use std::{
    fmt,
    num::NonZeroU64,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use keyward_routes::{Ask, Counters, Decision, Fit, Loss, MemoryCounters, Taking};
use tokio::time::timeout;

use crate::{
    OnLoss, RedisBudgets, Settings, SettingsError, line::Kept, refusals::Refusals, script,
};

/// Counters in Redis, shared by all processes that count there under the same names.
///
/// All asks of a request are decided by one script, atomically, and by Redis's clock: that of this process makes no
/// difference. What is over its limit is remembered until its window ends (at most 10 s, at most 65,536 of them), so a
/// flood costs Redis one script in that time.
///
/// A decision takes at most [`Settings::deadline`]. When Redis does not answer by then, is gone, or refuses to
/// count, [`OnLoss`] says what becomes of the request, and the connection is made again in the background; until there is
/// one, no decision waits for it. A request that Redis counted but answered too late stays counted.
///
/// Redis 5 or newer. A cluster is not supported; a proxy before one may be, as all keys have the hash tag `keyward`. Keys
/// are `{keyward}:limit:` and the 32 digits of a [`CounterKey`](keyward_routes::CounterKey): no value that a client sent
/// stands there. They expire with their windows.
///
/// `keyward_limits_store_up` is 1 while Redis decides, and `keyward_limits_lost_total` counts decisions that it did not
/// make.
pub struct RedisCounters {
    kept: Arc<Kept>,
    refusals: Refusals,
    /// For [`OnLoss::Share`].
    own: MemoryCounters,
}

impl RedisCounters {
    /// How long a decision should wait for Redis at most: 50 ms.
    pub const DEADLINE: Duration = Duration::from_millis(50);

    /// Begins to connect, in the background and on the runtime that calls. Where there is TLS, reads the system's roots.
    ///
    /// # Errors
    ///
    /// When the password is not UTF-8, or TLS cannot be set up. That Redis cannot be reached is none.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime with I/O and time.
    pub fn start(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            kept: Arc::new(Kept::start(settings)?),
            refusals: Refusals::default(),
            own: MemoryCounters::default(),
        })
    }

    /// Budgets in the same Redis, over the same connection.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn budgets(&self) -> RedisBudgets {
        RedisBudgets::start(Arc::clone(&self.kept))
    }

    /// Whether Redis decides now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.kept.is_up()
    }

    /// Waits until Redis decides, but not longer than this. Whether it does.
    pub async fn is_up_within(&self, longest: Duration) -> bool {
        let mut is_up = self.kept.ups();
        matches!(
            timeout(longest, is_up.wait_for(|is_up| *is_up)).await,
            Ok(Ok(_))
        )
    }
}

impl fmt::Debug for RedisCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCounters")
            .field("is_up", &self.is_up())
            .field("on_loss", &self.kept.line.on_loss())
            .finish_non_exhaustive()
    }
}

impl Counters for RedisCounters {
    fn take_now(&self, asks: &[Ask], now: SystemTime) -> Option<Decision> {
        if asks.is_empty() {
            return Some(Decision::FREE);
        }
        if self.kept.line.link.load().is_none() {
            return Some(self.lost(asks, now));
        }
        self.refusals.find(asks, Instant::now())
    }

    fn take<'a>(&'a self, asks: &'a [Ask], now: SystemTime) -> Taking<'a> {
        Box::pin(async move {
            match self.take_now(asks, now) {
                Some(decision) => decision,
                None => self.ask(asks, now).await,
            }
        })
    }
}

impl RedisCounters {
    async fn ask(&self, asks: &[Ask], now: SystemTime) -> Decision {
        let decide = |connection| script::decide(connection, asks);
        let Some(answer) = self.kept.line.ask(decide).await else {
            return self.lost(asks, now);
        };
        let mut decision = Decision::FREE;
        let heard = Instant::now();
        for ((place, ask), counted) in asks.iter().enumerate().zip(answer.counted) {
            let fit = counted.fit_of(ask, answer.now_ms);
            if let Fit::Over { retry_ms } = fit {
                self.refusals.note(ask, retry_ms, heard);
            }
            decision = decision.and(place, fit);
        }
        decision
    }

    fn lost(&self, asks: &[Ask], now: SystemTime) -> Decision {
        metrics::counter!("keyward_limits_lost_total").increment(1);
        match self.kept.line.on_loss() {
            OnLoss::Open => Decision::Lost(Loss::Open),
            OnLoss::Closed => Decision::Lost(Loss::Closed),
            OnLoss::Share(instances) => self.own.decide(&shares(asks, instances), now),
        }
    }
}

fn shares(asks: &[Ask], instances: NonZeroU64) -> Vec<Ask> {
    let share = |ask: &Ask| Ask {
        limit: ask.limit.share(instances),
        ..*ask
    };
    asks.iter().map(share).collect()
}
