//! Why a body's model cannot be read.

/// A request's body out of which no model can be read, or not one alone. The client's fault in every case.
///
/// The texts hold nothing of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BodyError(Fault);

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the request's body is empty; send a JSON object that names a `model`")]
    Empty,
    #[error(
        "the request's body is not JSON at byte {0}; send one JSON object as RFC 8259 has it, without comments or closing commas"
    )]
    NotJson(usize),
    #[error(
        "the request's body is not UTF-8 at byte {0}; send JSON in UTF-8, without a byte order mark"
    )]
    NotUtf8(usize),
    #[error("the request's body is JSON but no object; send an object that names a `model`")]
    NotAnObject,
    #[error(
        "something follows the JSON object of the request's body at byte {0}; send one object and nothing else"
    )]
    Trailing(usize),
    #[error("the request's body nests deeper than 128 levels at byte {0}; send it flatter")]
    TooDeep(usize),
    #[error(
        "a key of the request's body, which ends before byte {0}, may read as `model` to one parser and not to another; write `model` in lower case, once"
    )]
    ModelUnclear(usize),
    #[error("the request's body names `model` twice, again at byte {0}; name it once")]
    ModelTwice(usize),
    #[error("the request's body names no `model`; add one")]
    ModelMissing,
    #[error(
        "the request's body also names `{0}`, which may decide the model instead of `model`; leave it out"
    )]
    ModelBeside(&'static str),
    #[error("the `model` of the request's body is no text; send a string")]
    ModelNotText,
    #[error("the `model` of the request's body is empty; name one")]
    ModelEmpty,
    #[error("the request's `model` is longer than 256 bytes; name an existing one")]
    ModelTooLong,
    #[error("the request's `model` holds a control character; name an existing one")]
    ModelControl,
    #[error(
        "the request's `model` holds half of a character (a lone surrogate); name an existing one"
    )]
    ModelHalf,
    #[error(
        "the request's body is compressed (`Content-Encoding`), and its model must be read; send it uncompressed"
    )]
    Encoded,
    #[error(
        "the request's `Content-Type` is neither JSON nor a form of parts, and its model must be read; send `application/json` in UTF-8, or `multipart/form-data`"
    )]
    ContentType,
    #[error(
        "the request's `Content-Type` names no boundary that form parts can be told by; send `multipart/form-data; boundary=…` as an HTTP library makes it"
    )]
    Boundary,
    #[error(
        "the request's form is broken or can be read in two ways, at byte {0}; send `multipart/form-data` as an HTTP library makes it"
    )]
    Form(usize),
    #[error("the request's form has more than 256 parts; send fewer")]
    Parts,
    #[error(
        "the request's body names `stream`, `stream_options` or its `include_usage` twice, or in another case; name each once, in lower case"
    )]
    StreamTwice,
}

pub(crate) const fn fault(fault: Fault) -> BodyError {
    BodyError(fault)
}

impl BodyError {
    /// Whether the body is well formed and says nothing of a model: the only case in which one may come from elsewhere, such
    /// as the path.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self.0, Fault::ModelMissing)
    }

    /// Whether the body says of its stream two things, so that a question put into it might not be read.
    #[must_use]
    pub const fn is_doubled(&self) -> bool {
        matches!(self.0, Fault::StreamTwice)
    }

    /// Whether the body was not looked at, because it is compressed.
    #[must_use]
    pub const fn is_encoded(&self) -> bool {
        matches!(self.0, Fault::Encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, fault};

    #[test]
    fn every_text_says_what_to_do() {
        keyward_testing::assert_texts!("BodyError", Fault {
            Fault::Empty => Fault::Empty,
            Fault::NotJson(_) => Fault::NotJson(7),
            Fault::NotUtf8(_) => Fault::NotUtf8(7),
            Fault::NotAnObject => Fault::NotAnObject,
            Fault::Trailing(_) => Fault::Trailing(7),
            Fault::TooDeep(_) => Fault::TooDeep(7),
            Fault::ModelUnclear(_) => Fault::ModelUnclear(7),
            Fault::ModelTwice(_) => Fault::ModelTwice(7),
            Fault::ModelMissing => Fault::ModelMissing,
            Fault::ModelBeside(_) => Fault::ModelBeside("models"),
            Fault::ModelNotText => Fault::ModelNotText,
            Fault::ModelEmpty => Fault::ModelEmpty,
            Fault::ModelTooLong => Fault::ModelTooLong,
            Fault::ModelControl => Fault::ModelControl,
            Fault::ModelHalf => Fault::ModelHalf,
            Fault::Encoded => Fault::Encoded,
            Fault::ContentType => Fault::ContentType,
            Fault::Boundary => Fault::Boundary,
            Fault::Form(_) => Fault::Form(7),
            Fault::Parts => Fault::Parts,
            Fault::StreamTwice => Fault::StreamTwice,
        }, |kind| keyward_testing::told(&fault(kind)));
    }
}
