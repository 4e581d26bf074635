//! The client's body on its way up.

use std::{
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
        }
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
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
