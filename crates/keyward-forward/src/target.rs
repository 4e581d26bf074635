//! Where one request goes: an endpoint, and the path and query there.
//!
//! Joins bytes and checks them; decodes and normalises nothing. The authority never comes from text of a
//! client: it is the endpoint's.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;

use crate::Endpoint;

/// Where one request goes.
///
/// ```
/// use std::sync::Arc;
/// use keyward_forward::{Endpoint, Target};
/// use keyward_secret::Origin;
///
/// let endpoint = Arc::new(Endpoint::new(Origin::parse("https://api.example.com")?)?);
/// let target = Target::join(endpoint, "/v1", "/models/x:generate", Some("alt=sse"))?;
/// assert_eq!(target.path_and_query().as_str(), "/v1/models/x:generate?alt=sse");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Target {
    endpoint: Arc<Endpoint>,
    path: PathAndQuery,
}

/// The parts do not make a path below the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot build the upstream path: {kind}")]
pub struct TargetError {
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("it does not begin with `/`, or the rest continues the prefix's last segment")]
    Boundary,
    #[error("a segment is `.` or `..`, as it stands or after decoding")]
    DotSegment,
    #[error("it holds a byte that no path or query may hold, or is longer than 65534 bytes")]
    Bytes,
}

impl Target {
    /// Joins `prefix` and `rest`, byte for byte, and `query` behind a `?`.
    ///
    /// `rest` is empty, or it or the prefix has the `/` between them. Allocates the joined text once.
    ///
    /// # Errors
    ///
    /// When the path does not begin with `/`; when `rest` continues the prefix's last segment; when a
    /// segment of `rest` is `.` or `..` (also before a `;`, and after one or two decodings, where `%2f` and
    /// `%5c` count as separators); when a raw `\`, `#`, control character or (in the path) `?` is found; and
    /// when the whole is longer than a URI may be.
    pub fn join(
        endpoint: Arc<Endpoint>,
        prefix: &str,
        rest: &str,
        query: Option<&str>,
    ) -> Result<Self, TargetError> {
        let bounded = rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/');
        let begins = prefix.starts_with('/') || (prefix.is_empty() && rest.starts_with('/'));
        if !bounded || !begins {
            return Err(Kind::Boundary.into());
        }
        if memchr::memchr2(b'?', b'#', prefix.as_bytes()).is_some()
            || memchr::memchr3(b'?', b'#', b'\\', rest.as_bytes()).is_some()
            || query.is_some_and(|query| query.contains('#'))
        {
            return Err(Kind::Bytes.into());
        }
        if has_dot_segment(rest.as_bytes()) {
            return Err(Kind::DotSegment.into());
        }
        let query_length = query.map_or(0, |query| query.len() + 1);
        let mut text = Vec::with_capacity(prefix.len() + rest.len() + query_length);
        text.extend_from_slice(prefix.as_bytes());
        text.extend_from_slice(rest.as_bytes());
        if let Some(query) = query {
            text.push(b'?');
            text.extend_from_slice(query.as_bytes());
        }
        // Also refused by `http`, but only where it depends on the position.
        if text.len() >= usize::from(u16::MAX) || text.iter().any(u8::is_ascii_control) {
            return Err(Kind::Bytes.into());
        }
        let path = PathAndQuery::from_maybe_shared(Bytes::from(text))
            .map_err(|_invalid| TargetError::from(Kind::Bytes))?;
        Ok(Self { endpoint, path })
    }

    /// A target whose path is known already, such as a probe's.
    #[must_use]
    pub const fn from_path(endpoint: Arc<Endpoint>, path_and_query: PathAndQuery) -> Self {
        Self {
            endpoint,
            path: path_and_query,
        }
    }

    /// The upstream.
    #[must_use]
    pub const fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Path and query as they are sent, in origin-form.
    #[must_use]
    pub const fn path_and_query(&self) -> &PathAndQuery {
        &self.path
    }
}

impl From<Kind> for TargetError {
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}

/// Whether a segment is `.` or `..`, as it stands or after one or two decodings.
///
/// Looks closer only at paths where a segment begins with a dot or something is encoded.
pub(crate) fn has_dot_segment(path: &[u8]) -> bool {
    let encoded = memchr::memchr(b'%', path).is_some();
    if !encoded {
        return memchr::memchr(b'.', path).is_some() && is_dotted(path);
    }
    let once = decode(path);
    is_dotted(path) || is_dotted(&once) || is_dotted(&decode(&once))
}

fn is_dotted(path: &[u8]) -> bool {
    path.split(|byte| matches!(byte, b'/' | b'\\'))
        .any(|segment| {
            let name = segment.split(|byte| *byte == b';').next();
            matches!(name, Some(b"." | b".."))
        })
}

/// Decodes percent escapes; what is no escape stays as it is.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let escape = after
            .split_first_chunk::<2>()
            .filter(|_digits| *first == b'%')
            .and_then(|([high, low], after)| Some((hex(*high)? << 4 | hex(*low)?, after)));
        let (byte, after) = escape.unwrap_or((*first, after));
        decoded.push(byte);
        rest = after;
    }
    decoded
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyward_secret::Origin;
    use proptest::prelude::*;

    use super::{Target, TargetError};
    use crate::Endpoint;

    fn join(prefix: &str, rest: &str, query: Option<&str>) -> Result<String, TargetError> {
        let origin = Origin::parse("https://a.example").unwrap();
        let endpoint = Arc::new(Endpoint::new(origin).unwrap());
        Target::join(endpoint, prefix, rest, query)
            .map(|target| target.path_and_query().to_string())
    }

    #[test]
    fn real_paths_are_joined_byte_for_byte() {
        for (prefix, rest, query, expected) in [
            ("/v1", "/chat/completions", None, "/v1/chat/completions"),
            ("/v1/", "chat", Some("a=b?c"), "/v1/chat?a=b?c"),
            ("", "/@cf/meta/llama", None, "/@cf/meta/llama"),
            (
                "/model/",
                "arn%3Aaws%2Fx/invoke",
                None,
                "/model/arn%3Aaws%2Fx/invoke",
            ),
            ("/v1", "", Some(""), "/v1?"),
            ("/v1", "//double", None, "/v1//double"),
            (
                "",
                "/models/x:streamGenerateContent",
                Some("alt=sse"),
                "/models/x:streamGenerateContent?alt=sse",
            ),
            ("", "/a.b/.well-known/...", None, "/a.b/.well-known/..."),
        ] {
            assert_eq!(join(prefix, rest, query).unwrap(), expected);
        }
    }

    #[test]
    fn nothing_leaves_the_prefix() {
        for rest in [
            "/..",
            "/../x",
            "/.",
            "/a/./b",
            "/%2e%2e/x",
            "/%252e%252e",
            "/a%2f..%2fb",
            "/a%5c..",
            "/..;x/y",
            "/%2E./x",
            "x",
            "/a\\b",
            "/a?b",
            "/a#b",
            "/a\nb",
            "/a b",
            "/a\0",
        ] {
            assert!(join("/v1", rest, None).is_err(), "{rest:?}");
        }
        assert!(join("v1", "/x", None).is_err());
        assert!(join("", "", None).is_err());
        assert!(join("", "x", None).is_err());
        assert!(join("/v1?x", "/x", None).is_err());
        assert!(join("/v1", "/x", Some("a#b")).is_err());
        assert!(join("/v1", &format!("/{}", "x".repeat(70_000)), None).is_err());
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_the_bytes_given(rest in "[ -~é]{0,40}", query in proptest::option::of("[ -~]{0,20}")) {
            if let Ok(path) = join("/base", &rest, query.as_deref()) {
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                prop_assert_eq!(path, format!("/base{rest}{query}"));
            }
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, TargetError};

        keyward_testing::assert_texts!("TargetError", Kind {
            Kind::Boundary => Kind::Boundary,
            Kind::DotSegment => Kind::DotSegment,
            Kind::Bytes => Kind::Bytes,
        }, |kind| keyward_testing::told(&TargetError { kind }));
    }
}
