//! Counters of limits, wherever they are kept.

pub(crate) mod memory;
pub(crate) mod shards;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime},
};

pub use self::memory::MemoryCounters;
use crate::{CounterKey, Limit, window::Fit};

/// One limit that a request must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where it is counted.
    pub key: CounterKey,
    /// The limit.
    pub limit: Limit,
    /// How much the request takes of it: 1 where requests are counted.
    pub amount: u64,
}

/// What becomes of a request. Where it is let through, it is counted in all of its limits, else in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who asks must handle each case")]
pub enum Decision {
    /// It is within all limits.
    Within {
        /// The place of the limit of which the least is left.
        which: usize,
        /// How much is left of that.
        remaining: u64,
        /// When its window ends.
        reset_after: Duration,
    },
    /// It is over a limit.
    Over {
        /// The place of the limit that keeps it waiting longest.
        which: usize,
        /// When it would be let through, if nothing else came: whole seconds, at least 1.
        retry_after: Duration,
    },
    /// It could not be counted.
    Lost(Loss),
}

/// What becomes of requests that cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Loss {
    /// They are let through.
    Open,
    /// They are refused.
    Closed,
}

/// A decision that may have to be waited for.
pub type Taking<'a> = Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;

/// Counts requests, and says which are over a limit.
///
/// Of several asks with the same key the first counts.
pub trait Counters: fmt::Debug + Send + Sync + 'static {
    /// Decides at once, where nothing has to be waited for; else nothing is counted, and [`take`](Self::take) decides.
    /// No I/O.
    fn take_now(&self, asks: &[Ask], now: SystemTime) -> Option<Decision>;

    /// Decides. Comes to an end in bounded time, whatever happens.
    fn take<'a>(&'a self, asks: &'a [Ask], now: SystemTime) -> Taking<'a>;
}

impl Ask {
    /// Whether the ask at a place is the first one with its key: the one that is counted.
    #[must_use]
    pub fn is_first(asks: &[Self], place: usize) -> bool {
        let mut before = asks.iter().take(place);
        let key = asks.get(place).map(|ask| ask.key);
        !before.any(|other| Some(other.key) == key)
    }
}

impl Decision {
    /// The decision on a request without limits.
    pub const FREE: Self = Self::Within {
        which: 0,
        remaining: u64::MAX,
        reset_after: Duration::ZERO,
    };

    /// This decision on the limits before `place`, and what the limit there says.
    #[must_use]
    pub fn and(self, place: usize, fit: Fit) -> Self {
        match (self, fit) {
            (
                Self::Within {
                    remaining: least, ..
                },
                Fit::Within {
                    remaining,
                    reset_ms,
                },
            ) if remaining < least => Self::Within {
                which: place,
                remaining,
                reset_after: Duration::from_millis(reset_ms),
            },
            (Self::Within { .. }, Fit::Over { retry_ms }) => Self::Over {
                which: place,
                retry_after: whole_seconds(retry_ms),
            },
            (Self::Over { retry_after, .. }, Fit::Over { retry_ms })
                if whole_seconds(retry_ms) > retry_after =>
            {
                Self::Over {
                    which: place,
                    retry_after: whole_seconds(retry_ms),
                }
            }
            _ => self,
        }
    }
}

/// When to come back, as clients are told it: whole seconds, rounded up, at least one.
const fn whole_seconds(ms: u64) -> Duration {
    let seconds = ms.div_ceil(1000);
    Duration::from_secs(if seconds == 0 { 1 } else { seconds })
}
