//! A copy of a compressed answer, so that what it says of its tokens can be read when it has ended.

use std::sync::Arc;

use http::HeaderMap;
use keyward_forward::Codings;
use keyward_providers::UsageReader;

use super::copy::BodyCopy;
use crate::replay::Room;

/// How much of one answer is copied at most. Compressed, some ten thousand tokens as events are that long.
const MOST_COMPRESSED: usize = 256 * 1024;
/// How much may come of it: so many times as much, and so much of any, however short.
const RATIO: usize = 50;
const FREE_BYTES: usize = 64 * 1024;

/// The copy of one answer.
pub(super) struct Side {
    codings: Codings,
    /// None where a coding is unknown.
    copy: Option<BodyCopy>,
}

impl Side {
    /// For an answer with these headers; none where it is read as it passes. An answer in a coding that is unknown is not
    /// read at all.
    pub(super) fn of(headers: &HeaderMap, room: &Arc<Room>) -> Option<Self> {
        let (codings, copy) = match Codings::of(headers) {
            Ok(codings) if codings.is_empty() => return None,
            Ok(codings) => (codings, Some(BodyCopy::new(MOST_COMPRESSED, room))),
            Err(_unknown) => (Codings::default(), None),
        };
        Some(Self { codings, copy })
    }

    /// Copies the next piece.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if let Some(copy) = &mut self.copy {
            copy.take(bytes);
        }
    }

    /// Reads what was copied. Of an answer that was cut, as far as it came.
    pub(super) fn read(&self, reader: &mut UsageReader, left: &mut usize) {
        let Some(copied) = self.copy.as_ref().and_then(BodyCopy::bytes) else {
            return;
        };
        let most = copied.len().saturating_mul(RATIO).max(FREE_BYTES);
        let mut became = 0;
        let read = self.codings.undo(copied, most.min(*left), |piece| {
            became += piece.len();
            reader.feed(piece);
        });
        *left = left.saturating_sub(became);
        if let Err(error) = read {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a compressed answer was not read to its end for what it took"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, sync::Arc};

    use flate2::{Compression, write::GzEncoder};
    use http::{HeaderMap, HeaderValue};
    use keyward_providers::{UsageReader, UsageShape};

    use super::{MOST_COMPRESSED, Side};
    use crate::replay::Room;

    const ANSWER: &[u8] = br#"{"model":"gpt-5","usage":{"prompt_tokens":9,"completion_tokens":2}}"#;

    fn headers(coding: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(coding).unwrap();
        headers.insert("content-encoding", value);
        headers
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn total(side: &Side) -> Option<u64> {
        let mut reader = UsageReader::new(UsageShape::OpenAi, Some("application/json"));
        side.read(&mut reader, &mut usize::MAX.clone());
        reader.usage().total()
    }

    #[test]
    fn a_compressed_answer_is_read_when_it_has_ended() {
        let room = Arc::new(Room::of(1024 * 1024));
        assert!(Side::of(&HeaderMap::new(), &room).is_none());
        assert!(Side::of(&headers("identity"), &room).is_none());
        let mut side = Side::of(&headers("gzip"), &room).unwrap();
        for byte in gzip(ANSWER) {
            side.take(&[byte]);
        }
        assert_eq!(total(&side), Some(11));
        let mut unknown = Side::of(&headers("compress"), &room).unwrap();
        unknown.take(ANSWER);
        assert_eq!(total(&unknown), None);
    }

    #[test]
    fn what_is_too_long_or_has_no_room_is_let_go_and_gives_its_room_back() {
        let room = Arc::new(Room::of(MOST_COMPRESSED as u64));
        let mut long = Side::of(&headers("gzip"), &room).unwrap();
        long.take(&vec![0; MOST_COMPRESSED]);
        let mut other = Side::of(&headers("gzip"), &room).unwrap();
        other.take(&gzip(ANSWER));
        assert_eq!(total(&other), None, "there was no room");
        long.take(&[0]);
        drop((long, other));
        assert!(room.take(MOST_COMPRESSED), "all room is given back");
    }
}
