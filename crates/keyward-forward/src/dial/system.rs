//! The operating system's resolver and sockets, and TLS by rustls.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use keyward_secret::{Origin, Scheme};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{BoxFuture, Connection, Dial, DialError, Kind};
use crate::BoxError;

/// How long one address may take before the next is tried beside it (RFC 8305 §5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Says whether requests for an origin may go to an address it resolves to. It sees the very address that
/// is connected to, so a name that resolves differently the next time gains nothing.
pub type AddressFilter = Arc<dyn Fn(&Origin, IpAddr) -> bool + Send + Sync>;

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
/// and names below it are loopback without asking a resolver (RFC 6761 §6.3).
#[derive(Clone)]
pub struct SystemDial {
    tls: TlsConnector,
    filter: Option<AddressFilter>,
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
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed("the TLS provider lacks a protocol version", error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: TlsConnector::from(Arc::new(tls)),
            filter: None,
        })
    }

    /// Connects only to addresses that `filter` accepts.
    #[must_use]
    pub fn with_address_filter(mut self, filter: AddressFilter) -> Self {
        self.filter = Some(filter);
        self
    }

    async fn connect(&self, origin: &Origin) -> Result<Connection, DialError> {
        let mut addresses = resolve(origin).await?;
        if let Some(filter) = &self.filter {
            addresses.retain(|address| filter(origin, address.ip()));
            if addresses.is_empty() {
                return Err(Kind::Forbidden.into());
            }
        }
        let stream = connect_any(addresses).await.map_err(unreachable)?;
        // Heads and small frames must not wait for an acknowledgement.
        stream.set_nodelay(true).map_err(unreachable)?;
        match origin.scheme() {
            Scheme::Http => Ok(Connection::new(stream)),
            Scheme::Https => {
                let name = server_name(origin)?;
                let stream = self.tls.connect(name, stream).await;
                let stream = stream.map_err(|error| DialError::new(Kind::Tls, error))?;
                Ok(Connection::tls(stream))
            }
        }
    }
}

impl Dial for SystemDial {
    fn dial<'a>(&'a self, origin: &'a Origin) -> BoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(self.connect(origin))
    }
}

impl fmt::Debug for SystemDial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemDial")
            .field("is_filtered", &self.filter.is_some())
            .finish_non_exhaustive()
    }
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

async fn resolve(origin: &Origin) -> Result<Vec<SocketAddr>, DialError> {
    let port = origin.port();
    if let Some(ip) = origin.ip() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if origin.is_loopback() {
        let both = [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            Ipv6Addr::LOCALHOST.into(),
        ];
        return Ok(both.map(|ip| SocketAddr::new(ip, port)).into());
    }
    let found = tokio::net::lookup_host((origin.host(), port)).await;
    let found = found.map_err(|error| DialError::new(Kind::Unresolvable, error))?;
    let addresses = alternate(found.collect());
    if addresses.is_empty() {
        return Err(Kind::Unresolvable.into());
    }
    Ok(addresses)
}

/// Puts the families in turn, the resolver's first choice first (RFC 8305 §4).
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let count = addresses.len();
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::with_capacity(count);
    while mixed.len() < count {
        mixed.extend(first.next());
        mixed.extend(second.next());
    }
    mixed
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
    use std::net::SocketAddr;

    use super::{SystemDial, TlsConfig, alternate};

    #[test]
    fn families_take_turns() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        assert_eq!(
            alternate(parse(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"])),
            parse(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"]),
        );
        assert!(alternate(Vec::new()).is_empty());
    }

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
        assert!(SystemDial::build(TlsConfig::default()).is_ok());
    }
}
