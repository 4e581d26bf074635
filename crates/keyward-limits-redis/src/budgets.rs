//! Budgets in Redis.

use std::{
    fmt,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use keyward_routes::{
    Admission, Budgets, Held, Looking, Loss, MemoryBudgets, Money, Overspent, Reservation,
    Reserving, Settling, Spend, Standing,
};
use tokio::task::spawn;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    OnLoss,
    line::Kept,
    settling::Queue,
    spending::{self, Answer, Want, What, Word},
};

/// Budgets in Redis, shared by all processes that count there under the same names.
///
/// All budgets of a request are decided by one script, atomically, and by Redis's clock. A decision takes at most
/// [`Settings::deadline`](crate::Settings::deadline). When Redis does not answer by then, is gone, or refuses to count,
/// [`OnLoss`] says what becomes of the request; where it is let through uncounted, what it costs is not counted later either.
/// With [`OnLoss::Share`] what was reserved of a share is settled in that share: Redis does not learn of it.
///
/// What is settled and renewed waits in memory until Redis has it, in order, each exactly once also where an answer is lost:
/// at most [`MOST_WAITING`](Self::MOST_WAITING) parts of reservations, one for each budget. What finds no room is not counted
/// (`keyward_budgets_lost_total`); its reservation expires. What waits when the process is killed is lost, and its
/// reservations expire; [`Budgets::settled`] waits for it.
///
/// Redis 5 or newer, as for [`RedisCounters`](crate::RedisCounters). Keys are `{keyward}:budget:` and the 32 digits of a
/// [`CounterKey`](keyward_routes::CounterKey), and `{keyward}:settled:` and 16 digits of an instance; they expire with their
/// windows, or after a day. Sums are exact up to 9 million dollars in a window, and end there. What Redis forgets when it is
/// killed is spent anew: with `appendfsync everysec` that is about a second, without persistence all of it.
pub struct RedisBudgets {
    kept: Arc<Kept>,
    queue: Arc<Queue>,
    _settler: AbortOnDropHandle<()>,
    /// What the ids of this instance's reservations begin with: above 0.
    instance: u64,
    next: AtomicU64,
    /// For [`OnLoss::Share`].
    own: MemoryBudgets,
}

impl RedisBudgets {
    /// How many parts of reservations wait to be settled or renewed at most: some 120 bytes each.
    pub const MOST_WAITING: usize = 65_536;

    pub(crate) fn start(kept: Arc<Kept>) -> Self {
        kept.line.count_budgets();
        let instance = spending::random_instance();
        let queue = Arc::new(Queue::new(Self::MOST_WAITING));
        let settler = Arc::clone(&queue).run(Arc::clone(&kept), instance);
        Self {
            kept,
            queue,
            _settler: AbortOnDropHandle::new(spawn(settler)),
            instance,
            next: AtomicU64::new(0),
            own: MemoryBudgets::default(),
        }
    }

    async fn ask(&self, asks: &[Spend], want: Want) -> Option<Answer> {
        let ask = |connection| spending::reserve(connection, asks, want);
        self.kept.line.ask(ask).await
    }

    async fn reserve_in_redis(
        &self,
        asks: &[Spend],
        lasts: Duration,
        now: SystemTime,
    ) -> Admission {
        let sequence = self.next.fetch_add(1, Ordering::Relaxed);
        let id = (u128::from(self.instance) << 64) | u128::from(sequence);
        let want = Want::Reserve {
            id,
            lasts_ms: milliseconds(lasts.min(Reservation::LONGEST)),
        };
        let mut release = Release {
            queue: &self.queue,
            asks,
            id,
        };
        let Some(answer) = self.ask(asks, want).await else {
            // It may be reserved although nobody heard of it.
            drop(release);
            return self.lost(asks, lasts, now);
        };
        release.asks = &[];
        admission(asks, &answer, id)
    }

    fn lost(&self, asks: &[Spend], lasts: Duration, now: SystemTime) -> Admission {
        metrics::counter!("keyward_limits_lost_total").increment(1);
        match self.kept.line.on_loss() {
            OnLoss::Open => Admission::Lost(Loss::Open),
            OnLoss::Closed => Admission::Lost(Loss::Closed),
            OnLoss::Share(instances) => self.own.try_reserve(&shares(asks, instances), lasts, now),
        }
    }

    /// Whether a reservation is one of this process's own memory.
    fn is_own(reservation: &Reservation) -> bool {
        u64::try_from(reservation.id()).is_ok()
    }
}

/// What Redis decided.
pub(crate) fn admission(asks: &[Spend], answer: &Answer, id: u128) -> Admission {
    let mut over = None;
    let mut held = Vec::with_capacity(asks.len());
    for (place, (ask, (spent, reserved))) in asks.iter().zip(&answer.counted).enumerate() {
        if answer.fits {
            if Spend::is_first(asks, place) {
                held.push(Held {
                    key: ask.key,
                    window: ask.budget.window(),
                    number: spent.number,
                    estimate: ask.estimate,
                });
            }
            continue;
        }
        let standing = Standing::of(*spent, *reserved, ask.budget.window(), answer.now_ms);
        over = Overspent::and(over, place, ask.budget, ask.estimate, standing);
    }
    match over {
        Some(over) => Admission::Over(over),
        // It refused what would fit by what it told: it is not what it should be, and nothing is reserved.
        None if !answer.fits => Admission::Lost(Loss::Closed),
        None => Admission::Admitted(Reservation::new(id, held)),
    }
}

/// Releases what may have been reserved without anybody to settle it: when the answer came too late, or nobody waits for it
/// any more.
struct Release<'a> {
    queue: &'a Queue,
    asks: &'a [Spend],
    id: u128,
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        let words = self.asks.iter().map(|ask| Word {
            id: self.id,
            // Redis knows the window in which it was reserved.
            held: Held {
                key: ask.key,
                window: ask.budget.window(),
                number: 0,
                estimate: ask.estimate,
            },
            what: What::Settle(0),
        });
        self.queue.push(words);
    }
}

impl fmt::Debug for RedisBudgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBudgets")
            .field("is_up", &self.kept.is_up())
            .field("on_loss", &self.kept.line.on_loss())
            .finish_non_exhaustive()
    }
}

impl Budgets for RedisBudgets {
    fn reserve_now(&self, asks: &[Spend], lasts: Duration, now: SystemTime) -> Option<Admission> {
        if asks.is_empty() {
            return Some(Admission::Admitted(Reservation::none()));
        }
        let is_lost = self.kept.line.link.load().is_none();
        is_lost.then(|| self.lost(asks, lasts, now))
    }

    fn reserve<'a>(&'a self, asks: &'a [Spend], lasts: Duration, now: SystemTime) -> Reserving<'a> {
        Box::pin(async move {
            match self.reserve_now(asks, lasts, now) {
                Some(admission) => admission,
                None => self.reserve_in_redis(asks, lasts, now).await,
            }
        })
    }

    fn renew(&self, reservation: &Reservation, lasts: Duration, now: SystemTime) {
        if Self::is_own(reservation) {
            return self.own.renew(reservation, lasts, now);
        }
        let what = What::Renew(milliseconds(lasts.min(Reservation::LONGEST)));
        self.queue.push(words(reservation, what));
    }

    fn settle(&self, reservation: Reservation, cost: Money, now: SystemTime) {
        if Self::is_own(&reservation) {
            return self.own.settle(reservation, cost, now);
        }
        let what = What::Settle(cost.nanos());
        self.queue.push(words(&reservation, what));
    }

    fn settled(&self) -> Settling<'_> {
        Box::pin(self.queue.is_empty_within(self.kept.line.deadline()))
    }

    fn look<'a>(&'a self, asks: &'a [Spend], _now: SystemTime) -> Looking<'a> {
        Box::pin(async move {
            if asks.is_empty() {
                return Some(Vec::new());
            }
            let answer = self.ask(asks, Want::Look).await?;
            let standing = |(ask, (spent, reserved)): (&Spend, &_)| {
                Standing::of(*spent, *reserved, ask.budget.window(), answer.now_ms)
            };
            Some(asks.iter().zip(&answer.counted).map(standing).collect())
        })
    }
}

fn words(reservation: &Reservation, what: What) -> impl Iterator<Item = Word> {
    let id = reservation.id();
    reservation.held().iter().map(move |held| Word {
        id,
        held: *held,
        what,
    })
}

fn shares(asks: &[Spend], instances: NonZeroU64) -> Vec<Spend> {
    let share = |ask: &Spend| Spend {
        budget: ask.budget.share(instances),
        ..*ask
    };
    asks.iter().map(share).collect()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
