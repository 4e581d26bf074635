//! Many clients at once: never more than the limit, and hardly less.
//!
//! `KEYWARD_LIMIT_WINDOWS` is how many windows of a second are counted (3; `cargo xtask show limits` has 60). The least and the
//! most that one let through are printed; none may have more than the limit, and all together must have 99 % of it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keyward_limits_redis::OnLoss;
use keyward_routes::{Ask, Counters, Decision, MemoryCounters, Technique};
use keyward_testing::RedisServer;
use tokio::{task::JoinSet, time::MissedTickBehavior};

use crate::support::{ask, connected, settings};

const CLIENTS: usize = 64;
const LIMIT: u64 = 500;
/// How often each client asks. All together 32 times the limit.
const ASKS_EVERY: Duration = Duration::from_millis(4);

fn windows() -> u64 {
    std::env::var("KEYWARD_LIMIT_WINDOWS")
        .ok()
        .map_or(3, |windows| windows.parse().unwrap())
}

#[expect(
    clippy::disallowed_methods,
    reason = "windows are on the clock that Redis reads too"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// How many of the clients' requests were let through in each window. The clients are spread over the counters.
async fn taken(counters: &[Arc<dyn Counters>], ask: Ask) -> Vec<u64> {
    let windows = windows();
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap();
    // The window that runs is not counted, nor is the one in which the clients end.
    let first = since(now()).as_secs() + 1;
    let taken = Arc::new(Mutex::new(vec![0; usize::try_from(windows).unwrap()]));
    let mut clients = JoinSet::new();
    for (_, counters) in (0..CLIENTS).zip(counters.iter().cycle()) {
        let (counters, taken) = (Arc::clone(counters), Arc::clone(&taken));
        clients.spawn(async move {
            let mut beat = tokio::time::interval(ASKS_EVERY);
            beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while since(now()).as_secs() < first + windows {
                let sent = now();
                let asks = [ask];
                let decision = match counters.take_now(&asks, sent) {
                    Some(decision) => decision,
                    None => counters.take(&asks, sent).await,
                };
                if let Decision::Within { reset_after, .. } = decision {
                    // When it was decided is known to less than half a window, when that window ended exactly.
                    let decided = since(sent) + (since(now()) - since(sent)) / 2;
                    let ended = (decided + reset_after + Duration::from_millis(500)).as_secs();
                    let place = (ended - 1).checked_sub(first);
                    let place = place.and_then(|place| usize::try_from(place).ok());
                    let mut taken = taken.lock().unwrap();
                    if let Some(count) = place.and_then(|place| taken.get_mut(place)) {
                        *count += 1;
                    }
                }
                beat.tick().await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let taken = taken.lock().unwrap();
    taken.clone()
}

/// Counts with both techniques, says what came of it, and judges it.
async fn is_exact(name: &str, counters: &[Arc<dyn Counters>]) {
    for technique in [Technique::Fixed, Technique::Sliding] {
        let taken = taken(counters, ask("", LIMIT, 1, technique)).await;
        let (least, most) = (*taken.iter().min().unwrap(), *taken.iter().max().unwrap());
        println!(
            "{name:<18} {technique:<8?} {CLIENTS} clients, limit {LIMIT}, {} windows: {least} to {most}",
            taken.len(),
        );
        assert!(most <= LIMIT, "{name}, {technique:?}: {taken:?}");
        // What is left of one window while the clients stand still at its end, as on a busy machine, is not taken later.
        let all = taken.iter().sum::<u64>();
        assert!(
            all * 100 >= LIMIT * windows() * 99,
            "{name}, {technique:?}: {taken:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_exact_in_memory() {
    is_exact("memory", &[Arc::new(MemoryCounters::default())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_exact_for_one_gateway_on_redis() {
    let server = RedisServer::start();
    let one = connected(settings(&server.url(), OnLoss::Closed)).await;
    is_exact("one on Redis", &[Arc::new(one)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_exact_for_two_gateways_on_one_redis() {
    let server = RedisServer::start();
    let one = connected(settings(&server.url(), OnLoss::Closed)).await;
    let other = connected(settings(&server.url(), OnLoss::Closed)).await;
    is_exact("two on one Redis", &[Arc::new(one), Arc::new(other)]).await;
}
