//! The PROXY protocol, version 2: a header before everything else in which a proxy says whom it speaks for.
//!
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>, §2.2. Read strictly: what is not exactly as the
//! text says ends the connection, since from a trusted proxy it can only be a mistake.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::io::AsyncReadExt;

use crate::socket::Socket;

/// What each header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const HEAD: usize = 16;
/// The longest rest that is read. Proxies send some tens of bytes, cloud providers some hundreds.
const MOST: usize = 2048;

/// The header is not as the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the PROXY header is malformed: {reason}")]
pub(crate) struct Malformed {
    reason: &'static str,
}

/// What the first bytes of a header say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    family: Family,
    /// How many bytes follow.
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// The proxy speaks for itself, such as to see whether we are there, or does not say for whom.
    Unsaid,
    Ipv4,
    Ipv6,
}

/// Reads the header, and no byte more. `None`: the proxy speaks for itself.
///
/// Waits for ever if the proxy does.
pub(crate) async fn read(stream: &mut Socket) -> io::Result<Option<SocketAddr>> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut head = [0; HEAD];
    stream.read_exact(&mut head).await?;
    let head = Head::parse(&head).map_err(invalid)?;
    let mut rest = vec![0; head.length];
    stream.read_exact(&mut rest).await?;
    head.source(&rest).map_err(invalid)
}

/// The header that `bytes` begin with, and its length.
#[cfg(feature = "fuzzing")]
pub(crate) fn parse(bytes: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    let (head, rest) = bytes.split_first_chunk()?;
    let head = Head::parse(head).ok()?;
    let source = head.source(rest.get(..head.length)?).ok()?;
    Some((source, HEAD + head.length))
}

impl Head {
    fn parse(head: &[u8; HEAD]) -> Result<Self, Malformed> {
        let refuse = |reason| Err(Malformed { reason });
        let [signature @ .., version_and_command, family, high, low] = head;
        if *signature != SIGNATURE {
            return refuse("it does not begin with the signature");
        }
        let is_proxied = match version_and_command {
            0x20 => false,
            0x21 => true,
            _ => return refuse("its version is not 2, or its command is unknown"),
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length > MOST {
            return refuse("it is too long");
        }
        let family = match (is_proxied, family) {
            // Whatever else a proxy says there is to be ignored.
            (false, _) | (true, 0x00) => Family::Unsaid,
            (true, 0x11) => Family::Ipv4,
            (true, 0x21) => Family::Ipv6,
            (true, _) => return refuse("it is not about a TCP connection"),
        };
        Ok(Self { family, length })
    }

    /// The source address in the rest of the header.
    fn source(self, rest: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
        let short = Malformed {
            reason: "it is too short for its addresses",
        };
        let (source, more) = match self.family {
            Family::Unsaid => return Ok(None),
            Family::Ipv4 => {
                let (addresses, more) = rest.split_first_chunk::<12>().ok_or(short)?;
                let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
                (endpoint(Ipv4Addr::new(a, b, c, d), [high, low]), more)
            }
            Family::Ipv6 => {
                let (addresses, more) = rest.split_first_chunk::<36>().ok_or(short)?;
                let (source, ports) = addresses.split_first_chunk::<16>().ok_or(short)?;
                let [.., high, low, _, _] = *ports else {
                    return Err(short);
                };
                (endpoint(Ipv6Addr::from(*source), [high, low]), more)
            }
        };
        check_extensions(more)?;
        Ok(Some(source))
    }
}

fn endpoint(address: impl Into<IpAddr>, port: [u8; 2]) -> SocketAddr {
    SocketAddr::new(address.into().to_canonical(), u16::from_be_bytes(port))
}

/// What follows the addresses says nothing that we need, but must end where the header does.
fn check_extensions(mut rest: &[u8]) -> Result<(), Malformed> {
    while let Some((&[_kind, high, low], more)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = more.get(length..).ok_or(Malformed {
            reason: "an extension is longer than the header",
        })?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Malformed {
            reason: "it does not end with an extension",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::{Family, Head, MOST, Malformed, SIGNATURE};

    const V4: [u8; 12] = [192, 0, 2, 7, 127, 0, 0, 1, 0x30, 0x39, 0, 80];

    fn header(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([version_and_command, family]);
        bytes.extend(length);
        bytes.extend(rest);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
        let (head, rest) = bytes.split_first_chunk().unwrap();
        let head = Head::parse(head)?;
        assert_eq!(head.length, rest.len());
        head.source(rest)
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Option<&str>) {
        let expected = expected.map(|address| address.parse().unwrap());
        assert_eq!(parse(bytes), Ok(expected));
    }

    #[test]
    fn the_source_is_what_the_proxy_says() {
        check(&header(0x21, 0x11, &V4), Some("192.0.2.7:12345"));
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        v6[32..34].copy_from_slice(&443_u16.to_be_bytes());
        check(&header(0x21, 0x21, &v6), Some("[2001:db8::1]:443"));
        let mut mapped = [0; 36];
        mapped[10..16].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 7]);
        check(&header(0x21, 0x21, &mapped), Some("192.0.2.7:0"));
        let extended = [&V4[..], &[4, 0, 1, 0], &[0xea, 0, 3, 1, 2, 3]].concat();
        check(&header(0x21, 0x11, &extended), Some("192.0.2.7:12345"));
    }

    #[test]
    fn a_proxy_may_speak_for_itself() {
        check(&header(0x20, 0x00, &[]), None);
        check(&header(0x20, 0x11, &V4), None);
        check(&header(0x20, 0xff, &[1, 2, 3]), None);
        check(&header(0x21, 0x00, &[]), None);
    }

    proptest! {
        /// Whatever comes: an address is found only where the header says TCP and has room for it.
        #[test]
        fn nothing_is_read_beyond_what_came(
            mut head in any::<[u8; 16]>(),
            is_signed in any::<bool>(),
            rest in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            if is_signed {
                head[..12].copy_from_slice(&SIGNATURE);
                head[12] = 0x20 | (head[12] & 3);
                head[13] = [0x00, 0x11, 0x21, 0x31][usize::from(head[13] & 3)];
            }
            let Ok(head) = Head::parse(&head) else {
                return Ok(());
            };
            prop_assert!(is_signed && head.length <= MOST);
            let least = match head.family {
                Family::Unsaid => 0,
                Family::Ipv4 => 12,
                Family::Ipv6 => 36,
            };
            match head.source(&rest) {
                Ok(Some(_address)) => prop_assert!(least > 0 && rest.len() >= least),
                Ok(None) => prop_assert_eq!(least, 0),
                Err(_) => prop_assert!(least > 0),
            }
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let mut signature = header(0x21, 0x11, &V4);
        signature[11] = b'\r';
        let long = vec![0; MOST + 1];
        for bytes in [
            signature,
            header(0x11, 0x11, &V4),
            header(0x22, 0x11, &V4),
            header(0x21, 0x12, &V4),
            header(0x21, 0x31, &[0; 216]),
            header(0x21, 0x41, &V4),
            header(0x21, 0x11, &V4[..11]),
            header(0x21, 0x21, &V4),
            header(0x21, 0x11, &[&V4[..], &[4]].concat()),
            header(0x21, 0x11, &[&V4[..], &[4, 0, 2, 0]].concat()),
            header(0x21, 0x11, &long),
        ] {
            assert!(parse(&bytes).is_err(), "{bytes:x?}");
        }
    }
}
