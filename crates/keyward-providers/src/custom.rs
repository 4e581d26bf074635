//! Providers that an operator adds: where one is, how it takes a key, and the [`Provider`] that this makes.

use std::{fmt, str::FromStr};

use http::{HeaderName, header};
use keyward_secret::{Destination, Origin, Scheme};

use crate::{
    Provider, Support, Upstream, classes::Classes, compat::Compat, overrides::parse_base_url,
    paths::Paths, provider::Placement, usage::UsageRules, verdict::Rules,
};

/// The most bytes of a base URL that are taken. A guess: no provider's is longer than a line.
const MAX_BASE_URL: usize = 1024;

/// Where a custom provider is: an https origin, and the path below which everything lies.
///
/// ```
/// use keyward_providers::BaseUrl;
///
/// let url = BaseUrl::parse("https://LLM.example.com:443/openai/v1/")?;
/// assert_eq!(url.to_string(), "https://llm.example.com/openai/v1");
/// assert_eq!(url.origin().to_string(), "https://llm.example.com");
/// assert_eq!(url.path(), "/openai/v1");
/// assert!(BaseUrl::parse("http://llm.example.com").is_err());
/// # Ok::<(), keyward_providers::ParseBaseUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    origin: Origin,
    destination: Destination,
    /// Empty, or with a leading and without a closing slash.
    path: Box<str>,
}

/// A text is no base URL. Does not quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a valid HTTPS URL starting with https:// ({reason})")]
pub struct ParseBaseUrlError {
    reason: String,
}

impl BaseUrl {
    /// Parses `https://host[:port][/path]`. One closing `/` is dropped.
    ///
    /// The origin is one as [`Origin::parse`] takes it; a path is plain segments, without `.` and `..`, without
    /// anything percent-encoded, without query and fragment. At most 1,024 bytes.
    ///
    /// # Errors
    ///
    /// When the text is anything else, plain http above all.
    pub fn parse(text: &str) -> Result<Self, ParseBaseUrlError> {
        let refuse = |reason: String| ParseBaseUrlError { reason };
        if text.len() > MAX_BASE_URL {
            return Err(refuse(format!("it is longer than {MAX_BASE_URL} bytes")));
        }
        let (origin, path) =
            parse_base_url(text, None, true).map_err(|error| refuse(error.to_string()))?;
        if origin.scheme() != Scheme::Https {
            return Err(refuse("the scheme is not https".to_owned()));
        }
        let destination =
            Destination::exact(origin.clone()).map_err(|error| refuse(error.to_string()))?;
        Ok(Self {
            origin,
            destination,
            path: path.into(),
        })
    }

    /// Scheme, host and port.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path: empty, or with a leading and without a closing slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What a value that is entered now is sealed for: the origin, and nothing else.
    #[must_use]
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

impl FromStr for BaseUrl {
    type Err = ParseBaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// How a custom provider takes its key. One of the headers in which some built-in provider takes one, so that a
/// gateway token that stands there is recognised, and a client's own key in it is removed when a stored one goes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialPlacement {
    /// `Authorization: Bearer KEY`.
    #[default]
    Bearer,
    /// `Authorization: Token KEY`.
    Token,
    /// `Authorization: Key KEY`.
    Key,
    /// `Authorization: KEY`, without a scheme.
    Authorization,
    /// `Api-Key: KEY`.
    ApiKey,
    /// `X-Api-Key: KEY`.
    XApiKey,
    /// `X-Goog-Api-Key: KEY`.
    XGoogApiKey,
    /// `Xi-Api-Key: KEY`.
    XiApiKey,
}

impl CredentialPlacement {
    /// Every placement.
    pub const ALL: [Self; 8] = [
        Self::Bearer,
        Self::Token,
        Self::Key,
        Self::Authorization,
        Self::ApiKey,
        Self::XApiKey,
        Self::XGoogApiKey,
        Self::XiApiKey,
    ];

    /// The header line without the key, such as `Authorization: Bearer` or `X-Api-Key`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Authorization: Bearer",
            Self::Token => "Authorization: Token",
            Self::Key => "Authorization: Key",
            Self::Authorization => "Authorization",
            Self::ApiKey => "Api-Key",
            Self::XApiKey => "X-Api-Key",
            Self::XGoogApiKey => "X-Goog-Api-Key",
            Self::XiApiKey => "Xi-Api-Key",
        }
    }

    /// Reads [`as_str`](Self::as_str) back, in any case and with any blanks around the colon.
    ///
    /// # Errors
    ///
    /// When the text is none of [`ALL`](Self::ALL).
    pub fn parse(text: &str) -> Result<Self, ParsePlacementError> {
        let split = |text: &str| {
            let (name, scheme) = text.split_once(':').unwrap_or((text, ""));
            let lower = |part: &str| part.trim().to_ascii_lowercase();
            (lower(name), lower(scheme))
        };
        let wanted = split(text);
        Self::ALL
            .into_iter()
            .find(|placement| split(placement.as_str()) == wanted)
            .ok_or(ParsePlacementError)
    }

    const fn header(self) -> HeaderName {
        match self {
            Self::Bearer | Self::Token | Self::Key | Self::Authorization => header::AUTHORIZATION,
            Self::ApiKey => HeaderName::from_static("api-key"),
            Self::XApiKey => HeaderName::from_static("x-api-key"),
            Self::XGoogApiKey => HeaderName::from_static("x-goog-api-key"),
            Self::XiApiKey => HeaderName::from_static("xi-api-key"),
        }
    }

    const fn scheme(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer ",
            Self::Token => "Token ",
            Self::Key => "Key ",
            _ => "",
        }
    }
}

impl FromStr for CredentialPlacement {
    type Err = ParsePlacementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A text names no placement of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsePlacementError;

impl fmt::Display for ParsePlacementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be one of ")?;
        for (at, placement) in CredentialPlacement::ALL.into_iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}`{}`", placement.as_str())?;
        }
        Ok(())
    }
}

impl std::error::Error for ParsePlacementError {}

impl Provider {
    /// The provider that an operator added: everything lies below its base URL, and no endpoint has a
    /// [class](crate::Class) other than `other`.
    ///
    /// It stands in no catalogue: the [index](Upstream::index) of its upstream is 0 whatever else there is.
    #[must_use]
    pub fn custom(slug: &str, name: &str, base: &BaseUrl, placement: CredentialPlacement) -> Self {
        let header = placement.header();
        // A client that brings a key of its own may also show it as most APIs want it.
        let mut headers = vec![header.clone()];
        if header != header::AUTHORIZATION {
            headers.push(header::AUTHORIZATION);
        }
        Self {
            slug: slug.into(),
            aliases: Box::default(),
            name: name.into(),
            keys_page: None,
            key_hint: None,
            overridden: true,
            relayed: false,
            support: Support::Ready,
            upstreams: Box::new([Upstream::build(
                0,
                base.origin.clone(),
                &base.path,
                Classes::none(),
            )]),
            destination: base.destination.clone(),
            paths: Paths::build(&base.path, &[], None, None),
            placement: Placement {
                header,
                scheme: placement.scheme().into(),
                headers: headers.into(),
                query: Box::default(),
                subprotocols: Box::default(),
            },
            compat: Some(compat(&base.path)),
            model_paths: Box::default(),
            websocket_model: None,
            target_header: None,
            refusals: Box::default(),
            errors: Rules::default(),
            probe: None,
            usage: UsageRules::of_custom(),
        }
    }
}

/// Where a custom provider's chat completions are taken to be: below `v1`, which is not repeated where the base URL ends in a
/// version.
///
/// source: wire-spec §1.5 for `{base_url}/v1/chat/completions`. That a closing version (`…/v1`, `…/paas/v4`) is the one meant
/// is a guess: no such API has a second one below it.
fn compat(base_path: &str) -> Compat {
    let last = base_path.rsplit('/').next().unwrap_or_default();
    let is_version = last.strip_prefix('v').is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let below = if is_version { "" } else { "v1/" };
    Compat {
        chat: format!("{below}chat/completions").into(),
        models: Some(format!("{below}models").into()),
        credential: None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use keyward_secret::SecretBytes;
    use proptest::prelude::*;

    use super::{BaseUrl, CredentialPlacement};
    use crate::{Class, Provider, all_credential_headers};

    #[test]
    fn what_is_no_https_url_with_a_plain_path_is_refused() {
        for text in [
            "",
            "a.example",
            "http://a.example",
            "HTTP://127.0.0.1",
            "ftp://a.example",
            "https://",
            "https:///x",
            "https://user:secret@a.example",
            "https://a.example?x=y",
            "https://a.example/x?y",
            "https://a.example/#x",
            "https://a.example//x",
            "https://a.example/x/../y",
            "https://a.example/%2e%2e/x",
            "https://a.example\\@evil.example",
            "https://a.example/x y",
            "https://a.example/\u{e4}",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://a.example/\r\nHost: x",
            &format!("https://a.example/{}", "x".repeat(1024)),
        ] {
            let error = BaseUrl::parse(text).expect_err(text).to_string();
            assert!(error.starts_with("must be a valid HTTPS URL"), "{error}");
        }
    }

    #[test]
    fn everything_lies_below_the_base_and_has_no_class() {
        let base = BaseUrl::parse("https://a.example/openai").unwrap();
        let provider = Provider::custom("custom-a", "A", &base, CredentialPlacement::default());
        for rest in ["v1/chat/completions", "models", ""] {
            let route = provider
                .route(&Method::POST, rest, &HeaderMap::new())
                .unwrap();
            assert_eq!(route.prefix, "/openai/");
            assert_eq!(route.class, Class::Other);
            assert_eq!(route.upstream.origin(), base.origin());
        }
    }

    #[test]
    fn chats_lie_below_one_version() {
        for (url, path) in [
            ("https://a.example", "v1/chat/completions"),
            ("https://a.example/zen/go", "v1/chat/completions"),
            ("https://a.example/openai/v1", "chat/completions"),
            ("https://a.example/api/paas/v4", "chat/completions"),
            ("https://a.example/vault", "v1/chat/completions"),
        ] {
            let base = BaseUrl::parse(url).unwrap();
            let provider = Provider::custom("custom-a", "A", &base, CredentialPlacement::default());
            assert_eq!(provider.compat().unwrap().chat(), path, "{url}");
        }
    }

    /// What stands elsewhere would not be found where tokens and clients' keys are looked for and removed.
    #[test]
    fn every_placement_is_a_header_that_is_looked_at() {
        let base = BaseUrl::parse("https://a.example").unwrap();
        for placement in CredentialPlacement::ALL {
            let text = placement.as_str();
            assert_eq!(CredentialPlacement::parse(text), Ok(placement));
            assert_eq!(
                CredentialPlacement::parse(&text.to_ascii_uppercase().replace(": ", ":")),
                Ok(placement)
            );
            let provider = Provider::custom("custom-a", "A", &base, placement);
            let key = SecretBytes::copy_from(b"sk-1");
            let bound = provider.bind(key, base.destination().clone()).unwrap();
            assert!(all_credential_headers().contains(bound.header_name()));
            let line = format!(
                "{}: {}",
                bound.header_name(),
                bound.header_value().to_str().unwrap()
            );
            assert!(
                line.ends_with("sk-1")
                    && text
                        .to_ascii_lowercase()
                        .starts_with(bound.header_name().as_str()),
                "{line}"
            );
        }
        for text in [
            "",
            "Cookie",
            "Host",
            "Authorization: Basic",
            "X-Api-Key: Bearer",
        ] {
            assert!(CredentialPlacement::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_as_what_parses_the_same(text in "https://[a-zA-Z0-9.-]{1,12}(:[0-9]{1,5})?(/[a-z0-9.@:~-]{1,6}){0,3}/?") {
            if let Ok(url) = BaseUrl::parse(&text) {
                prop_assert_eq!(BaseUrl::parse(&url.to_string()), Ok(url));
            }
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{BaseUrl, ParsePlacementError};

        keyward_testing::assert_texts!("ParseBaseUrlError", [
            "api.example.com" => BaseUrl::parse("api.example.com").unwrap_err(),
            "http://a.example" => BaseUrl::parse("http://a.example").unwrap_err(),
            "https://a.example?x" => BaseUrl::parse("https://a.example?x").unwrap_err(),
        ]);
        keyward_testing::assert_texts!("ParsePlacementError", [
            "a name" => ParsePlacementError,
        ]);
    }
}
