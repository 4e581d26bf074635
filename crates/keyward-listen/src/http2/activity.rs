//! What goes on on one connection: how many requests it has, since when it has none, and how many it gave up.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::Notify, time::Instant};

use crate::Http2;

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    flooded: Notify,
}

#[derive(Debug)]
struct State {
    open: usize,
    /// Since when there is none.
    idle_since: Instant,
    cancelled: Bucket,
}

/// One request, from its head to the end of its answer.
#[derive(Debug)]
pub(super) struct Open {
    activity: Arc<Activity>,
    is_finished: bool,
}

/// How many more requests may be given up: a burst, filled up with time.
#[derive(Debug)]
struct Bucket {
    left: f64,
    burst: f64,
    per_second: f64,
    at: Instant,
}

impl Activity {
    pub(super) fn new(limits: &Http2) -> Self {
        let now = Instant::now();
        let burst = f64::from(limits.cancelled_burst);
        Self {
            state: Mutex::new(State {
                open: 0,
                idle_since: now,
                cancelled: Bucket {
                    left: burst,
                    burst,
                    per_second: f64::from(limits.cancelled_per_second),
                    at: now,
                },
            }),
            flooded: Notify::new(),
        }
    }

    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.with(|state| state.open += 1);
        Open {
            activity: Arc::clone(self),
            is_finished: false,
        }
    }

    /// Since when there has been no request, if there is none.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.with(|state| (state.open == 0).then_some(state.idle_since))
    }

    /// Waits until more requests were given up than may be.
    pub(super) async fn flooded(&self) {
        self.flooded.notified().await;
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Open {
    /// The answer is complete: its end is not a request given up.
    pub(super) const fn finish(&mut self) {
        self.is_finished = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let now = Instant::now();
        let is_within = self.activity.with(|state| {
            state.open -= 1;
            if state.open == 0 {
                state.idle_since = now;
            }
            self.is_finished || state.cancelled.take(now)
        });
        if !is_within {
            self.activity.flooded.notify_one();
        }
    }
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.at = now;
        self.left = (self.left + filled).min(self.burst) - 1.0;
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Bucket;

    #[test]
    fn a_burst_may_be_given_up_and_then_as_many_as_fill_up() {
        let start = Instant::now();
        let mut bucket = Bucket {
            left: 3.0,
            burst: 3.0,
            per_second: 2.0,
            at: start,
        };
        let mut take = |secs: f64| bucket.take(start + Duration::from_secs_f64(secs));
        assert!(take(0.0) && take(0.0) && take(0.0));
        assert!(!take(0.0));
        // One was taken that was not there; after one second there is one again.
        assert!(take(1.0));
        assert!(!take(1.1));
        // However long nothing happens, no more than the burst is there.
        assert!(take(100.0) && take(100.0) && take(100.0));
        assert!(!take(100.0));
    }
}
