//! Why a request was not answered, and whose fault that is.

use std::{error::Error, fmt, sync::Arc};

use crate::{Endpoint, dial};

/// A boxed error of any thread.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A request was not forwarded, or not answered.
///
/// `Display` may be shown to clients: it names the upstream's host and never a secret. The source is for
/// the log.
#[derive(Debug)]
pub struct ForwardError {
    kind: Kind,
    endpoint: Arc<Endpoint>,
    source: Option<BoxError>,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an answer blames one of these, and every caller must say which"
)]
pub enum Fault {
    /// The client's.
    Client,
    /// The upstream's, or the network's on the way there.
    Upstream,
    /// Ours, or our operator's.
    Us,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The upstream's host refused the connection.
    ConnectRefused,
    /// The upstream's name has no address.
    Unresolvable,
    /// The upstream cannot be reached.
    Unreachable,
    /// The upstream's address is one that requests may not go to.
    AddressForbidden,
    /// The TLS handshake failed: certificate, name or protocol.
    Tls,
    /// Resolving, connecting and the handshake took too long.
    ConnectTimeout,
    /// The upstream has as many connections as it may have, all are in use, and too many requests wait for
    /// one, or this one waited too long.
    Busy,
    /// The upstream did not answer in time.
    HeaderTimeout,
    /// The upstream closed the connection before it answered.
    UpstreamClosed,
    /// The upstream's answer is not HTTP, or its head is too long.
    InvalidAnswer,
    /// The upstream switched protocols without being asked.
    UnaskedUpgrade,
    /// The upstream switched protocols without completing the handshake.
    BadUpgrade,
    /// The upstream redirects to an address outside its own.
    RedirectOutside,
    /// The upstream's error answer is compressed and cannot be made plain, so the credential cannot be looked
    /// for in it.
    Undecodable,
    /// The credential is bound to another destination.
    WrongDestination,
    /// The client's body ended in an error, such as a closed connection.
    RequestBody,
    /// The client's body came in too many tiny pieces: more than 16,384 frames of less than 8 bytes on average.
    RequestBodyTooFine,
    /// The client paused too long within its body, or sent it too slowly.
    RequestBodyTimeout,
    /// `CONNECT` and `TRACE` are not forwarded: one opens a tunnel, the other sends the credential back.
    Method,
    /// The path would leave the prefix, or holds what no path may hold.
    Path,
}

impl ForwardError {
    pub(crate) fn new(kind: Kind, endpoint: &Arc<Endpoint>) -> Self {
        Self {
            kind,
            endpoint: endpoint.clone(),
            source: None,
        }
    }

    pub(crate) fn because(
        kind: Kind,
        endpoint: &Arc<Endpoint>,
        source: impl Into<BoxError>,
    ) -> Self {
        Self {
            kind,
            endpoint: endpoint.clone(),
            source: Some(source.into()),
        }
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The upstream that the request was for.
    #[must_use]
    pub const fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self.kind {
            Kind::RequestBody
            | Kind::RequestBodyTooFine
            | Kind::RequestBodyTimeout
            | Kind::Method
            | Kind::Path => Fault::Client,
            Kind::WrongDestination | Kind::AddressForbidden | Kind::Busy => Fault::Us,
            Kind::ConnectRefused
            | Kind::Unresolvable
            | Kind::Unreachable
            | Kind::Tls
            | Kind::ConnectTimeout
            | Kind::HeaderTimeout
            | Kind::UpstreamClosed
            | Kind::InvalidAnswer
            | Kind::UnaskedUpgrade
            | Kind::BadUpgrade
            | Kind::Undecodable
            | Kind::RedirectOutside => Fault::Upstream,
        }
    }

    /// Whether the upstream was too slow (504 for a gateway).
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self.kind, Kind::ConnectTimeout | Kind::HeaderTimeout)
    }

    /// Whether nothing of the request was sent, so that the same request may be tried again at once.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            Kind::ConnectRefused
                | Kind::Unresolvable
                | Kind::Unreachable
                | Kind::Tls
                | Kind::ConnectTimeout
                | Kind::Busy
        )
    }
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.endpoint.origin().host();
        // Where it is not plain, what the client can do comes behind a semicolon.
        match self.kind {
            Kind::ConnectRefused => write!(f, "{host} refused the connection; try again later"),
            Kind::Unresolvable => {
                write!(
                    f,
                    "the name {host} has no address; try again later, or correct the provider's base URL"
                )
            }
            Kind::Unreachable => write!(f, "{host} cannot be reached; try again later"),
            Kind::AddressForbidden => {
                write!(
                    f,
                    "{host} leads to an address that requests may not go to; name another host"
                )
            }
            Kind::Tls => write!(
                f,
                "the TLS handshake with {host} failed; the log says why: correct the provider's base URL, or trust its authority"
            ),
            Kind::ConnectTimeout => {
                write!(f, "connecting to {host} took too long; try again later")
            }
            Kind::Busy => write!(f, "too many requests wait for {host}; try again later"),
            Kind::HeaderTimeout => write!(
                f,
                "{host} did not answer in time; try again, with a shorter request or as a stream"
            ),
            Kind::UpstreamClosed => write!(
                f,
                "{host} closed the connection before it answered; send the request again, unless doing it twice does harm"
            ),
            Kind::InvalidAnswer => write!(
                f,
                "{host} sent an answer that is not valid HTTP; try again later, or correct the provider's base URL"
            ),
            Kind::UnaskedUpgrade => write!(
                f,
                "{host} switched protocols without being asked; correct the provider's base URL"
            ),
            Kind::BadUpgrade => write!(
                f,
                "{host} switched protocols without completing the handshake; try again later"
            ),
            Kind::Undecodable => write!(
                f,
                "{host} sent an error that is compressed in a way that cannot be undone safely; send `Accept-Encoding: identity` to see it"
            ),
            Kind::RedirectOutside => write!(f, "{host} redirects to an address outside its own"),
            Kind::WrongDestination => write!(
                f,
                "the stored key is not bound to {host}; store it again for this host"
            ),
            Kind::RequestBody => f.write_str("the request's body broke off; send it whole"),
            Kind::RequestBodyTooFine => f.write_str(
                "the request's body came in too many tiny pieces; send it in larger ones",
            ),
            Kind::RequestBodyTimeout => {
                f.write_str("the request's body came too slowly; send it faster")
            }
            Kind::Method => f.write_str("this method is not forwarded; use another"),
            Kind::Path => f.write_str("the path leads outside what is forwarded; correct the path"),
        }
    }
}

impl Error for ForwardError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &(dyn Error + 'static) = self.source.as_deref()?;
        Some(source)
    }
}

impl From<dial::Kind> for Kind {
    fn from(kind: dial::Kind) -> Self {
        match kind {
            dial::Kind::Refused => Self::ConnectRefused,
            dial::Kind::Unresolvable => Self::Unresolvable,
            dial::Kind::Unreachable => Self::Unreachable,
            dial::Kind::Forbidden => Self::AddressForbidden,
            dial::Kind::Tls => Self::Tls,
            dial::Kind::Timeout => Self::ConnectTimeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyward_secret::Origin;
    use keyward_testing::{assert_texts, told};

    use super::{Fault, ForwardError, Kind};
    use crate::Endpoint;

    #[test]
    fn every_failure_says_what_and_where_and_what_to_do() {
        let origin = Origin::parse("https://api.example.com").unwrap();
        let endpoint = Arc::new(Endpoint::new(origin).unwrap());
        assert_texts!("ForwardError", Kind {
            Kind::ConnectRefused => Kind::ConnectRefused,
            Kind::Unresolvable => Kind::Unresolvable,
            Kind::Unreachable => Kind::Unreachable,
            Kind::AddressForbidden => Kind::AddressForbidden,
            Kind::Tls => Kind::Tls,
            Kind::ConnectTimeout => Kind::ConnectTimeout,
            Kind::Busy => Kind::Busy,
            Kind::HeaderTimeout => Kind::HeaderTimeout,
            Kind::UpstreamClosed => Kind::UpstreamClosed,
            Kind::InvalidAnswer => Kind::InvalidAnswer,
            Kind::UnaskedUpgrade => Kind::UnaskedUpgrade,
            Kind::BadUpgrade => Kind::BadUpgrade,
            Kind::RedirectOutside => Kind::RedirectOutside,
            Kind::Undecodable => Kind::Undecodable,
            Kind::WrongDestination => Kind::WrongDestination,
            Kind::RequestBody => Kind::RequestBody,
            Kind::RequestBodyTooFine => Kind::RequestBodyTooFine,
            Kind::RequestBodyTimeout => Kind::RequestBodyTimeout,
            Kind::Method => Kind::Method,
            Kind::Path => Kind::Path,
        }, |kind| told(&ForwardError::new(kind, &endpoint)));
    }

    #[test]
    fn what_was_never_sent_is_retryable_and_what_was_slow_is_a_timeout() {
        let origin = Origin::parse("https://api.example.com").unwrap();
        let endpoint = Arc::new(Endpoint::new(origin).unwrap());
        for (kind, fault, timeout, retryable) in [
            (Kind::ConnectRefused, Fault::Upstream, false, true),
            (Kind::ConnectTimeout, Fault::Upstream, true, true),
            (Kind::HeaderTimeout, Fault::Upstream, true, false),
            (Kind::Busy, Fault::Us, false, true),
            (Kind::UpstreamClosed, Fault::Upstream, false, false),
            (Kind::RequestBody, Fault::Client, false, false),
            (Kind::RequestBodyTooFine, Fault::Client, false, false),
            (Kind::RequestBodyTimeout, Fault::Client, false, false),
            (Kind::WrongDestination, Fault::Us, false, false),
        ] {
            let error = ForwardError::new(kind, &endpoint);
            assert_eq!(
                (error.fault(), error.is_timeout(), error.is_retryable()),
                (fault, timeout, retryable),
                "{kind:?}"
            );
        }
    }
}
