//! Many long exchanges at once: what a proxy holds while they are open, and whether each arrives whole.
//!
//! The query of a request says what its answer is to be, see [`Ask`]: a proxy hands it on byte for byte. [`upstream`]
//! answers, [`client`] asks; both read and write through small buffers of their own, so that a proxy's memory alone
//! follows from what the proxy does.

pub mod client;
pub mod upstream;

use std::{fmt, future::Future};

use hyper::rt::Executor;
use tokio::task::spawn_local;

/// What an answer is to be. Written and parsed as the query of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "upstream and client must handle each"
)]
pub enum Ask {
    /// One event, and then silence until the client goes: `hold`.
    Hold,
    /// Numbered events: `events=N&gate=K`.
    Events {
        /// How many.
        count: u32,
        /// All but the first event wait until this many such answers have begun, so that they are open together.
        gate: u32,
    },
    /// A body of this length, sent when the request's body is read to its end: `bytes=N`.
    Bytes(u64),
}

impl Ask {
    /// Reads the query of a request target.
    pub fn parse(query: &str) -> Option<Self> {
        if query == "hold" {
            return Some(Self::Hold);
        }
        if let Some(count) = query.strip_prefix("bytes=") {
            return count.parse().ok().map(Self::Bytes);
        }
        let (count, gate) = query.strip_prefix("events=")?.split_once("&gate=")?;
        Some(Self::Events {
            count: count.parse().ok()?,
            gate: gate.parse().ok()?,
        })
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold => f.write_str("hold"),
            Self::Events { count, gate } => write!(f, "events={count}&gate={gate}"),
            Self::Bytes(count) => write!(f, "bytes={count}"),
        }
    }
}

/// The event with this number, with the blank line that ends it.
pub fn event(number: u32) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word {number}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

/// How many exchanges share a connection over HTTP/2: as many as servers commonly take.
const PER_HTTP2_CONNECTION: u32 = 100;

/// Where the tasks of HTTP/2 connections run.
#[derive(Clone, Copy, Debug)]
struct ThisThread;

impl<F: Future + 'static> Executor<F> for ThisThread {
    fn execute(&self, future: F) {
        spawn_local(async move { drop(future.await) });
    }
}

/// Large bodies repeat this; its length is a prime, so that a piece that is lost or doubled shows.
const PATTERN_BYTES: usize = 251;

/// The bytes of a large body from `offset` on, as many as `into` takes.
fn fill_pattern(offset: u64, into: &mut [u8]) {
    let phase = usize::try_from(offset % 251).unwrap_or_default();
    for (index, byte) in into.iter_mut().enumerate() {
        *byte = pattern_byte(phase + index);
    }
}

fn pattern_byte(position: usize) -> u8 {
    // Letters and line feeds only: a search for keys finds nothing to look at twice.
    match position % PATTERN_BYTES {
        250 => b'\n',
        position => b'a' + u8::try_from(position % 26).unwrap_or_default(),
    }
}

/// Whether `bytes` are those of a large body from `offset` on.
fn has_pattern(offset: u64, bytes: &[u8]) -> bool {
    let phase = usize::try_from(offset % 251).unwrap_or_default();
    bytes
        .iter()
        .enumerate()
        .all(|(index, &byte)| byte == pattern_byte(phase + index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_survives_its_text() {
        for ask in [
            Ask::Hold,
            Ask::Events { count: 7, gate: 3 },
            Ask::Bytes(104_857_600),
        ] {
            assert_eq!(Ask::parse(&ask.to_string()), Some(ask));
        }
        assert_eq!(Ask::parse("events=1"), None);
    }

    #[test]
    fn a_lost_byte_breaks_the_pattern() {
        let mut bytes = [0; 1000];
        fill_pattern(100, &mut bytes);
        assert!(has_pattern(100, &bytes));
        assert!(!has_pattern(101, &bytes));
        assert!(has_pattern(351, &bytes));
    }
}
