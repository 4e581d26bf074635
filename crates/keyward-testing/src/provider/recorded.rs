//! A request as it came.

use crate::wire;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Method.
    pub method: String,
    /// The request-target, byte for byte: path and query.
    pub target: String,
    /// Header fields in order, repeated ones repeated, names in the case they had on the wire.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, without its chunks' framing.
    pub body: Vec<u8>,
    /// Trailer fields in order.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// Whether the connection ended before the body's end, or the body was left unread on purpose.
    pub truncated: bool,
    /// Which connection it came on, counted from 0 in order of acceptance.
    pub connection: usize,
    /// Whether it came over HTTP/2. Names are in lower case then, and `host` is what `:authority` said.
    pub is_http2: bool,
}

impl Recorded {
    /// The target up to its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The first header field of that name, in any letter case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        wire::find(&self.headers, name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every header field of that name, in any letter case.
    #[must_use]
    pub fn header_all(&self, name: &str) -> Vec<&[u8]> {
        self.headers
            .iter()
            .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
            .collect()
    }
}
