//! A collector that is away, silent or slow: nothing waits, and what is lost is counted.

use std::time::{Duration, Instant};

use keyward_gateway::Observe as _;
use keyward_testing::Collector;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio_util::sync::CancellationToken;

use crate::support::{DEADLINE, Running, entry, exporter, finished, is_of, spans};

/// More than may wait.
const MANY: usize = 10_000;
const WAITING: usize = 8_192;

fn recorder() -> (PrometheusRecorder, PrometheusHandle) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    (recorder, handle)
}

fn lost(handle: &PrometheusHandle, signal: &str, why: &str) -> usize {
    let start = format!("keyward_otel_lost_total{{signal=\"{signal}\",why=\"{why}\"}} ");
    let text = handle.render();
    let mut values = text.lines().filter_map(|line| line.strip_prefix(&start));
    values.next().map_or(0, |value| value.parse().unwrap())
}

#[test]
fn a_full_queue_waits_for_nobody_and_counts_what_it_loses() {
    let (recorder, handle) = recorder();
    metrics::with_local_recorder(&recorder, || {
        // Nobody sends.
        let otel = exporter("http://127.0.0.1:9", 1.0);
        let entry = entry();
        let begun = Instant::now();
        for _ in 0..MANY {
            otel.finished(&finished(&entry));
        }
        assert!(begun.elapsed() < DEADLINE);
    });
    assert_eq!(lost(&handle, "spans", "queue_full"), MANY - WAITING);
    assert!(handle.render().contains("keyward_otel_waiting 8192"));
}

/// On one thread with one recorder, whose clock runs ahead while nothing else happens.
fn with_clock<F: Future<Output = ()>>(recorder: &PrometheusRecorder, test: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    metrics::with_local_recorder(recorder, || runtime.block_on(test()));
}

#[test]
fn a_collector_that_never_answers_holds_a_stop_for_five_seconds_at_most() {
    let (recorder, handle) = recorder();
    with_clock(&recorder, || async {
        let collector = Collector::start();
        collector.fall_silent();
        let running = Running::start(&collector, 1.0);
        let entry = entry();
        for _ in 0..1_000 {
            running.tell(&finished(&entry));
        }
        let begun = Instant::now();
        running.stop().await;
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
    });
    assert_eq!(lost(&handle, "spans", "stopped"), 1_000);
    assert_eq!(lost(&handle, "metrics", "stopped"), 1);
}

#[test]
fn what_is_refused_for_good_is_lost_at_once() {
    let (recorder, handle) = recorder();
    with_clock(&recorder, || async {
        let collector = Collector::start();
        collector.answer(400);
        let running = Running::start(&collector, 1.0);
        running.tell(&finished(&entry()));
        running.stop().await;
        assert_eq!(spans(&collector.posted()).len(), 1);
    });
    assert_eq!(lost(&handle, "spans", "refused"), 1);
    assert_eq!(lost(&handle, "metrics", "refused"), 1);
}

#[test]
fn what_may_be_taken_later_is_sent_again() {
    let (recorder, handle) = recorder();
    with_clock(&recorder, || async {
        let collector = Collector::start();
        collector.answer_once(503);
        let otel = std::sync::Arc::new(exporter(&collector.origin(), 1.0));
        let stop = CancellationToken::new();
        let task = tokio::spawn(std::sync::Arc::clone(&otel).run(stop.clone()));
        let entry = entry();
        // So many that they are sent without a tick.
        for _ in 0..512 {
            otel.finished(&finished(&entry));
        }
        let first = tokio::task::spawn_blocking(move || {
            let posted = collector.wait_until(DEADLINE, |posted| posted.len() == 2);
            assert!(is_of(&posted[0], "traces"));
            assert_eq!(posted[0].body, posted[1].body);
            collector
        });
        let collector = first.await.unwrap();
        stop.cancel();
        task.await.unwrap();
        assert_eq!(spans(&collector.posted()).len(), 2 * 512);
    });
    assert_eq!(lost(&handle, "spans", "refused"), 0);
    let sent = handle.render();
    assert!(
        sent.contains("keyward_otel_sent_total{signal=\"spans\"} 512"),
        "{sent}"
    );
}
