//! The socket, read so that nothing that has arrived is missed once serving ends.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::Drain;

/// A TCP connection that knows whether serving ends.
///
/// A read of tokio's waits until its driver has told that there is something to read, which it does some time
/// after it has come. Until a drain begins that is all the same. Then a read that has to wait means "the client
/// has said nothing", and the connection is closed: so it asks the kernel.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    drain: Drain,
}

impl Socket {
    /// Takes `stream` over, which does not block.
    pub(crate) fn new(stream: std::net::TcpStream, drain: Drain) -> io::Result<Self> {
        Ok(Self {
            stream: TcpStream::from_std(stream)?,
            drain,
        })
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_pending() && self.drain.has_begun() {
            return read_now(&self.stream, buffer);
        }
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Reads what the kernel has. Pending if that is nothing; tokio wakes whoever was to wait.
fn read_now(stream: &TcpStream, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    loop {
        match rustix::io::read(stream, buffer.initialize_unfilled()) {
            Ok(read) => {
                buffer.advance(read);
                return Poll::Ready(Ok(()));
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error.into())),
        }
    }
}
