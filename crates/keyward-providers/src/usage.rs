//! How many tokens an answer says that it took.
//!
//! Read from the bytes as they pass, in pieces of any size: of an answer nothing is held but the key, the number or the name
//! that is being read. Whoever has a compressed answer hands in what it decodes to. Where a provider says nothing of its
//! counts, or nonsense, they are unknown, and nothing is guessed here; [`Seen`] is for whoever must.

mod counts;
mod extra_chunk;
mod frames;
mod json;
mod rules;
mod shape;
mod sse;

pub(crate) use self::rules::{UsageRules, UsageText};
pub use self::{extra_chunk::ExtraChunk, shape::UsageShape};

use self::{counts::Tally, frames::Messages, json::Scanner, sse::Events};

/// Token counts of one answer, read alike whoever gave it. None: the answer does not say, or says what cannot be.
///
/// Providers count differently: one leaves cached tokens out of the input, another reasoning out of the output. Here both
/// are within, so that a part is never larger than its whole. What was read from a cache and what was written to one may
/// together be more than the input: OpenRouter reports tokens that were both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Usage {
    /// All tokens that went in: those that were read from a cache or written to one too.
    pub input: Option<u64>,
    /// Of the input, what was read from a cache.
    pub cache_read: Option<u64>,
    /// Of the input, what was written to a cache.
    pub cache_write: Option<u64>,
    /// Of what was written to a cache, what is kept there for an hour. Other providers than Anthropic do not say.
    pub cache_write_hour: Option<u64>,
    /// All tokens that came out: those of reasoning too.
    pub output: Option<u64>,
    /// Of the output, what was reasoning.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Of an answer that says nothing.
    pub const UNKNOWN: Self = Self {
        input: None,
        cache_read: None,
        cache_write: None,
        cache_write_hour: None,
        output: None,
        reasoning: None,
    };

    /// Whether the answer says nothing.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::UNKNOWN
    }

    /// Input and output together, where both are known.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        match (self.input, self.output) {
            (Some(input), Some(output)) => input.checked_add(output),
            _ => None,
        }
    }
}

/// How much of an answer came so far: what is known of one that was cut before it said its counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Seen {
    /// Bytes of data, without what frames the events. A token of text takes about four, and what is around it in an event
    /// some hundred more.
    pub bytes: u64,
    /// Events with data in them, `[DONE]` too. None in an answer that is no stream of events. Most providers send one for
    /// each token or few.
    pub events: u64,
}

impl Seen {
    fn take(&mut self, data: &[u8]) {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
    }
}

/// Reads the counts of an answer beside its way to the client.
///
/// ```
/// use keyward_providers::{UsageReader, UsageShape};
///
/// let mut reader = UsageReader::new(UsageShape::OpenAi, Some("text/event-stream"));
/// reader.feed(b"data: {\"model\":\"gpt-4o\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n");
/// reader.feed(b"data: {\"choices\":[],\"usage\":{\"prompt_tok");
/// assert!(reader.usage().is_unknown());
/// reader.feed(b"ens\":9,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n");
///
/// assert_eq!(reader.usage().input, Some(9));
/// assert_eq!(reader.usage().total(), Some(10));
/// assert_eq!(reader.model(), Some("gpt-4o"));
/// assert_eq!(reader.seen().events, 3);
/// ```
///
/// It takes less than 1 KiB and allocates for the model's name alone; for an AWS event stream it holds one message of at most
/// 256 KiB. Any bytes are read to their end: no input is an error, and none makes it panic.
#[derive(Clone, Debug)]
pub struct UsageReader {
    framing: Framing,
    scanner: Scanner,
    tally: Tally,
    seen: Seen,
}

#[derive(Clone, Debug)]
enum Framing {
    /// The first byte tells.
    Open,
    /// One document or several, one after the other, on lines or in an array.
    Json,
    Events(Events),
    Messages(Messages),
    /// Sound, images and the like: nothing is looked for.
    Unread,
}

impl UsageReader {
    /// For an answer of this shape with this `Content-Type`.
    ///
    /// JSON and server-sent events are told apart by how the answer begins, as some servers name one and send the other; the
    /// type tells an AWS event stream, and what cannot hold counts.
    #[must_use]
    pub fn new(shape: UsageShape, content_type: Option<&str>) -> Self {
        Self {
            framing: Framing::of(content_type.unwrap_or_default()),
            scanner: Scanner::new(shape.root()),
            tally: Tally::new(shape.rule()),
            seen: Seen::default(),
        }
    }

    /// Reads on: the next bytes of the answer, decompressed, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8]) {
        let bytes = match self.framing {
            Framing::Open => self.begin(bytes),
            _ => bytes,
        };
        match &mut self.framing {
            Framing::Open | Framing::Unread => self.seen.take(bytes),
            Framing::Json => {
                self.seen.take(bytes);
                self.scanner.feed(bytes, &mut self.tally);
            }
            Framing::Events(events) => {
                events.feed(bytes, &mut self.scanner, &mut self.tally, &mut self.seen);
            }
            Framing::Messages(messages) => {
                messages.feed(bytes, &mut self.scanner, &mut self.tally, &mut self.seen);
            }
        }
    }

    /// Looks at how the answer begins. Gives what is to be read.
    fn begin<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        // A byte order mark and blank lines before either mean nothing.
        let is_nothing = |byte: &u8| byte.is_ascii_whitespace() || b"\xef\xbb\xbf".contains(byte);
        let Some(at) = bytes.iter().position(|byte| !is_nothing(byte)) else {
            return b"";
        };
        let rest = bytes.get(at..).unwrap_or_default();
        self.framing = match rest.first() {
            Some(b'{' | b'[') => Framing::Json,
            _ => Framing::Events(Events::new()),
        };
        rest
    }

    /// What is known so far. Counts are running totals in a stream: the last that are said stand here.
    ///
    /// Cheap, but not free: ask when the answer has ended or was cut.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.tally.usage()
    }

    /// The model that the answer names, at most 256 bytes and without control characters; it may be more exact than the one
    /// that was asked for.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.tally.model()
    }

    /// How much came so far.
    #[must_use]
    pub const fn seen(&self) -> Seen {
        self.seen
    }
}

impl Framing {
    fn of(content_type: &str) -> Self {
        let name = content_type.split(';').next().unwrap_or_default().trim();
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let begins = |kind: &str| {
            name.get(..kind.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(kind))
        };
        if is("application/vnd.amazon.eventstream") {
            return Self::Messages(Messages::default());
        }
        let is_unread = ["audio/", "image/", "video/", "font/", "multipart/"]
            .into_iter()
            .any(begins)
            || is("application/octet-stream")
            || is("text/html");
        if is_unread { Self::Unread } else { Self::Open }
    }
}

#[cfg(test)]
mod tests {
    use super::UsageReader;

    #[test]
    fn a_reader_takes_less_than_a_kibibyte() {
        assert!(size_of::<UsageReader>() < 1024);
    }
}
