//! Whether a body asks that its stream ends with what it took, and where the question goes if not.

use std::ops::Range;

use super::{
    error::{BodyError, Fault, fault},
    scan::{Scanner, Text, Value},
};

/// What a body says of its stream.
#[derive(Debug, Clone)]
pub(super) struct StreamOptions {
    /// Behind the brace that opens the body.
    start: usize,
    options: Options,
    stream_count: u32,
    options_count: u32,
    /// A key is one of ours but for case.
    is_unclear: bool,
}

#[derive(Debug, Clone)]
enum Options {
    /// There are none.
    Absent,
    /// `null`, which stands here.
    Null(Range<usize>),
    /// An object without members that begins here.
    Empty(usize),
    /// An object that does not say it, and begins here.
    Silent(usize),
    /// An object that says something else, here.
    Otherwise(Range<usize>),
    Asked,
    /// The options are no object.
    Odd,
}

impl StreamOptions {
    /// `start` is where the body's members begin.
    pub(super) const fn new(start: usize) -> Self {
        Self {
            start,
            options: Options::Absent,
            stream_count: 0,
            options_count: 0,
            is_unclear: false,
        }
    }

    pub(super) const fn note_stream(&mut self) {
        self.stream_count = self.stream_count.saturating_add(1);
    }

    pub(super) fn note(&mut self, text: &str, value: &Value) {
        self.options_count = self.options_count.saturating_add(1);
        let span = value.span();
        let written = text.get(span.clone()).unwrap_or_default();
        self.options = match written.as_bytes().first() {
            Some(b'{') => self.read(text, span.start),
            _ if written == "null" => Options::Null(span.clone()),
            _ => Options::Odd,
        };
    }

    /// Any other key of the body.
    pub(super) fn note_other(&mut self, name: &str) {
        self.is_unclear |= ["stream", "stream_options"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own));
    }

    /// Reads the object that begins at `start`.
    fn read(&mut self, text: &str, start: usize) -> Options {
        let mut found: Option<Range<usize>> = None;
        let mut count = 0u32;
        let mut is_unclear = false;
        let mut member = |key: Text, value: Value| {
            count = count.saturating_add(1);
            let name = serde_json::from_str::<Box<str>>(text.get(key.span).unwrap_or_default());
            match name.as_deref() {
                Ok("include_usage") => {
                    is_unclear |= found.is_some();
                    found = Some(value.span().clone());
                }
                Ok(name) => is_unclear |= name.eq_ignore_ascii_case("include_usage"),
                // Half of a character: other parsers may read anything.
                Err(_) => is_unclear = true,
            }
            Ok(())
        };
        // It was read once already: nothing in it can be wrong.
        let _ = Scanner::new(text, start).object(1, &mut member);
        self.is_unclear |= is_unclear;
        match found {
            Some(span) if text.get(span.clone()) == Some("true") => Options::Asked,
            Some(span) => Options::Otherwise(span),
            None if count == 0 => Options::Empty(start),
            None => Options::Silent(start),
        }
    }

    /// What is put where so that the body asks. `None` where there is nothing to put.
    pub(super) fn question(&self) -> Result<Option<(Range<usize>, &'static str)>, BodyError> {
        if self.is_unclear || self.stream_count > 1 || self.options_count > 1 {
            return Err(fault(Fault::StreamTwice));
        }
        let behind = |brace: usize| brace + 1..brace + 1;
        Ok(match &self.options {
            Options::Absent => Some((
                self.start..self.start,
                r#""stream_options":{"include_usage":true},"#,
            )),
            Options::Null(span) => Some((span.clone(), r#"{"include_usage":true}"#)),
            Options::Empty(brace) => Some((behind(*brace), r#""include_usage":true"#)),
            Options::Silent(brace) => Some((behind(*brace), r#""include_usage":true,"#)),
            Options::Otherwise(span) => Some((span.clone(), "true")),
            Options::Asked | Options::Odd => None,
        })
    }
}
