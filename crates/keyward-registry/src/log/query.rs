//! Which entries of the log are asked for, and what is answered.

use std::cmp::Ordering;

use keyward_routes::Money;
use keyward_secret::AccountId;

use super::{LogEntry, LogFilter, LogId};
use crate::GatewayId;

/// Whose entries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "both name the place")]
pub struct LogPlace {
    /// The account.
    pub account: AccountId,
    /// Its gateway.
    pub gateway: GatewayId,
}

/// In which order entries are listed. What is equal in it is in the order of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store decides for each")]
pub enum LogOrder {
    /// By the time of the request.
    CreatedAt,
    /// By the provider's slug.
    Provider,
    /// By the model; those without one are the least.
    Model,
    /// By whether they succeeded; those that did not are the least.
    Success,
    /// By whether they came from a cache; those that did not are the least.
    Cached,
    /// By what they cost; those of which that is unknown are the least. So it is with the others below.
    Cost,
    /// By the tokens that went in.
    TokensIn,
    /// By the tokens that came out.
    TokensOut,
    /// By how long they took.
    Duration,
    /// By what a person thinks of the answer.
    Feedback,
}

impl LogOrder {
    /// Every order, with the field that names it.
    pub const ALL: [(&'static str, Self); 10] = [
        ("created_at", Self::CreatedAt),
        ("provider", Self::Provider),
        ("model", Self::Model),
        ("success", Self::Success),
        ("cached", Self::Cached),
        ("cost", Self::Cost),
        ("tokens_in", Self::TokensIn),
        ("tokens_out", Self::TokensOut),
        ("duration", Self::Duration),
        ("feedback", Self::Feedback),
    ];

    /// How two entries stand to each other.
    #[must_use]
    pub fn compare(self, one: &LogEntry, other: &LogEntry) -> Ordering {
        let first = match self {
            Self::CreatedAt => Ordering::Equal,
            Self::Provider => one.provider.cmp(&other.provider),
            Self::Model => one.model.cmp(&other.model),
            Self::Success => one.success.cmp(&other.success),
            Self::Cached => one.cached.cmp(&other.cached),
            Self::Cost => one.cost.cmp(&other.cost),
            Self::TokensIn => one.usage.input.cmp(&other.usage.input),
            Self::TokensOut => one.usage.output.cmp(&other.usage.output),
            Self::Duration => one.duration.cmp(&other.duration),
            Self::Feedback => one.feedback.cmp(&other.feedback),
        };
        first.then(one.id.cmp(&other.id))
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum LogDirection {
    /// The least first.
    Rising,
    /// The greatest first.
    Falling,
}

/// A page of the log.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store that leaves a condition out shows what nobody asked for"
)]
pub struct LogQuery {
    /// Whose entries.
    pub place: LogPlace,
    /// Conditions that hold together.
    pub filters: Vec<LogFilter>,
    /// In which order.
    pub order: LogOrder,
    /// Which way.
    pub direction: LogDirection,
    /// How many are left out first.
    pub skipped: u64,
    /// The most that are read.
    pub most: u32,
    /// Whether [`LogPage::ranges`] is wanted.
    pub with_ranges: bool,
}

impl LogQuery {
    /// Whether an entry is one of those that are asked for.
    #[must_use]
    pub fn matches(&self, entry: &LogEntry) -> bool {
        entry.place() == self.place && self.filters.iter().all(|filter| filter.matches(entry))
    }
}

/// What a page holds.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a store fills it in")]
pub struct LogPage {
    /// The entries, in order.
    pub entries: Vec<LogEntry>,
    /// How many entries there are on all pages.
    pub total: u64,
    /// Between what the entries of all pages lie, where that was wanted.
    pub ranges: Option<LogRanges>,
}

/// Between what the figures of entries lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store fills it in")]
pub struct LogRanges {
    /// Cost.
    pub cost: LogRange<Money>,
    /// Duration, in milliseconds.
    pub duration: LogRange<u64>,
    /// Tokens that went in.
    pub tokens_in: LogRange<u64>,
    /// Tokens that came out.
    pub tokens_out: LogRange<u64>,
    /// Both together.
    pub total_tokens: LogRange<u64>,
}

/// The least and the greatest; none where no entry has the figure.
pub type LogRange<T> = Option<(T, T)>;

/// Entries one after another, in the order of ids: for exports and for whoever follows.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store that leaves a condition out shows what nobody asked for"
)]
pub struct LogScan {
    /// Whose entries.
    pub place: LogPlace,
    /// Conditions that hold together.
    pub filters: Vec<LogFilter>,
    /// Which way.
    pub direction: LogDirection,
    /// The entry behind which to go on.
    pub after: Option<LogId>,
    /// The most that are read.
    pub most: u32,
}

/// Which entries are deleted.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store that leaves a condition out deletes what nobody named"
)]
pub struct LogDeletion {
    /// Whose entries.
    pub place: LogPlace,
    /// Conditions that hold together. None: every entry.
    pub filters: Vec<LogFilter>,
    /// Which of them first.
    pub order: LogOrder,
    /// Which way.
    pub direction: LogDirection,
    /// The most that are deleted.
    pub most: u32,
}
