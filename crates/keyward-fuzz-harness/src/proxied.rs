//! Whom a proxy speaks for: the PROXY header, and `X-Forwarded-For`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use keyward_listen::{Networks, fuzzing};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// Reads `data` as the first bytes of a connection (as they are, and behind the signature), and as lines of
/// `X-Forwarded-For`.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    check_header(data);
    check_header(&[SIGNATURE, data].concat());
    check_forwarded_for(data);
}

/// Another reading of the protocol's text agrees wherever a header is taken.
fn check_header(bytes: &[u8]) {
    let Some((source, length)) = fuzzing::proxied(bytes) else {
        return;
    };
    assert!(bytes.starts_with(SIGNATURE));
    let said = usize::from(bytes[14]) * 256 + usize::from(bytes[15]);
    assert_eq!(length, 16 + said, "it takes more or less than the header");
    assert!(length <= 16 + 2048 && length <= bytes.len());
    let rest = &bytes[16..length];
    let port = |at: usize| u16::from(rest[at]) * 256 + u16::from(rest[at + 1]);
    let expected = match (bytes[12], bytes[13]) {
        (0x20, _) | (0x21, 0x00) => None,
        (0x21, 0x11) => {
            let address = Ipv4Addr::new(rest[0], rest[1], rest[2], rest[3]);
            Some(SocketAddr::new(address.into(), port(8)))
        }
        (0x21, 0x21) => {
            let address: [u8; 16] = rest[..16].try_into().expect("16 bytes");
            let address = IpAddr::from(Ipv6Addr::from(address)).to_canonical();
            Some(SocketAddr::new(address, port(32)))
        }
        other => panic!("{other:?} is taken"),
    };
    assert_eq!(source, expected);
}

/// What a client writes itself, to the left of what the first trusted proxy added, decides nothing.
fn check_forwarded_for(data: &[u8]) {
    let trusted = Networks::parse(["10.0.0.0/8", "2001:db8::/32"]).expect("networks");
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("x-forwarded-for", value);
        }
    }
    let _no_panic = fuzzing::forwarded_for(&headers, &trusted, PROXY);
    let stranger: IpAddr = Ipv4Addr::new(203, 0, 113, 9).into();
    for (added, expected) in [
        ("203.0.113.9", stranger),
        ("203.0.113.9, 10.1.2.3", stranger),
        ("203.0.113.9:4711,[2001:db8::7]:1", stranger),
        ("::ffff:203.0.113.9", stranger),
        ("nonsense", PROXY),
        ("nonsense, 10.9.9.9", Ipv4Addr::new(10, 9, 9, 9).into()),
    ] {
        let mut headers = headers.clone();
        headers.append("x-forwarded-for", HeaderValue::from_static(added));
        let source = fuzzing::forwarded_for(&headers, &trusted, PROXY);
        assert_eq!(source, expected, "the client decided where it comes from");
    }
}
