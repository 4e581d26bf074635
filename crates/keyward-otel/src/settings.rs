//! Where data goes, and what is said of who sends it.

use std::{fmt, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    uri::{PathAndQuery, Uri},
};
use keyward_secret::{Origin, Scheme, SecretBytes};

/// What an operator decides.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever sends data decides on each field"
)]
pub struct Settings {
    /// The collector.
    pub endpoint: OtlpEndpoint,
    /// What goes along with every request to it.
    pub headers: OtlpHeaders,
    /// `service.name` of everything that is sent.
    pub service_name: String,
    /// Further attributes of the resource.
    pub resource: ResourceAttributes,
    /// How many traces are sent.
    pub sampling: SamplingRatio,
    /// How often data is sent. Spans earlier, where many wait.
    pub interval: Duration,
}

/// Where a collector takes OTLP over HTTP: `http://127.0.0.1:4318`, or with a path that stands before `/v1/traces`. No user
/// name, no query, no fragment; at most 2,048 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpEndpoint {
    origin: Origin,
    traces: PathAndQuery,
    metrics: PathAndQuery,
}

/// Header fields that a collector asks for, such as a key: lines of `name: value`. Their values are secrets.
#[derive(Clone, Default)]
pub struct OtlpHeaders(pub(crate) HeaderMap);

/// Attributes of the resource, written as `OTEL_RESOURCE_ATTRIBUTES` is: `name=value,name=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceAttributes(pub(crate) Vec<(String, String)>);

/// A part of all traces, 0 to 1. Which ones follows from the trace's id, so that all requests of a trace are sent, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingRatio(f64);

/// The text is not what it should be. Quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingError(&'static str);

impl OtlpEndpoint {
    const MOST: usize = 2_048;

    /// Parses the URL.
    ///
    /// # Errors
    ///
    /// When it is not one, too long, neither http nor https, or has a user name, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, SettingError> {
        let refuse = || {
            SettingError(
                "the endpoint of a collector is an http or https URL without user name and query, such as `http://127.0.0.1:4318`",
            )
        };
        if text.len() > Self::MOST || text.contains(['#', '?']) {
            return Err(refuse());
        }
        let uri: Uri = text.parse().map_err(|_no_uri| refuse())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refuse());
        };
        let origin = Origin::parse(&format!("{scheme}://{authority}"));
        let base = uri.path().trim_end_matches('/');
        let path = |signal: &str| {
            PathAndQuery::try_from(format!("{base}/v1/{signal}")).map_err(|_no_path| refuse())
        };
        Ok(Self {
            origin: origin.map_err(|_no_origin| refuse())?,
            traces: path("traces")?,
            metrics: path("metrics")?,
        })
    }

    /// Where it is.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether whoever stands on the way can read what is sent.
    #[must_use]
    pub fn is_open_to_read(&self) -> bool {
        self.origin.scheme() == Scheme::Http && !self.origin.is_loopback()
    }

    pub(crate) const fn traces(&self) -> &PathAndQuery {
        &self.traces
    }

    pub(crate) const fn metrics(&self) -> &PathAndQuery {
        &self.metrics
    }
}

impl OtlpHeaders {
    const MOST: usize = 32;

    /// Parses lines of `name: value`; empty ones are passed over.
    ///
    /// # Errors
    ///
    /// When a line is no header field, one is told twice or is OTLP's or HTTP's own, or there are more than 32.
    pub fn parse(text: &SecretBytes) -> Result<Self, SettingError> {
        let mut headers = HeaderMap::new();
        for line in text.expose().split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) =
                colon
                    .and_then(|at| line.split_at_checked(at))
                    .ok_or(SettingError(
                        "a header of the collector is a line `name: value`",
                    ))?;
            let name = HeaderName::from_bytes(name.trim_ascii()).map_err(|_no_name| {
                SettingError("a header of the collector has a name that no header can have")
            })?;
            if OWN.contains(&name.as_str()) {
                return Err(SettingError(
                    "a header of the collector is one that Keyward or HTTP sets itself",
                ));
            }
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let mut value = HeaderValue::from_bytes(value).map_err(|_no_value| {
                SettingError("the value of a header of the collector cannot stand in one")
            })?;
            value.set_sensitive(true);
            if headers.insert(name, value).is_some() {
                return Err(SettingError("a header of the collector is told twice"));
            }
        }
        if headers.len() > Self::MOST {
            return Err(SettingError("a collector gets 32 headers at most"));
        }
        Ok(Self(headers))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Headers that are not for a file to set.
const OWN: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl fmt::Debug for OtlpHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl ResourceAttributes {
    const MOST: usize = 32;

    /// Parses `name=value,name=value`.
    ///
    /// # Errors
    ///
    /// When a part is none of that, a name stands there twice or is `service.name`, or there are more than 32.
    pub fn parse(text: &str) -> Result<Self, SettingError> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (name, value) = part.split_once('=').ok_or(SettingError(
                "attributes of the resource are written `name=value,name=value`",
            ))?;
            let (name, value) = (name.trim(), value.trim());
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_name || value.len() > 255 || name.len() > 255 {
                return Err(SettingError(
                    "an attribute of the resource has a name of visible characters, and both at most 255 bytes",
                ));
            }
            if name == "service.name" {
                return Err(SettingError(
                    "`service.name` has a field of its own, `service_name`",
                ));
            }
            if attributes.iter().any(|(other, _)| other == name) {
                return Err(SettingError(
                    "an attribute of the resource stands there twice",
                ));
            }
            attributes.push((name.to_owned(), value.to_owned()));
        }
        if attributes.len() > Self::MOST {
            return Err(SettingError("a resource has 32 attributes at most"));
        }
        Ok(Self(attributes))
    }
}

impl SamplingRatio {
    /// All traces.
    pub const ALL: Self = Self(1.0);

    /// None where it is not 0 to 1.
    #[must_use]
    pub fn new(ratio: f64) -> Option<Self> {
        (0.0..=1.0).contains(&ratio).then_some(Self(ratio))
    }

    pub(crate) const fn get(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use keyward_secret::SecretBytes;

    use super::{OtlpEndpoint, OtlpHeaders, ResourceAttributes, SamplingRatio};

    #[test]
    fn an_endpoint_is_a_base() {
        for (text, traces) in [
            ("http://127.0.0.1:4318", "/v1/traces"),
            ("http://collector:4318/", "/v1/traces"),
            ("https://otlp.example.com/otlp", "/otlp/v1/traces"),
        ] {
            let endpoint = OtlpEndpoint::parse(text).unwrap();
            assert_eq!(endpoint.traces().as_str(), traces);
            assert_eq!(endpoint.is_open_to_read(), text.contains("collector"));
        }
        for text in [
            "",
            "127.0.0.1:4318",
            "ftp://a",
            "http://u:p@a",
            "http://a?x",
            "http://a#x",
        ] {
            assert!(OtlpEndpoint::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_lines_and_their_values_are_not_shown() {
        let parse = |text: &str| OtlpHeaders::parse(&SecretBytes::new(text.as_bytes().to_vec()));
        let headers = parse("api-key: abc\n\nx-scope: a:b\n").unwrap();
        assert_eq!(headers.0["api-key"], "abc");
        assert_eq!(headers.0["x-scope"], "a:b");
        assert_eq!(format!("{headers:?}"), r#"{"api-key", "x-scope"}"#);
        assert!(parse("").unwrap().is_empty());
        for text in ["abc", "a b: c", "host: x", "a: 1\nA: 2", "a: \u{1}"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        let many: Vec<_> = (0..33).map(|number| format!("x-{number}: 1")).collect();
        assert!(parse(&many.join("\n")).is_err());
    }

    #[test]
    fn attributes_of_the_resource_are_pairs() {
        let parse = ResourceAttributes::parse;
        let parsed = parse("deployment.environment.name=prod, service.version = 2=3 ,").unwrap();
        let pairs: Vec<_> = parsed
            .0
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                ("deployment.environment.name", "prod"),
                ("service.version", "2=3")
            ]
        );
        for text in ["a", "=b", "a=1,a=2", "service.name=x", "a b=c"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_refusal_says_what_is_wrong() {
        let headers = |text: &str| {
            OtlpHeaders::parse(&SecretBytes::new(text.as_bytes().to_vec())).unwrap_err()
        };
        let attributes = |text: &str| ResourceAttributes::parse(text).unwrap_err();
        let many = |item: &str| {
            (0..33)
                .map(|number| item.replace('#', &number.to_string()))
                .collect::<String>()
        };
        keyward_testing::assert_texts!("SettingError", [
            "an endpoint" => OtlpEndpoint::parse("x").unwrap_err(),
            "a header without a colon" => headers("x"),
            "a header without a name" => headers("a b: x"),
            "a header of ours" => headers("host: x"),
            "a header with a control character" => headers("a: \u{1}"),
            "a header twice" => headers("a: 1\na: 2"),
            "too many headers" => headers(&many("a-#: 1\n")),
            "an attribute without a value" => attributes("a"),
            "an attribute without a name" => attributes("=a"),
            "the service's name" => attributes("service.name=a"),
            "an attribute twice" => attributes("a=1,a=2"),
            "too many attributes" => attributes(&many("a#=1,")),
        ]);
    }

    #[test]
    fn a_ratio_is_a_part_of_all() {
        for ratio in [-0.1, 1.1, f64::NAN] {
            assert_eq!(SamplingRatio::new(ratio), None);
        }
        assert_eq!(SamplingRatio::new(1.0), Some(SamplingRatio::ALL));
    }
}
