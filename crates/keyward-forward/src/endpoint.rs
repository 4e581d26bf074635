//! One upstream, prepared once and shared by every request that goes there.

use bytes::Bytes;
use http::{HeaderValue, uri};
use keyward_secret::{Origin, Scheme};

/// One upstream: its origin, and the `Host` header that every request to it carries.
///
/// Built when a provider is configured and shared as `Arc<Endpoint>`; a request formats nothing.
#[derive(Debug, Clone)]
pub struct Endpoint {
    origin: Origin,
    host: HeaderValue,
    scheme: uri::Scheme,
    authority: uri::Authority,
}

/// The origin cannot stand in a `Host` header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot send requests to {origin}: its host cannot stand in a header")]
pub struct EndpointError {
    origin: Origin,
}

impl Endpoint {
    /// Prepares `origin`.
    ///
    /// # Errors
    ///
    /// When the host cannot stand in a header. What [`Origin::parse`] accepts can.
    pub fn new(origin: Origin) -> Result<Self, EndpointError> {
        let text = Bytes::from(origin.authority());
        let host = HeaderValue::from_maybe_shared(text.clone());
        let authority = uri::Authority::from_maybe_shared(text);
        let (Ok(host), Ok(authority)) = (host, authority) else {
            return Err(EndpointError { origin });
        };
        let scheme = match origin.scheme() {
            Scheme::Https => uri::Scheme::HTTPS,
            Scheme::Http => uri::Scheme::HTTP,
        };
        Ok(Self {
            origin,
            host,
            scheme,
            authority,
        })
    }

    /// Where requests go.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The `Host` header. A clone shares the bytes.
    #[must_use]
    pub const fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// HTTP/2's `:scheme`.
    pub(crate) const fn scheme(&self) -> &uri::Scheme {
        &self.scheme
    }

    /// HTTP/2's `:authority`. A clone shares the bytes.
    pub(crate) const fn authority(&self) -> &uri::Authority {
        &self.authority
    }
}

#[cfg(test)]
mod tests {
    use keyward_secret::Origin;

    use super::Endpoint;

    #[test]
    fn the_host_header_leaves_the_schemes_own_port_out() {
        for (origin, host) in [
            ("https://api.example.com:443", "api.example.com"),
            ("https://api.example.com:8443", "api.example.com:8443"),
            ("http://[::1]:80", "[::1]"),
        ] {
            let endpoint = Endpoint::new(Origin::parse(origin).unwrap()).unwrap();
            assert_eq!(endpoint.host(), host);
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::EndpointError;

        keyward_testing::assert_texts!("EndpointError", [
            "an origin" => EndpointError { origin: Origin::parse("https://api.example.com").unwrap() },
        ]);
    }
}
