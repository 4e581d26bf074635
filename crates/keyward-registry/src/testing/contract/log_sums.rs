//! Sums over the log of requests.

use std::time::Duration;

use super::{
    ONE,
    logs::{at, bare, place, prod, save, various},
};
use crate::{
    Latencies, LogEntry, LogField, LogFilter, LogGroup, LogOperator, LogSeriesName, LogSum,
    LogSumQuery, LogSums, LogValue, RegistryStore,
};

/// Five steps of four milliseconds, in each of which lie eight entries of [`various`].
fn query(by: LogGroup) -> LogSumQuery {
    LogSumQuery {
        place: prod(),
        filters: Vec::new(),
        by,
        since: at(0),
        step: Duration::from_millis(4),
        steps: 5,
        most_groups: 100,
        most_read: 1_000,
    }
}

async fn sum(store: &dyn RegistryStore, query: LogSumQuery) -> LogSums {
    store.sum_logs(query).await.expect("sums")
}

fn names(sums: &LogSums) -> Vec<&LogSeriesName> {
    sums.series.iter().map(|series| &series.name).collect()
}

fn total<'a>(entries: impl IntoIterator<Item = &'a LogEntry>) -> LogSum {
    let mut total = LogSum::default();
    for entry in entries {
        total.add(entry);
    }
    total
}

/// Every series holds what its entries add up to, step by step.
fn check(sums: &LogSums, query: &LogSumQuery, entries: &[LogEntry]) {
    let is_found = |entry: &&LogEntry| {
        entry.place() == query.place && query.filters.iter().all(|filter| filter.matches(entry))
    };
    let named: Vec<_> = names(sums).into_iter().cloned().collect();
    for series in &sums.series {
        let is_of_series = |entry: &&LogEntry| {
            let name = match query.by.of(entry) {
                None => LogSeriesName::Nothing,
                Some(name) => LogSeriesName::Named(name.into()),
            };
            match series.name {
                LogSeriesName::Others => !named.contains(&name),
                _ => name == series.name,
            }
        };
        let expected = (0..query.steps).filter_map(|step| {
            let found = entries.iter().filter(is_found).filter(is_of_series);
            let found: Vec<_> = found
                .filter(|entry| query.step_of(entry.id) == Some(step))
                .collect();
            (!found.is_empty() && step >= sums.first_step).then(|| (step, total(found)))
        });
        assert_eq!(series.steps, expected.collect::<Vec<_>>(), "{query:?}");
    }
    let found = entries.iter().filter(is_found);
    let found = found.filter(|entry| {
        query
            .step_of(entry.id)
            .is_some_and(|step| step >= sums.first_step)
    });
    let mut all = LogSum::default();
    for (_, sum) in sums.series.iter().flat_map(|series| &series.steps) {
        all.merge(sum);
    }
    assert_eq!(all, total(found), "{query:?}");
}

pub(super) async fn entries_are_summed_up_by_step_and_group(store: &dyn RegistryStore) {
    assert_eq!(sum(store, query(LogGroup::Model)).await, LogSums::default());
    let entries = various();
    save(store, entries.clone()).await;
    save(store, vec![bare(place(ONE, "other"), 1)]).await;
    let failed = LogFilter::build(
        LogField::Success,
        LogOperator::Eq,
        vec![LogValue::Flag(false)],
    );
    let failed = failed.expect("a filter");
    for (_, by) in LogGroup::ALL {
        for most_groups in [0, 1, 2, 100] {
            for filters in [Vec::new(), vec![failed.clone()]] {
                let query = LogSumQuery {
                    most_groups,
                    filters,
                    ..query(by)
                };
                let sums = sum(store, query.clone()).await;
                assert_eq!(sums.first_step, 0);
                check(&sums, &query, &entries);
            }
        }
    }
    // Eight each; of equally many, no name and then the first name is the first.
    let sums = sum(
        store,
        LogSumQuery {
            most_groups: 3,
            ..query(LogGroup::Model)
        },
    )
    .await;
    let named = |name: &str| LogSeriesName::Named(name.into());
    let expected = [
        LogSeriesName::Nothing,
        named("5"),
        named("claude"),
        LogSeriesName::Others,
    ];
    assert_eq!(names(&sums), expected.iter().collect::<Vec<_>>());
    // A time that holds some of them.
    let part = LogSumQuery {
        since: at(5),
        step: Duration::from_millis(3),
        steps: 2,
        ..query(LogGroup::Provider)
    };
    let sums = sum(store, part.clone()).await;
    check(&sums, &part, &entries);
    let requests = sums.series.iter().flat_map(|series| &series.steps);
    assert_eq!(requests.map(|(_, sum)| sum.requests()).sum::<u64>(), 12);
}

pub(super) async fn durations_are_counted_to_their_bounds(store: &dyn RegistryStore) {
    let bounds = (0..Latencies::BUCKETS).filter_map(Latencies::bound);
    let around = bounds.flat_map(|bound| {
        let millisecond = Duration::from_millis(1);
        [bound - millisecond, bound, bound + millisecond]
    });
    let entries = (0..).zip(around).map(|(number, duration)| LogEntry {
        duration,
        ..bare(prod(), number)
    });
    let entries: Vec<_> = entries.collect();
    save(store, entries.clone()).await;
    let query = LogSumQuery {
        step: Duration::from_millis(1_000),
        ..query(LogGroup::Model)
    };
    check(&sum(store, query.clone()).await, &query, &entries);
}

pub(super) async fn only_so_many_entries_are_read(store: &dyn RegistryStore) {
    let entries = various();
    save(store, entries.clone()).await;
    let groq = LogFilter::build(
        LogField::Provider,
        LogOperator::Eq,
        vec![LogValue::Text("groq".into())],
    );
    // Eight in each step; what a filter leaves out is read all the same.
    for (most_read, first_step) in [(40, 0), (39, 1), (24, 2), (23, 3), (8, 4), (7, 5), (0, 5)] {
        for filters in [Vec::new(), vec![groq.clone().expect("a filter")]] {
            let query = LogSumQuery {
                filters,
                most_read,
                ..query(LogGroup::Provider)
            };
            let sums = sum(store, query.clone()).await;
            assert_eq!(sums.first_step, first_step, "{most_read}");
            check(&sums, &query, &entries);
        }
    }
}
