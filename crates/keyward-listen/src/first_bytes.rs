//! Which protocol a connection begins with.
//!
//! Its first bytes are taken from the socket and kept; hyper reads them again ([`Io`](crate::io::Io)).

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use crate::socket::Socket;

/// What a client that knows that we speak HTTP/2 sends first (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Room for most heads, so that they are read in one go.
const ROOM: usize = 4096;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Reads until it is clear what is spoken. `None`: the connection ended before it was.
///
/// Waits for ever if the client does.
pub(crate) async fn read(stream: &mut Socket) -> io::Result<Option<(Protocol, Bytes)>> {
    let mut bytes = BytesMut::with_capacity(ROOM);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
        if let Some(protocol) = recognise(&bytes) {
            return Ok(Some((protocol, bytes.freeze())));
        }
    }
}

/// The protocol of a connection that begins with `bytes`, once they tell.
fn recognise(bytes: &[u8]) -> Option<Protocol> {
    if bytes.starts_with(PREFACE) {
        Some(Protocol::Http2)
    } else if PREFACE.starts_with(bytes) {
        None
    } else {
        Some(Protocol::Http1)
    }
}

#[cfg(test)]
mod tests {
    use super::{PREFACE, Protocol, recognise};

    #[test]
    fn the_preface_is_http2_and_what_differs_from_it_is_not() {
        for end in 0..PREFACE.len() {
            assert_eq!(recognise(&PREFACE[..end]), None, "{end}");
            let mut other = PREFACE[..=end].to_vec();
            other[end] ^= 1;
            assert_eq!(recognise(&other), Some(Protocol::Http1), "{end}");
        }
        assert_eq!(recognise(PREFACE), Some(Protocol::Http2));
        assert_eq!(
            recognise(&[PREFACE, &[0; 9][..]].concat()),
            Some(Protocol::Http2)
        );
        assert_eq!(recognise(b"POST / HTTP/1.1\r\n"), Some(Protocol::Http1));
    }
}
