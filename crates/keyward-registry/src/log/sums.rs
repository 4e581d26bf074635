//! Sums of log entries by steps of time, told apart by one of their fields. Pure.

use std::time::{Duration, SystemTime};

use keyward_routes::Money;

use super::{LogEntry, LogFilter, LogId, LogPlace, store::millis};
use crate::Latencies;

/// By what sums are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store decides for each")]
pub enum LogGroup {
    /// By the provider's slug.
    Provider,
    /// By the model.
    Model,
    /// By the id of the stored key.
    ProviderKey,
    /// By the id of the gateway token.
    Token,
}

impl LogGroup {
    /// Every one, with the name that people write.
    pub const ALL: [(&'static str, Self); 4] = [
        ("provider", Self::Provider),
        ("model", Self::Model),
        ("key", Self::ProviderKey),
        ("token", Self::Token),
    ];

    /// What an entry is counted under; none where it has nothing there.
    #[must_use]
    pub fn of(self, entry: &LogEntry) -> Option<String> {
        match self {
            Self::Provider => Some(entry.provider.to_string()),
            Self::Model => entry.model.as_deref().map(str::to_owned),
            Self::ProviderKey => entry.provider_key.map(|id| id.to_string()),
            Self::Token => entry.token.map(|id| id.to_string()),
        }
    }
}

/// Which entries are summed up, and how.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store that leaves a condition out shows what nobody asked for"
)]
pub struct LogSumQuery {
    /// Whose entries.
    pub place: LogPlace,
    /// Conditions that hold together.
    pub filters: Vec<LogFilter>,
    /// By what they are told apart.
    pub by: LogGroup,
    /// When the first step begins. To the millisecond.
    pub since: SystemTime,
    /// How long a step is: whole milliseconds, at least one.
    pub step: Duration,
    /// How many steps there are.
    pub steps: u32,
    /// How many groups are told apart: those of most entries; the others are counted together.
    pub most_groups: u32,
    /// The most entries of the time that are read, whether they meet the conditions or not. Where there are more, the first
    /// steps are left out.
    pub most_read: u64,
}

impl LogSumQuery {
    /// When a step begins, and the one before ends.
    #[must_use]
    pub fn start(&self, step: u32) -> SystemTime {
        let since = self.step.max(Duration::from_millis(1)).checked_mul(step);
        since
            .and_then(|since| self.since.checked_add(since))
            .unwrap_or(self.since)
    }

    /// The first id of a step. Those of the step lie before that of the next.
    #[must_use]
    pub fn first_of(&self, step: u32) -> LogId {
        LogId::first_at(self.start(step))
    }

    /// The step in which an entry was made; none where it lies before or behind all.
    #[must_use]
    pub fn step_of(&self, id: LogId) -> Option<u32> {
        let since = id.millis().checked_sub(self.first_of(0).millis())?;
        let step = since.checked_div(millis(self.step).max(1))?;
        u32::try_from(step).ok().filter(|step| *step < self.steps)
    }
}

/// What was summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store fills it in")]
pub struct LogSums {
    /// The first step that was read: 0, unless there were more entries than [`LogSumQuery::most_read`]. The number of steps,
    /// where there were so many in the last one alone.
    pub first_step: u32,
    /// The groups in the order of their entries, the most first, and of equally many in the order of names. What is counted
    /// together comes last.
    pub series: Vec<LogSeries>,
}

/// The sums of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store fills it in")]
pub struct LogSeries {
    /// Which.
    pub name: LogSeriesName,
    /// The steps in which there were entries, with their numbers, in order.
    pub steps: Vec<(u32, LogSum)>,
}

/// Which group a series is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever shows one decides for each"
)]
pub enum LogSeriesName {
    /// Entries that have nothing in the field.
    Nothing,
    /// Entries with this text in the field.
    Named(Box<str>),
    /// All that are not told apart.
    Others,
}

/// The sums of some entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store fills it in")]
pub struct LogSum {
    /// Those that failed.
    pub failed: u64,
    /// The tokens that went in, of those that tell.
    pub tokens_in: u64,
    /// The tokens that came out, of those that tell.
    pub tokens_out: u64,
    /// What they cost, of those of which that is known.
    pub cost: Money,
    /// How many there were, and how long they took.
    pub durations: Latencies,
}

impl LogSum {
    /// How many entries there were.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.durations.total()
    }

    /// Counts an entry.
    pub fn add(&mut self, entry: &LogEntry) {
        let mut one = Self {
            failed: u64::from(!entry.success),
            tokens_in: entry.usage.input.unwrap_or(0),
            tokens_out: entry.usage.output.unwrap_or(0),
            cost: entry.cost.unwrap_or(Money::ZERO),
            durations: Latencies::default(),
        };
        let whole = Duration::from_millis(millis(entry.duration));
        one.durations.add(Latencies::bucket(whole), 1);
        self.merge(&one);
    }

    /// Counts what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.failed = self.failed.saturating_add(other.failed);
        self.tokens_in = self.tokens_in.saturating_add(other.tokens_in);
        self.tokens_out = self.tokens_out.saturating_add(other.tokens_out);
        let nanos = self.cost.nanos().saturating_add(other.cost.nanos());
        self.cost = Money::from_nanos(nanos);
        self.durations.merge(&other.durations);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::{LogGroup, LogSumQuery};
    use crate::{LogId, LogPlace};

    proptest! {
        #[test]
        fn a_step_has_the_ids_between_its_first_and_the_next_ones(
            since in 0_u64..1 << 44, step in 1_u64..100_000_000, steps in 1_u32..100, at in 0_u64..1 << 45,
        ) {
            let time = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            let query = LogSumQuery {
                place: LogPlace {
                    account: "0123456789abcdef0123456789abcdef".parse().unwrap(),
                    gateway: "default".parse().unwrap(),
                },
                filters: Vec::new(),
                by: LogGroup::Model,
                since: time(since),
                step: Duration::from_millis(step),
                steps,
                most_groups: 1,
                most_read: 1,
            };
            let at = since / 2 + at % (since / 2 + step * u64::from(steps) + 2);
            let id = LogId::first_at(time(at));
            match query.step_of(id) {
                Some(step) => {
                    prop_assert!(step < steps);
                    prop_assert!(query.first_of(step) <= id && id < query.first_of(step + 1));
                }
                None => prop_assert!(id < query.first_of(0) || id >= query.first_of(steps)),
            }
        }
    }
}
