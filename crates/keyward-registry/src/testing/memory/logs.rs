//! Log entries in memory.

use std::{cmp::Reverse, collections::BTreeMap, future::ready};

use super::MemoryStore;
use crate::{
    BoxFuture, LogBody, LogDeletion, LogDirection, LogEntry, LogId, LogLimit, LogOrder, LogPage,
    LogPatch, LogPlace, LogQuery, LogRange, LogRanges, LogRecord, LogScan, LogSeries,
    LogSeriesName, LogSide, LogStore, LogSum, LogSumQuery, LogSums, LogTrim, StoreError,
};

/// What is kept, by gateway and in the order of ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs(BTreeMap<LogPlace, BTreeMap<LogId, LogRecord>>);

impl Logs {
    fn of(&self, place: &LogPlace) -> impl DoubleEndedIterator<Item = &LogRecord> {
        self.0.get(place).into_iter().flat_map(BTreeMap::values)
    }

    fn find(&self, place: &LogPlace, id: LogId) -> Option<&LogRecord> {
        self.0.get(place)?.get(&id)
    }

    fn save(&mut self, records: &[LogRecord], limits: &[LogLimit]) -> u64 {
        let mut refused = 0;
        for record in records {
            let place = record.entry.place();
            let most = limits.iter().find(|limit| limit.place == place);
            let kept = self.0.entry(place).or_default();
            let is_full = most.is_some_and(|limit| count(kept.len()) >= limit.most);
            if kept.contains_key(&record.entry.id) {
                continue;
            }
            if is_full {
                refused += 1;
                continue;
            }
            kept.insert(record.entry.id, to_the_millisecond(record));
        }
        refused
    }

    fn list(&self, query: &LogQuery) -> LogPage {
        let kept = self.of(&query.place).map(|record| &record.entry);
        let mut found: Vec<&LogEntry> = kept.filter(|entry| query.matches(entry)).collect();
        sort(&mut found, query.order, query.direction);
        let ranges = query.with_ranges.then(|| ranges(&found));
        let skipped = usize::try_from(query.skipped).unwrap_or(usize::MAX);
        let page = found.iter().skip(skipped).take(query.most as usize);
        LogPage {
            entries: page.map(|entry| (*entry).clone()).collect(),
            total: count(found.len()),
            ranges,
        }
    }

    fn scan(&self, scan: &LogScan) -> Vec<LogEntry> {
        let kept = self.of(&scan.place).map(|record| &record.entry);
        let mut found: Vec<&LogEntry> = kept
            .filter(|entry| scan.filters.iter().all(|filter| filter.matches(entry)))
            .filter(|entry| {
                scan.after.is_none_or(|after| match scan.direction {
                    LogDirection::Rising => entry.id > after,
                    LogDirection::Falling => entry.id < after,
                })
            })
            .collect();
        sort(&mut found, LogOrder::CreatedAt, scan.direction);
        let page = found.into_iter().take(scan.most as usize);
        page.cloned().collect()
    }

    fn sum(&self, query: &LogSumQuery) -> LogSums {
        let placed = self.of(&query.place).filter_map(|record| {
            let step = query.step_of(record.entry.id)?;
            Some((step, &record.entry))
        });
        let placed: Vec<_> = placed.collect();
        let first_step = first_read(query, placed.iter().map(|(step, _)| *step));
        let found = placed.into_iter().filter(|(step, entry)| {
            *step >= first_step && query.filters.iter().all(|filter| filter.matches(entry))
        });
        let mut groups: BTreeMap<Option<String>, (u64, BTreeMap<u32, LogSum>)> = BTreeMap::new();
        for (step, entry) in found {
            let (count, steps) = groups.entry(query.by.of(entry)).or_default();
            *count += 1;
            steps.entry(step).or_default().add(entry);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        // Stable: of equally many, the names stay in order.
        groups.sort_by_key(|(_, (count, _))| Reverse(*count));
        let told_apart = groups.len().min(query.most_groups as usize);
        let mut others: BTreeMap<u32, LogSum> = BTreeMap::new();
        for (_, (_, steps)) in groups.split_off(told_apart) {
            for (step, sum) in steps {
                others.entry(step).or_default().merge(&sum);
            }
        }
        let series = groups.into_iter().map(|(name, (_, steps))| {
            let name = name.map_or(LogSeriesName::Nothing, |name| {
                LogSeriesName::Named(name.into())
            });
            (name, steps)
        });
        let others = (!others.is_empty()).then_some((LogSeriesName::Others, others));
        let series = series.chain(others).map(|(name, steps)| LogSeries {
            name,
            steps: steps.into_iter().collect(),
        });
        LogSums {
            first_step,
            series: series.collect(),
        }
    }

    fn patch(&mut self, place: &LogPlace, id: LogId, patch: LogPatch) -> bool {
        let Some(record) = self.0.get_mut(place).and_then(|kept| kept.get_mut(&id)) else {
            return false;
        };
        let entry = &mut record.entry;
        entry.feedback = patch.feedback.unwrap_or(entry.feedback);
        entry.score = patch.score.unwrap_or(entry.score);
        if let Some(metadata) = patch.metadata {
            entry.metadata = metadata;
        }
        true
    }

    fn delete(&mut self, deletion: &LogDeletion) -> u64 {
        let kept = self.of(&deletion.place).map(|record| &record.entry);
        let mut found: Vec<&LogEntry> = kept
            .filter(|entry| deletion.filters.iter().all(|filter| filter.matches(entry)))
            .collect();
        sort(&mut found, deletion.order, deletion.direction);
        let ids = found.iter().take(deletion.most as usize);
        let ids: Vec<LogId> = ids.map(|entry| entry.id).collect();
        self.remove(&deletion.place, &ids)
    }

    fn trim(&mut self, place: &LogPlace, trim: LogTrim) -> u64 {
        let total = count(self.of(place).count());
        let beyond = trim.most.map_or(0, |most| total.saturating_sub(most));
        let first_kept = trim.before.map(LogId::first_at);
        let ids = self.of(place).map(|record| record.entry.id).zip(0_u64..);
        let gone =
            ids.filter(|(id, at)| *at < beyond || first_kept.is_some_and(|first| *id < first));
        let gone: Vec<LogId> = gone
            .map(|(id, _)| id)
            .take(trim.at_once.max(1) as usize)
            .collect();
        self.remove(place, &gone)
    }

    fn remove(&mut self, place: &LogPlace, ids: &[LogId]) -> u64 {
        if let Some(kept) = self.0.get_mut(place) {
            kept.retain(|id, _| !ids.contains(id));
        }
        count(ids.len())
    }
}

/// The first step from which on there are no more entries than may be read.
fn first_read(query: &LogSumQuery, steps: impl Iterator<Item = u32>) -> u32 {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for step in steps {
        *counts.entry(step).or_default() += 1;
    }
    let mut read = 0;
    for (step, count) in counts.into_iter().rev() {
        read += count;
        if read > query.most_read {
            return step + 1;
        }
    }
    0
}

/// Durations are kept in milliseconds.
fn to_the_millisecond(record: &LogRecord) -> LogRecord {
    let mut record = record.clone();
    let millis = u64::try_from(record.entry.duration.as_millis()).unwrap_or(u64::MAX);
    record.entry.duration = std::time::Duration::from_millis(millis);
    record
}

fn sort(entries: &mut [&LogEntry], order: LogOrder, direction: LogDirection) {
    entries.sort_by(|one, other| match direction {
        LogDirection::Rising => order.compare(one, other),
        LogDirection::Falling => order.compare(other, one),
    });
}

fn ranges(entries: &[&LogEntry]) -> LogRanges {
    fn of<T: Ord + Copy>(figures: impl Iterator<Item = Option<T>> + Clone) -> LogRange<T> {
        let known = figures.flatten();
        Some((known.clone().min()?, known.max()?))
    }
    let entries = entries.iter();
    LogRanges {
        cost: of(entries.clone().map(|entry| entry.cost)),
        duration: of(entries
            .clone()
            .map(|entry| u64::try_from(entry.duration.as_millis()).ok())),
        tokens_in: of(entries.clone().map(|entry| entry.usage.input)),
        tokens_out: of(entries.clone().map(|entry| entry.usage.output)),
        total_tokens: of(entries.map(|entry| entry.usage.total())),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl LogStore for MemoryStore {
    fn save_logs<'a>(
        &'a self,
        records: &'a [LogRecord],
        limits: &'a [LogLimit],
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let refused = self.state().logs.save(records, limits);
        Box::pin(ready(Ok(refused)))
    }

    fn list_logs(&self, query: LogQuery) -> BoxFuture<'_, Result<LogPage, StoreError>> {
        let page = self.state().logs.list(&query);
        Box::pin(ready(Ok(page)))
    }

    fn scan_logs(&self, scan: LogScan) -> BoxFuture<'_, Result<Vec<LogEntry>, StoreError>> {
        let entries = self.state().logs.scan(&scan);
        Box::pin(ready(Ok(entries)))
    }

    fn sum_logs(&self, query: LogSumQuery) -> BoxFuture<'_, Result<LogSums, StoreError>> {
        let sums = self.state().logs.sum(&query);
        Box::pin(ready(Ok(sums)))
    }

    fn find_log(
        &self,
        place: LogPlace,
        id: LogId,
    ) -> BoxFuture<'_, Result<Option<LogEntry>, StoreError>> {
        let state = self.state();
        let found = state
            .logs
            .find(&place, id)
            .map(|record| record.entry.clone());
        Box::pin(ready(Ok(found)))
    }

    fn find_log_body(
        &self,
        place: LogPlace,
        id: LogId,
        side: LogSide,
    ) -> BoxFuture<'_, Result<Option<LogBody>, StoreError>> {
        let state = self.state();
        let body = state.logs.find(&place, id).and_then(|record| match side {
            LogSide::Request => record.request.clone(),
            LogSide::Response => record.response.clone(),
        });
        Box::pin(ready(Ok(body)))
    }

    fn patch_log(
        &self,
        place: LogPlace,
        id: LogId,
        patch: LogPatch,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let is_there = self.state().logs.patch(&place, id, patch);
        Box::pin(ready(Ok(is_there)))
    }

    fn delete_logs(&self, deletion: LogDeletion) -> BoxFuture<'_, Result<u64, StoreError>> {
        let deleted = self.state().logs.delete(&deletion);
        Box::pin(ready(Ok(deleted)))
    }

    fn trim_logs(&self, place: LogPlace, trim: LogTrim) -> BoxFuture<'_, Result<u64, StoreError>> {
        let gone = self.state().logs.trim(&place, trim);
        Box::pin(ready(Ok(gone)))
    }

    fn count_logs(&self) -> BoxFuture<'_, Result<Vec<(LogPlace, u64)>, StoreError>> {
        let state = self.state();
        let counts = state
            .logs
            .0
            .iter()
            .filter(|(_, kept)| !kept.is_empty())
            .map(|(place, kept)| (place.clone(), count(kept.len())));
        let counts = counts.collect();
        Box::pin(ready(Ok(counts)))
    }
}
