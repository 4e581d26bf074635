//! What of a request's body decides: the model it asks for, whether it wants a stream, and how its conversation begins.
//!
//! A body is read whole, as JSON in one pass without a tree of values ([`JsonBody`]), or as a form of parts
//! ([`multipart_model`]). Whoever decides by a model must read the same one as the provider, so everything is refused that
//! two parsers could read differently; [`BodyError`] has the list. How large a body may be is the caller's to bound.

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
