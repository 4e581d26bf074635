//! Who is on the other side of a connection.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// The other side of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    address: SocketAddr,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address: SocketAddr::new(address.ip().to_canonical(), address.port()),
        }
    }

    /// Where the connection comes from. An IPv4 address that came in through an IPv6 socket is that IPv4
    /// address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a request with these headers comes from: the address that limits and rules about sources go by.
    #[must_use]
    pub fn source(&self, _headers: &HeaderMap) -> IpAddr {
        self.address.ip()
    }
}
