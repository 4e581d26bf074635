//! Header maps out of a fuzzer's bytes, with the names that matter.

use arbitrary::Arbitrary;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Names that some rule is about, and some that no rule is about.
const NAMES: &[&str] = &[
    "connection",
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "xi-api-key",
    "host",
    "content-length",
    "transfer-encoding",
    "content-encoding",
    "content-type",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "cf-aig-authorization",
    "cf-aig-metadata",
    "cf-connecting-ip",
    "cookie",
    "cookie2",
    "forwarded",
    "x-forwarded",
    "x-forwarded-for",
    "x-real-ip",
    "true-client-ip",
    "via",
    "max-forwards",
    "expect",
    "http2-settings",
    "sec-websocket-protocol",
    "sec-websocket-key",
    "x-http-method-override",
    "x-method-override",
    "x-http-method",
    "cdn-loop",
    "accept-encoding",
    "accept",
    "user-agent",
    "x-stainless-os",
    "openai-beta",
    "location",
    "content-location",
    "set-cookie",
    "set-cookie2",
    "alt-svc",
    "strict-transport-security",
    "clear-site-data",
    "nel",
    "report-to",
    "reporting-endpoints",
    "x-request-id",
    "retry-after",
];

/// A name of [`NAMES`], or one that looks like it.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) struct Name {
    index: u8,
    twist: Twist,
}

/// How a name is bent.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Twist {
    Straight,
    EveryHyphen,
    FirstHyphen,
    Longer,
    Shorter,
}

/// One field of a head.
#[derive(Debug, Arbitrary)]
pub(crate) struct Field<'a> {
    name: Name,
    value: Value<'a>,
}

#[derive(Debug, Arbitrary)]
enum Value<'a> {
    Bytes(&'a [u8]),
    /// As `Connection` nominates.
    Names(Vec<Name>),
    /// A token or key of somebody's.
    Credential(u8),
}

impl Name {
    pub(crate) fn text(self) -> String {
        let name = NAMES[usize::from(self.index) % NAMES.len()];
        match self.twist {
            Twist::Straight => name.to_owned(),
            Twist::EveryHyphen => name.replace('-', "_"),
            Twist::FirstHyphen => name.replacen('-', "_", 1),
            Twist::Longer => format!("{name}s"),
            Twist::Shorter => name[..name.len() - 1].to_owned(),
        }
    }

    pub(crate) fn header(self) -> HeaderName {
        HeaderName::try_from(self.text()).expect("the names are names")
    }
}

impl Field<'_> {
    fn value(&self) -> Option<HeaderValue> {
        match &self.value {
            Value::Bytes(bytes) => HeaderValue::from_bytes(bytes).ok(),
            Value::Names(names) => {
                let names: Vec<_> = names.iter().map(|name| name.text()).collect();
                HeaderValue::try_from(names.join(", ")).ok()
            }
            Value::Credential(number) => HeaderValue::try_from(format!("Bearer sk-{number}")).ok(),
        }
    }
}

/// The fields that may stand in a head.
pub(crate) fn map(fields: &[Field<'_>]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for field in fields.iter().take(64) {
        if let Some(value) = field.value() {
            headers.append(field.name.header(), value);
        }
    }
    headers
}

/// The name with every `_` read as `-`.
pub(crate) fn folded(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}

/// The names that `Connection` nominates.
pub(crate) fn nominated(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all("connection")
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|token| String::from_utf8_lossy(token.trim_ascii()).to_ascii_lowercase())
        .collect()
}
