//! Who is on the other side of a connection, and who is behind that.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

use crate::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other side of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    address: SocketAddr,
    is_tls: bool,
    /// Where the other side is a proxy that is trusted: all that are.
    trusted: Option<Networks>,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, is_tls: bool, trusted: &Networks) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Self {
            address,
            is_tls,
            trusted: trusted.contains(address.ip()).then(|| trusted.clone()),
        }
    }

    /// Where the connection comes from: what a PROXY header says, where one is taken, else the socket's other
    /// end. An IPv4 address that came in through an IPv6 socket is that IPv4 address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Where a request with these headers comes from: the address that limits and rules about sources go by.
    ///
    /// That is the connection's address, unless it is one of
    /// [`Config::trusted_proxies`](crate::Config::trusted_proxies). Then it is the right-most address in
    /// `X-Forwarded-For` that is not a trusted proxy too: each proxy adds the address that it was called from at
    /// the right, so whatever a client wrote there itself stands further left. What is no address ends the
    /// search. Allocates nothing.
    #[must_use]
    pub fn source(&self, headers: &HeaderMap) -> IpAddr {
        match &self.trusted {
            None => self.address.ip(),
            Some(trusted) => forwarded_for(headers, trusted, self.address.ip()),
        }
    }
}

pub(crate) fn forwarded_for(headers: &HeaderMap, trusted: &Networks, proxy: IpAddr) -> IpAddr {
    let mut source = proxy;
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for entry in line.as_bytes().rsplit(|byte| *byte == b',') {
            match parse_entry(entry) {
                Some(address) => source = address,
                None => return source,
            }
            if !trusted.contains(source) {
                return source;
            }
        }
    }
    source
}

/// An address, which some proxies write with a port, and IPv6 in brackets.
fn parse_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let address = text
        .parse::<IpAddr>()
        .or_else(|_no_address| text.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{FORWARDED_FOR, Peer};
    use crate::Networks;

    #[track_caller]
    fn check(from: &str, lines: &[&str], expected: &str) {
        let trusted = Networks::parse(["10.0.0.0/8", "fd00::/8"]).unwrap();
        let peer = Peer::new(format!("{from}:1234").parse().unwrap(), false, &trusted);
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        assert_eq!(peer.source(&headers).to_string(), expected, "{lines:?}");
    }

    #[test]
    fn only_a_trusted_proxy_says_where_a_request_comes_from() {
        check("192.0.2.1", &["203.0.113.9"], "192.0.2.1");
        check("10.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check("[::ffff:10.0.0.1]", &["203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn what_the_client_wrote_itself_does_not_count() {
        check("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &["1.1.1.1", "203.0.113.9"], "203.0.113.9");
        check(
            "10.0.0.1",
            &["10.0.0.7, 203.0.113.9, 10.0.0.2"],
            "203.0.113.9",
        );
        check(
            "10.0.0.1",
            &["203.0.113.9, 10.0.0.2", "10.0.0.3"],
            "203.0.113.9",
        );
        // All of them are proxies: the first one is where it begins.
        check("10.0.0.1", &["10.0.0.7, 10.0.0.2"], "10.0.0.7");
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        check("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1");
        check("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &[""], "10.0.0.1");
        check("10.0.0.1", &["203.0.113.9,"], "10.0.0.1");
        check("10.0.0.1", &["203.0.113.9, _hidden:1"], "10.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_understood() {
        check("10.0.0.1", &["203.0.113.9:8080"], "203.0.113.9");
        check("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        check("10.0.0.1", &["2001:db8::1 , fd00::1"], "2001:db8::1");
        check("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9");
    }
}
