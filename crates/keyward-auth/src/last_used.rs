//! When a token was last used.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// When a token was last used, to the second. Clones share one value, so that a change of the record loses
/// nothing.
///
/// Only ever goes forward, so that a clock that jumps back rewrites no history.
#[derive(Clone, Debug, Default)]
pub struct LastUsed(Arc<AtomicU64>);

impl LastUsed {
    /// Notes a use at `now_secs`, in seconds since 1970.
    ///
    /// Writes once a second at most: in between, workers only read the shared cache line. Where two race
    /// across the turn of a second, the earlier may win until the next use.
    pub fn touch(&self, now_secs: u64) {
        if self.0.load(Ordering::Relaxed) < now_secs {
            self.0.store(now_secs, Ordering::Relaxed);
        }
    }

    /// The last use. None: never.
    #[must_use]
    pub fn get(&self) -> Option<SystemTime> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            seconds => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
        }
    }

    /// Notes a use at `time`, such as one that was kept in a store.
    pub fn touch_at(&self, time: SystemTime) {
        if let Ok(since) = time.duration_since(SystemTime::UNIX_EPOCH) {
            self.touch(since.as_secs());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::LastUsed;

    #[test]
    fn it_goes_forward_only_and_clones_share_it() {
        let used = LastUsed::default();
        assert_eq!(used.get(), None);
        let clone = used.clone();
        clone.touch(100);
        used.touch(99);
        assert_eq!(
            used.get(),
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(100))
        );
        used.touch_at(SystemTime::UNIX_EPOCH - Duration::from_secs(5));
        used.touch(u64::MAX);
        // Beyond what the clock can say: no panic.
        let _absent = used.get();
    }
}
