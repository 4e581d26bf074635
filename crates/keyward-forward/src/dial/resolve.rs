//! How names become addresses: a trait, so that an embedder may pin them, and tests may change them.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use keyward_secret::Origin;

use super::{BoxFuture, DialError, Kind};

/// Finds the addresses of names.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// The addresses of `host`, with `port`. An empty answer is a name without addresses.
    ///
    /// Asked for every connection that is made: who remembers answers should keep to their time to live.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The operating system's resolver.
#[derive(Debug)]
pub(super) struct SystemResolve;

impl Resolve for SystemResolve {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// The addresses of `origin`, in the order in which they are tried.
pub(super) async fn addresses(
    resolve: &dyn Resolve,
    origin: &Origin,
) -> Result<Vec<SocketAddr>, DialError> {
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
    let found = resolve.resolve(origin.host(), port).await;
    let found = found.map_err(|error| DialError::new(Kind::Unresolvable, error))?;
    let addresses = alternate(found);
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::alternate;

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
}
