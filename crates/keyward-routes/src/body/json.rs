//! A JSON body: what it says of its model, and the same body with another one.

use std::ops::Range;

use bytes::Bytes;

use super::{
    ConversationStart,
    asked::StreamOptions,
    check_model,
    error::{BodyError, Fault, fault},
    scan::{Scanner, Text, Value},
};

/// A request's JSON body, read once.
///
/// ```
/// use bytes::Bytes;
/// use keyward_routes::JsonBody;
///
/// let body = Bytes::from_static(br#"{"stream": true, "model": "openai/gpt-4o", "messages": []}"#);
/// let body = JsonBody::read(&body)?;
/// assert_eq!(body.model()?, "openai/gpt-4o");
/// assert!(body.wants_stream());
///
/// let sent = body.with_model("gpt-4o")?;
/// assert_eq!(sent.to_vec(), br#"{"stream": true, "model": "gpt-4o", "messages": []}"#);
/// assert_eq!(sent.len(), 51);
/// # Ok::<(), keyward_routes::BodyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct JsonBody {
    bytes: Bytes,
    model: Option<Model>,
    wants_stream: bool,
    stream_options: StreamOptions,
    turns: Option<Range<usize>>,
    system: Option<Range<usize>>,
    /// What else may decide the model.
    beside: Option<&'static str>,
}

/// Keys of a body that decide the model of some provider in place of `model`, or after it fails.
///
/// source: OpenRouter's model routing (`models`) and presets; Mistral's `v1/agents/completions` (`agent_id`); wire-spec §1.1's
/// audio providers (`model_id`), Parallel (`processor`), Replicate (`version`). The rest are spellings of the same, a guess.
const BESIDE: [&str; 10] = [
    "models",
    "model_id",
    "modelid",
    "model_name",
    "fallbacks",
    "fallback_models",
    "preset",
    "agent_id",
    "processor",
    "version",
];

#[derive(Debug, Clone)]
struct Model {
    /// With both quotes.
    span: Range<usize>,
    name: Box<str>,
}

/// A place in the body, and what is put there.
type Change = (Range<usize>, Bytes);

/// A body in parts, of which the first, third and fifth share the memory of the one it was made from.
#[derive(Debug, Clone)]
pub struct Spliced {
    /// What goes out, in order. The last two are empty where one place was changed.
    pub parts: [Bytes; 5],
}

impl Spliced {
    /// How many bytes go out, for `Content-Length`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Whether nothing goes out. Never, as a body with a model is not empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The body in one piece, copied.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

impl JsonBody {
    /// Reads `bytes` in one pass. Copies the model's name and nothing else; `bytes` is shared.
    ///
    /// A body without a model is no error here but in [`model`](Self::model), for paths that name theirs.
    ///
    /// # Errors
    ///
    /// Where the bytes are no JSON object in UTF-8, something follows it, it nests deeper than 128 levels, or `model` is no
    /// string, empty, longer than 256 bytes, holds a control character or half of one.
    ///
    /// And where two parsers could read two models: `model` twice, in whatever spelling (`"mod\u0065l"` is `model`; most
    /// parsers take the last, some the first: RFC 8259 §4); another key that is `model` but for case (Go's `encoding/json`
    /// prefers an exact match but accepts a case-insensitive one, <https://pkg.go.dev/encoding/json#Unmarshal>, and takes
    /// the last of them); and a top-level key with NUL (C strings end there) or half a character (replaced, dropped or
    /// refused).
    pub fn read(bytes: &Bytes) -> Result<Self, BodyError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| fault(Fault::NotUtf8(error.valid_up_to())))?;
        let mut scanner = Scanner::new(text, 0);
        scanner.skip_space();
        match scanner.peek() {
            None => return Err(fault(Fault::Empty)),
            Some(b'{') => {}
            Some(b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                return Err(fault(Fault::NotAnObject));
            }
            Some(_) => return Err(fault(Fault::NotJson(scanner.at()))),
        }
        let mut body = Self {
            bytes: bytes.clone(),
            model: None,
            wants_stream: false,
            stream_options: StreamOptions::new(scanner.at() + 1),
            turns: None,
            system: None,
            beside: None,
        };
        scanner.object(0, &mut |key, value| body.member(text, &key, value))?;
        scanner.skip_space();
        match scanner.at() == text.len() {
            true => Ok(body),
            false => Err(fault(Fault::Trailing(scanner.at()))),
        }
    }

    fn member(&mut self, text: &str, key: &Text, value: Value) -> Result<(), BodyError> {
        let decoded;
        let name = match key.has_escapes {
            false => plain(text, key),
            true => {
                decoded = decode(text, key).ok_or(fault(Fault::ModelUnclear(key.span.end)))?;
                &decoded
            }
        };
        match name {
            "model" if self.model.is_some() => {
                return Err(fault(Fault::ModelTwice(key.span.start)));
            }
            "model" => self.model = Some(Model::read(text, value)?),
            // The last one counts, as with most parsers. Nothing that protects a key hangs on these.
            "stream" => {
                self.stream_options.note_stream();
                self.wants_stream = text.get(value.span().clone()) == Some("true");
            }
            "stream_options" => self.stream_options.note(text, &value),
            "messages" | "input" | "contents" => self.turns = Some(value.span().clone()),
            "system" | "instructions" | "systemInstruction" => {
                self.system = Some(value.span().clone());
            }
            name if name.eq_ignore_ascii_case("model") || name.contains('\0') => {
                return Err(fault(Fault::ModelUnclear(key.span.end)));
            }
            name => {
                self.stream_options.note_other(name);
                let known = BESIDE.iter().find(|known| name.eq_ignore_ascii_case(known));
                self.beside = self.beside.or(known.copied());
            }
        }
        Ok(())
    }

    /// The model the body asks for.
    ///
    /// # Errors
    ///
    /// When the body names none: [`BodyError::is_missing`].
    pub fn model(&self) -> Result<&str, BodyError> {
        let model = self.model.as_ref().ok_or(fault(Fault::ModelMissing))?;
        Ok(&model.name)
    }

    /// The model, where nothing else in the body may decide it: for whoever permits by the model.
    ///
    /// # Errors
    ///
    /// When the body names no model, or has another key that decides it at some provider, such as OpenRouter's `models`.
    pub fn sole_model(&self) -> Result<&str, BodyError> {
        match self.beside {
            Some(beside) => Err(fault(Fault::ModelBeside(beside))),
            None => self.model(),
        }
    }

    /// Where the model stands in the body, in bytes, with both quotes.
    #[must_use]
    pub fn model_span(&self) -> Option<Range<usize>> {
        self.model.as_ref().map(|model| model.span.clone())
    }

    /// Whether the body says `"stream": true`.
    #[must_use]
    pub const fn wants_stream(&self) -> bool {
        self.wants_stream
    }

    /// Where the turns of the conversation stand (`messages`, `input` or `contents`), in bytes.
    #[must_use]
    pub fn turns_span(&self) -> Option<Range<usize>> {
        self.turns.clone()
    }

    /// How the conversation begins, which every later request of it repeats. `None` for a body that holds none.
    #[must_use]
    pub fn conversation_start(&self) -> Option<ConversationStart<'_>> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        ConversationStart::find(text, self.system.clone(), self.turns.clone()?)
    }

    /// The body as it came.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The body with `model` in place of its own; every other byte is as it came, and none of them is copied.
    ///
    /// # Errors
    ///
    /// When the body names no model, or `model` is empty, longer than 256 bytes or holds a control character.
    pub fn with_model(&self, model: &str) -> Result<Spliced, BodyError> {
        Ok(self.splice(self.model_change(model)?, None))
    }

    /// The body with `"include_usage": true` in its `stream_options`, so that a stream ends with what it took, and with
    /// another model where one is given; every other byte is as it came, and none of them is copied.
    ///
    /// `None` where there is nothing to ask: the body wants no stream, it asks already, or its `stream_options` are neither
    /// an object nor `null`, which is for the provider to refuse.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use keyward_routes::JsonBody;
    /// let body = Bytes::from_static(br#"{"model": "x/gpt-4o", "stream": true}"#);
    /// let body = JsonBody::read(&body)?;
    /// let sent = body.with_usage_asked(Some("gpt-4o"))?.ok_or("it does not ask")?;
    /// let expected = br#"{"stream_options":{"include_usage":true},"model": "gpt-4o", "stream": true}"#;
    /// assert_eq!(sent.to_vec(), expected);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `stream`, `stream_options` or its `include_usage` stands there twice, or in a spelling that is the same but for
    /// case: [`BodyError::is_doubled`]. Else as [`with_model`](Self::with_model).
    pub fn with_usage_asked(&self, model: Option<&str>) -> Result<Option<Spliced>, BodyError> {
        if !self.wants_stream {
            return Ok(None);
        }
        let Some(question) = self.stream_options.question()? else {
            return Ok(None);
        };
        let question = (question.0, Bytes::from_static(question.1.as_bytes()));
        let model = model.map(|model| self.model_change(model)).transpose()?;
        Ok(Some(match model {
            Some(model) if model.0.start < question.0.start => self.splice(model, Some(question)),
            model => self.splice(question, model),
        }))
    }

    fn model_change(&self, model: &str) -> Result<Change, BodyError> {
        let own = self.model.as_ref().ok_or(fault(Fault::ModelMissing))?;
        check_model(model)?;
        let quoted = serde_json::Value::from(model).to_string();
        Ok((own.span.clone(), Bytes::from(quoted)))
    }

    /// The changes are in the order of their places.
    fn splice(&self, first: Change, second: Option<Change>) -> Spliced {
        let end = self.bytes.len();
        let (second, text) = second.unwrap_or((end..end, Bytes::new()));
        let parts = [
            self.bytes.slice(..first.0.start),
            first.1,
            self.bytes.slice(first.0.end..second.start),
            text,
            self.bytes.slice(second.end..),
        ];
        Spliced { parts }
    }
}

impl Model {
    fn read(text: &str, value: Value) -> Result<Self, BodyError> {
        let Value::Text(value) = value else {
            return Err(fault(Fault::ModelNotText));
        };
        let name = match value.has_escapes {
            // Six bytes of escape are one of the name's at least: longer ones are not decoded.
            true if value.span.len() > 6 * super::LONGEST_MODEL + 2 => {
                return Err(fault(Fault::ModelTooLong));
            }
            true => decode(text, &value).ok_or(fault(Fault::ModelHalf))?,
            false => plain(text, &value).into(),
        };
        check_model(&name)?;
        Ok(Self {
            span: value.span,
            name,
        })
    }
}

/// What stands between the quotes.
fn plain<'a>(text: &'a str, string: &Text) -> &'a str {
    let inside = string.span.start + 1..string.span.end - 1;
    text.get(inside).unwrap_or_default()
}

/// `None` for half of a character. The escapes are well formed: the scan saw to it.
fn decode(text: &str, string: &Text) -> Option<Box<str>> {
    serde_json::from_str(text.get(string.span.clone())?).ok()
}
