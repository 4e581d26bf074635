//! One pass over JSON that comes in pieces: finds the counts and the model where a shape says they are, and holds nothing
//! else.
//!
//! It checks no grammar: what is no JSON is passed over somehow, in bounded memory. Keys are compared as they stand, so one
//! with an escape in it is not found.

use memchr::memchr2;

use super::{
    counts::{Amount, Tally},
    shape::{Member, Node},
};

/// How many containers of a shape may lie in one another. What lies deeper is in no shape.
const DEEPEST: usize = 8;

/// The most bytes of a key, a number or a name that are held: the escapes of a model's name may make it longer than it is.
const LONGEST_HELD: usize = 320;

/// A container of the shape that is being read.
#[derive(Clone, Copy, Debug)]
enum Container {
    Object {
        members: &'static [Member],
        is_usage: bool,
    },
    Array(&'static Node),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a value, or before the colon in front of it.
    Value,
    /// Before a key.
    Key,
    InKey,
    InKeyEscape,
    InText,
    InTextEscape,
    InScalar,
    /// Within what the shape does not know.
    Skip,
    SkipText,
    SkipTextEscape,
}

/// A place in a document that comes in pieces.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    root: &'static Node,
    state: State,
    /// What the value to come is to the shape.
    next: Option<&'static Node>,
    containers: [Option<Container>; DEEPEST],
    depth: usize,
    /// How many containers of what is skipped are open.
    skipped: u64,
    held: [u8; LONGEST_HELD],
    length: usize,
    is_too_long: bool,
}

impl Scanner {
    pub(super) const fn new(root: &'static Node) -> Self {
        Self {
            root,
            state: State::Value,
            next: Some(root),
            containers: [None; DEEPEST],
            depth: 0,
            skipped: 0,
            held: [0; LONGEST_HELD],
            length: 0,
            is_too_long: false,
        }
    }

    /// Ends the document, finished or not.
    pub(super) fn restart(&mut self, tally: &mut Tally) {
        tally.abandon();
        self.state = State::Value;
        self.next = Some(self.root);
        self.depth = 0;
        self.skipped = 0;
    }

    /// Reads on.
    pub(super) fn feed(&mut self, mut rest: &[u8], tally: &mut Tally) {
        while let Some(byte) = rest.first().copied() {
            let taken = match self.state {
                State::Value => self.value(byte, tally),
                State::Key => self.key(byte, tally),
                State::InKey => self.text(rest, State::InKeyEscape, tally),
                State::InText => self.text(rest, State::InTextEscape, tally),
                State::InKeyEscape => self.escape(byte, State::InKey),
                State::InTextEscape => self.escape(byte, State::InText),
                State::InScalar => self.scalar(byte, tally),
                State::Skip => self.skip(rest),
                State::SkipText => self.skip_text(rest),
                State::SkipTextEscape => {
                    self.state = State::SkipText;
                    1
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    fn value(&mut self, byte: u8, tally: &mut Tally) -> usize {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b':' | b',' => {}
            b'"' => {
                self.hold_nothing();
                self.state = match self.next {
                    Some(_) => State::InText,
                    None => State::SkipText,
                };
            }
            b'{' | b'[' => self.open(byte, tally),
            b'}' | b']' => self.close(tally),
            _ => {
                self.hold_nothing();
                self.hold(&[byte]);
                self.state = State::InScalar;
            }
        }
        1
    }

    fn open(&mut self, byte: u8, tally: &mut Tally) {
        let container = match (byte, self.next) {
            (b'{', Some(Node::Object { members, is_usage })) => Some(Container::Object {
                members,
                is_usage: *is_usage,
            }),
            (b'[', Some(Node::Each(node))) => Some(Container::Array(node)),
            // Several documents in one array: Gemini's stream without `alt=sse`.
            (b'[', Some(node @ Node::Object { .. })) if self.depth == 0 => {
                Some(Container::Array(node))
            }
            _ => None,
        };
        let (Some(container), Some(place)) = (container, self.containers.get_mut(self.depth))
        else {
            self.skipped = 1;
            self.state = State::Skip;
            return;
        };
        *place = Some(container);
        self.depth += 1;
        if let Container::Object { is_usage: true, .. } = container {
            tally.begin();
        }
        self.go_on();
    }

    fn close(&mut self, tally: &mut Tally) {
        if let Some(Container::Object { is_usage: true, .. }) = self.inner() {
            tally.end();
        }
        self.depth = self.depth.saturating_sub(1);
        self.go_on();
    }

    fn inner(&self) -> Option<Container> {
        let last = self.depth.checked_sub(1)?;
        self.containers.get(last).copied().flatten()
    }

    /// Behind a value, or at the beginning of a container.
    fn go_on(&mut self) {
        (self.state, self.next) = match self.inner() {
            Some(Container::Object { .. }) => (State::Key, None),
            Some(Container::Array(node)) => (State::Value, Some(node)),
            None => (State::Value, Some(self.root)),
        };
    }

    fn key(&mut self, byte: u8, tally: &mut Tally) -> usize {
        match byte {
            b'"' => {
                self.hold_nothing();
                self.state = State::InKey;
            }
            b'}' | b']' => self.close(tally),
            _ => {}
        }
        1
    }

    /// A key or a text that is held.
    fn text(&mut self, rest: &[u8], in_escape: State, tally: &mut Tally) -> usize {
        let Some(at) = memchr2(b'"', b'\\', rest) else {
            self.hold(rest);
            return rest.len();
        };
        let (run, end) = rest.split_at(at);
        self.hold(run);
        if end.first() == Some(&b'\\') {
            self.hold(b"\\");
            self.state = in_escape;
        } else if self.state == State::InKey {
            self.next = self.member();
            self.state = State::Value;
        } else {
            self.text_ended(tally);
        }
        at + 1
    }

    fn escape(&mut self, byte: u8, state: State) -> usize {
        self.hold(&[byte]);
        self.state = state;
        1
    }

    fn member(&self) -> Option<&'static Node> {
        let Some(Container::Object { members, .. }) = self.inner() else {
            return None;
        };
        let key = self.held()?;
        let found = members.iter().find(|(name, _)| name.as_bytes() == key);
        found.map(|(_, node)| node)
    }

    fn text_ended(&mut self, tally: &mut Tally) {
        match self.next {
            Some(Node::Model) => {
                if let Some(name) = self.held() {
                    tally.name_model(name);
                }
            }
            Some(Node::Count(count) | Node::Add(count)) => tally.set(*count, Amount::Nonsense),
            Some(Node::Object { .. } | Node::Each(_)) | None => {}
        }
        self.go_on();
    }

    fn scalar(&mut self, byte: u8, tally: &mut Tally) -> usize {
        if !matches!(
            byte,
            b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' | b':' | b'"' | b'{' | b'['
        ) {
            self.hold(&[byte]);
            return 1;
        }
        let amount = || self.held().map_or(Amount::Nonsense, Amount::parse);
        match self.next {
            Some(Node::Count(count)) => tally.set(*count, amount()),
            Some(Node::Add(count)) => tally.add(*count, amount()),
            Some(Node::Model | Node::Object { .. } | Node::Each(_)) | None => {}
        }
        self.go_on();
        0
    }

    fn skip(&mut self, rest: &[u8]) -> usize {
        for (at, byte) in rest.iter().enumerate() {
            match byte {
                b'"' => {
                    self.state = State::SkipText;
                    return at + 1;
                }
                b'{' | b'[' => self.skipped = self.skipped.saturating_add(1),
                b'}' | b']' => {
                    self.skipped -= 1;
                    if self.skipped == 0 {
                        self.go_on();
                        return at + 1;
                    }
                }
                _ => {}
            }
        }
        rest.len()
    }

    fn skip_text(&mut self, rest: &[u8]) -> usize {
        let Some(at) = memchr2(b'"', b'\\', rest) else {
            return rest.len();
        };
        if rest.get(at) == Some(&b'\\') {
            self.state = State::SkipTextEscape;
        } else if self.skipped > 0 {
            self.state = State::Skip;
        } else {
            self.go_on();
        }
        at + 1
    }

    fn hold_nothing(&mut self) {
        self.length = 0;
        self.is_too_long = false;
    }

    fn hold(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len());
        match self.held.get_mut(self.length..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.length = end;
            }
            None => self.is_too_long = true,
        }
    }

    /// What is held, where it is whole.
    fn held(&self) -> Option<&[u8]> {
        let held = self.held.get(..self.length)?;
        (!self.is_too_long).then_some(held)
    }
}
