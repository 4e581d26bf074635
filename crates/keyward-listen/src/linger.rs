//! Closing a connection on which the client may still be sending.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Instant, Sleep},
};

use crate::{Linger, socket::Socket};

/// How much is read and thrown away at a time.
const SCRAP: usize = 8192;

/// What is left of the time and the bytes for which a client is listened to.
#[derive(Debug)]
pub(crate) struct Lingering {
    timer: Pin<Box<Sleep>>,
    ends: Instant,
    bytes: u64,
    limits: Linger,
}

impl Lingering {
    /// Begins now.
    pub(crate) fn begin(limits: Linger) -> Self {
        let now = Instant::now();
        let ends = now + limits.time;
        Self {
            timer: Box::pin(tokio::time::sleep_until(ends.min(now + limits.silence))),
            ends,
            bytes: limits.bytes,
            limits,
        }
    }

    /// Throws away what comes. Ready when the client has closed its side, or has been listened to for long
    /// enough.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, stream: &mut Socket) -> Poll<()> {
        let mut scrap = [0; SCRAP];
        let mut heard = false;
        loop {
            let mut buffer = ReadBuf::new(&mut scrap);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    let read = u64::try_from(buffer.filled().len()).unwrap_or(u64::MAX);
                    let Some(left) = self.bytes.checked_sub(read) else {
                        return Poll::Ready(());
                    };
                    self.bytes = left;
                    heard = true;
                }
                Poll::Ready(Err(_gone)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        if heard {
            let silent_until = Instant::now() + self.limits.silence;
            self.timer.as_mut().reset(self.ends.min(silent_until));
        }
        ready!(self.timer.as_mut().poll(context));
        Poll::Ready(())
    }
}
