//! How fast streams are given up. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// One more may be given up after each of these, in the long run. A server that counts resets (against rapid
/// reset, CVE-2023-44487) allows 33 a second and 1,000 at once by nghttp2's default, the strictest known.
const EVERY: Duration = Duration::from_millis(30);
/// So many may be given up at once.
const BURST: u32 = 100;

/// Bounds the rate at which one connection's streams are reset before their end.
///
/// A stream is reset as soon as nobody wants its answer, so that the upstream stops working on it. What is
/// bounded is when its place is free for another: streams come no faster than places do.
#[derive(Debug, Default)]
pub(super) struct CancelRate {
    /// When everything that was taken is made up for.
    level: Option<Instant>,
}

impl CancelRate {
    /// A stream is given up: how long its place stays taken.
    pub(super) fn hold(&mut self, now: Instant) -> Duration {
        let level = self.level.map_or(now, |level| level.max(now)) + EVERY;
        self.level = Some(level);
        level
            .saturating_duration_since(now)
            .saturating_sub(EVERY * BURST)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::{BURST, CancelRate, EVERY};

    #[test]
    fn a_burst_costs_nothing_and_what_follows_waits() {
        let now = Instant::now();
        let mut rate = CancelRate::default();
        for _ in 0..BURST {
            assert_eq!(rate.hold(now), Duration::ZERO);
        }
        assert_eq!(rate.hold(now), EVERY);
        assert_eq!(rate.hold(now), EVERY * 2);
        assert_eq!(rate.hold(now + EVERY * 2), EVERY);
        assert_eq!(rate.hold(now + EVERY * (BURST + 3)), Duration::ZERO);
    }

    proptest! {
        /// However they come, no more places are free at a time than the burst and one for each step.
        #[test]
        fn places_are_free_at_the_rate_only(gaps in proptest::collection::vec(0_u64..100, 1..500)) {
            let start = Instant::now();
            let mut now = start;
            let mut rate = CancelRate::default();
            let mut free_at = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                free_at.push(now + rate.hold(now));
            }
            free_at.sort();
            for (count, at) in free_at.iter().enumerate() {
                let steps = at.saturating_duration_since(start).as_millis() / EVERY.as_millis();
                prop_assert!(count as u128 <= steps + u128::from(BURST));
            }
        }
    }
}
