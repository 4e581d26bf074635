//! What the tests share.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keyward_limits_redis::{OnLoss, RedisCounters, Settings};
use keyward_routes::{Ask, Decision, Limit, Technique, testing};

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Without a deadline that a busy machine would miss.
pub(crate) fn settings(url: &str, on_loss: OnLoss) -> Settings {
    Settings {
        url: url.parse().unwrap(),
        password: None,
        extra_ca_pem: Vec::new(),
        on_loss,
        deadline: SOON,
    }
}

/// As a gateway has them.
pub(crate) fn hurried(url: &str, on_loss: OnLoss) -> Settings {
    Settings {
        deadline: RedisCounters::DEADLINE,
        ..settings(url, on_loss)
    }
}

/// Counters of a Redis that is there.
pub(crate) async fn connected(settings: Settings) -> RedisCounters {
    let counters = RedisCounters::start(settings).unwrap();
    assert!(counters.is_up_within(SOON).await, "no connection");
    counters
}

/// A time that is not that of any clock: an hour and decades off.
pub(crate) fn wrong_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(1)
}

/// An ask of a counter that no other test has.
pub(crate) fn ask(value: &str, limit: u64, seconds: u64, technique: Technique) -> Ask {
    static RUNS: AtomicU64 = AtomicU64::new(1);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    Ask {
        limit: Limit::new(limit, seconds, technique).unwrap(),
        ..testing::ask(run, value, 1, 1).unwrap()
    }
}

pub(crate) const fn is_let(decision: Decision) -> bool {
    matches!(decision, Decision::Within { .. })
}

/// Redis itself, beside the counters.
pub(crate) fn redis(url: &str) -> redis::Connection {
    let client = redis::Client::open(url).unwrap();
    client.get_connection().unwrap()
}
