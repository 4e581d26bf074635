//! One pass over JSON text (RFC 8259): where values begin and end, with everything between checked.
//!
//! Builds nothing. Numbers are checked by grammar, not by size, and strings by their escapes; the text is UTF-8 already.

use std::ops::Range;

use memchr::memchr2;

use super::error::{BodyError, Fault, fault};

/// How many arrays and objects may lie in one another, as in `serde_json` and many servers. The scan calls itself, so this
/// bounds its stack, too.
const DEEPEST: usize = 128;

/// A string in the text.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// With both quotes.
    pub(super) span: Range<usize>,
    pub(super) has_escapes: bool,
}

/// What a member of an object or an element of an array is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(Text),
    /// An array, an object, a number, `true`, `false` or `null`.
    Other(Range<usize>),
}

impl Value {
    pub(super) fn span(&self) -> &Range<usize> {
        match self {
            Self::Text(text) => &text.span,
            Self::Other(span) => span,
        }
    }
}

/// A place in a text.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Begins at byte `at` of `text`.
    pub(super) const fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn not_json(&self) -> BodyError {
        fault(Fault::NotJson(self.at))
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), BodyError> {
        if self.peek() != Some(byte) {
            return Err(self.not_json());
        }
        self.at += 1;
        Ok(())
    }

    /// Reads the object that begins here, and tells `member` of each of its keys with its value.
    pub(super) fn object(
        &mut self,
        depth: usize,
        member: &mut dyn FnMut(Text, Value) -> Result<(), BodyError>,
    ) -> Result<(), BodyError> {
        self.nest(depth)?;
        if self.ends(b'}') {
            return Ok(());
        }
        loop {
            self.skip_space();
            let key = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            let value = self.value(depth)?;
            member(key, value)?;
            if self.ends(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Reads the array that begins here, and tells `element` of each; it answers whether to go on. Afterwards the place is
    /// behind the array, or behind the element at which it ended.
    pub(super) fn array(
        &mut self,
        depth: usize,
        element: &mut dyn FnMut(&Value) -> bool,
    ) -> Result<(), BodyError> {
        self.nest(depth)?;
        if self.ends(b']') {
            return Ok(());
        }
        loop {
            self.skip_space();
            let value = self.value(depth)?;
            if !element(&value) || self.ends(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Enters what begins here; `depth` is of the things around it.
    fn nest(&mut self, depth: usize) -> Result<(), BodyError> {
        if depth >= DEEPEST {
            return Err(fault(Fault::TooDeep(self.at)));
        }
        self.at += 1;
        Ok(())
    }

    fn ends(&mut self, close: u8) -> bool {
        self.skip_space();
        let is_end = self.peek() == Some(close);
        self.at += usize::from(is_end);
        is_end
    }

    /// Reads the value that begins here, inside of `depth` others and the one that is being read.
    fn value(&mut self, depth: usize) -> Result<Value, BodyError> {
        let from = self.at;
        match self.peek() {
            Some(b'"') => return self.string().map(Value::Text),
            Some(b'{') => self.object(depth + 1, &mut |_, _| Ok(()))?,
            Some(b'[') => self.array(depth + 1, &mut |_| true)?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            _ => self.number()?,
        }
        Ok(Value::Other(from..self.at))
    }

    fn word(&mut self, word: &[u8]) -> Result<(), BodyError> {
        if !self.rest().starts_with(word) {
            return Err(self.not_json());
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), BodyError> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), BodyError> {
        let count = self
            .rest()
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            return Err(self.not_json());
        }
        self.at += count;
        Ok(())
    }

    fn string(&mut self) -> Result<Text, BodyError> {
        let from = self.at;
        self.expect(b'"')?;
        let mut has_escapes = false;
        loop {
            let rest = self.rest();
            let Some(plain) = memchr2(b'"', b'\\', rest) else {
                return Err(fault(Fault::NotJson(self.text.len())));
            };
            let run = rest.get(..plain).unwrap_or_default();
            if holds_control(run) {
                let before = run.iter().take_while(|byte| **byte >= b' ').count();
                return Err(fault(Fault::NotJson(self.at + before)));
            }
            self.at += plain;
            if self.peek() == Some(b'"') {
                self.at += 1;
                return Ok(Text {
                    span: from..self.at,
                    has_escapes,
                });
            }
            has_escapes = true;
            self.escape()?;
        }
    }

    /// Half of a character, such as `\ud83d` alone, passes: JavaScript's `JSON.stringify` writes it for a text that was cut
    /// in the wrong place, and it names nothing. Where it could, in keys and in the model, the reader refuses it.
    fn escape(&mut self) -> Result<(), BodyError> {
        let length = match self.rest() {
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ..,
            ] => 2,
            [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|d| d.is_ascii_hexdigit()) => {
                6
            }
            _ => return Err(self.not_json()),
        };
        self.at += length;
        Ok(())
    }
}

/// Without a branch per byte, so that the compiler takes many at once.
fn holds_control(run: &[u8]) -> bool {
    run.iter().fold(false, |holds, byte| holds | (*byte < b' '))
}
