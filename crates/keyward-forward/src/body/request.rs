//! The client's body on its way up.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::IdleTimer;
use crate::BoxError;

/// The client's body, with a limit on pauses. Trailers do not pass: they could carry what headers may not.
pub(crate) struct RequestBody<B> {
    inner: B,
    idle: IdleTimer,
    limit: Duration,
    /// Made when the client pauses for the first time; a body that came with its head needs none.
    timer: Option<Pin<Box<Sleep>>>,
    /// What an earlier attempt took, and the next one takes first.
    taken: Option<Box<VecDeque<Bytes>>>,
}

/// The client's body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestBodyError {
    #[error("the client's body broke off")]
    Broken(#[source] BoxError),
    #[error("the client paused too long")]
    Idle,
}

impl<B> RequestBody<B> {
    pub(crate) const fn new(inner: B, limit: Duration) -> Self {
        Self {
            inner,
            idle: IdleTimer::new(limit),
            limit,
            timer: None,
            taken: None,
        }
    }

    /// The body with what was taken from it put back before the rest.
    pub(crate) fn behind(mut self, taken: Vec<Bytes>) -> Self {
        if !taken.is_empty() {
            let mut front = VecDeque::from(taken);
            if let Some(rest) = self.taken.take() {
                front.extend(*rest);
            }
            self.taken = Some(Box::new(front));
        }
        self
    }

    fn take_again(&mut self) -> Option<Bytes> {
        let taken = self.taken.as_mut()?;
        let first = taken.pop_front();
        if taken.is_empty() {
            self.taken = None;
        }
        first
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = &mut *self;
        if let Some(data) = this.take_again() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        loop {
            match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(frame))) => {
                    this.idle.moved();
                    if frame.is_data() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(RequestBodyError::Broken(error.into()))));
                }
                Poll::Pending => {
                    let limit = this.limit;
                    let timer = this.timer.get_or_insert_with(|| {
                        Box::pin(tokio::time::sleep_until(Instant::now() + limit))
                    });
                    ready!(this.idle.poll(timer.as_mut(), cx));
                    return Poll::Ready(Some(Err(RequestBodyError::Idle)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.taken.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        if let Some(taken) = &self.taken {
            let more = taken.iter().map(|data| data.len() as u64).sum();
            match hint.exact() {
                Some(exact) => hint.set_exact(exact.saturating_add(more)),
                None => hint.set_lower(hint.lower().saturating_add(more)),
            }
        }
        hint
    }
}
