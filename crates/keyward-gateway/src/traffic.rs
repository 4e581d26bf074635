//! What a worker counts for the store: how many requests there were, what became of them, how long they took.
//!
//! A request notes one number in its worker's own tally, under a lock that only this worker's requests take, and the
//! recorder once a second to take everything away. What is held until then is bounded; what has no room is counted.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::Response;
use keyward_providers::UsageShape;
use keyward_registry::{
    GatewayRecord, Latencies, ProviderKeyRecord, ProviderSlug, TrafficClass, TrafficRow,
    TrafficSeries,
};
use keyward_secret::AccountId;
use rustc_hash::FxHashMap;

use crate::{
    body::AnswerBody,
    log::{Spending, Telling},
    replay::Room,
    request_id::Ids,
    respond::Refusal,
    worker::refuse,
};

/// How many series a worker counts between two turns of the recorder. It serves fewer requests than that in a second.
const MOST_SERIES: usize = 16_384;
/// How many rows wait for the store at most. More are only there while it does not answer.
const MOST_WAITING: usize = 100_000;

/// What a request counts under. Shared by the requests of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Series(Arc<TrafficSeries>);

impl Series {
    /// Requests with this stored key.
    pub(crate) fn of_key(key: &ProviderKeyRecord) -> Self {
        Self(Arc::new(TrafficSeries {
            account: key.account,
            gateway: key.gateway.clone(),
            provider: key.provider.clone(),
            key: Some(key.id),
        }))
    }
}

impl Series {
    /// What it is of.
    pub(crate) fn parts(&self) -> &TrafficSeries {
        &self.0
    }
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Series {}

impl Hash for Series {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0.key {
            Some(key) => key.as_bytes().hash(state),
            None => self.0.hash(state),
        }
    }
}

/// The series of requests without a stored key, by account, gateway and provider. Allocates for the first request of
/// each.
#[derive(Debug, Default)]
pub(crate) struct Keyless(FxHashMap<AccountId, ByName<ByName<Series>>>);

type ByName<T> = FxHashMap<Box<str>, T>;

impl Keyless {
    /// None where the slug is none.
    pub(crate) fn find(&mut self, gateway: &GatewayRecord, provider: &str) -> Option<Series> {
        let known = self
            .0
            .get(&gateway.account)
            .and_then(|gateways| gateways.get(gateway.id.as_str())?.get(provider));
        if let Some(series) = known {
            return Some(series.clone());
        }
        let series = Series(Arc::new(TrafficSeries {
            account: gateway.account,
            gateway: gateway.id.clone(),
            provider: ProviderSlug::parse(provider).ok()?,
            key: None,
        }));
        let gateways = self.0.entry(gateway.account).or_default();
        let providers = gateways.entry(gateway.id.as_str().into()).or_default();
        providers.insert(provider.into(), series.clone());
        Some(series)
    }

    /// Forgets them: what exists may have changed.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// One worker's counts since the recorder's last turn.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    counts: FxHashMap<Series, Slots>,
    lost: u64,
}

/// How many requests fell into a slot: a class and a bucket. Few of them do within a second.
type Slots = Vec<(u8, u32)>;

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, series: &Series, class: TrafficClass, latency: Duration) {
        let slot = slot(class, Latencies::bucket(latency));
        let mut tally = self.lock();
        let Counts { counts, lost } = &mut *tally;
        if let Some(slots) = counts.get_mut(series) {
            match slots.iter_mut().find(|(known, _)| *known == slot) {
                Some((_, times)) => *times = times.saturating_add(1),
                None => slots.push((slot, 1)),
            }
        } else if counts.len() < MOST_SERIES {
            counts.insert(series.clone(), vec![(slot, 1)]);
        } else {
            *lost = lost.saturating_add(1);
        }
    }

    /// Takes a request that has begun: where nothing is told of it, its client went away, or it was waited for until the time
    /// that was set for it.
    ///
    /// The log is told of it in the same way, where it is told at all.
    pub(crate) fn begin(
        &self,
        series: Option<Series>,
        telling: Option<Telling>,
        begun: Instant,
        until: Option<Instant>,
    ) -> UnderWay<'_> {
        UnderWay {
            tally: self,
            series,
            telling,
            begun,
            until,
        }
    }
}

/// A request without an answer so far.
#[derive(Debug)]
pub(crate) struct UnderWay<'a> {
    tally: &'a Tally,
    series: Option<Series>,
    telling: Option<Telling>,
    begun: Instant,
    until: Option<Instant>,
}

impl UnderWay<'_> {
    /// What is reserved for it.
    pub(crate) fn spending(&mut self) -> Option<&mut Spending> {
        self.telling.as_mut()?.spending()
    }

    /// Notes the provider's answer, whose body tells the rest.
    pub(crate) fn answered(
        &mut self,
        answer: &Response<AnswerBody>,
        shape: Option<UsageShape>,
        room: &Arc<Room>,
    ) -> Option<Telling> {
        self.end(TrafficClass::of_status(answer.status().as_u16()));
        let mut telling = self.telling.take()?;
        telling.answered(answer, shape, room);
        Some(telling)
    }

    /// Notes that the gateway answers. Gives the answer.
    pub(crate) fn refused(&mut self, refusal: Refusal, ids: &Ids) -> Response<AnswerBody> {
        self.end(TrafficClass::Refused);
        if let Some(telling) = &mut self.telling {
            let (status, code) = refusal.status();
            telling.refused(status.as_u16(), code);
        }
        refuse(refusal, ids)
    }

    /// Notes what became of it.
    fn end(&mut self, class: TrafficClass) {
        if let Some(series) = self.series.take() {
            self.tally.note(&series, class, self.begun.elapsed());
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let is_late = self.until.is_some_and(|until| Instant::now() >= until);
        if is_late && let Some(telling) = &mut self.telling {
            // As the client is told by whoever waited for it, or would be, if nothing else is asked in its place.
            let (status, code) = Refusal::UpstreamSlow(String::new()).status();
            telling.refused(status.as_u16(), code);
        }
        self.end(match is_late {
            true => TrafficClass::Refused,
            false => TrafficClass::Canceled,
        });
    }
}

fn slot(class: TrafficClass, bucket: usize) -> u8 {
    u8::try_from(class.index() * Latencies::BUCKETS + bucket).unwrap_or(u8::MAX)
}

/// The class and the bucket of a slot.
fn parts(slot: u8) -> Option<(TrafficClass, usize)> {
    let slot = usize::from(slot);
    let class = TrafficClass::from_index(slot / Latencies::BUCKETS)?;
    Some((class, slot % Latencies::BUCKETS))
}

/// What every worker counted and the store does not have yet.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    rows: BTreeMap<(u64, TrafficSeries, TrafficClass), Latencies>,
    /// Swapped with a worker's counts, so that neither is built anew each second.
    spare: FxHashMap<Series, Slots>,
    /// Requests that had no room.
    pub(crate) lost: u64,
}

impl Waiting {
    /// Takes what a worker counted, as requests of the minute that begins at `minute`.
    pub(crate) fn take(&mut self, tally: &Tally, minute: u64) {
        {
            let mut counted = tally.lock();
            std::mem::swap(&mut counted.counts, &mut self.spare);
            self.lost = self.lost.saturating_add(std::mem::take(&mut counted.lost));
        }
        for (series, slots) in self.spare.drain() {
            for (slot, times) in slots {
                let Some((class, bucket)) = parts(slot) else {
                    continue;
                };
                let place = (minute, TrafficSeries::clone(&series.0), class);
                let has_room = self.rows.len() < MOST_WAITING || self.rows.contains_key(&place);
                if has_room {
                    let latencies = self.rows.entry(place).or_default();
                    latencies.add(bucket, u64::from(times));
                } else {
                    self.lost = self.lost.saturating_add(u64::from(times));
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The next rows for the store, `most` of them at most. They wait until they are [kept](Self::kept).
    pub(crate) fn next(&self, most: usize) -> Vec<TrafficRow> {
        self.rows
            .iter()
            .take(most)
            .map(|((minute, series, class), latencies)| TrafficRow {
                series: series.clone(),
                minute: *minute,
                class: *class,
                latencies: *latencies,
            })
            .collect()
    }

    /// Lets go of rows that the store has.
    pub(crate) fn kept(&mut self, rows: Vec<TrafficRow>) {
        for row in rows {
            self.rows.remove(&(row.minute, row.series, row.class));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use keyward_registry::{
        GatewayId, Latencies, ProviderKeyId, ProviderSlug, TrafficClass, TrafficSeries,
    };
    use keyward_secret::AccountId;

    use super::{MOST_SERIES, MOST_WAITING, Series, Tally, Waiting, parts, slot};

    fn series(number: u32) -> Series {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_le_bytes());
        Series(
            TrafficSeries {
                account: AccountId::from_bytes([1; 16]),
                gateway: GatewayId::parse("prod").unwrap(),
                provider: ProviderSlug::parse("openai").unwrap(),
                key: Some(ProviderKeyId::from_bytes(id)),
            }
            .into(),
        )
    }

    #[test]
    fn every_slot_is_read_back() {
        for class in TrafficClass::ALL {
            for bucket in 0..Latencies::BUCKETS {
                assert_eq!(parts(slot(class, bucket)), Some((class, bucket)));
            }
        }
        assert_eq!(parts(u8::MAX), None);
    }

    #[test]
    fn what_is_counted_is_taken_once() {
        let tally = Tally::default();
        let mut waiting = Waiting::default();
        for _ in 0..3 {
            tally.note(&series(1), TrafficClass::Success, Duration::from_millis(3));
        }
        tally.note(&series(1), TrafficClass::Refused, Duration::ZERO);
        tally.note(&series(2), TrafficClass::Success, Duration::ZERO);
        waiting.take(&tally, 60);
        waiting.take(&tally, 120);
        let rows = waiting.next(10);
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.minute, row.class, row.latencies.total()))
            .collect();
        assert_eq!(
            told,
            [
                (60, TrafficClass::Success, 3),
                (60, TrafficClass::Refused, 1),
                (60, TrafficClass::Success, 1),
            ]
        );
        assert_eq!(rows[0].latencies.counts()[2], 3);
        // A row that grew meanwhile, and was kept before it grew, is not counted twice: it was taken whole.
        waiting.kept(rows);
        assert_eq!((waiting.len(), waiting.lost), (0, 0));
    }

    #[test]
    fn a_request_that_is_dropped_was_canceled() {
        let tally = Tally::default();
        drop(tally.begin(Some(series(1)), None, Instant::now(), None));
        let mut ended = tally.begin(Some(series(1)), None, Instant::now(), None);
        ended.end(TrafficClass::Success);
        drop(ended);
        drop(tally.begin(None, None, Instant::now(), None));
        let mut waiting = Waiting::default();
        waiting.take(&tally, 0);
        let classes: Vec<_> = waiting.next(10).iter().map(|row| row.class).collect();
        assert_eq!(classes, [TrafficClass::Success, TrafficClass::Canceled]);
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let tally = Tally::default();
        let more = u32::try_from(MOST_SERIES).unwrap() + 5;
        for number in 0..more {
            tally.note(&series(number), TrafficClass::Success, Duration::ZERO);
        }
        // What has its place already is counted on.
        tally.note(&series(0), TrafficClass::Success, Duration::ZERO);
        let mut waiting = Waiting::default();
        waiting.take(&tally, 0);
        assert_eq!((waiting.len(), waiting.lost), (MOST_SERIES, 5));

        // The store does not answer: minutes go by, and the same keys are used.
        let mut minute = 0;
        while waiting.len() < MOST_WAITING {
            minute += 60;
            for number in 0..u32::try_from(MOST_SERIES).unwrap() {
                tally.note(&series(number), TrafficClass::Success, Duration::ZERO);
            }
            waiting.take(&tally, minute);
        }
        let had_no_room = waiting.lost - 5;
        assert_eq!(waiting.len(), MOST_WAITING);
        let minutes = minute / 60 + 1;
        let all = minutes * u64::try_from(MOST_SERIES).unwrap();
        assert_eq!(all - had_no_room, u64::try_from(MOST_WAITING).unwrap());
    }
}
