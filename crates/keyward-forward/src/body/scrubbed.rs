//! Any body, with a credential taken out of it.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::{
    Scrubber,
    headers::{Coding, coding, prepare_trailers},
    scrub::{Forms, ScrubStream},
};

/// A body without the credential: frame by frame, as it comes.
///
/// Lengths stay true, because every byte of an occurrence becomes one mask character. A compressed body passes as
/// it is: [`AcceptEncoding::Identity`](crate::AcceptEncoding::Identity) asks an upstream for plain ones.
pub struct ScrubbedBody<B> {
    inner: B,
    scrub: Option<Box<ScrubStream>>,
    /// Trailers that wait behind bytes the scrubber gave out last.
    trailers: Option<Box<HeaderMap>>,
    is_done: bool,
}

impl<B> ScrubbedBody<B> {
    /// The body of an answer with this status and these headers, as they are after
    /// [`prepare_response`](crate::headers::prepare_response). Without a scrubber it passes as it is.
    #[must_use]
    pub fn new(
        inner: B,
        status: StatusCode,
        headers: &HeaderMap,
        scrubber: Option<&Arc<Scrubber>>,
    ) -> Self {
        let is_error = status.is_client_error() || status.is_server_error();
        let forms = match coding(headers) {
            Coding::Compressed => Forms::None,
            Coding::Plain | Coding::Unknown if is_error => Forms::All,
            Coding::Plain | Coding::Unknown => Forms::Raw,
        };
        let scrub =
            scrubber.map(|scrubber| Box::new(ScrubStream::new(Arc::clone(scrubber), forms)));
        Self {
            inner,
            scrub,
            trailers: None,
            is_done: false,
        }
    }

    /// What the scrubber still holds, as a frame.
    fn give_held(&mut self) -> Option<Frame<Bytes>> {
        let scrub = self.scrub.as_mut().filter(|scrub| scrub.held() > 0)?;
        Some(Frame::data(scrub.finish()))
    }

    /// What a frame of data becomes; nothing if all of it is held back.
    fn pass_data(&mut self, data: Bytes) -> Option<Frame<Bytes>> {
        let Some(scrub) = &mut self.scrub else {
            return Some(Frame::data(data));
        };
        let shown = scrub.push(data);
        (!shown.is_empty()).then(|| Frame::data(shown))
    }

    fn pass_trailers(&mut self, mut trailers: HeaderMap) -> Frame<Bytes> {
        let scrubber = self.scrub.as_deref().map(ScrubStream::scrubber);
        prepare_trailers(&mut trailers, scrubber);
        match self.give_held() {
            None => Frame::trailers(trailers),
            Some(held) => {
                self.trailers = Some(Box::new(trailers));
                held
            }
        }
    }
}

impl<B: Body + Unpin> Body for ScrubbedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        loop {
            if let Some(trailers) = this.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
            }
            if this.is_done {
                return Poll::Ready(None);
            }
            match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    this.is_done = true;
                    return Poll::Ready(this.give_held().map(Ok));
                }
                // What is held back may be the beginning of the credential: it stays here.
                Poll::Ready(Some(Err(error))) => {
                    this.is_done = true;
                    this.scrub = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(mut data) => {
                        // The bytes themselves where they are `Bytes`, a copy otherwise.
                        let data = data.copy_to_bytes(data.remaining());
                        if let Some(frame) = this.pass_data(data) {
                            return Poll::Ready(Some(Ok(frame)));
                        }
                    }
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            return Poll::Ready(Some(Ok(this.pass_trailers(trailers))));
                        }
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let nothing_held = self.scrub.as_ref().is_none_or(|scrub| scrub.held() == 0);
        self.trailers.is_none() && nothing_held && (self.is_done || self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.scrub.as_ref().map_or(0, |scrub| scrub.held());
        let held = u64::try_from(held).unwrap_or(u64::MAX);
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(held));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }
}

impl<B> fmt::Debug for ScrubbedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrubbedBody")
            .field("is_scrubbed", &self.scrub.is_some())
            .field("is_done", &self.is_done)
            .finish_non_exhaustive()
    }
}
