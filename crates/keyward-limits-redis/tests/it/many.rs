//! Many clients at once: never more than the limit, and nobody is refused while there is room.
//!
//! `KEYWARD_LIMIT_WINDOWS` is how many windows of a second are counted (3; `cargo xtask show limits` has 60). The least and the
//! most that one let through are printed. None may have more than the limit, nor less than left no room for the last one that
//! was refused in it; and where there are 60 or more, all together must have 99 % of it, which takes a machine that does nothing
//! else.

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
/// From how many windows on they are judged together too.
const MANY_WINDOWS: usize = 60;
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

/// What the clients saw.
struct Seen {
    /// The second that the first window is, from the epoch on.
    first: u64,
    windows: Vec<Window>,
    /// The longest that a decision took.
    longest: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// How many requests were let through.
    taken: u64,
    /// When the last one was refused, from its beginning on.
    refused_at: Duration,
}

impl Seen {
    /// A decision that was asked for and heard of at these times since the epoch.
    fn note(&mut self, decision: Decision, (sent, heard): (Duration, Duration)) {
        self.longest = self.longest.max(heard - sent);
        match decision {
            Decision::Within { reset_after, .. } => {
                // When it was decided is known to less than half a window, when that window ended exactly.
                let decided = sent + (heard - sent) / 2;
                let ended = (decided + reset_after + Duration::from_millis(500)).as_secs();
                if let Some(window) = self.window(ended - 1) {
                    window.taken += 1;
                }
            }
            _ if sent.as_secs() == heard.as_secs() => {
                let at = sent - Duration::from_secs(sent.as_secs());
                if let Some(window) = self.window(sent.as_secs()) {
                    window.refused_at = window.refused_at.max(at);
                }
            }
            _ => {}
        }
    }

    fn window(&mut self, second: u64) -> Option<&mut Window> {
        let place = usize::try_from(second.checked_sub(self.first)?).ok()?;
        self.windows.get_mut(place)
    }
}

impl Window {
    /// How many it must have let through, so that one more had no room when the last one was refused. A refusal that is
    /// remembered may hold longer than is right: for as long as it took to be heard of.
    fn least(self, technique: Technique, longest: Duration) -> u64 {
        let rounded = Duration::from_millis(2);
        let Some(at) = self.refused_at.checked_sub(longest + rounded) else {
            return 0;
        };
        let left = u64::try_from((Duration::from_secs(1) - at).as_millis()).unwrap();
        match technique {
            Technique::Fixed => LIMIT,
            // The rest of the window before, which had no more than the limit.
            Technique::Sliding => LIMIT - (LIMIT * left).div_ceil(1000),
        }
    }
}

/// The clients are spread over the counters.
async fn watch(counters: &[Arc<dyn Counters>], ask: Ask) -> Seen {
    let windows = windows();
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap();
    // The window that runs is not counted, nor is the one in which the clients end.
    let first = since(now()).as_secs() + 1;
    let seen = Arc::new(Mutex::new(Seen {
        first,
        windows: vec![Window::default(); usize::try_from(windows).unwrap()],
        longest: Duration::ZERO,
    }));
    let mut clients = JoinSet::new();
    for (_, counters) in (0..CLIENTS).zip(counters.iter().cycle()) {
        let (counters, seen) = (Arc::clone(counters), Arc::clone(&seen));
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
                let (sent, heard) = (since(sent), since(now()));
                seen.lock().unwrap().note(decision, (sent, heard));
                beat.tick().await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    Arc::into_inner(seen).unwrap().into_inner().unwrap()
}

/// Counts with both techniques, says what came of it, and judges it.
async fn is_exact(name: &str, counters: &[Arc<dyn Counters>]) {
    for technique in [Technique::Fixed, Technique::Sliding] {
        let Seen {
            windows, longest, ..
        } = watch(counters, ask("", LIMIT, 1, technique)).await;
        let taken = || windows.iter().map(|window| window.taken);
        let (least, most) = (taken().min().unwrap(), taken().max().unwrap());
        println!(
            "{name:<18} {technique:<8?} {CLIENTS} clients, limit {LIMIT}, {} windows: {least} to {most}",
            windows.len(),
        );
        assert!(most <= LIMIT, "{name}, {technique:?}: {windows:?}");
        for window in &windows {
            assert!(
                window.taken >= window.least(technique, longest),
                "{name}, {technique:?}: {windows:?}, a decision took up to {longest:?}"
            );
        }
        // What is left of one window while the clients stand still at its end, as on a busy machine, is not taken later.
        if windows.len() < MANY_WINDOWS {
            continue;
        }
        let all = taken().sum::<u64>();
        let wanted = LIMIT * u64::try_from(windows.len()).unwrap();
        assert!(
            all * 100 >= wanted * 99,
            "{name}, {technique:?}: {windows:?}"
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
