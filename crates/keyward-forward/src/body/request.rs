//! The client's body on its way up.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::{IdleTimer, Upload, grain::Grain};
use crate::{BoxError, Config};

/// The client's body, with limits on pauses and on slowness. Trailers do not pass: they could carry what
/// headers may not.
pub(crate) struct RequestBody<B> {
    inner: B,
    /// Not to be asked again, also not when what was taken is sent once more.
    is_over: bool,
    idle: IdleTimer,
    limit: Duration,
    pace: Pace,
    grain: Grain,
    /// Made when the client pauses for the first time; a body that came with its head needs none.
    timer: Option<Pin<Box<Sleep>>>,
    /// What an earlier attempt took, and the next one takes first.
    #[expect(
        clippy::box_collection,
        reason = "a request that is sent once, as nearly all are, carries 8 bytes for it and not 32"
    )]
    taken: Option<Box<VecDeque<Bytes>>>,
    /// The connection it goes up on, once it does.
    upload: Option<Arc<Upload>>,
}

/// The client's body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestBodyError {
    #[error("the client's body broke off")]
    Broken(#[source] BoxError),
    #[error("the client paused too long")]
    Idle,
    #[error("the client's body came too slowly")]
    Slow,
    #[error("the client's body came in too many tiny pieces")]
    Fine,
    #[error("the upstream answered before it had the whole body")]
    Answered,
}

/// How fast a client sends, over the time in which it is waited for. A frame that need not be waited for costs
/// an addition.
struct Pace {
    rate: u32,
    window: Duration,
    waiting_since: Option<Instant>,
    waited: Duration,
    bytes: u64,
}

impl<B> RequestBody<B> {
    pub(crate) const fn new(inner: B, config: &Config) -> Self {
        Self {
            inner,
            is_over: false,
            idle: IdleTimer::new(config.request_idle_timeout),
            limit: config.request_idle_timeout,
            pace: Pace {
                rate: config.request_min_rate,
                window: config.request_rate_window,
                waiting_since: None,
                waited: Duration::ZERO,
                bytes: 0,
            },
            grain: Grain::new(),
            timer: None,
            taken: None,
            upload: None,
        }
    }
}

impl<B: Body> RequestBody<B> {
    /// Notes that the body goes up over the connection with this `upload`.
    pub(crate) fn begin(&mut self, upload: &Arc<Upload>) {
        if !self.inner.is_end_stream() {
            upload.begin();
            self.upload = Some(Arc::clone(upload));
        }
    }
}

impl<B> RequestBody<B> {
    /// Has nothing to do with a connection any more.
    pub(crate) fn leave(&mut self) {
        if let Some(upload) = self.upload.take() {
            upload.end();
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

impl<B> Drop for RequestBody<B> {
    fn drop(&mut self) {
        self.leave();
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
        if this.is_over {
            return Poll::Ready(None);
        }
        loop {
            match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(None) => {
                    this.is_over = true;
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Ok(frame))) => {
                    this.idle.moved();
                    let length = frame.data_ref().map_or(0, Buf::remaining);
                    if this.pace.is_too_slow(length) && !this.inner.is_end_stream() {
                        return Poll::Ready(Some(Err(RequestBodyError::Slow)));
                    }
                    if this.grain.is_too_fine(length) {
                        return Poll::Ready(Some(Err(RequestBodyError::Fine)));
                    }
                    if frame.is_data() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(RequestBodyError::Broken(error.into()))));
                }
                Poll::Pending => {
                    if let Some(upload) = &this.upload
                        && upload.poll_answered(cx)
                    {
                        return Poll::Ready(Some(Err(RequestBodyError::Answered)));
                    }
                    this.pace.waits();
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
        self.taken.is_none() && (self.is_over || self.inner.is_end_stream())
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

impl Pace {
    fn waits(&mut self) {
        if self.waiting_since.is_none() {
            self.waiting_since = Some(Instant::now());
        }
    }

    /// Counts a frame, and says whether the window that it ends was too slow.
    fn is_too_slow(&mut self, length: usize) -> bool {
        self.bytes += u64::try_from(length).unwrap_or(u64::MAX);
        let Some(since) = self.waiting_since.take() else {
            return false;
        };
        self.waited += since.elapsed();
        if self.waited < self.window {
            return false;
        }
        let waited = std::mem::take(&mut self.waited);
        let bytes = std::mem::take(&mut self.bytes);
        u128::from(bytes) * 1000 < u128::from(self.rate) * waited.as_millis()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::RequestBodyError;

        keyward_testing::assert_texts!("RequestBodyError", RequestBodyError {
            RequestBodyError::Broken(_) => RequestBodyError::Broken("the connection was closed".into()),
            RequestBodyError::Idle => RequestBodyError::Idle,
            RequestBodyError::Slow => RequestBodyError::Slow,
            RequestBodyError::Fine => RequestBodyError::Fine,
            RequestBodyError::Answered => RequestBodyError::Answered,
        }, |error| keyward_testing::told(&error));
    }
}
