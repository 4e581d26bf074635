//! How old connections become. Pure.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// Steps over which the ends of connections that were made together are spread.
const STEPS: u32 = 16;

/// Longer than any process runs: a hundred years.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Gives each connection its age, so that those made together do not end together: between four fifths of the
/// limit and the limit.
#[derive(Debug)]
pub(crate) struct Ages {
    limit: Duration,
    made: AtomicU32,
}

impl Ages {
    pub(crate) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            made: AtomicU32::new(0),
        }
    }

    /// Until when a connection that is made now may be used.
    pub(crate) fn end_of_next(&self, now: Instant) -> Instant {
        // What no clock can count never comes.
        now.checked_add(self.next()).unwrap_or_else(|| now + NEVER)
    }

    fn next(&self) -> Duration {
        let step = self.made.fetch_add(1, Ordering::Relaxed) % STEPS;
        self.limit - self.limit / (5 * STEPS) * step
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ages, STEPS};

    #[test]
    fn ages_differ_and_stay_within_a_fifth_of_the_limit() {
        let limit = Duration::from_secs(300);
        let ages = Ages::new(limit);
        let mut found: Vec<_> = (0..STEPS).map(|_| ages.next()).collect();
        assert!(
            found
                .iter()
                .all(|age| (limit * 4 / 5..=limit).contains(age))
        );
        found.dedup();
        assert_eq!(found.len(), 16);
        assert_eq!(ages.next(), limit);
        assert_eq!(Ages::new(Duration::ZERO).next(), Duration::ZERO);
        assert_eq!(Ages::new(Duration::MAX).next(), Duration::MAX);
    }
}
