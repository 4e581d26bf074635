//! Who is told: where a receiver is, what it shares with us, and which events it wants.

use std::fmt;

use data_encoding::{BASE64, BASE64_NOPAD};
use http::uri::{PathAndQuery, Uri};
use keyward_secret::{Origin, Scheme, SecretBytes};

use crate::events::What;

/// Who is told of events.
pub struct Receiver {
    name: String,
    url: WebhookUrl,
    secret: WebhookSecret,
    /// Empty: all.
    only: Vec<&'static str>,
}

/// Where a receiver is: https, or http on this machine. No user name, no fragment, at most 2,048 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl {
    origin: Origin,
    path_and_query: PathAndQuery,
}

/// What a receiver shares with us: 24 to 64 random bytes, written `whsec_` and base64.
pub struct WebhookSecret(SecretBytes);

/// The text is not what a receiver may have. Quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseReceiverError(&'static str);

const SECRET_RULE: &str = "a webhook's secret is `whsec_` and the base64 of 24 to 64 random bytes, as `openssl rand -base64 32` writes them";

impl Receiver {
    /// A receiver of every event. `name` stands in logs and metrics.
    #[must_use]
    pub const fn new(name: String, url: WebhookUrl, secret: WebhookSecret) -> Self {
        Self {
            name,
            url,
            secret,
            only: Vec::new(),
        }
    }

    /// Of these events alone, by the [names](What::NAMES) they have, or by a beginning with `.*`: `provider_key.rotation.*`.
    ///
    /// # Errors
    ///
    /// When one of them names no event.
    pub fn with_events(mut self, events: &[String]) -> Result<Self, ParseReceiverError> {
        self.only = named(events)?;
        Ok(self)
    }

    /// Whether each of these names an event, as [`with_events`](Self::with_events) reads them.
    ///
    /// # Errors
    ///
    /// When one of them names none.
    pub fn check_events(events: &[String]) -> Result<(), ParseReceiverError> {
        named(events).map(drop)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn url(&self) -> &WebhookUrl {
        &self.url
    }

    pub(super) const fn secret(&self) -> &WebhookSecret {
        &self.secret
    }

    pub(super) fn wants(&self, what: &str) -> bool {
        self.only.is_empty() || self.only.contains(&what)
    }
}

fn named(events: &[String]) -> Result<Vec<&'static str>, ParseReceiverError> {
    let mut only = Vec::new();
    for event in events {
        let before = only.len();
        only.extend(What::NAMES.iter().filter(|name| is_meant(event, name)));
        if only.len() == before {
            return Err(ParseReceiverError(
                "an event is named as docs/webhooks.md lists them, or by a beginning with `.*`",
            ));
        }
    }
    Ok(only)
}

fn is_meant(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => beginning.ends_with('.') && name.starts_with(beginning),
        None => pattern == name,
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("name", &self.name)
            .field("origin", &self.url.origin)
            .field("only", &self.only)
            .finish_non_exhaustive()
    }
}

impl WebhookUrl {
    const MOST: usize = 2048;

    /// Parses the URL.
    ///
    /// # Errors
    ///
    /// When it is not one, too long, neither https nor http on this machine, or has a user name or a fragment.
    pub fn parse(text: &str) -> Result<Self, ParseReceiverError> {
        let refuse = || {
            ParseReceiverError(
                "a webhook's URL is https, or http to this machine, and has no user name and no fragment, such as `https://hooks.example.com/keyward`",
            )
        };
        if text.len() > Self::MOST || text.contains('#') {
            return Err(refuse());
        }
        let uri: Uri = text.parse().map_err(|_no_uri| refuse())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refuse());
        };
        let origin = Origin::parse(&format!("{scheme}://{authority}"));
        let origin = origin.map_err(|_no_origin| refuse())?;
        if origin.scheme() == Scheme::Http && !origin.is_loopback() {
            return Err(refuse());
        }
        let root = PathAndQuery::from_static("/");
        Ok(Self {
            origin,
            path_and_query: uri.path_and_query().cloned().unwrap_or(root),
        })
    }

    /// Where it is.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) const fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }
}

impl WebhookSecret {
    const PREFIX: &'static str = "whsec_";

    /// Parses `whsec_` and base64, with or without its padding.
    ///
    /// # Errors
    ///
    /// When it is anything else, or fewer than 24 or more than 64 bytes.
    pub fn parse(text: &str) -> Result<Self, ParseReceiverError> {
        let refuse = ParseReceiverError(SECRET_RULE);
        let text = text.strip_prefix(Self::PREFIX).ok_or(refuse.clone())?;
        let encoding = if text.len() % 4 == 0 {
            BASE64
        } else {
            BASE64_NOPAD
        };
        let key = encoding
            .decode(text.as_bytes())
            .map(SecretBytes::new)
            .map_err(|_no_base64| refuse.clone())?;
        if (24..=64).contains(&key.len()) {
            Ok(Self(key))
        } else {
            Err(refuse)
        }
    }

    pub(super) fn key(&self) -> &[u8] {
        self.0.expose()
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

impl ParseReceiverError {
    pub(super) const fn host() -> Self {
        Self("a webhook's URL names a host that cannot stand in a request")
    }
}

#[cfg(test)]
mod tests {
    use super::{ParseReceiverError, Receiver, WebhookSecret, WebhookUrl};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_url_is_https_or_on_this_machine() {
        for (text, origin, path) in [
            ("https://a.example", "https://a.example", "/"),
            (
                "https://A.example:8443/x?y=z",
                "https://a.example:8443",
                "/x?y=z",
            ),
            ("http://127.0.0.1:1/x", "http://127.0.0.1:1", "/x"),
            ("http://localhost/", "http://localhost", "/"),
        ] {
            let url = WebhookUrl::parse(text).unwrap();
            assert_eq!(url.origin().to_string(), origin);
            assert_eq!(url.path_and_query().as_str(), path);
        }
        for text in [
            "",
            "a.example",
            "/x",
            "http://a.example",
            "http://10.0.0.1",
            "ftp://a.example",
            "https://u:p@a.example",
            "https://a.example/#x",
            "https://a example",
            "https://2130706433/",
            &format!("https://a.example/{}", "x".repeat(2048)),
        ] {
            assert!(WebhookUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_long_enough_and_never_printed() {
        let secret = WebhookSecret::parse(SECRET).unwrap();
        assert_eq!(secret.key().len(), 24);
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
        let padded = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
        assert_eq!(WebhookSecret::parse(padded).unwrap().key().len(), 32);
        let bare = padded.trim_end_matches('=');
        assert_eq!(WebhookSecret::parse(bare).unwrap().key().len(), 32);
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_c2hvcnQ=",
            "whsec_!!!!",
        ] {
            assert!(WebhookSecret::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_filter_names_events_that_there_are() {
        let receiver = || {
            let url = WebhookUrl::parse("https://a.example").unwrap();
            Receiver::new("a".to_owned(), url, WebhookSecret::parse(SECRET).unwrap())
        };
        let with = |events: &[&str]| {
            let events: Vec<_> = events.iter().map(|event| (*event).to_owned()).collect();
            receiver().with_events(&events)
        };
        assert!(receiver().wants("provider_key.active"));
        let some = with(&["provider_key.invalid", "provider_key.rotation.*"]).unwrap();
        assert!(some.wants("provider_key.invalid"));
        assert!(some.wants("provider_key.rotation.rolled_back"));
        assert!(!some.wants("provider_key.active"));
        for wrong in ["provider_key", "provider_key.inval*", "*", "x.*", ""] {
            assert!(with(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        let url = |text| WebhookUrl::parse(text).unwrap_err();
        keyward_testing::assert_texts!("ParseReceiverError", [
            "a URL" => url("http://hooks.example.com"),
            "a secret" => WebhookSecret::parse("whsec_").unwrap_err(),
            "an event" => Receiver::check_events(&["key.gone".to_owned()]).unwrap_err(),
            "a host" => ParseReceiverError::host(),
        ]);
    }
}
