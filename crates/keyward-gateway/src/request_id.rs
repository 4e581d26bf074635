//! What a request is called: on its answer, whoever gives it, and in the gateway's own words about it.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::{Builder, Uuid, fmt::Hyphenated};

use crate::pool::mix;

const EVENT_ID: HeaderName = HeaderName::from_static("cf-aig-event-id");
const LOG_ID: HeaderName = HeaderName::from_static("cf-aig-log-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("cf-aig-request-id");

/// Of a client's own event id, in bytes. A bound of ours, for what is kept with a request.
const LONGEST_EVENT: usize = 256;

/// The id of one request: a UUIDv7, as the reference's are since 2026-10-08 (wire-spec §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(Uuid);

impl RequestId {
    /// The id of a request that came `at` that time. `draw` is different for each of a worker's requests, and begins for
    /// each worker at a random number. Without a clock and a generator that all workers share.
    pub(crate) fn of(at: SystemTime, draw: u64) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Behind the milliseconds, RFC 9562 §6.2 lets a finer clock stand: requests of one millisecond sort by time.
        let fraction = u64::from(since.subsec_nanos() % 1_000_000) * 4096 / 1_000_000;
        let mut random = [0; 10];
        let (finer, rest) = random.split_at_mut(2);
        finer.copy_from_slice(&u16::try_from(fraction).unwrap_or_default().to_be_bytes());
        rest.copy_from_slice(&mix(draw).to_be_bytes());
        let millis = u64::try_from(since.as_millis()).unwrap_or_default();
        Self(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// A new id for what was refused before anything was known of it. Reads the clock for its time part.
    fn make() -> Self {
        Self(Uuid::now_v7())
    }

    /// Its 128 bits.
    pub(crate) const fn to_bytes(self) -> [u8; 16] {
        *self.0.as_bytes()
    }

    fn to_header(self) -> HeaderValue {
        let mut text = [0; Hyphenated::LENGTH];
        self.0.hyphenated().encode_lower(&mut text);
        // Three headers share it: this way, without a second allocation. Hexadecimal digits and hyphens always make a
        // header's value.
        HeaderValue::from_maybe_shared(Bytes::from_owner(text))
            .unwrap_or_else(|_invalid| HeaderValue::from_static("0"))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What one request is called.
#[derive(Debug)]
pub(crate) struct Ids {
    pub(crate) request: RequestId,
    /// What its client calls what it is part of.
    event: Option<HeaderValue>,
}

impl Ids {
    /// The ids of a request with these headers. Another event id than printable text of at most 256 bytes is none.
    pub(crate) fn new(request: RequestId, headers: &HeaderMap) -> Self {
        let event = headers.get(EVENT_ID).filter(|event| {
            (1..=LONGEST_EVENT).contains(&event.len()) && event.as_bytes().is_ascii()
        });
        Self {
            request,
            event: event.cloned(),
        }
    }

    /// The ids of a request with these headers, of which nothing was decided.
    pub(crate) fn undecided(headers: &HeaderMap) -> Self {
        Self::new(RequestId::make(), headers)
    }

    /// The ids of what is answered for a part of a request.
    pub(crate) fn of_part() -> Self {
        Self {
            request: RequestId::make(),
            event: None,
        }
    }

    /// Has what is made of the request called as a part of it.
    pub(crate) fn pass_on(&self, headers: &mut HeaderMap) {
        headers.insert(EVENT_ID, self.event_or(&self.request.to_header()));
    }

    /// Puts them into the request's answer.
    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        let id = self.request.to_header();
        headers.insert(EVENT_ID, self.event_or(&id));
        headers.insert(LOG_ID, id.clone());
        headers.insert(REQUEST_ID, id);
    }

    /// Puts them into an answer to something that was made of the request, and has a log id of its own.
    pub(crate) fn put_around(&self, headers: &mut HeaderMap) {
        let id = self.request.to_header();
        headers.insert(EVENT_ID, self.event_or(&id));
        if !headers.contains_key(LOG_ID) {
            headers.insert(LOG_ID, id.clone());
        }
        headers.insert(REQUEST_ID, id);
    }

    /// What the client calls what it is part of; none where it says nothing.
    pub(crate) const fn event(&self) -> Option<&HeaderValue> {
        self.event.as_ref()
    }

    fn event_or(&self, id: &HeaderValue) -> HeaderValue {
        self.event.as_ref().unwrap_or(id).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::HeaderMap;
    use proptest::prelude::*;
    use uuid::{Uuid, Variant};

    use super::{Ids, RequestId};

    proptest! {
        #[test]
        fn an_id_is_a_uuid_of_version_7_that_sorts_by_time(
            micros in 0..4_000_000_000_000_000_u64, later in 1..5_000_000_u64, draws: [u64; 2],
        ) {
            let at = UNIX_EPOCH + Duration::from_micros(micros);
            let id = RequestId::of(at, draws[0]);
            let parsed = Uuid::parse_str(&id.to_string()).unwrap();
            prop_assert_eq!(parsed.get_version_num(), 7);
            prop_assert_eq!(parsed.get_variant(), Variant::RFC4122);
            let (seconds, nanos) = parsed.get_timestamp().unwrap().to_unix();
            prop_assert_eq!(seconds * 1000 + u64::from(nanos / 1_000_000), micros / 1000);
            let next = RequestId::of(at + Duration::from_micros(later), draws[1]);
            prop_assert!(id.to_string() < next.to_string());
        }

        #[test]
        fn draws_tell_requests_of_one_moment_apart(draws: [u64; 2]) {
            let of = |draw| RequestId::of(UNIX_EPOCH, draw);
            prop_assume!(draws[0] != draws[1]);
            prop_assert_ne!(of(draws[0]), of(draws[1]));
        }
    }

    #[test]
    fn an_event_id_is_echoed_where_it_is_short_text() {
        let put = |event: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("cf-aig-event-id", event.try_into().unwrap());
            let ids = Ids::new(RequestId::of(UNIX_EPOCH, 1), &headers);
            let mut answer = HeaderMap::new();
            ids.put(&mut answer);
            assert_eq!(answer["cf-aig-log-id"], answer["cf-aig-request-id"]);
            answer["cf-aig-event-id"].clone()
        };
        assert_eq!(put(b"turn 7"), "turn 7");
        let longest = [b'e'; 256];
        assert_eq!(put(&longest).as_bytes(), longest);
        let own = RequestId::of(UNIX_EPOCH, 1).to_string();
        for other in [&b""[..], &[b'e'; 257], b"\xff"] {
            assert_eq!(put(other), own);
        }
    }
}
