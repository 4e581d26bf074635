//! Counts of requests in memory.

use std::collections::BTreeMap;

use crate::{
    Latencies, TrafficClass, TrafficQuery, TrafficRow, TrafficSeries, TrafficSpan, TrafficSum,
    TrafficSums,
};

/// The span, its start, what is counted under, and what became of the requests.
type Place = (TrafficSpan, u64, TrafficSeries, TrafficClass);

/// What is kept, by the minute and by the hour.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    rows: BTreeMap<Place, Latencies>,
    dropped_until: BTreeMap<TrafficSpan, u64>,
}

impl Traffic {
    pub(super) fn add(&mut self, rows: &[TrafficRow]) {
        for row in rows {
            for span in TrafficSpan::ALL {
                let place = (span, span.start(row.minute), row.series.clone(), row.class);
                self.rows.entry(place).or_default().merge(&row.latencies);
            }
        }
    }

    pub(super) fn trim(&mut self, now: u64, most_rows: u64) -> u64 {
        self.rows
            .retain(|(span, start, ..), _| *start >= span.kept_since(now));
        TrafficSpan::ALL
            .into_iter()
            .map(|span| self.drop_beyond(span, most_rows / 2))
            .sum()
    }

    fn drop_beyond(&mut self, wanted: TrafficSpan, most: u64) -> u64 {
        let starts: Vec<u64> = self
            .rows
            .keys()
            .filter(|(span, ..)| *span == wanted)
            .map(|(_, start, ..)| *start)
            .collect();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let Some(last) = starts
            .len()
            .checked_sub(most + 1)
            .and_then(|at| starts.get(at).copied())
        else {
            return 0;
        };
        let before = self.rows.len();
        self.rows
            .retain(|(span, start, ..), _| *span != wanted || *start > last);
        let until = self.dropped_until.entry(wanted).or_default();
        *until = (*until).max(last + wanted.secs());
        u64::try_from(before - self.rows.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn sum(&self, query: &TrafficQuery) -> TrafficSums {
        let mut sums: BTreeMap<(u64, TrafficClass), Latencies> = BTreeMap::new();
        for ((span, start, series, class), latencies) in &self.rows {
            let step = start
                .checked_sub(query.since)
                .and_then(|after| after.checked_div(query.step))
                .filter(|step| *span == query.span && *step < query.steps);
            if let Some(step) = step
                && is_asked_for(query, series)
            {
                sums.entry((step, *class)).or_default().merge(latencies);
            }
        }
        TrafficSums {
            dropped_until: self.dropped_until.get(&query.span).copied().unwrap_or(0),
            sums: sums
                .into_iter()
                .map(|((step, class), latencies)| TrafficSum {
                    step,
                    class,
                    latencies,
                })
                .collect(),
        }
    }
}

fn is_asked_for(query: &TrafficQuery, series: &TrafficSeries) -> bool {
    let gateways = query.gateways.as_ref();
    let providers = query.providers.as_ref();
    let keys = query.keys.as_ref();
    query.account == series.account
        && gateways.is_none_or(|gateways| gateways.contains(&series.gateway))
        && providers.is_none_or(|providers| providers.contains(&series.provider))
        && keys.is_none_or(|keys| series.key.is_some_and(|key| keys.contains(&key)))
}
