//! Server-sent events that come in pieces: which bytes are data, and where an event ends.
//!
//! source: <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>: lines end in LF, CR
//! or CRLF; a BOM may stand first; one space after the colon is no data; what begins with a colon is a comment.

use memchr::{memchr2, memmem};

use super::{
    Seen,
    counts::Tally,
    json::Scanner,
    shape::{MARK, MODEL_MARK},
};

const BOM: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data:";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Within a line that so far is the first bytes of a BOM, of which there are this many.
    Bom(usize),
    /// Within a line that so far is the first bytes of `data:`.
    Name(usize),
    /// Behind the colon.
    Colon,
    Data,
    /// Within any other line.
    Other,
}

/// A place in a stream of events.
#[derive(Clone, Debug)]
pub(super) struct Events {
    state: State,
    /// The last byte was a CR that ended a line: a LF belongs to it.
    is_after_cr: bool,
    /// The event has data.
    has_data: bool,
}

impl Events {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Bom(0),
            is_after_cr: false,
            has_data: false,
        }
    }

    /// Reads on. The scanner gets the data of every event that may say something, and of no other where it comes in one
    /// piece.
    pub(super) fn feed(
        &mut self,
        mut rest: &[u8],
        scanner: &mut Scanner,
        tally: &mut Tally,
        seen: &mut Seen,
    ) {
        while let Some(byte) = rest.first().copied() {
            if std::mem::take(&mut self.is_after_cr) && byte == b'\n' {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            if self.state == State::Name(0)
                && !self.has_data
                && let Some(after) = pass_over(rest, tally, seen)
            {
                rest = after;
                continue;
            }
            let taken = self.step(byte, rest, scanner, tally, seen);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    fn step(
        &mut self,
        byte: u8,
        rest: &[u8],
        scanner: &mut Scanner,
        tally: &mut Tally,
        seen: &mut Seen,
    ) -> usize {
        let is_end = matches!(byte, b'\r' | b'\n');
        match self.state {
            State::Bom(count) if BOM.get(count) == Some(&byte) => {
                self.state = match count + 1 {
                    3 => State::Name(0),
                    more => State::Bom(more),
                };
                1
            }
            State::Bom(0) => {
                self.state = State::Name(0);
                0
            }
            State::Name(count) if DATA.get(count) == Some(&byte) => {
                self.state = match count + 1 {
                    5 => State::Colon,
                    more => State::Name(more),
                };
                1
            }
            State::Name(0) if is_end => {
                self.end_event(scanner, tally, seen);
                self.is_after_cr = byte == b'\r';
                1
            }
            State::Bom(_) | State::Name(_) => {
                self.state = State::Other;
                0
            }
            State::Colon => {
                if std::mem::replace(&mut self.has_data, true) {
                    // Lines of data are one text with LF between them.
                    scanner.feed(b"\n", tally);
                }
                self.state = State::Data;
                usize::from(byte == b' ')
            }
            State::Data | State::Other => {
                let end = memchr2(b'\r', b'\n', rest);
                let run = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                if self.state == State::Data {
                    seen.take(run);
                    scanner.feed(run, tally);
                }
                if end.is_none() {
                    return run.len();
                }
                self.state = State::Name(0);
                self.is_after_cr = rest.get(run.len()) == Some(&b'\r');
                run.len() + 1
            }
        }
    }

    fn end_event(&mut self, scanner: &mut Scanner, tally: &mut Tally, seen: &mut Seen) {
        if std::mem::take(&mut self.has_data) {
            seen.events = seen.events.saturating_add(1);
            scanner.restart(tally);
        }
    }
}

/// What follows an event of one line of data that says nothing of interest, where it lies before us whole.
fn pass_over<'a>(rest: &'a [u8], tally: &Tally, seen: &mut Seen) -> Option<&'a [u8]> {
    let data = rest.strip_prefix(DATA)?;
    let data = data.strip_prefix(b" ").unwrap_or(data);
    let (data, after) = data.split_at_checked(memchr2(b'\r', b'\n', data)?)?;
    // Only a CRLF as a whole and the end of the event behind it are looked at: else byte by byte.
    let after = [&b"\n\n"[..], b"\r\n\r\n"]
        .iter()
        .find_map(|ends| after.strip_prefix(*ends))?;
    let has = |mark: &[u8]| memmem::find(data, mark).is_some();
    if has(MARK) || tally.model().is_none() && has(MODEL_MARK) {
        return None;
    }
    seen.take(data);
    seen.events = seen.events.saturating_add(1);
    Some(after)
}
