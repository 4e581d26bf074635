//! How many requests there were: what is counted, summed up and let go of.

use std::time::{Duration, SystemTime};

use keyward_secret::AccountId;

use super::{ONE, TWO};
use crate::{
    GatewayId, Latencies, ProviderKeyId, ProviderSlug, RegistryStore, TrafficClass, TrafficQuery,
    TrafficRow, TrafficSeries, TrafficSpan, TrafficSum, TrafficSums,
};

/// A full hour.
const START: u64 = 1_800_000_000;
const HOUR: u64 = 3_600;
const MANY: u64 = 1_000_000;

fn series(account: AccountId, gateway: &str, provider: &str, key: Option<u8>) -> TrafficSeries {
    TrafficSeries {
        account,
        gateway: GatewayId::parse(gateway).expect("an id"),
        provider: ProviderSlug::parse(provider).expect("a slug"),
        key: key.map(key_id),
    }
}

fn key_id(number: u8) -> ProviderKeyId {
    ProviderKeyId::from_bytes([number; 16])
}

fn one() -> TrafficSeries {
    series(ONE, "default", "openai", Some(1))
}

fn latencies(counts: &[(usize, u64)]) -> Latencies {
    let mut latencies = Latencies::default();
    for (bucket, times) in counts {
        latencies.add(*bucket, *times);
    }
    latencies
}

fn row(series: TrafficSeries, minute: u64, class: TrafficClass, times: u64) -> TrafficRow {
    TrafficRow {
        series,
        minute,
        class,
        latencies: latencies(&[(3, times)]),
    }
}

fn query(span: TrafficSpan) -> TrafficQuery {
    TrafficQuery {
        account: ONE,
        gateways: None,
        providers: None,
        keys: None,
        span,
        since: START,
        step: span.secs(),
        steps: 1_500,
    }
}

async fn save(store: &dyn RegistryStore, rows: &[TrafficRow]) {
    store.save_traffic(rows).await.expect("a save");
}

async fn sum(store: &dyn RegistryStore, query: TrafficQuery) -> TrafficSums {
    store.sum_traffic(query).await.expect("sums")
}

async fn total(store: &dyn RegistryStore, query: TrafficQuery) -> u64 {
    let sums = sum(store, query).await.sums;
    sums.iter().map(|sum| sum.latencies.total()).sum()
}

async fn trim(store: &dyn RegistryStore, now: u64, most: u64) -> u64 {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
    store.trim_traffic(now, most).await.expect("a trim")
}

/// A step, a class, and how many requests fell into which bucket.
type Expected<'a> = (u64, TrafficClass, &'a [(usize, u64)]);

pub(super) async fn counts_add_up_by_step_and_class(store: &dyn RegistryStore) {
    use TrafficClass::{Canceled, Refused, Success};
    assert_eq!(
        sum(store, query(TrafficSpan::Minute)).await,
        TrafficSums::default()
    );
    let with = |minute: u64, class, counts: &[(usize, u64)]| TrafficRow {
        latencies: latencies(counts),
        ..row(one(), START + minute * 60, class, 0)
    };
    let first = [
        with(0, Success, &[(0, 1), (17, 2)]),
        with(1, Refused, &[(5, 4)]),
        with(61, Success, &[(2, 8)]),
    ];
    save(store, &first).await;
    let second = [
        with(0, Success, &[(0, 10), (9, 1)]),
        with(0, Canceled, &[(16, 3)]),
    ];
    save(store, &second).await;
    save(store, &[]).await;
    let expected = |sums: &[Expected<'_>]| TrafficSums {
        dropped_until: 0,
        sums: sums
            .iter()
            .map(|(step, class, counts)| TrafficSum {
                step: *step,
                class: *class,
                latencies: latencies(counts),
            })
            .collect(),
    };
    assert_eq!(
        sum(store, query(TrafficSpan::Minute)).await,
        expected(&[
            (0, Success, &[(0, 11), (9, 1), (17, 2)]),
            (0, Canceled, &[(16, 3)]),
            (1, Refused, &[(5, 4)]),
            (61, Success, &[(2, 8)]),
        ])
    );
    // Steps of half an hour, three of them: minute 61 lies in the third.
    let coarse = TrafficQuery {
        step: 1_800,
        steps: 3,
        ..query(TrafficSpan::Minute)
    };
    assert_eq!(
        sum(store, coarse).await,
        expected(&[
            (0, Success, &[(0, 11), (9, 1), (17, 2)]),
            (0, Refused, &[(5, 4)]),
            (0, Canceled, &[(16, 3)]),
            (2, Success, &[(2, 8)]),
        ])
    );
    assert_eq!(
        sum(store, query(TrafficSpan::Hour)).await,
        expected(&[
            (0, Success, &[(0, 11), (9, 1), (17, 2)]),
            (0, Refused, &[(5, 4)]),
            (0, Canceled, &[(16, 3)]),
            (1, Success, &[(2, 8)]),
        ])
    );
    let later = TrafficQuery {
        since: START + 60,
        steps: 1,
        ..query(TrafficSpan::Minute)
    };
    assert_eq!(total(store, later).await, 4);
}

pub(super) async fn only_what_is_asked_for_is_summed(store: &dyn RegistryStore) {
    let all = [
        (one(), 1),
        (series(ONE, "default", "openai", Some(2)), 10),
        (series(ONE, "default", "openai", None), 100),
        (series(ONE, "default", "anthropic", Some(3)), 1_000),
        (series(ONE, "other", "openai", Some(4)), 10_000),
        (series(TWO, "default", "openai", Some(5)), 100_000),
    ];
    let rows: Vec<_> = all
        .into_iter()
        .map(|(series, times)| row(series, START, TrafficClass::Success, times))
        .collect();
    save(store, &rows).await;
    let base = || query(TrafficSpan::Hour);
    let gateway = |id| GatewayId::parse(id).expect("an id");
    let provider = |slug| ProviderSlug::parse(slug).expect("a slug");
    let asked = [
        (base(), 11_111),
        (
            TrafficQuery {
                account: TWO,
                ..base()
            },
            100_000,
        ),
        (
            TrafficQuery {
                gateways: Some(vec![gateway("default")]),
                ..base()
            },
            1_111,
        ),
        (
            TrafficQuery {
                gateways: Some(vec![gateway("default"), gateway("other")]),
                providers: Some(vec![provider("openai")]),
                ..base()
            },
            10_111,
        ),
        (
            TrafficQuery {
                keys: Some(vec![key_id(1), key_id(3), key_id(5), key_id(9)]),
                ..base()
            },
            1_001,
        ),
        (
            TrafficQuery {
                gateways: Some(vec![gateway("other")]),
                keys: Some(vec![key_id(1)]),
                ..base()
            },
            0,
        ),
        // No gateway at all is not every gateway.
        (
            TrafficQuery {
                gateways: Some(Vec::new()),
                ..base()
            },
            0,
        ),
        (
            TrafficQuery {
                keys: Some(Vec::new()),
                ..base()
            },
            0,
        ),
    ];
    for (query, times) in asked {
        assert_eq!(total(store, query.clone()).await, times, "{query:?}");
    }
}

pub(super) async fn minutes_and_hours_are_kept_for_their_time(store: &dyn RegistryStore) {
    let rows = [0, 60, 25 * HOUR, 30 * 24 * HOUR]
        .map(|after| row(one(), START + after, TrafficClass::Success, 1));
    save(store, &rows).await;
    let whole = |span| TrafficQuery {
        step: 31 * 24 * HOUR,
        steps: 1,
        ..query(span)
    };
    assert_eq!(trim(store, START + 25 * HOUR + 59, MANY).await, 0);
    assert_eq!(total(store, whole(TrafficSpan::Minute)).await, 4);
    assert_eq!(trim(store, START + 25 * HOUR + 60, MANY).await, 0);
    assert_eq!(total(store, whole(TrafficSpan::Minute)).await, 3);
    assert_eq!(total(store, whole(TrafficSpan::Hour)).await, 4);
    trim(store, START + 31 * 24 * HOUR, MANY).await;
    assert_eq!(total(store, whole(TrafficSpan::Minute)).await, 1);
    assert_eq!(total(store, whole(TrafficSpan::Hour)).await, 2);
}

pub(super) async fn beyond_the_most_rows_the_oldest_go(store: &dyn RegistryStore) {
    let rows: Vec<_> = (0..10)
        .flat_map(|minute| {
            [Some(1), Some(2)].map(|key| {
                let series = series(ONE, "default", "openai", key);
                row(series, START + minute * 60, TrafficClass::Success, 1)
            })
        })
        .collect();
    save(store, &rows).await;
    let now = START + 600;
    assert_eq!(trim(store, now, 40).await, 0);
    // Room for nine: four minutes of two rows each stay, and the fifth goes whole.
    assert_eq!(trim(store, now, 18).await, 12);
    let left = sum(store, query(TrafficSpan::Minute)).await;
    assert_eq!(left.dropped_until, START + 360);
    let steps: Vec<_> = left.sums.iter().map(|sum| sum.step).collect();
    assert_eq!(steps, [6, 7, 8, 9]);
    // The two rows of the hour had room.
    let hours = sum(store, query(TrafficSpan::Hour)).await;
    assert_eq!(hours.dropped_until, 0);
    assert_eq!(total(store, query(TrafficSpan::Hour)).await, 20);
    assert_eq!(trim(store, now, 18).await, 0);
}

pub(super) async fn a_clock_that_is_set_back_loses_nothing(store: &dyn RegistryStore) {
    let ahead = row(one(), START + HOUR, TrafficClass::Success, 1);
    save(store, std::slice::from_ref(&ahead)).await;
    let back = row(one(), START, TrafficClass::Success, 2);
    save(store, std::slice::from_ref(&back)).await;
    assert_eq!(trim(store, START, MANY).await, 0);
    assert_eq!(trim(store, 0, MANY).await, 0);
    save(store, &[ahead, back]).await;
    assert_eq!(total(store, query(TrafficSpan::Minute)).await, 6);
}
