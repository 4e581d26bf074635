//! The operating system's resolver and sockets, and TLS by rustls.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use keyward_secret::{Origin, Scheme};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    BoxFuture, Connection, Dial, DialError, Forbidden, Guard, Kind, Offer, Protocol, Resolve,
    resolve::{SystemResolve, addresses},
};
use crate::BoxError;

/// How long one address may take before the next is tried beside it (RFC 8305 §5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// What TLS calls the protocols (RFC 7301 §6).
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// What TLS trusts.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// PEM texts with certificate authorities to trust besides the system's.
    pub extra_ca_pem: Vec<Vec<u8>>,
}

/// TCP by the operating system, TLS 1.2 and 1.3 by rustls with aws-lc-rs.
///
/// Trusts the system's roots, or the bundled ones where the system has none, and the extra ones. Addresses
/// of both families are tried in turn, the next one beside the last after 250 ms (RFC 8305 §5). `localhost`
/// and names below it are loopback without asking a resolver (RFC 6761 §6.3). TLS sessions are resumed; the
/// server's name is sent (SNI) and always checked.
///
/// Without a [`Guard`] it connects to whatever address a name has: see [`with_guard`](Self::with_guard).
#[derive(Clone)]
pub struct SystemDial {
    /// For [`Offer::Http1`].
    http1: TlsConnector,
    /// For [`Offer::Http2OrHttp1`].
    either: TlsConnector,
    /// How many certificate authorities are trusted.
    roots: usize,
    guard: Option<Arc<Guard>>,
    resolve: Arc<dyn Resolve>,
}

/// TLS cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS for upstreams: {what}")]
pub struct BuildError {
    what: &'static str,
    #[source]
    source: Option<BoxError>,
}

impl SystemDial {
    /// Reads the roots and prepares TLS. Reads files, so it blocks; call it once.
    ///
    /// # Errors
    ///
    /// When an extra authority cannot be parsed, or a PEM text holds none.
    pub fn build(config: TlsConfig) -> Result<Self, BuildError> {
        let mut roots = system_roots();
        for pem in config.extra_ca_pem {
            add_pem(&mut roots, &pem)?;
        }
        let count = roots.len();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed("the TLS provider lacks a protocol version", error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![HTTP1.to_vec()];
        // A clone shares the remembered sessions.
        let mut either = tls.clone();
        either.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Ok(Self {
            http1: TlsConnector::from(Arc::new(tls)),
            either: TlsConnector::from(Arc::new(either)),
            roots: count,
            guard: None,
            resolve: Arc::new(SystemResolve),
        })
    }

    /// Connects only to addresses that `guard` accepts: those that a name resolves to are checked before
    /// anything is sent there, and the connected socket's own once more, so that a name that resolves
    /// differently the next time gains nothing.
    #[must_use]
    pub fn with_guard(mut self, guard: Guard) -> Self {
        self.guard = Some(Arc::new(guard));
        self
    }

    /// How many certificate authorities are trusted: the system's or the bundled ones, and the extra ones.
    #[must_use]
    pub const fn roots(&self) -> usize {
        self.roots
    }

    /// Asks `resolve` for the addresses of names, instead of the operating system.
    #[must_use]
    pub fn with_resolve(mut self, resolve: Arc<dyn Resolve>) -> Self {
        self.resolve = resolve;
        self
    }

    async fn connect(&self, origin: &Origin, offer: Offer) -> Result<Connection, DialError> {
        let addresses = self.keep_allowed(origin, addresses(&*self.resolve, origin).await?)?;
        let stream = connect_any(addresses).await.map_err(unreachable)?;
        if let Some(guard) = &self.guard {
            let peer = stream.peer_addr().map_err(unreachable)?;
            guard.check(origin, peer.ip()).map_err(forbidden)?;
        }
        // Heads and small frames must not wait for an acknowledgement.
        stream.set_nodelay(true).map_err(unreachable)?;
        match origin.scheme() {
            Scheme::Http => Ok(Connection::new(stream)),
            Scheme::Https => {
                let name = server_name(origin)?;
                let tls = match offer {
                    Offer::Http1 => &self.http1,
                    Offer::Http2OrHttp1 => &self.either,
                };
                let stream = tls.connect(name, stream).await;
                let stream = stream.map_err(|error| DialError::new(Kind::Tls, error))?;
                // A server that does not answer the question speaks HTTP/1.1.
                let protocol = match stream.get_ref().1.alpn_protocol() {
                    Some(HTTP2) => Protocol::Http2,
                    _ => Protocol::Http1,
                };
                Ok(Connection::tls(stream, protocol))
            }
        }
    }

    fn keep_allowed(
        &self,
        origin: &Origin,
        mut addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, DialError> {
        let Some(guard) = &self.guard else {
            return Ok(addresses);
        };
        let mut refused = None;
        addresses.retain(|address| match guard.check(origin, address.ip()) {
            Ok(()) => true,
            Err(error) => {
                refused = Some(error);
                false
            }
        });
        match refused {
            Some(error) if addresses.is_empty() => Err(forbidden(error)),
            _ => Ok(addresses),
        }
    }
}

impl Dial for SystemDial {
    fn dial<'a>(
        &'a self,
        origin: &'a Origin,
        offer: Offer,
    ) -> BoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(self.connect(origin, offer))
    }
}

impl fmt::Debug for SystemDial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemDial")
            .field("guard", &self.guard)
            .field("resolve", &self.resolve)
            .finish_non_exhaustive()
    }
}

fn forbidden(error: Forbidden) -> DialError {
    DialError::new(Kind::Forbidden, error)
}

fn failed(what: &'static str, source: impl Into<BoxError>) -> BuildError {
    BuildError {
        what,
        source: Some(source.into()),
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a part of the system's roots cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::info!("the system has no root certificates; the bundled ones are used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn add_pem(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), BuildError> {
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| failed("an extra authority is not PEM", error))?;
        roots
            .add(certificate)
            .map_err(|error| failed("an extra authority is not a usable certificate", error))?;
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(BuildError {
            what: "a text of extra authorities holds no certificate",
            source: None,
        })
    }
}

fn server_name(origin: &Origin) -> Result<ServerName<'static>, DialError> {
    match origin.ip() {
        Some(ip) => Ok(ServerName::IpAddress(ip.into())),
        None => ServerName::try_from(origin.host().to_owned())
            .map_err(|error| DialError::new(Kind::Tls, error)),
    }
}

/// The first connection that succeeds; the next address is tried when one fails or keeps us waiting.
async fn connect_any(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        match waiting.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => return Err(last_error),
            None => {}
        }
        let is_last = waiting.len() == 0;
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => last_error = error,
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if !is_last => {}
        }
    }
}

fn unreachable(error: io::Error) -> DialError {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => Kind::Refused,
        io::ErrorKind::TimedOut => Kind::Timeout,
        _ => Kind::Unreachable,
    };
    DialError::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::{SystemDial, TlsConfig};

    #[test]
    fn an_extra_authority_that_cannot_be_read_stops_the_start() {
        for pem in [
            &b""[..],
            b"no pem",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let config = TlsConfig {
                extra_ca_pem: vec![pem.to_vec()],
            };
            assert!(SystemDial::build(config).is_err(), "{pem:?}");
        }
        let dial = SystemDial::build(TlsConfig::default()).unwrap();
        assert!(dial.roots() > 0);
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::BuildError;

        keyward_testing::assert_texts!("BuildError", [
            "no certificate" => BuildError { what: "a text of extra authorities holds no certificate", source: None },
        ]);
    }
}
