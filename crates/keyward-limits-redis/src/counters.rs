//! The store of counters.

use std::{
    fmt,
    num::NonZeroU64,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwapOption;
use keyward_routes::{Ask, Counters, Decision, Fit, Loss, MemoryCounters, Taking};
use redis::aio::MultiplexedConnection;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::spawn,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    OnLoss, Settings, SettingsError, door::Door, keeper::Keeper, refusals::Refusals, script,
    trouble::Trouble,
};

/// How many decisions Redis is asked for at once at most. One more waits for its turn.
pub(crate) const MOST_IN_FLIGHT: usize = 1024;

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
    shared: Arc<Shared>,
    _keeper: AbortOnDropHandle<()>,
    is_up: watch::Receiver<bool>,
}

/// What decisions and the keeper of the connection share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The connection that decides; none while Redis does not.
    pub(crate) link: ArcSwapOption<MultiplexedConnection>,
    /// Wakes the keeper. What finds no room is one more word of the same.
    words: mpsc::Sender<Trouble>,
    refusals: Refusals,
    in_flight: Semaphore,
    on_loss: OnLoss,
    deadline: Duration,
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
        let (on_loss, deadline) = (settings.on_loss, settings.deadline);
        let door = Door::build(settings)?;
        let (words, heard) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            link: ArcSwapOption::empty(),
            words,
            refusals: Refusals::default(),
            in_flight: Semaphore::new(MOST_IN_FLIGHT),
            on_loss,
            deadline,
            own: MemoryCounters::default(),
        });
        let (tell, is_up) = watch::channel(false);
        let keeper = Keeper::new(door, Arc::clone(&shared), heard, tell);
        Ok(Self {
            shared,
            _keeper: AbortOnDropHandle::new(spawn(keeper.run())),
            is_up,
        })
    }

    /// Whether Redis decides now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        *self.is_up.borrow()
    }

    /// Waits until Redis decides, but not longer than this. Whether it does.
    pub async fn is_up_within(&self, longest: Duration) -> bool {
        let mut is_up = self.is_up.clone();
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
            .field("on_loss", &self.shared.on_loss)
            .finish_non_exhaustive()
    }
}

impl Counters for RedisCounters {
    fn take_now(&self, asks: &[Ask], now: SystemTime) -> Option<Decision> {
        if asks.is_empty() {
            return Some(Decision::FREE);
        }
        if self.shared.link.load().is_none() {
            return Some(self.shared.lost(asks, now));
        }
        self.shared.refusals.find(asks, Instant::now())
    }

    fn take<'a>(&'a self, asks: &'a [Ask], now: SystemTime) -> Taking<'a> {
        Box::pin(async move {
            match self.take_now(asks, now) {
                Some(decision) => decision,
                None => self.shared.ask(asks, now).await,
            }
        })
    }
}

impl Shared {
    async fn ask(&self, asks: &[Ask], now: SystemTime) -> Decision {
        let Some(link) = self.link.load_full() else {
            return self.lost(asks, now);
        };
        let mut connection = MultiplexedConnection::clone(&link);
        let until = Instant::now() + self.deadline;
        let (_place, waited) = match self.in_flight.try_acquire() {
            Ok(place) => (place, false),
            // Waited for, half of the time: many at once are no fault of Redis, and no reason to let one through or to
            // refuse it.
            Err(_full) => match timeout(self.deadline / 2, self.in_flight.acquire()).await {
                Ok(Ok(place)) => (place, true),
                _ => return self.lost(asks, now),
            },
        };
        let left = until.saturating_duration_since(Instant::now());
        let answer = match timeout(left, script::decide(&mut connection, asks)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(trouble)) => return self.fail(&link, trouble, asks, now),
            // It had less time than Redis may take.
            Err(_late) if waited => return self.lost(asks, now),
            Err(_late) => return self.fail(&link, Trouble::Silent, asks, now),
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

    /// No decision goes this way before the keeper looked at it.
    fn fail(
        &self,
        link: &Arc<MultiplexedConnection>,
        trouble: Trouble,
        asks: &[Ask],
        now: SystemTime,
    ) -> Decision {
        self.link.compare_and_swap(link, None);
        // Where there is no room, another decision said so before.
        let _full = self.words.try_send(trouble);
        self.lost(asks, now)
    }

    /// How long a decision waits at most.
    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// What becomes of requests meanwhile, in one word.
    pub(crate) const fn on_loss(&self) -> &'static str {
        match self.on_loss {
            OnLoss::Open => "open",
            OnLoss::Closed => "closed",
            OnLoss::Share(_) => "share",
        }
    }

    fn lost(&self, asks: &[Ask], now: SystemTime) -> Decision {
        metrics::counter!("keyward_limits_lost_total").increment(1);
        match self.on_loss {
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
