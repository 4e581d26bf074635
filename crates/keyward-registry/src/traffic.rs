//! How many requests there were, and how long they took: counted by provider key, class of answer and minute.
//!
//! None of this decides anything: it is measured, like the last use of a key.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keyward_secret::AccountId;

use crate::{BoxFuture, GatewayId, ProviderKeyId, ProviderSlug, StoreError};

/// What became of a request, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever sums up decides for each")]
pub enum TrafficClass {
    /// The provider answered 1xx or 2xx.
    Success,
    /// The provider answered 3xx.
    Redirect,
    /// The provider answered 4xx.
    ClientError,
    /// The provider answered 5xx, or with a status that HTTP does not know.
    ServerError,
    /// Keyward answered itself: the request was refused, or the provider could not be reached.
    Refused,
    /// The client went away before there was an answer.
    Canceled,
}

impl TrafficClass {
    /// Every class.
    pub const ALL: [Self; 6] = [
        Self::Success,
        Self::Redirect,
        Self::ClientError,
        Self::ServerError,
        Self::Refused,
        Self::Canceled,
    ];

    /// The class of a provider's answer.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            100..=299 => Self::Success,
            300..=399 => Self::Redirect,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }

    /// Where the class stands in [`ALL`](Self::ALL). The number that a store keeps.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Reads [`index`](Self::index) back.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// Whether it counts as an error: 4xx, 5xx, and what Keyward refused.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(self, Self::ClientError | Self::ServerError | Self::Refused)
    }
}

/// How many buckets latencies fall into.
const BUCKETS: usize = 18;

/// How many requests took how long until the head of the answer, in fixed buckets: up to 1 ms, 2 ms, 4 ms and so on
/// to 65,536 ms, and longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies([u64; BUCKETS]);

impl Latencies {
    /// How many buckets there are.
    pub const BUCKETS: usize = BUCKETS;

    /// The counts of every bucket, the shortest first.
    #[must_use]
    pub const fn from_counts(counts: [u64; BUCKETS]) -> Self {
        Self(counts)
    }

    /// The counts of every bucket, the shortest first.
    #[must_use]
    pub const fn counts(&self) -> &[u64; BUCKETS] {
        &self.0
    }

    /// Which bucket a latency falls into: the first whose bound it does not exceed.
    #[must_use]
    pub const fn bucket(latency: Duration) -> usize {
        let millis = latency.as_nanos().div_ceil(1_000_000);
        if millis <= 1 {
            return 0;
        }
        // 2 → 1, 3 and 4 → 2, 5 to 8 → 3.
        let bucket = u128::BITS - (millis - 1).leading_zeros();
        if bucket as usize >= BUCKETS {
            BUCKETS - 1
        } else {
            bucket as usize
        }
    }

    /// The bound of a bucket; none of the last one, which has none.
    #[must_use]
    pub const fn bound(bucket: usize) -> Option<Duration> {
        if bucket + 1 < BUCKETS {
            Some(Duration::from_millis(1 << bucket))
        } else {
            None
        }
    }

    /// Counts `times` more requests in a bucket; the last one where there is no such bucket.
    pub fn add(&mut self, bucket: usize, times: u64) {
        if let Some(count) = self.0.get_mut(bucket.min(BUCKETS - 1)) {
            *count = count.saturating_add(times);
        }
    }

    /// Counts what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    /// How many requests there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |total, count| total.saturating_add(*count))
    }

    /// The latency that `percent` of the requests did not exceed, interpolated within its bucket. None where there was
    /// no request. What lies in the last bucket took 65,536 ms or longer, and is told as 65,536 ms.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let total = u128::from(self.total());
        if total == 0 {
            return None;
        }
        // The rank of the request that is looked for, from 1.
        let rank = (total * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut before = 0;
        for (bucket, count) in self.0.iter().enumerate() {
            let count = u128::from(*count);
            if before + count < rank {
                before += count;
                continue;
            }
            let low = match bucket {
                0 => Duration::ZERO,
                bucket => Self::bound(bucket - 1)?,
            };
            let high = Self::bound(bucket).unwrap_or(low);
            let width = (high - low).as_micros();
            let within = width * (rank - before) / count;
            return Some(low + Duration::from_micros(u64::try_from(within).unwrap_or(u64::MAX)));
        }
        None
    }
}

/// What requests are counted under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "every field names the series")]
pub struct TrafficSeries {
    /// The account.
    pub account: AccountId,
    /// The gateway that was asked.
    pub gateway: GatewayId,
    /// The provider that was asked for.
    pub provider: ProviderSlug,
    /// The stored key; none where the client brought its own, or there is none.
    pub key: Option<ProviderKeyId>,
}

/// How many requests there were in one minute, and how long they took.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "arguments by name")]
pub struct TrafficRow {
    /// What they are counted under.
    pub series: TrafficSeries,
    /// The start of the minute, in seconds since 1970.
    pub minute: u64,
    /// What became of them.
    pub class: TrafficClass,
    /// How many there were, and how long they took.
    pub latencies: Latencies,
}

/// What a row sums up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a store keeps both")]
pub enum TrafficSpan {
    /// A minute. Kept for 25 hours.
    Minute,
    /// An hour. Kept for 30 days.
    Hour,
}

impl TrafficSpan {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Minute, Self::Hour];

    /// How long it is, in seconds.
    #[must_use]
    pub const fn secs(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }

    /// For how long rows of it are kept, in seconds.
    #[must_use]
    pub const fn kept_secs(self) -> u64 {
        match self {
            Self::Minute => 25 * 3_600,
            Self::Hour => 30 * 24 * 3_600,
        }
    }

    /// The start of the span in which `secs` after 1970 lies.
    #[must_use]
    pub const fn start(self, secs: u64) -> u64 {
        secs - secs % self.secs()
    }

    /// The start of the first span that is kept at `now`, in seconds since 1970.
    #[must_use]
    pub const fn kept_since(self, now: u64) -> u64 {
        self.start(now.saturating_sub(self.kept_secs()))
    }
}

/// Whole seconds since 1970; what lies before is 1970.
#[must_use]
pub fn traffic_secs(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Which requests are summed up. Conditions hold together.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store that leaves a condition out shows what nobody asked for"
)]
pub struct TrafficQuery {
    /// Of this account.
    pub account: AccountId,
    /// In these gateways. None: in every one.
    pub gateways: Option<Vec<GatewayId>>,
    /// To these providers. None: to every one.
    pub providers: Option<Vec<ProviderSlug>>,
    /// With these stored keys. None: with any, and with none.
    pub keys: Option<Vec<ProviderKeyId>>,
    /// Of which rows.
    pub span: TrafficSpan,
    /// From this moment, in seconds since 1970; the start of a span.
    pub since: u64,
    /// How long a step is, in seconds: a multiple of the span, at least one.
    pub step: u64,
    /// How many steps there are.
    pub steps: u64,
}

/// What was summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store fills it in")]
pub struct TrafficSums {
    /// Rows from before this moment were dropped because there were too many, in seconds since 1970; 0 where none
    /// were. Beyond it, rows are kept for [`TrafficSpan::kept_secs`].
    pub dropped_until: u64,
    /// The steps in which there were requests, each class apart, in order.
    pub sums: Vec<TrafficSum>,
}

/// The requests of one class in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store fills it in")]
pub struct TrafficSum {
    /// The number of the step, from 0.
    pub step: u64,
    /// What became of the requests.
    pub class: TrafficClass,
    /// How many there were, and how long they took.
    pub latencies: Latencies,
}

/// Where counts are kept. What it holds is measured and decides nothing: no revision, no authentication code, no
/// audit line.
pub trait TrafficStore: Send + Sync + fmt::Debug {
    /// Adds to what is kept, by the minute and by the hour: all rows or none.
    fn save_traffic<'a>(&'a self, rows: &'a [TrafficRow]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Lets go of what is older than it is kept, and of the oldest rows beyond `most_rows`: half of them are for minutes
    /// and half for hours. Spans go whole. Returns how many rows went because there were too many.
    fn trim_traffic(
        &self,
        now: SystemTime,
        most_rows: u64,
    ) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Sums up.
    fn sum_traffic(&self, query: TrafficQuery) -> BoxFuture<'_, Result<TrafficSums, StoreError>>;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Latencies, TrafficClass, TrafficSpan};

    fn of(millis: &[u64]) -> Latencies {
        let mut latencies = Latencies::default();
        for millis in millis {
            latencies.add(Latencies::bucket(Duration::from_millis(*millis)), 1);
        }
        latencies
    }

    #[test]
    fn a_latency_falls_into_the_first_bucket_that_holds_it() {
        for (micros, bucket) in [
            (0, 0),
            (1_000, 0),
            (1_001, 1),
            (2_000, 1),
            (2_001, 2),
            (4_000, 2),
            (65_536_000, 16),
            (65_536_001, 17),
            (u64::MAX, 17),
        ] {
            let latency = Duration::from_micros(micros);
            assert_eq!(Latencies::bucket(latency), bucket, "{latency:?}");
        }
    }

    #[test]
    fn percentiles_are_interpolated() {
        assert_eq!(Latencies::default().percentile(50), None);
        // Four requests of 3 ms are spread over the bucket from 2 to 4 ms.
        let latencies = of(&[3, 3, 3, 3]);
        assert_eq!(latencies.percentile(50), Some(Duration::from_millis(3)));
        assert_eq!(latencies.percentile(100), Some(Duration::from_millis(4)));
        // The slow one of a hundred is beyond p99.
        let mut latencies = of(&[1; 99]);
        latencies.add(Latencies::bucket(Duration::from_secs(30)), 1);
        assert_eq!(latencies.percentile(99), Some(Duration::from_millis(1)));
        assert!(latencies.percentile(100) > Some(Duration::from_secs(16)));
        let latencies = of(&[1_000_000]);
        assert_eq!(
            latencies.percentile(50),
            Some(Duration::from_millis(65_536))
        );
    }

    #[test]
    fn classes_keep_their_numbers() {
        for (index, class) in TrafficClass::ALL.into_iter().enumerate() {
            assert_eq!(
                (class.index(), TrafficClass::from_index(index)),
                (index, Some(class))
            );
        }
        assert_eq!(TrafficClass::from_index(6), None);
        let statuses = [101, 200, 302, 429, 500, 999].map(TrafficClass::of_status);
        assert_eq!(statuses.map(TrafficClass::index), [0, 0, 1, 2, 3, 3]);
    }

    #[test]
    fn spans_start_at_whole_minutes_and_hours() {
        assert_eq!(TrafficSpan::Minute.start(7_199), 7_140);
        assert_eq!(TrafficSpan::Hour.start(7_199), 3_600);
        // A clock before 1970, or set back to it.
        assert_eq!(TrafficSpan::Minute.kept_since(10), 0);
    }

    proptest! {
        #[test]
        fn a_percentile_lies_in_the_bucket_of_the_request_that_it_means(
            mut micros in proptest::collection::vec(0_u64..100_000_000, 1..200),
            percent in 0_u8..=100,
        ) {
            let mut latencies = Latencies::default();
            for micros in &micros {
                latencies.add(Latencies::bucket(Duration::from_micros(*micros)), 1);
            }
            micros.sort_unstable();
            let rank = (micros.len() * usize::from(percent)).div_ceil(100).max(1);
            let true_one = Latencies::bucket(Duration::from_micros(micros[rank - 1]));
            let told = latencies.percentile(percent).unwrap();
            let low = true_one.checked_sub(1).map_or(Some(Duration::ZERO), Latencies::bound);
            prop_assert!(told >= low.unwrap());
            prop_assert!(Latencies::bound(true_one).is_none_or(|high| told <= high));
        }

        #[test]
        fn percentiles_rise(counts in proptest::array::uniform18(0_u64..1_000_000_000_000)) {
            let latencies = Latencies::from_counts(counts);
            let all: Vec<_> = (0..=100).map(|percent| latencies.percentile(percent)).collect();
            prop_assert!(all.is_sorted());
        }

        #[test]
        fn what_is_merged_is_added(one in proptest::array::uniform18(0_u64..u64::MAX), two in proptest::array::uniform18(0_u64..10)) {
            let mut both = Latencies::from_counts(one);
            both.merge(&Latencies::from_counts(two));
            for ((sum, one), two) in both.counts().iter().zip(one).zip(two) {
                prop_assert_eq!(*sum, one.saturating_add(two));
            }
            // No sum of any counts overflows.
            let _ = (both.total(), both.percentile(99));
        }
    }
}
