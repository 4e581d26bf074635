//! Whether a request is sent again, and when.

use std::{num::NonZeroU8, time::Duration};

/// The longest wait between two attempts. A provider that wants a longer one is not waited for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How the wait between attempts grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the reference has these three")]
pub enum Backoff {
    /// The same wait each time.
    #[default]
    Constant,
    /// The wait times the number of attempts so far.
    Linear,
    /// Twice the wait before.
    Exponential,
}

/// How often a request is sent, and what is waited for in between.
///
/// ```
/// use std::{num::NonZeroU8, time::Duration};
/// use keyward_routes::{Attempts, Backoff};
///
/// let attempts = Attempts {
///     most: NonZeroU8::new(3).unwrap(),
///     delay: Duration::from_secs(1),
///     backoff: Backoff::Exponential,
/// };
/// assert_eq!(attempts.wait(1, None, 0), Some(Duration::from_secs(1)));
/// assert_eq!(attempts.wait(2, None, 0), Some(Duration::from_secs(2)));
/// assert_eq!(attempts.wait(3, None, 0), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain values, each with its own meaning"
)]
pub struct Attempts {
    /// Attempts in all, the first one among them.
    pub most: NonZeroU8,
    /// The wait that the backoff begins with.
    pub delay: Duration,
    /// How it grows.
    pub backoff: Backoff,
}

impl Attempts {
    /// One, and no other.
    pub const ONCE: Self = Self {
        most: NonZeroU8::MIN,
        delay: Duration::ZERO,
        backoff: Backoff::Constant,
    };

    /// How long to wait after `made` attempts failed, of which the last one's answer asked for `told`; `None` where that
    /// was the last attempt, or what was asked for is more than [`LONGEST_WAIT`].
    ///
    /// The wait is up to a quarter longer than the backoff says, by `draw`, so that clients that failed together do not come
    /// back together. Never shorter, and never longer than [`LONGEST_WAIT`].
    #[must_use]
    pub fn wait(&self, made: u8, told: Option<Duration>, draw: u64) -> Option<Duration> {
        let told = told.unwrap_or_default();
        if made >= self.most.get() || told > LONGEST_WAIT {
            return None;
        }
        let times = match self.backoff {
            Backoff::Constant => 1,
            Backoff::Linear => u32::from(made.max(1)),
            Backoff::Exponential => 1_u32
                .checked_shl(u32::from(made.saturating_sub(1)))
                .unwrap_or(u32::MAX),
        };
        let base = self.delay.saturating_mul(times).max(told);
        // In 1,024ths of the base: up to a quarter of it.
        let part = u32::try_from(draw % 257).unwrap_or_default();
        let more = base.saturating_mul(part) / 1024;
        Some(base.saturating_add(more).min(LONGEST_WAIT))
    }
}

/// Whether another attempt may fare better than an answer with this status: 408, 429, and every 5xx but 501 and 505,
/// which say that the server never does what it is asked for.
#[must_use]
pub const fn may_be_repeated(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504 | 506..=599)
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU8, time::Duration};

    use proptest::prelude::*;

    use super::{Attempts, Backoff, LONGEST_WAIT, may_be_repeated};

    fn attempts(most: u8, millis: u64, backoff: Backoff) -> Attempts {
        Attempts {
            most: NonZeroU8::new(most).unwrap(),
            delay: Duration::from_millis(millis),
            backoff,
        }
    }

    #[test]
    fn the_wait_grows_as_the_backoff_says() {
        for (backoff, expected) in [
            (Backoff::Constant, [100, 100, 100, 100]),
            (Backoff::Linear, [100, 200, 300, 400]),
            (Backoff::Exponential, [100, 200, 400, 800]),
        ] {
            let attempts = attempts(5, 100, backoff);
            for (made, expected) in (1..).zip(expected) {
                let wait = attempts.wait(made, None, 0);
                assert_eq!(
                    wait,
                    Some(Duration::from_millis(expected)),
                    "{backoff:?} {made}"
                );
            }
            assert_eq!(attempts.wait(5, None, 0), None);
        }
        assert_eq!(Attempts::ONCE.wait(1, None, 0), None);
    }

    #[test]
    fn what_a_provider_asks_for_is_waited_for_up_to_a_minute() {
        let attempts = attempts(3, 100, Backoff::Constant);
        let wait = |seconds| attempts.wait(1, Some(Duration::from_secs(seconds)), 0);
        assert_eq!(wait(7), Some(Duration::from_secs(7)));
        assert_eq!(wait(60), Some(LONGEST_WAIT));
        assert_eq!(wait(61), None);
    }

    #[test]
    fn what_the_caller_did_wrong_is_not_repeated() {
        for status in [
            200, 301, 400, 401, 402, 403, 404, 409, 413, 422, 424, 501, 505,
        ] {
            assert!(!may_be_repeated(status), "{status}");
        }
        for status in [408, 429, 500, 502, 503, 504, 520, 529] {
            assert!(may_be_repeated(status), "{status}");
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_between_what_was_asked_for_and_a_quarter_more(
            most in 1_u8..=5,
            made in 0_u8..=6,
            millis in 0_u64..=60_000,
            told in proptest::option::of(0_u64..100),
            draw: u64,
            backoff in proptest::sample::select(&[Backoff::Constant, Backoff::Linear, Backoff::Exponential][..]),
        ) {
            let attempts = attempts(most, millis, backoff);
            let told = told.map(Duration::from_secs);
            let least = attempts.wait(made, told, 0);
            let wait = attempts.wait(made, told, draw);
            prop_assert_eq!(least.is_some(), wait.is_some());
            if let (Some(least), Some(wait)) = (least, wait) {
                prop_assert!(made < most);
                prop_assert!(least <= wait && wait <= LONGEST_WAIT);
                prop_assert!(wait <= least + least / 4);
                prop_assert!(wait >= told.unwrap_or_default());
            }
        }
    }
}
