//! How a connection to an upstream is made: a trait, so that tests and in-process providers need no socket.

mod guard;
mod resolve;
mod system;

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use keyward_secret::Origin;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use self::{
    guard::{Forbidden, Guard, Reach},
    resolve::Resolve,
    system::{BuildError, SystemDial, TlsConfig},
};
use crate::BoxError;

/// A boxed future of any thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Makes connections.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Connects to `origin`, with TLS where its scheme says so, and agrees with it on one of the protocols
    /// that `offer` names (ALPN, RFC 7301). In clear that is HTTP/1.1.
    ///
    /// Tries the origin's addresses in turn. Cancel-safe; the caller limits the time.
    fn dial<'a>(
        &'a self,
        origin: &'a Origin,
        offer: Offer,
    ) -> BoxFuture<'a, Result<Connection, DialError>>;
}

/// Which protocols a dialler offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a dialler that did not know one would offer what its caller cannot speak"
)]
pub enum Offer {
    /// HTTP/1.1 alone, for what HTTP/2 cannot carry, such as `Upgrade`.
    Http1,
    /// HTTP/2, else HTTP/1.1.
    Http2OrHttp1,
}

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forwarder speaks each, and must know which"
)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A connection to an upstream, ready for the [`Protocol`] that was agreed on.
pub struct Connection {
    stream: Box<dyn Stream>,
    is_tls: bool,
    protocol: Protocol,
}

/// No connection was made. Nothing was sent that an application could have seen.
#[derive(Debug)]
pub struct DialError {
    kind: Kind,
    source: Option<BoxError>,
}

/// Why no connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forwarder maps each to an error of its own"
)]
pub enum Kind {
    /// The host refused it.
    Refused,
    /// The name has no address.
    Unresolvable,
    /// No address answers.
    Unreachable,
    /// A [`Guard`] refused every address, or the one that was connected to.
    Forbidden,
    /// The TLS handshake failed.
    Tls,
    /// It took too long.
    Timeout,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Connection {
    /// A connection in clear over any stream, for HTTP/1.1.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            is_tls: false,
            protocol: Protocol::Http1,
        }
    }

    /// A connection over a stream that does TLS and agreed on `protocol`.
    pub fn tls(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        protocol: Protocol,
    ) -> Self {
        Self {
            is_tls: true,
            protocol,
            ..Self::new(stream)
        }
    }

    /// What both sides agreed to speak.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the stream does TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("is_tls", &self.is_tls)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl DialError {
    /// A failure of this kind, with its cause for the log.
    pub fn new(kind: Kind, source: impl Into<BoxError>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// Why no connection was made.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the dialler gave up because it took too long.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self.kind, Kind::Timeout)
    }
}

impl From<Kind> for DialError {
    fn from(kind: Kind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Refused => "the connection was refused",
            Kind::Unresolvable => "the name has no address",
            Kind::Unreachable => "no address answers",
            Kind::Forbidden => "the address is one that requests may not go to",
            Kind::Tls => "the TLS handshake failed",
            Kind::Timeout => "connecting took too long",
        })
    }
}

impl Error for DialError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &(dyn Error + 'static) = self.source.as_deref()?;
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{DialError, Kind};

        keyward_testing::assert_texts!("DialError", Kind {
            Kind::Refused => Kind::Refused,
            Kind::Unresolvable => Kind::Unresolvable,
            Kind::Unreachable => Kind::Unreachable,
            Kind::Forbidden => Kind::Forbidden,
            Kind::Tls => Kind::Tls,
            Kind::Timeout => Kind::Timeout,
        }, |kind| keyward_testing::told(&DialError::from(kind)));
    }
}
