//! Time and memory.

use std::{
    future::Future,
    hint::black_box,
    time::{Duration, Instant},
};

use keyward_registry::Snapshot;
use peak_alloc::PeakAlloc;

use crate::fill::{ACCOUNT, Probe, now};

const ROUNDS: usize = 200;
const LOOK_UPS: u32 = 2_000;

/// Counts what is asked for. Pages that are resident are no measure: what reading took for a while stays with the
/// process, and the next one to ask gets it.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// What the process has allocated, in bytes as they were asked for.
pub(crate) fn allocated() -> usize {
    ALLOCATED.current_usage()
}

pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let value = future.await;
    (value, start.elapsed())
}

/// Times of one thing that was done many times.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn note(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn median_ms(&self) -> f64 {
        let mut times = self.0.clone();
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    }

    pub(crate) fn max_ms(&self) -> f64 {
        self.0.iter().max().unwrap().as_secs_f64() * 1e3
    }
}

/// What the warm path looks up for a request, in both snapshots by turns; the medians in nanoseconds.
pub(crate) fn look_up(snapshots: [&Snapshot; 2], probes: [&Probe; 2]) -> [u128; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for ((snapshot, probe), times) in snapshots.iter().zip(probes).zip(&mut times) {
            let start = Instant::now();
            for _ in 0..LOOK_UPS {
                let token = snapshot.tokens().find(black_box(&probe.digest), now());
                let gateway = snapshot.gateway(ACCOUNT, black_box(&probe.gateway));
                let key = gateway.and_then(|found| found.key("openai", black_box(&probe.alias)));
                assert!(black_box(token).is_some() && black_box(key).is_some());
            }
            times.push(start.elapsed() / LOOK_UPS);
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_nanos()
    })
}
