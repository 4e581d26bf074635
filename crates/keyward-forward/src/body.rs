//! Bodies on their way, frame by frame: no buffering, no copies, one timer per direction.
//!
//! A frame is asked for only when the other side wants one, so a slow reader slows the writer. An upstream
//! that breaks off ends the answer in an error, never cleanly.

mod grain;
mod held;
mod request;
mod scrubbed;
mod sending;
mod upload;

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

pub use self::scrubbed::ScrubbedBody;
use self::sending::Sending;
pub(crate) use self::{
    held::{HeldBody, Hold},
    request::{RequestBody, RequestBodyError},
    sending::Tasks,
    upload::Upload,
};
use crate::{
    BoxError, Scrubber,
    headers::prepare_trailers,
    scrub::{Forms, ScrubStream},
};

/// The connection an answer comes from, whatever kind of request body it takes.
pub(crate) trait Lease: Send {
    /// The connection's timer.
    fn timer(&mut self) -> Pin<&mut Sleep>;
    /// Keeps the connection for another request: the answer is read to its end. Its body may be taken, where
    /// something ends only with it.
    fn give_back(self: Box<Self>, answer: &mut Option<Incoming>);
}

/// The body of an answer.
///
/// Holds the upstream connection until the last frame is out, then gives it back for another request.
/// Dropped earlier, it closes the connection, so that the upstream stops working.
#[must_use = "a body does nothing unless polled"]
pub struct ResponseBody {
    /// None where the body is over, or was read already and is `whole`.
    incoming: Option<Incoming>,
    /// All of the body.
    whole: Option<Bytes>,
    lease: Option<Box<dyn Lease>>,
    scrub: Option<Box<ScrubStream>>,
    /// Trailers that wait behind bytes the scrubber gave out last.
    trailers: Option<Box<HeaderMap>>,
    idle: IdleTimer,
    is_done: bool,
}

/// An answer's body broke off.
#[derive(Debug)]
pub struct BodyError {
    source: Option<BoxError>,
}

/// Measures pauses with a timer that is moved only when it fires: a frame costs a flag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdleTimer {
    limit: Duration,
    is_armed: bool,
    has_moved: bool,
}

impl IdleTimer {
    pub(crate) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            is_armed: false,
            has_moved: false,
        }
    }

    /// A frame came.
    pub(crate) const fn moved(&mut self) {
        self.has_moved = true;
    }

    /// Nothing is there: waits for the pause to become too long. Ready after the limit at the earliest and
    /// twice that at the latest, if no frame comes.
    pub(crate) fn poll(&mut self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.is_armed {
                ready!(timer.as_mut().poll(cx));
                if !self.has_moved {
                    return Poll::Ready(());
                }
            }
            self.is_armed = true;
            self.has_moved = false;
            timer.as_mut().reset(Instant::now() + self.limit);
        }
    }
}

impl ResponseBody {
    pub(crate) fn new(
        incoming: Incoming,
        lease: Box<dyn Lease>,
        scrub: Option<(Arc<Scrubber>, Forms)>,
        idle_timeout: Duration,
    ) -> Self {
        let mut body = Self {
            lease: Some(lease),
            scrub: None,
            trailers: None,
            idle: IdleTimer::new(idle_timeout),
            is_done: false,
            whole: None,
            incoming: Some(incoming),
        };
        if body.is_at_end() {
            body.end();
        } else {
            body.scrub = scrub.map(|(scrubber, forms)| Box::new(ScrubStream::new(scrubber, forms)));
        }
        body
    }

    /// A body that is here already.
    pub(crate) fn whole(bytes: Bytes, trailers: Option<Box<HeaderMap>>) -> Self {
        Self {
            incoming: None,
            whole: Some(bytes).filter(|bytes| !bytes.is_empty()),
            lease: None,
            scrub: None,
            trailers,
            idle: IdleTimer::new(Duration::ZERO),
            is_done: true,
        }
    }

    fn is_at_end(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    /// The answer is read to its end: its connection can serve another request.
    fn end(&mut self) {
        self.is_done = true;
        if let Some(lease) = self.lease.take() {
            lease.give_back(&mut self.incoming);
        }
    }

    fn fail(&mut self, source: Option<BoxError>) -> BodyError {
        self.is_done = true;
        self.scrub = None;
        self.incoming = None;
        self.lease = None;
        BodyError { source }
    }

    /// What a frame becomes; nothing if all of it is held back.
    fn pass(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let is_last = self.is_at_end();
        let passed = match frame.into_data() {
            Ok(data) => match &mut self.scrub {
                None => Some(Frame::data(data)),
                Some(scrub) => {
                    let mut shown = scrub.push(data);
                    if is_last && scrub.held() > 0 {
                        shown = Bytes::from([shown, scrub.finish()].concat());
                    }
                    (!shown.is_empty()).then(|| Frame::data(shown))
                }
            },
            Err(frame) => frame.into_trailers().ok().map(|mut trailers| {
                let scrubber = self.scrub.as_deref().map(ScrubStream::scrubber);
                prepare_trailers(&mut trailers, scrubber);
                match self.give_held() {
                    None => Frame::trailers(trailers),
                    Some(held) => {
                        self.trailers = Some(Box::new(trailers));
                        held
                    }
                }
            }),
        };
        if is_last {
            self.end();
        }
        passed
    }

    /// What the scrubber still holds, as a frame.
    fn give_held(&mut self) -> Option<Frame<Bytes>> {
        let scrub = self.scrub.as_mut().filter(|scrub| scrub.held() > 0)?;
        Some(Frame::data(scrub.finish()))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(whole) = this.whole.take() {
            return Poll::Ready(Some(Ok(Frame::data(whole))));
        }
        loop {
            if let Some(trailers) = this.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
            }
            if this.is_done {
                return Poll::Ready(None);
            }
            let Some(incoming) = &mut this.incoming else {
                return Poll::Ready(None);
            };
            match Pin::new(incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.idle.moved();
                    if let Some(frame) = this.pass(frame) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(this.fail(Some(error.into())))));
                }
                Poll::Ready(None) => {
                    this.end();
                    return Poll::Ready(this.give_held().map(Ok));
                }
                Poll::Pending => {
                    let Some(lease) = &mut this.lease else {
                        return Poll::Pending;
                    };
                    ready!(this.idle.poll(lease.timer(), cx));
                    return Poll::Ready(Some(Err(this.fail(None))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_done && self.whole.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_done {
            let whole = self.whole.as_ref().map_or(0, Bytes::len);
            return SizeHint::with_exact(u64::try_from(whole).unwrap_or(u64::MAX));
        }
        let held = self.scrub.as_ref().map_or(0, |scrub| scrub.held());
        let held = u64::try_from(held).unwrap_or(u64::MAX);
        let mut hint = self
            .incoming
            .as_ref()
            .map_or_else(SizeHint::new, Body::size_hint);
        if held > 0 {
            let (lower, upper) = (hint.lower(), hint.upper());
            hint = SizeHint::new();
            hint.set_lower(lower.saturating_add(held));
            if let Some(upper) = upper {
                hint.set_upper(upper.saturating_add(held));
            }
        }
        hint
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("is_done", &self.is_done)
            .field("is_scrubbed", &self.scrub.is_some())
            .finish_non_exhaustive()
    }
}

impl BodyError {
    /// Whether the upstream paused too long.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        self.source.is_none()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_timeout() {
            "the upstream paused too long within its answer"
        } else {
            "the upstream's answer broke off"
        })
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &(dyn Error + 'static) = self.source.as_deref()?;
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::BodyError;

        keyward_testing::assert_texts!("BodyError", [
            "a pause" => BodyError { source: None },
            "an end" => BodyError { source: Some("the connection was closed".into()) },
        ]);
    }
}
