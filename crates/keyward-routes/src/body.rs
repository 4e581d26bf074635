//! What of a request's body decides: the model it asks for, whether it wants a stream, and how its conversation begins.
//!
//! A body is read whole, as JSON in one pass without a tree of values ([`JsonBody`]), or as a form of parts
//! ([`multipart_model`]). Whoever decides by a model must read the same one as the provider, so everything is refused that
//! two parsers could read differently; [`BodyError`] has the list. How large a body may be is the caller's to bound.

mod asked;
mod conversation;
mod error;
mod json;
mod multipart;
mod scan;

pub use self::{
    conversation::ConversationStart,
    error::BodyError,
    json::{JsonBody, Spliced},
    multipart::multipart_model,
};

use bytes::Bytes;

use self::error::{Fault, fault};

/// The longest name of a model, in bytes.
pub const LONGEST_MODEL: usize = 256;

/// Whether a body with this `Content-Encoding` can be read: one that is absent, empty, or says `identity` alone.
///
/// # Errors
///
/// [`BodyError`] with [`is_encoded`](BodyError::is_encoded) for every other encoding: Keyward does not unpack what a client
/// sends, as a small body could become a large one.
///
/// ```
/// assert!(keyward_routes::check_encoding(None).is_ok());
/// assert!(keyward_routes::check_encoding(Some(b"gzip")).unwrap_err().is_encoded());
/// ```
pub fn check_encoding(content_encoding: Option<&[u8]>) -> Result<(), BodyError> {
    let value = content_encoding.unwrap_or_default().trim_ascii();
    match value.is_empty() || value.eq_ignore_ascii_case(b"identity") {
        true => Ok(()),
        false => Err(fault(Fault::Encoded)),
    }
}

/// The one model that a body asks for, by its `Content-Type`: for whoever permits by the model.
///
/// JSON is `application/json` or `application/…+json`, in UTF-8; a form is `multipart/form-data`. Everything else is refused:
/// `{"model":"a","&model=b":1}` is JSON to one server and a form to another, as the type says.
///
/// ```
/// use bytes::Bytes;
///
/// let body = Bytes::from_static(br#"{"model": "gpt-4o"}"#);
/// assert_eq!(&*keyward_routes::sole_model(b"application/json", &body)?, "gpt-4o");
/// assert!(keyward_routes::sole_model(b"application/x-www-form-urlencoded", &body).is_err());
/// # Ok::<(), keyward_routes::BodyError>(())
/// ```
///
/// # Errors
///
/// As [`JsonBody::sole_model`] and [`multipart_model`] have them, and for another type.
pub fn sole_model(content_type: &[u8], body: &Bytes) -> Result<Box<str>, BodyError> {
    let mut pieces = content_type
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii);
    let name = pieces.next().unwrap_or_default().to_ascii_lowercase();
    if name == b"multipart/form-data" {
        return multipart_model(content_type, body).map(Into::into);
    }
    // Other servers end the type where something else stands than in a name (RFC 9110 §8.3.1).
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-/".contains(byte);
    let is_json = name == b"application/json"
        || name.starts_with(b"application/")
            && name.ends_with(b"+json")
            && name.iter().all(is_name);
    let is_plain = pieces.all(
        |piece| match piece.to_ascii_lowercase().strip_prefix(b"charset=") {
            Some(charset) => matches!(charset, b"utf-8" | b"\"utf-8\"" | b"utf8"),
            None => true,
        },
    );
    match is_json && is_plain {
        true => JsonBody::read(body)?.sole_model().map(Into::into),
        false => Err(fault(Fault::ContentType)),
    }
}

/// Checks the name of a model as every way of naming one requires: 1 to [`LONGEST_MODEL`] bytes, no control character.
///
/// # Errors
///
/// When the name is none of that.
pub fn check_model(model: &str) -> Result<(), BodyError> {
    if model.is_empty() {
        return Err(fault(Fault::ModelEmpty));
    }
    if model.len() > LONGEST_MODEL {
        return Err(fault(Fault::ModelTooLong));
    }
    match model.contains(char::is_control) {
        true => Err(fault(Fault::ModelControl)),
        false => Ok(()),
    }
}
