//! AWS event streams that come in pieces: the payload of each message.
//!
//! source: <https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream> and the
//! encoding in <https://smithy.io/2.0/aws/amazon-eventstream.html>: the length of the message, of its headers, a checksum of
//! both; the headers; the payload; a checksum. Checksums are not verified: the counts of a damaged message are the client's
//! loss as well.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{Seen, counts::Tally, json::Scanner};

/// Both lengths and their checksum.
const PRELUDE: usize = 12;

/// The checksum at the end of a message.
const TRAILER: usize = 4;

/// The most bytes of a message that are held. A guess: one with counts in it has a few hundred; what is longer is passed
/// over.
const LONGEST_MESSAGE: usize = 256 * 1024;

/// What wraps an event of an invoked model.
#[derive(Deserialize)]
struct Wrapped {
    bytes: Box<str>,
}

/// A place in a stream of messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    held: Vec<u8>,
    /// How much of the message is still to come that is not held.
    passing: usize,
    /// What came is no such stream.
    is_lost: bool,
}

impl Messages {
    /// Reads on.
    pub(super) fn feed(
        &mut self,
        mut rest: &[u8],
        scanner: &mut Scanner,
        tally: &mut Tally,
        seen: &mut Seen,
    ) {
        while !rest.is_empty() && !self.is_lost {
            let wanted = match self.passing {
                0 => self.wanted(),
                passing => passing,
            };
            let (taken, after) = rest.split_at(wanted.min(rest.len()));
            rest = after;
            if self.passing > 0 {
                self.passing -= taken.len();
                continue;
            }
            self.held.extend_from_slice(taken);
            self.go_on(scanner, tally, seen);
        }
    }

    /// How many bytes are missing: to the lengths, or to the whole message.
    fn wanted(&self) -> usize {
        let whole = match self.length(0) {
            Some(length) if self.held.len() >= PRELUDE => length,
            _ => PRELUDE,
        };
        whole.saturating_sub(self.held.len())
    }

    /// One of the two lengths.
    fn length(&self, at: usize) -> Option<usize> {
        let four = self.held.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_be_bytes(*four)).ok()
    }

    fn go_on(&mut self, scanner: &mut Scanner, tally: &mut Tally, seen: &mut Seen) {
        if self.held.len() < PRELUDE {
            return;
        }
        let (Some(whole), Some(headers)) = (self.length(0), self.length(4)) else {
            return;
        };
        if headers.saturating_add(PRELUDE + TRAILER) > whole {
            self.is_lost = true;
            self.held = Vec::new();
        } else if whole > LONGEST_MESSAGE {
            self.passing = whole - self.held.len();
            self.held.clear();
            seen.events = seen.events.saturating_add(1);
        } else if self.held.len() == whole {
            let payload = self.held.get(PRELUDE + headers..whole - TRAILER);
            read(payload.unwrap_or_default(), scanner, tally, seen);
            self.held.clear();
        }
    }
}

fn read(payload: &[u8], scanner: &mut Scanner, tally: &mut Tally, seen: &mut Seen) {
    seen.take(payload);
    seen.events = seen.events.saturating_add(1);
    let inner = serde_json::from_slice::<Wrapped>(payload)
        .ok()
        .and_then(|wrapped| STANDARD.decode(&*wrapped.bytes).ok());
    scanner.feed(inner.as_deref().unwrap_or(payload), tally);
    scanner.restart(tally);
}
