//! The headers of a custom provider: as a request gives them, and as they are sealed.

use std::fmt;

use http::HeaderName;
use keyward_providers::all_credential_headers;
use keyward_secret::{BoundCredential, Destination, SecretBytes};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;

use crate::key_value;

/// More headers than an API can sensibly want. A guess.
const MAX_HEADERS: usize = 20;
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 8 * 1024;

/// Headers as a request gives them: a JSON object of texts. A value may be the mask that an answer showed, which
/// stands for the value that is stored.
#[expect(
    missing_debug_implementations,
    reason = "a secret has no printable form"
)]
pub struct HeaderInput(Vec<(HeaderName, Given)>);

/// What stands for one value.
enum Given {
    Value(SecretBytes),
    Mask(String),
}

/// The text cannot be the headers of a provider. Quotes no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HeadersError(Kind);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("must be a JSON object of texts, written as a text: `{{\"X-Name\":\"value\"}}`")]
    Shape,
    #[error("must hold at most {MAX_HEADERS} headers")]
    Count,
    #[error("the name of header {place} is no header name of at most {MAX_NAME} characters")]
    Name { place: usize },
    #[error("header {place} stands there twice; names are the same in any case")]
    Twice { place: usize },
    #[error("header {place} may not be set: {why}")]
    Forbidden { place: usize, why: &'static str },
    #[error(
        "the value of header {place} is empty, longer than {MAX_VALUE} bytes, holds more than printable ASCII, or begins or ends with a blank"
    )]
    Value { place: usize },
    #[error("the value of header {place} holds a token of Keyward's own")]
    OwnToken { place: usize },
    #[error(
        "the value of header {place} is a mask, and no stored value has it; send the value itself"
    )]
    NoSuchMask { place: usize },
}

impl HeaderInput {
    /// No headers.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Parses a JSON object whose members are header names and texts. A text of no length is no header.
    ///
    /// # Errors
    ///
    /// When it is anything else; when a name is that of a header which frames a message, carries a credential,
    /// tells of the connection or the client, or is the gateway's own (`cf-aig-*`), also with `_` for `-`; when
    /// one stands there twice; when a value cannot stand in a header or is a token of Keyward's own.
    pub fn parse(json: &SecretBytes) -> Result<Self, HeadersError> {
        if json.expose().trim_ascii().is_empty() {
            return Ok(Self::none());
        }
        let mut reader = serde_json::Deserializer::from_slice(json.expose());
        let members = Members::deserialize(&mut reader).and_then(|members| {
            reader.end()?;
            Ok(members)
        });
        // The library's own text may quote a value.
        let members = members.map_err(|error| match error.classify() {
            Category::Data | Category::Io | Category::Syntax | Category::Eof => {
                HeadersError(Kind::Shape)
            }
        })?;
        Self::check(members)
    }

    fn check(members: Members) -> Result<Self, HeadersError> {
        if members.0.len() > MAX_HEADERS {
            return Err(HeadersError(Kind::Count));
        }
        let mut headers: Vec<(HeaderName, Given)> = Vec::with_capacity(members.0.len());
        for (index, (name, given)) in members.0.into_iter().enumerate() {
            let place = index + 1;
            let refuse = |kind| Err(HeadersError(kind));
            let Some(name) = parse_name(&name) else {
                return refuse(Kind::Name { place });
            };
            if let Some(why) = forbidden(name.as_str()) {
                return refuse(Kind::Forbidden { place, why });
            }
            if headers.iter().any(|(known, _)| *known == name) {
                return refuse(Kind::Twice { place });
            }
            if let Given::Value(value) = &given {
                check_value(value, place)?;
            }
            headers.push((name, given));
        }
        Ok(Self(headers))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these are the masks of all that is stored, and nothing else: then nothing changes.
    pub(crate) fn is_all_of(&self, masks: &[(String, String)]) -> bool {
        let is_known = |(name, given): &(HeaderName, Given)| match given {
            Given::Value(_) => false,
            Given::Mask(mask) => masks
                .iter()
                .any(|(known, shown)| *known == name.as_str() && shown == mask),
        };
        !masks.is_empty() && self.0.len() == masks.len() && self.0.iter().all(is_known)
    }

    pub(crate) fn has_masks(&self) -> bool {
        self.0
            .iter()
            .any(|(_, given)| matches!(given, Given::Mask(_)))
    }

    /// The values, those that are given as masks from among `stored`.
    pub(crate) fn resolve(
        self,
        stored: &[BoundCredential],
    ) -> Result<Vec<(HeaderName, SecretBytes)>, HeadersError> {
        let mut headers = Vec::with_capacity(self.0.len());
        for (index, (name, given)) in self.0.into_iter().enumerate() {
            let value = match given {
                Given::Value(value) => value,
                Given::Mask(mask) => {
                    let known = stored.iter().find(|known| *known.header_name() == name);
                    let known = known.filter(|known| key_value::mask(known.raw()) == mask);
                    let place = index + 1;
                    let known = known.ok_or(HeadersError(Kind::NoSuchMask { place }))?;
                    SecretBytes::copy_from(known.raw().expose())
                }
            };
            headers.push((name, value));
        }
        Ok(headers)
    }
}

fn parse_name(name: &str) -> Option<HeaderName> {
    (1..=MAX_NAME)
        .contains(&name.len())
        .then(|| HeaderName::try_from(name).ok())?
}

fn check_value(value: &SecretBytes, place: usize) -> Result<(), HeadersError> {
    let text = value.expose();
    let is_plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let is_fit = (1..=MAX_VALUE).contains(&text.len())
        && text.iter().all(is_plain)
        && text.trim_ascii().len() == text.len();
    if !is_fit {
        return Err(HeadersError(Kind::Value { place }));
    }
    let is_separator = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'_';
    if text.split(is_separator).any(keyward_auth::is_ours) {
        return Err(HeadersError(Kind::OwnToken { place }));
    }
    Ok(())
}

/// Whether the header is one that nobody but the gateway sets: it frames the message, carries a credential, tells of
/// the connection or the client, or is the gateway's own. `name` is in lower case.
pub(crate) fn is_forbidden(name: &str) -> bool {
    forbidden(name).is_some()
}

/// Why a header of this name may not be set. Some servers read `_` as `-`, so both are the same here.
fn forbidden(name: &str) -> Option<&'static str> {
    let name = name.replace('_', "-");
    let name = name.as_str();
    let is_credential = all_credential_headers()
        .iter()
        .any(|credential| credential == name);
    let begins = |prefix: &str| name.starts_with(prefix);
    Some(match name {
        _ if is_credential => "a credential in it is a provider key; store it as one",
        "cookie" | "cookie2" | "proxy-authorization" => "it carries credentials of another kind",
        "host" | "content-length" | "content-encoding" | "content-type" | "transfer-encoding"
        | "trailer" | "expect" | "range" | "if-range" => "it says how the request is to be read",
        "connection" | "keep-alive" | "te" | "upgrade" | "http2-settings" | "max-forwards" => {
            "it is of one connection"
        }
        "accept-encoding" => "answers are asked for uncompressed, so that they can be scrubbed",
        "via" | "cdn-loop" | "forwarded" | "x-forwarded" | "x-real-ip" | "true-client-ip" => {
            "it tells of the way or of the client"
        }
        "x-http-method" | "x-http-method-override" | "x-method-override" => {
            "what a request may do is decided by its method"
        }
        _ if begins("cf-") => "names that begin with `cf-` are the gateway's",
        _ if begins("proxy-") || begins("sec-") => "it is of one connection",
        _ if begins("x-forwarded-") => "it tells of the way or of the client",
        _ => return None,
    })
}

/// What is sealed: a line `name:value` each, in memory that is erased.
pub(super) fn encode(headers: &[(HeaderName, SecretBytes)]) -> SecretBytes {
    let length = |(name, value): &(HeaderName, SecretBytes)| name.as_str().len() + value.len() + 2;
    // Reserved in full first: a vector that grows leaves a copy behind.
    let mut text = Vec::with_capacity(headers.iter().map(length).sum());
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(value.expose());
        text.push(b'\n');
    }
    SecretBytes::new(text)
}

/// Reads [`encode`] back, each value bound to `destination`.
pub(super) fn bind(text: &SecretBytes, destination: &Destination) -> Option<Vec<BoundCredential>> {
    let lines = text.expose().split_inclusive(|byte| *byte == b'\n');
    let bound = lines.map(|line| {
        let line = line.strip_suffix(b"\n")?;
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = HeaderName::from_bytes(name).ok()?;
        let value = SecretBytes::copy_from(value.get(1..)?);
        BoundCredential::build(name, "", value, destination.clone()).ok()
    });
    bound.collect()
}

/// The names, and what may be shown of each value.
pub(super) fn masks(headers: &[(HeaderName, SecretBytes)]) -> Vec<(String, String)> {
    let shown = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), key_value::mask(value)));
    shown.collect()
}

/// A JSON object of texts, in its order.
struct Members(Vec<(String, Given)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.len() > MAX_HEADERS {
                let _skipped: IgnoredAny = map.next_value()?;
                continue;
            }
            members.push((name, map.next_value()?));
        }
        Ok(Members(members))
    }
}

impl<'de> Deserialize<'de> for Given {
    /// A text without escapes is copied once. Of one with escapes the parser keeps a scratch copy that is freed
    /// and not erased.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(GivenVisitor)
    }
}

struct GivenVisitor;

impl Visitor<'_> for GivenVisitor {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Given, E> {
        // No value is longer than this, also with every byte of it outside ASCII.
        if text.len() > 4 * MAX_VALUE {
            return Err(E::custom("the text is too long"));
        }
        // No value begins so: it is not ASCII.
        Ok(if text.starts_with(key_value::MASK) {
            Given::Mask(text.to_owned())
        } else {
            Given::Value(SecretBytes::copy_from(text.as_bytes()))
        })
    }
}

#[cfg(test)]
mod tests {
    use keyward_secret::{Destination, SecretBytes};

    use super::{HeaderInput, HeadersError, bind, encode, masks};

    fn parse(json: &str) -> Result<HeaderInput, HeadersError> {
        HeaderInput::parse(&SecretBytes::copy_from(json.as_bytes()))
    }

    fn bound(json: &str) -> Vec<keyward_secret::BoundCredential> {
        let headers = parse(json).ok().unwrap().resolve(&[]).ok().unwrap();
        let destination = Destination::parse(["https://a.example"]).unwrap();
        bind(&encode(&headers), &destination).unwrap()
    }

    #[test]
    fn what_is_sealed_is_what_is_injected() {
        let bound = bound(r#"{"X-Org":"org: 1","x-y_z":"a\\b\"c"}"#);
        let lines: Vec<_> = bound
            .iter()
            .map(|header| {
                let value = header.header_value().to_str().unwrap().to_owned();
                (header.header_name().as_str().to_owned(), value)
            })
            .collect();
        let expected = [("x-org", "org: 1"), ("x-y_z", "a\\b\"c")];
        assert_eq!(
            lines,
            expected.map(|(name, value)| (name.into(), value.into()))
        );
        assert!(
            bound
                .iter()
                .all(|header| header.header_value().is_sensitive())
        );
    }

    #[test]
    fn nothing_is_smuggled() {
        for (json, expected) in [
            ("[]", "JSON object"),
            ("{", "JSON object"),
            ("{} {}", "JSON object"),
            (r#"{"x":1}"#, "JSON object"),
            (r#"{"x":null}"#, "JSON object"),
            (r#"{"x":["a"]}"#, "JSON object"),
            (r#"{"":"a"}"#, "header name"),
            (r#"{"x y":"a"}"#, "header name"),
            (r#"{"x:y":"a"}"#, "header name"),
            (r#"{"x\r\nAuthorization":"a"}"#, "header name"),
            (r#"{":path":"a"}"#, "header name"),
            (r#"{"x":"a\r\nHost: evil"}"#, "printable ASCII"),
            (r#"{"x":"a\u0000"}"#, "printable ASCII"),
            (r#"{"x":"ä"}"#, "printable ASCII"),
            (r#"{"x":" a"}"#, "printable ASCII"),
            (r#"{"x":""}"#, "printable ASCII"),
            (r#"{"X":"a","x":"b"}"#, "twice"),
            (r#"{"x":"••••"}"#, ""),
            (r#"{"x":"Bearer kw_gw_abc"}"#, "Keyward's own"),
            (r#"{"x":"a,kw_api_abc"}"#, "Keyward's own"),
        ] {
            match parse(json) {
                Err(error) => assert!(error.to_string().contains(expected), "{json}: {error}"),
                Ok(masked) => assert!(
                    expected.is_empty() && masked.resolve(&[]).is_err(),
                    "{json}"
                ),
            }
        }
        for name in [
            "Authorization",
            "X-Api-Key",
            "x_api_key",
            "api-key",
            "X-Goog-Api-Key",
            "Proxy-Authorization",
            "Cookie",
            "Host",
            "Content-Length",
            "content_length",
            "Transfer-Encoding",
            "Transfer_Encoding",
            "Content-Encoding",
            "Content-Type",
            "Connection",
            "Keep-Alive",
            "TE",
            "Trailer",
            "Upgrade",
            "Expect",
            "HTTP2-Settings",
            "Accept-Encoding",
            "Via",
            "CDN-Loop",
            "Forwarded",
            "X-Forwarded-Host",
            "X_Forwarded_For",
            "CF-AIG-Authorization",
            "cf_aig_authorization",
            "cf-aig-byok-alias",
            "CF-Connecting-IP",
            "Sec-WebSocket-Key",
            "X-HTTP-Method-Override",
        ] {
            let json = format!(r#"{{"{name}":"a"}}"#);
            let error = parse(&json).err().expect(name).to_string();
            assert!(error.contains("may not be set"), "{name}: {error}");
        }
    }

    #[test]
    fn too_many_or_too_long_is_refused() {
        let many = |count: usize| {
            let members: Vec<_> = (0..count).map(|at| format!(r#""x-{at}":"a""#)).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(parse(&many(20)).is_ok());
        assert!(parse(&many(21)).is_err());
        assert!(parse(&many(2_000)).is_err());
        let long = |count: usize| format!(r#"{{"x":"{}"}}"#, "a".repeat(count));
        assert!(parse(&long(8 * 1024)).is_ok());
        assert!(parse(&long(8 * 1024 + 1)).is_err());
        assert!(parse(&long(64 * 1024)).is_err());
    }

    #[test]
    fn a_mask_stands_for_the_stored_value_and_no_other() {
        let stored = bound(r#"{"x-a":"secret-0123456789","x-b":"secret-abcdefghij"}"#);
        let values: Vec<_> = stored
            .iter()
            .map(|known| {
                let value = SecretBytes::copy_from(known.raw().expose());
                (known.header_name().clone(), value)
            })
            .collect();
        let shown = masks(&values);
        assert_eq!(shown[0], ("x-a".to_owned(), "••••6789".to_owned()));
        let all = parse(r#"{"X-B":"••••ghij","x-a":"••••6789"}"#)
            .ok()
            .unwrap();
        assert!(all.is_all_of(&shown));
        let changed = parse(r#"{"x-a":"••••6789","x-b":"new"}"#).ok().unwrap();
        assert!(!changed.is_all_of(&shown));
        let changed = changed.resolve(&stored).ok().unwrap();
        assert_eq!(changed[0].1.expose(), b"secret-0123456789");
        assert_eq!(changed[1].1.expose(), b"new");
        for json in [
            r#"{"x-a":"••••ghij"}"#,
            r#"{"x-c":"••••6789"}"#,
            r#"{"x-a":"••••"}"#,
        ] {
            let mixed_up = parse(json).ok().unwrap();
            assert!(!mixed_up.is_all_of(&shown));
            assert!(mixed_up.resolve(&stored).is_err(), "{json}");
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{HeadersError, Kind};

        keyward_testing::assert_texts!("HeadersError", Kind {
            Kind::Shape => Kind::Shape,
            Kind::Count => Kind::Count,
            Kind::Name { .. } => Kind::Name { place: 2 },
            Kind::Twice { .. } => Kind::Twice { place: 2 },
            Kind::Forbidden { .. } => Kind::Forbidden { place: 2, why: "it frames the message" },
            Kind::Value { .. } => Kind::Value { place: 2 },
            Kind::OwnToken { .. } => Kind::OwnToken { place: 2 },
            Kind::NoSuchMask { .. } => Kind::NoSuchMask { place: 2 },
        }, |kind| keyward_testing::told(&HeadersError(kind)));
    }
}
