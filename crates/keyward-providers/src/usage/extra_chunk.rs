//! Takes out of a stream the one event that the client did not ask for.
//!
//! source: <https://platform.openai.com/docs/api-reference/chat-streaming/streaming>: with `include_usage`, one more chunk
//! comes before `[DONE]`, with the counts and with no choices.

use bytes::Bytes;
use memchr::{memchr2, memmem};
use serde::{Deserialize, de::IgnoredAny};

/// The most bytes of an event that are held. A guess: the one that is taken out has less than one KiB.
const LONGEST_HELD: usize = 16 * 1024;

/// A part of every such event: `prompt_tokens`, `completion_tokens` and `total_tokens` are in it.
const MARK: &[u8] = b"_tokens\"";

/// Takes the chunk with the counts out of a stream of chat completions, for a client that did not ask for it, once
/// `include_usage` was put into its request.
///
/// An event is taken out that has an empty list of `choices` and an object of `usage`, from its first line to the blank line
/// behind it, and no second one; no other byte changes. Bytes are passed on without being copied.
///
/// Held back is what has come of an event whose blank line has not come, and that alone: whoever reads events does nothing
/// before that line either. An event of more than 16 KiB is passed on as it comes. After the one is out, everything is.
///
/// ```
/// use bytes::Bytes;
/// use keyward_providers::ExtraChunk;
///
/// let mut extra = ExtraChunk::new();
/// let mut sent = Vec::new();
/// for part in ["data: {\"choices\":[{}]}\n\ndata: {\"choices\":[],\"usa", "ge\":{\"total_tokens\":3}}\n\ndata: [DONE]\n\n"] {
///     extra.push(Bytes::from(part), |bytes| sent.extend_from_slice(&bytes));
/// }
/// extra.finish(|bytes| sent.extend_from_slice(&bytes));
/// assert_eq!(sent, b"data: {\"choices\":[{}]}\n\ndata: [DONE]\n\n");
/// assert!(extra.is_out());
/// ```
#[derive(Clone, Debug)]
pub struct ExtraChunk {
    state: State,
    /// What came of the event that is being read.
    held: Vec<Bytes>,
    held_length: usize,
    is_line_empty: bool,
    is_after_cr: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Looking,
    /// The event is too long to be the one.
    Passing,
    /// It is out, but for the LF of its last CRLF.
    Cut,
    Out,
}

/// A chunk, as far as it matters.
#[derive(Deserialize)]
struct Chunk {
    choices: Vec<IgnoredAny>,
    #[expect(dead_code, reason = "that it is an object is what matters")]
    usage: Counts,
}

#[derive(Deserialize)]
struct Counts {}

impl Default for ExtraChunk {
    fn default() -> Self {
        Self::new()
    }
}

impl ExtraChunk {
    /// Before the first byte.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::Looking,
            held: Vec::new(),
            held_length: 0,
            is_line_empty: true,
            is_after_cr: false,
        }
    }

    /// Takes the next bytes of the stream, uncompressed and cut anywhere, and passes on what is decided.
    pub fn push(&mut self, mut bytes: Bytes, mut pass: impl FnMut(Bytes)) {
        if self.state == State::Cut && !bytes.is_empty() {
            self.state = State::Out;
            if bytes.first() == Some(&b'\n') {
                drop(bytes.split_to(1));
            }
        }
        // Up to here everything is passed on, and from here on is the event that is being read.
        let mut decided = 0;
        if self.is_after_cr && self.held.is_empty() && bytes.first() == Some(&b'\n') {
            // It ends the line of what was passed on already.
            self.is_after_cr = false;
            decided = 1;
        }
        while self.state != State::Out {
            let Some(length) = self.event_end(bytes.get(decided..).unwrap_or_default()) else {
                break;
            };
            let end = decided + length;
            let is_it = self.state == State::Looking
                && self.is_extra(bytes.get(decided..end).unwrap_or_default());
            if !is_it {
                self.let_go(&mut pass);
                self.state = State::Looking;
                decided = end;
                continue;
            }
            self.held.clear();
            self.held_length = 0;
            let before = bytes.split_to(decided);
            pass_some(before, &mut pass);
            drop(bytes.split_to(length));
            decided = 0;
            let may_follow = self.is_after_cr && bytes.is_empty();
            self.state = if may_follow { State::Cut } else { State::Out };
            if may_follow {
                return;
            }
        }
        match self.state {
            State::Looking => {
                let rest = bytes.split_off(decided);
                pass_some(bytes, &mut pass);
                self.hold(rest, &mut pass);
            }
            State::Passing | State::Cut | State::Out => pass_some(bytes, &mut pass),
        }
    }

    /// The stream has ended: passes on what is left, but for the chunk where it stands last and without a blank line.
    pub fn finish(&mut self, mut pass: impl FnMut(Bytes)) {
        if self.state == State::Looking && self.is_extra(b"") {
            self.held.clear();
            self.state = State::Out;
        }
        self.let_go(&mut pass);
    }

    /// Whether the chunk was there, and is out.
    #[must_use]
    pub const fn is_out(&self) -> bool {
        matches!(self.state, State::Cut | State::Out)
    }

    /// How many bytes are held back.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held_length
    }

    fn hold(&mut self, rest: Bytes, pass: &mut impl FnMut(Bytes)) {
        if rest.is_empty() {
            return;
        }
        self.held_length = self.held_length.saturating_add(rest.len());
        self.held.push(rest);
        if self.held_length > LONGEST_HELD {
            self.let_go(pass);
            self.state = State::Passing;
        }
    }

    fn let_go(&mut self, pass: &mut impl FnMut(Bytes)) {
        self.held_length = 0;
        self.held.drain(..).for_each(pass);
    }

    /// Where the event ends that is being read: behind the blank line.
    fn event_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let first = rest.first()?;
            if std::mem::take(&mut self.is_after_cr) && *first == b'\n' {
                at += 1;
                continue;
            }
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                self.is_line_empty = false;
                return None;
            };
            let is_blank = self.is_line_empty && end == 0;
            self.is_line_empty = true;
            self.is_after_cr = rest.get(end) == Some(&b'\r');
            at += end + 1;
            if !is_blank {
                continue;
            }
            if self.is_after_cr && bytes.get(at) == Some(&b'\n') {
                self.is_after_cr = false;
                at += 1;
            }
            return Some(at);
        }
    }

    /// Whether the event that ends with `tail` is the one.
    fn is_extra(&self, tail: &[u8]) -> bool {
        if self.held.is_empty() {
            return is_extra(tail);
        }
        if self.held_length.saturating_add(tail.len()) > LONGEST_HELD {
            return false;
        }
        let mut event = Vec::with_capacity(self.held_length + tail.len());
        self.held
            .iter()
            .for_each(|part| event.extend_from_slice(part));
        event.extend_from_slice(tail);
        is_extra(&event)
    }
}

fn pass_some(bytes: Bytes, pass: &mut impl FnMut(Bytes)) {
    if !bytes.is_empty() {
        pass(bytes);
    }
}

fn is_extra(event: &[u8]) -> bool {
    if event.len() > LONGEST_HELD || memmem::find(event, MARK).is_none() {
        return false;
    }
    let event = event.strip_prefix(b"\xef\xbb\xbf").unwrap_or(event);
    let mut data = Vec::new();
    for line in event.split(|byte| matches!(byte, b'\r' | b'\n')) {
        if let Some(text) = line.strip_prefix(b"data:") {
            data.extend_from_slice(text);
            data.push(b'\n');
        }
    }
    serde_json::from_slice::<Chunk>(&data).is_ok_and(|chunk| chunk.choices.is_empty())
}
