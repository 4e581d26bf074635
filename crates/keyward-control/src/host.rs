//! Which host names a request may be addressed to, and which requests come from a web page.
//!
//! A web page can make a browser connect to loopback under a name of the page's own (DNS rebinding) and can
//! make it send requests that need no permission of ours (cross-site requests). The name it was addressed by
//! gives the first away, `Origin` and `Sec-Fetch-Site` the second.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, Method, Uri, Version,
    header::{HOST, ORIGIN},
    uri::Authority,
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names by which the control plane may be addressed.
#[derive(Clone, Debug)]
pub(crate) struct AllowedHosts(Vec<(String, Option<u16>)>);

/// What is wrong with the host of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostFault {
    /// None, several, or not a host.
    Malformed,
    /// One that is not ours.
    NotAllowed,
}

impl AllowedHosts {
    pub(crate) fn new(configured: &[String]) -> Self {
        let entries = configured.iter().filter_map(|entry| {
            let authority: Authority = entry.parse().ok()?;
            Some((plain_name(&authority)?, authority.port_u16()))
        });
        Self(entries.collect())
    }

    /// Checks the `Host` header and, of a request in absolute form, the authority of its target. On HTTP/2 that
    /// authority alone will do (RFC 9113 §8.3.1).
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        version: Version,
    ) -> Result<(), HostFault> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next(), uri.authority()) {
            (Some(host), None, _) => host,
            (None, None, Some(authority)) if version == Version::HTTP_2 => {
                return self.check_one(authority);
            }
            _ => return Err(HostFault::Malformed),
        };
        let authority: Authority = host
            .to_str()
            .ok()
            .and_then(|host| host.parse().ok())
            .ok_or(HostFault::Malformed)?;
        self.check_one(&authority)?;
        let Some(target) = uri.authority() else {
            return Ok(());
        };
        self.check_one(target)?;
        // Both are ours, and still somebody might go by the other one (RFC 9112 §3.2.2, RFC 9113 §8.3.1).
        match target.as_str().eq_ignore_ascii_case(authority.as_str()) {
            true => Ok(()),
            false => Err(HostFault::Malformed),
        }
    }

    fn check_one(&self, authority: &Authority) -> Result<(), HostFault> {
        let name = plain_name(authority).ok_or(HostFault::Malformed)?;
        let configured = || {
            self.0.iter().any(|(allowed, port)| {
                *allowed == name && port.is_none_or(|port| authority.port_u16() == Some(port))
            })
        };
        if is_loopback(&name) || configured() {
            Ok(())
        } else {
            Err(HostFault::NotAllowed)
        }
    }
}

/// The host in lower case, without port, brackets and the dot at its end.
fn plain_name(authority: &Authority) -> Option<String> {
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(&host);
    let host = host.strip_suffix('.').unwrap_or(host);
    (!host.is_empty()).then(|| host.to_owned())
}

fn is_loopback(name: &str) -> bool {
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a web page made the browser send a request that could change something.
///
/// Programs send neither header; the control plane serves no page of its own that would.
pub(crate) fn is_write_from_a_page(method: &Method, headers: &HeaderMap) -> bool {
    if *method == Method::GET || *method == Method::HEAD {
        return false;
    }
    let cross_site =
        |value: &http::HeaderValue| !matches!(value.as_bytes(), b"none" | b"same-origin");
    headers.contains_key(ORIGIN) || headers.get_all(SEC_FETCH_SITE).iter().any(cross_site)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, Version, header::HOST};

    use super::{AllowedHosts, HostFault, is_write_from_a_page};

    #[track_caller]
    fn check(hosts: &[&str], uri: &str, expected: Result<(), HostFault>) {
        let allowed = AllowedHosts::new(&["keys.example.com".into(), "Other.example:8788".into()]);
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        assert_eq!(
            allowed.check(&headers, &uri.parse().unwrap(), Version::HTTP_11),
            expected,
            "{hosts:?} {uri}"
        );
    }

    #[test]
    fn loopback_and_configured_names_are_allowed() {
        for host in [
            "localhost",
            "LOCALHOST:8788",
            "localhost.",
            "127.0.0.1:8788",
            "127.1.2.3",
            "[::1]:8788",
            "[::ffff:127.0.0.1]",
            "keys.example.com",
            "Keys.Example.Com:443",
            "other.example:8788",
        ] {
            check(&[host], "/", Ok(()));
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "0.0.0.0",
            "other.example",
            "other.example:1",
            "xkeys.example.com",
        ] {
            check(&[host], "/", Err(HostFault::NotAllowed));
        }
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        check(&[], "/", Err(HostFault::Malformed));
        check(&["localhost", "localhost"], "/", Err(HostFault::Malformed));
        check(&[""], "/", Err(HostFault::Malformed));
        check(&["evil@localhost"], "/", Err(HostFault::Malformed));
        check(&["localhost"], "http://localhost/", Ok(()));
        check(
            &["localhost"],
            "http://evil.example/",
            Err(HostFault::NotAllowed),
        );
        check(
            &["localhost"],
            "http://127.0.0.1/",
            Err(HostFault::Malformed),
        );
    }

    #[test]
    fn on_http2_the_authority_is_the_host() {
        let check = |hosts: &[&str], uri: &str| {
            let allowed = AllowedHosts::new(&[]);
            let hosts = hosts
                .iter()
                .map(|host| (HOST, HeaderValue::from_str(host).unwrap()));
            let headers = HeaderMap::from_iter(hosts);
            allowed.check(&headers, &uri.parse().unwrap(), Version::HTTP_2)
        };
        assert_eq!(check(&[], "http://localhost/"), Ok(()));
        assert_eq!(check(&["localhost"], "/"), Ok(()));
        let not_allowed = Err(HostFault::NotAllowed);
        assert_eq!(check(&[], "http://evil.example/"), not_allowed);
        assert_eq!(check(&["localhost"], "http://evil.example/"), not_allowed);
        assert_eq!(check(&["evil.example"], "http://localhost/"), not_allowed);
        assert_eq!(check(&[], "/"), Err(HostFault::Malformed));
    }

    #[test]
    fn pages_may_not_write() {
        let with = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))])
        };
        assert!(is_write_from_a_page(
            &Method::POST,
            &with("origin", "http://localhost:8788")
        ));
        assert!(is_write_from_a_page(
            &Method::DELETE,
            &with("sec-fetch-site", "cross-site")
        ));
        assert!(is_write_from_a_page(
            &Method::PUT,
            &with("sec-fetch-site", "same-site")
        ));
        assert!(!is_write_from_a_page(
            &Method::POST,
            &with("sec-fetch-site", "none")
        ));
        assert!(!is_write_from_a_page(
            &Method::GET,
            &with("origin", "http://evil.example")
        ));
        // Node's fetch sends this one from no page at all.
        assert!(!is_write_from_a_page(
            &Method::POST,
            &with("sec-fetch-mode", "cors")
        ));
    }
}
