//! Ids of answers that the gateway gives itself.

use http::HeaderValue;
use uuid::Uuid;

/// The id of one request: a UUIDv7, as the reference's are since 2026-10-08 (wire-spec §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(Uuid);

impl RequestId {
    /// A new id. Reads the clock for its time part.
    pub(crate) fn make() -> Self {
        Self(Uuid::now_v7())
    }

    pub(crate) fn to_header(self) -> HeaderValue {
        let mut buffer = Uuid::encode_buffer();
        let text = self.0.hyphenated().encode_lower(&mut buffer);
        // Hexadecimal digits and hyphens always make a header value.
        HeaderValue::from_str(text).unwrap_or_else(|_invalid| HeaderValue::from_static("0"))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
