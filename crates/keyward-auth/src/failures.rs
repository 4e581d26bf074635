//! Failed authentication, counted per source in bounded memory.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How many failures a source may have at once, and how fast it gets them back.
const BURST: u64 = 30;
const ONE_EVERY: u64 = 1_000;
/// How often the log hears of one source.
const TOLD_EVERY: u64 = 60_000;

const SETS: usize = 1_024;
const WAYS: usize = 4;

/// Failed authentication by source: a bucket each of 30 failures, refilled by one a second.
///
/// Who holds a good token is never counted, and never asks here: only a refusal does, so that a guesser behind
/// the same address takes nothing from anybody. What is over its limit is refused as before, in the same
/// words, and is no more worth a line in a log.
///
/// Takes about 128 KiB, however many sources there are: of 4,096 buckets the emptiest of four makes place. An
/// IPv6 source is its /64, which is what one subscriber has; IPv4 addresses mapped into IPv6 are IPv4. Which
/// sources share a place is chosen at random, so that nobody can aim at another's bucket.
///
/// Pure: no clock and no lock of its own.
pub struct FailureLimit {
    sets: Box<[[Bucket; WAYS]]>,
    seed: RandomState,
}

/// Times are in milliseconds since 1970.
#[derive(Clone, Copy, Default)]
struct Bucket {
    source: Option<Source>,
    /// When nothing of it will be used up any more.
    full_at: u64,
    told_at: u64,
}

/// What is counted as one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4(u32),
    /// The first 64 bits.
    V6(u64),
}

/// What becomes of one failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every caller must handle each")]
pub enum Failure {
    /// Within what a source may have.
    Counted,
    /// Beyond it, and it is a minute or more since this source was told of: worth one line in the log.
    OverAndNews,
    /// Beyond it.
    Over,
}

impl Failure {
    /// Whether the source is beyond what it may have.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Counted)
    }
}

impl Default for FailureLimit {
    fn default() -> Self {
        Self {
            sets: vec![[Bucket::default(); WAYS]; SETS].into(),
            seed: RandomState::new(),
        }
    }
}

impl FailureLimit {
    /// Counts a failure of `address` at `now`. Allocates nothing.
    pub fn note(&mut self, address: IpAddr, now: SystemTime) -> Failure {
        let now = millis(now);
        let source = Source::of(address);
        let bucket = self.bucket(source);
        let full_at = bucket.full_at.max(now) + ONE_EVERY;
        if full_at - now <= BURST * ONE_EVERY {
            bucket.full_at = full_at;
            return Failure::Counted;
        }
        if bucket.told_at != 0 && now < bucket.told_at.saturating_add(TOLD_EVERY) {
            return Failure::Over;
        }
        bucket.told_at = now;
        Failure::OverAndNews
    }

    /// The source's bucket; where it has none, an empty one in the place of the emptiest.
    fn bucket(&mut self, source: Source) -> &mut Bucket {
        let hash = self.seed.hash_one(source);
        let number = usize::try_from(hash % SETS as u64).unwrap_or_default();
        #[expect(
            clippy::indexing_slicing,
            reason = "a remainder by the number of sets is the number of a set"
        )]
        let set = &mut self.sets[number];
        let known = set.iter().position(|bucket| bucket.source == Some(source));
        let at = known.unwrap_or_else(|| {
            let emptiest = set
                .iter()
                .enumerate()
                .min_by_key(|(_, bucket)| bucket.full_at);
            emptiest.map_or(0, |(at, _)| at)
        });
        #[expect(
            clippy::indexing_slicing,
            reason = "it is the position of one of the set's buckets"
        )]
        let bucket = &mut set[at];
        if known.is_none() {
            *bucket = Bucket {
                source: Some(source),
                ..Bucket::default()
            };
        }
        bucket
    }
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or_default())
            }
        }
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    // Cut, so that a burst can be added to it.
    u64::try_from(since.as_millis()).map_or(u64::MAX / 2, |millis| millis.min(u64::MAX / 2))
}

impl fmt::Debug for FailureLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureLimit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr, Ipv6Addr},
        time::{Duration, SystemTime},
    };

    use super::{BURST, Failure, FailureLimit, SETS, WAYS};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn exhaust(limit: &mut FailureLimit, source: IpAddr, now: SystemTime) {
        for _ in 0..BURST {
            assert_eq!(limit.note(source, now), Failure::Counted);
        }
        assert_eq!(limit.note(source, now), Failure::OverAndNews);
        assert_eq!(limit.note(source, now), Failure::Over);
    }

    #[test]
    fn a_source_is_over_after_its_burst_and_gets_one_a_second_back() {
        let mut limit = FailureLimit::default();
        exhaust(&mut limit, ip("203.0.113.7"), at(0));
        assert_eq!(limit.note(ip("203.0.113.7"), at(1)), Failure::Counted);
        assert_eq!(limit.note(ip("203.0.113.7"), at(1)), Failure::Over);
        // Told of once a minute.
        for _ in 0..BURST {
            limit.note(ip("203.0.113.7"), at(61));
        }
        assert_eq!(limit.note(ip("203.0.113.7"), at(61)), Failure::OverAndNews);
        // Quiet for long, it has all of it again; and no clock that goes back takes it away for good.
        exhaust(&mut limit, ip("203.0.113.8"), at(1000));
        assert!(limit.note(ip("203.0.113.8"), at(10)).is_over());
        assert_eq!(limit.note(ip("203.0.113.8"), at(1001)), Failure::Counted);
    }

    #[test]
    fn sources_do_not_touch_each_other_and_an_ipv6_source_is_its_64() {
        let mut limit = FailureLimit::default();
        exhaust(&mut limit, ip("2001:db8:1:2::1"), at(0));
        assert!(limit.note(ip("2001:db8:1:2:ffff::9"), at(0)).is_over());
        assert_eq!(limit.note(ip("2001:db8:1:3::1"), at(0)), Failure::Counted);
        exhaust(&mut limit, ip("203.0.113.7"), at(0));
        assert!(limit.note(ip("::ffff:203.0.113.7"), at(0)).is_over());
        assert_eq!(limit.note(ip("203.0.113.8"), at(0)), Failure::Counted);
    }

    #[test]
    fn a_million_sources_take_no_more_memory_and_do_not_free_who_is_over() {
        assert!(size_of::<super::Bucket>() * SETS * WAYS <= 160 * 1024);
        let mut limit = FailureLimit::default();
        let guesser = ip("203.0.113.7");
        exhaust(&mut limit, guesser, at(0));
        for number in 0..1_000_000_u32 {
            limit.note(IpAddr::V4(Ipv4Addr::from_bits(number)), at(0));
            let prefix = u128::from(number) << 64;
            limit.note(IpAddr::V6(Ipv6Addr::from_bits(prefix | 1 << 127)), at(0));
        }
        // One failure each is less than a burst: the emptiest make place.
        assert!(limit.note(guesser, at(0)).is_over());
        assert_eq!(limit.sets.len(), SETS);
    }

    #[test]
    fn no_clock_is_too_early_or_too_late() {
        let mut limit = FailureLimit::default();
        let early = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(limit.note(ip("::1"), early), Failure::Counted);
        let late = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(u64::MAX / 2));
        if let Some(late) = late {
            limit.note(ip("::1"), late);
        }
    }
}
