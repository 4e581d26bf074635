//! What the fuzz harness calls. No part of the interface: it may change with any release.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::{Networks, peer, proxy_protocol};

/// Reads the PROXY header that `bytes` begin with: whom the proxy speaks for, and how long the header is. `None`
/// where it is malformed or not there as a whole.
#[must_use]
pub fn proxied(bytes: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    proxy_protocol::parse(bytes)
}

/// Where a request with these headers comes from, behind `proxy`.
#[must_use]
pub fn forwarded_for(headers: &HeaderMap, trusted: &Networks, proxy: IpAddr) -> IpAddr {
    peer::forwarded_for(headers, trusted, proxy)
}
