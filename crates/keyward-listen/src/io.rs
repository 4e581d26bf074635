//! A connection's bytes: what was read ahead, then the socket; writes with a limit; a close that lets the client
//! read its answer.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::{Config, Linger, acceptor::Held, linger::Lingering, socket::Socket, stall::Stall};

/// The socket, with TLS or without. Two cases instead of a trait object: a connection in clear pays a branch.
#[derive(Debug)]
pub(crate) enum Transport {
    Clear(Socket),
    // Boxed: hundreds of bytes that a connection in clear need not hold.
    Tls(Box<TlsStream<Socket>>),
}

/// A connection as hyper reads and writes it.
///
/// What counts it lives as long as it does, so also where hyper hands it out after an upgrade.
#[derive(Debug)]
pub(crate) struct Io {
    transport: Transport,
    /// What was read to learn the protocol, until it is read again.
    ahead: Option<Bytes>,
    stall: Stall,
    linger: Linger,
    lingering: Option<Box<Lingering>>,
    _held: Held,
}

impl Io {
    pub(crate) fn new(transport: Transport, ahead: Bytes, config: &Config, held: Held) -> Self {
        Self {
            transport,
            ahead: Some(ahead).filter(|ahead| !ahead.is_empty()),
            stall: Stall::new(config.write_timeout),
            linger: config.linger,
            lingering: None,
            _held: held,
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(ahead) = &mut self.ahead {
            let length = ahead.len().min(buffer.remaining());
            buffer.put_slice(&ahead.split_to(length));
            if !ahead.has_remaining() {
                self.ahead = None;
            }
            return Poll::Ready(Ok(()));
        }
        match &mut self.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = match &mut self.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.stall.limited(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = match &mut self.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.stall.limited(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Clear(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_flush(context),
            // Here records may wait that were written long before.
            Transport::Tls(stream) => {
                let outcome = Pin::new(stream).poll_flush(context);
                self.stall.limited(context, outcome)
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        if me.lingering.is_none() {
            let outcome = match &mut me.transport {
                Transport::Clear(stream) => Pin::new(stream).poll_shutdown(context),
                Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            };
            ready!(me.stall.limited(context, outcome))?;
        }
        let linger = me.linger;
        let lingering = me
            .lingering
            .get_or_insert_with(|| Box::new(Lingering::begin(linger)));
        let stream = match &mut me.transport {
            Transport::Clear(stream) => stream,
            // What still comes need not be decrypted to be thrown away.
            Transport::Tls(stream) => stream.get_mut().0,
        };
        lingering.poll(context, stream).map(Ok)
    }
}
