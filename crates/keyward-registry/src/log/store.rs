//! Where log entries are kept.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{
    LogBody, LogDeletion, LogEntry, LogId, LogMark, LogMetadata, LogPage, LogPlace, LogQuery,
    LogScan, LogSide, LogSumQuery, LogSums,
};
use crate::{BoxFuture, StoreError};

/// An entry, and the bodies where the gateway keeps them.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "there is no more to a request")]
pub struct LogRecord {
    /// What is told of the request.
    pub entry: LogEntry,
    /// What the client sent.
    pub request: Option<LogBody>,
    /// What it was answered.
    pub response: Option<LogBody>,
}

impl LogRecord {
    /// An entry without bodies.
    #[must_use]
    pub const fn new(entry: LogEntry) -> Self {
        Self {
            entry,
            request: None,
            response: None,
        }
    }
}

/// A gateway that takes no entry beyond so many: the strategy `STOP_INSERTING`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "both make the limit")]
pub struct LogLimit {
    /// Whose entries.
    pub place: LogPlace,
    /// The most there are.
    pub most: u64,
}

/// Which entries a store lets go of, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "arguments by name")]
pub struct LogTrim {
    /// Those beyond so many: the strategy `DELETE_OLDEST`. None: however many there are.
    pub most: Option<u64>,
    /// Those that came before. None: however old they are.
    pub before: Option<SystemTime>,
    /// The most that go in one call, so that nobody waits long for it. At least one.
    pub at_once: u32,
}

/// What is changed of an entry. None: it stays; the inner none takes it away.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "arguments by name")]
pub struct LogPatch {
    /// What a person thinks of the answer.
    pub feedback: Option<Option<LogMark>>,
    /// How good it is.
    pub score: Option<Option<LogMark>>,
    /// What is said of the request.
    pub metadata: Option<LogMetadata>,
}

/// Where log entries are kept. What it holds is told and decides nothing: no revision, no authentication code, no audit
/// line.
pub trait LogStore: Send + Sync + fmt::Debug {
    /// Keeps entries, all or none of those that have room; one whose id is there already stays as it is, so that a batch
    /// may be saved again. Of a gateway among `limits`, the first of the batch have room. Returns how many had none.
    fn save_logs<'a>(
        &'a self,
        records: &'a [LogRecord],
        limits: &'a [LogLimit],
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// One page.
    fn list_logs(&self, query: LogQuery) -> BoxFuture<'_, Result<LogPage, StoreError>>;

    /// Entries one after another. What comes later with an id before [`LogScan::after`] is not among them.
    fn scan_logs(&self, scan: LogScan) -> BoxFuture<'_, Result<Vec<LogEntry>, StoreError>>;

    /// Sums of entries by steps of time.
    fn sum_logs(&self, query: LogSumQuery) -> BoxFuture<'_, Result<LogSums, StoreError>>;

    /// One entry.
    fn find_log(
        &self,
        place: LogPlace,
        id: LogId,
    ) -> BoxFuture<'_, Result<Option<LogEntry>, StoreError>>;

    /// One body; none where there is no such entry, or it was kept without.
    fn find_log_body(
        &self,
        place: LogPlace,
        id: LogId,
        side: LogSide,
    ) -> BoxFuture<'_, Result<Option<LogBody>, StoreError>>;

    /// Changes an entry. Returns whether there is one.
    fn patch_log(
        &self,
        place: LogPlace,
        id: LogId,
        patch: LogPatch,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Deletes entries and their bodies. Returns how many.
    fn delete_logs(&self, deletion: LogDeletion) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Lets go of a gateway's oldest entries and their bodies. Returns how many went: as long as it is
    /// [`LogTrim::at_once`], there may be more.
    fn trim_logs(&self, place: LogPlace, trim: LogTrim) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Every gateway of which there are entries, also of those that are gone, and how many there are.
    fn count_logs(&self) -> BoxFuture<'_, Result<Vec<(LogPlace, u64)>, StoreError>>;
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
