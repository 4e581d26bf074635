//! Scheme, host and port, parsed and normalised once.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Where a request goes: scheme, host and port, and nothing else.
///
/// Normalised on parsing (host in lower case, IPv6 in its shortest form, port always known), so that two
/// origins are the same exactly if they are equal. It holds no user name, path, query or fragment.
///
/// ```
/// use keyward_secret::Origin;
///
/// let origin = Origin::parse("https://API.OpenAI.com:443/")?;
/// assert_eq!(origin.to_string(), "https://api.openai.com");
/// assert_eq!(origin.port(), 443);
/// # Ok::<(), keyward_secret::ParseOriginError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
}

/// How an origin is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every caller must decide what it does in clear"
)]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// HTTP in clear.
    Http,
}

/// The text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; an origin looks like `https://api.example.com` or `https://10.0.0.1:8443`")]
pub struct ParseOriginError {
    reason: &'static str,
}

impl Scheme {
    /// `https` or `http`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    /// 443 or 80.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

impl Origin {
    /// Parses `scheme://host[:port]`; one closing `/` is tolerated.
    ///
    /// Hosts are ASCII names of letters, digits, `-` and `_` (at most 253 bytes, labels of 1 to 63), dotted
    /// IPv4 addresses or IPv6 addresses in brackets. Numeric names that are no dotted IPv4 address
    /// (`2130706433`, `0x7f.1`) are refused: resolvers read them as addresses.
    ///
    /// # Errors
    ///
    /// When another scheme, a user name, a path, a query, a fragment, a blank or a name outside these rules
    /// stands in `text`.
    pub fn parse(text: &str) -> Result<Self, ParseOriginError> {
        let refuse = |reason| Err(ParseOriginError { reason });
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("the scheme is missing");
        };
        let scheme = if scheme.eq_ignore_ascii_case("https") {
            Scheme::Https
        } else if scheme.eq_ignore_ascii_case("http") {
            Scheme::Http
        } else {
            return refuse("the scheme is neither https nor http");
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('@') {
            return refuse("a user name has no place in an origin");
        }
        if authority.contains(['/', '?', '#', '\\']) {
            return refuse("a path, query or fragment has no place in an origin");
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => scheme.default_port(),
            Some(digits) => parse_port(digits)?,
        };
        Ok(Self {
            scheme,
            host: normalise_host(host)?,
            port,
        })
    }

    /// How the origin is spoken to.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also where the text left it out.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The host as an address, where it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the host is this machine by its very name: `localhost`, a name below it (RFC 6761 §6.3),
    /// 127.0.0.0/8 or `::1`. Resolves nothing.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.ip() {
            Some(IpAddr::V4(ip)) => ip.is_loopback(),
            Some(IpAddr::V6(ip)) => ip.is_loopback(),
            None => self.host.as_ref() == "localhost" || self.host.ends_with(".localhost"),
        }
    }

    /// Host and port as a `Host` header shows them: the scheme's own port left out.
    #[must_use]
    pub fn authority(&self) -> String {
        Authority(self).to_string()
    }
}

struct Authority<'a>(&'a Origin);

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { scheme, host, port } = self.0;
        if host.contains(':') {
            write!(f, "[{host}]")?;
        } else {
            f.write_str(host)?;
        }
        if *port == scheme.default_port() {
            Ok(())
        } else {
            write!(f, ":{port}")
        }
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), ParseOriginError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let Some((_, after)) = rest.split_once(']') else {
            return Err(ParseOriginError {
                reason: "the bracket of an IPv6 address is not closed",
            });
        };
        let end = authority.len() - after.len();
        let (host, _) = authority.split_at(end);
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(ParseOriginError {
                reason: "something stands between the address and its port",
            }),
        };
    }
    Ok(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

fn parse_port(digits: &str) -> Result<u16, ParseOriginError> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port) if plain && port != 0 => Ok(port),
        _ => Err(ParseOriginError {
            reason: "the port is not a number from 1 to 65535",
        }),
    }
}

fn normalise_host(host: &str) -> Result<Box<str>, ParseOriginError> {
    let refuse = |reason| Err(ParseOriginError { reason });
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or(address);
        return match address.parse::<Ipv6Addr>() {
            Ok(ip) => Ok(ip.to_string().into()),
            Err(_) => refuse("not an IPv6 address in the brackets"),
        };
    }
    if host.is_empty() || host.len() > 253 {
        return refuse("the host name is empty or longer than 253 bytes");
    }
    if host.split('.').any(|label| !is_label(label)) {
        return refuse("a label of the host name is not 1 to 63 letters, digits, `-` or `_`");
    }
    let last = host.rsplit('.').next().unwrap_or(host);
    let numeric = last.starts_with("0x") || last.starts_with("0X");
    if (numeric || last.bytes().all(|byte| byte.is_ascii_digit()))
        && host.parse::<Ipv4Addr>().is_err()
    {
        return refuse("a number that is not a dotted IPv4 address");
    }
    Ok(host.to_ascii_lowercase().into())
}

/// Whether `label` may stand between two dots of a host name.
pub(crate) fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), Authority(self))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

impl FromStr for Origin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Origin;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Origin::parse(text).unwrap().to_string(), expected);
    }

    #[test]
    fn equal_origins_have_one_form() {
        check("https://api.openai.com", "https://api.openai.com");
        check("HTTPS://API.OpenAI.com:443/", "https://api.openai.com");
        check("http://127.0.0.1:80", "http://127.0.0.1");
        check("https://[::FFFF:127.0.0.1]", "https://[::ffff:127.0.0.1]");
        check("https://[::ffff:7f00:1]", "https://[::ffff:127.0.0.1]");
        check("https://[::FFFF:1]:8443", "https://[::ffff:1]:8443");
        check("https://[2001:0DB8:0:0::1]", "https://[2001:db8::1]");
        check("http://echo.localhost:1", "http://echo.localhost:1");
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in [
            "",
            "api.openai.com",
            "ftp://a.example",
            "https://",
            "https:///",
            "https://user@a.example",
            "https://a.example/path",
            "https://a.example?x",
            "https://a.example#x",
            "https://a.example\\b",
            "https://a.example:0",
            "https://a.example:+1",
            "https://a.example:65536",
            "https://a.example:",
            "https://a..example",
            "https://a.example.",
            "https://-a.example",
            "https://a b.example",
            "https://a.example\n",
            "https://é.example",
            "https://{a}.example",
            "https://*.example",
            "https://2130706433",
            "https://127.1",
            "https://0x7f.0.0.1",
            "https://0x7f000001",
            "https://0X7F.1",
            "https://0177.0.0.1",
            "https://127.0.0.01",
            "https://127.0.0.0x1",
            "https://017700000001",
            "https://127.0.1",
            "https://127.0.0.1.1",
            "https://169.254.43518",
            "https://4294967296",
            "https://１２７.0.0.1",
            "https://127。0。0。1",
            "https://[::ffff:127.0.0.1%25eth0]",
            "https://[::127.0.0.01]",
            "https://[::1",
            "https://[::1]x",
            "https://[a]",
            "https://::1",
        ] {
            assert!(Origin::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for text in [
            "http://localhost",
            "http://a.localhost",
            "http://127.9.9.9",
            "http://[::1]",
        ] {
            assert!(Origin::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "http://localhost.example",
            "http://128.0.0.1",
            "http://[::2]",
            "http://xlocalhost",
        ] {
            assert!(!Origin::parse(text).unwrap().is_loopback(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_printed_form_parses_to_the_same_origin(
            https: bool,
            host in "([a-zA-Z0-9]{1,8}\\.){0,3}[a-zA-Z]{1,8}",
            port in proptest::option::of(1_u16..),
        ) {
            let scheme = if https { "https" } else { "http" };
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let origin = Origin::parse(&format!("{scheme}://{host}{port}")).unwrap();
            prop_assert_eq!(Origin::parse(&origin.to_string()).unwrap(), origin);
        }

        #[test]
        fn nothing_makes_the_parser_panic(text in ".{0,64}") {
            let _may_be_refused = Origin::parse(&text);
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::Origin;

        keyward_testing::assert_texts!("ParseOriginError", [
            "api.example.com" => Origin::parse("api.example.com").unwrap_err(),
            "ftp://a.example" => Origin::parse("ftp://a.example").unwrap_err(),
            "https://u@a.example" => Origin::parse("https://u@a.example").unwrap_err(),
            "https://a.example/x" => Origin::parse("https://a.example/x").unwrap_err(),
            "https://a.example:0" => Origin::parse("https://a.example:0").unwrap_err(),
            "https://[::1" => Origin::parse("https://[::1").unwrap_err(),
            "https://[::1]x" => Origin::parse("https://[::1]x").unwrap_err(),
            "https://" => Origin::parse("https://").unwrap_err(),
        ]);
    }
}
