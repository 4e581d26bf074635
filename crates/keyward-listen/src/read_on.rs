//! Listening on to a client whose request was answered before its body had come, over HTTP/2.
//!
//! An HTTP/2 server that drops an unread body resets the stream behind the answer (RFC 9113 §8.1). Clients may throw
//! the answer away with it: curl 7.88 does where the reset comes before its own last frame. What the connection's
//! lingering is to HTTP/1.1, this is to a stream.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Buf;
use tokio::runtime::Handle;

/// How much is read on: what a client may have sent before it can have seen an answer, in the usual window.
const BYTES: usize = 64 * 1024;
/// For how long. A stream is held no longer than that.
const TIME: Duration = Duration::from_secs(1);

/// The body of a request, which a service may drop at any time.
///
/// Dropped before its end, over HTTP/2, it is read on and thrown away for a moment: 64 KiB or 1 s at most. Over
/// HTTP/1.1 it is the body and nothing else. Dropping it there or at its end costs a comparison.
#[derive(Debug)]
pub struct ReadOn<B: Body + Send + Unpin + 'static> {
    /// Always there but while it is dropped.
    body: Option<B>,
    reads_on: bool,
}

impl<B: Body + Send + Unpin + 'static> ReadOn<B> {
    /// The body of a request that came by this version.
    #[must_use]
    pub fn new(body: B, version: Version) -> Self {
        Self {
            body: Some(body),
            reads_on: version == Version::HTTP_2,
        }
    }
}

impl<B: Body + Send + Unpin + 'static> Drop for ReadOn<B> {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else {
            return;
        };
        if !self.reads_on || body.is_end_stream() {
            return;
        }
        // Outside a runtime there is no connection either that goes on.
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(async move {
                let _its_time_is_up = tokio::time::timeout(TIME, throw_away(body)).await;
            }));
        }
    }
}

async fn throw_away<B: Body + Unpin>(mut body: B) {
    let mut left = BYTES;
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let length = frame.data_ref().map_or(0, Buf::remaining);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

impl<B: Body + Send + Unpin + 'static> Body for ReadOn<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        sync::Arc,
        task::{Context, Poll},
    };

    use http::Version;
    use http_body::{Body, Frame};

    use super::{ReadOn, TIME};

    /// A body of which nothing comes any more, and a mark that it is there.
    struct Silent {
        _mark: Arc<()>,
    }

    fn silent(mark: &Arc<()>) -> Silent {
        Silent {
            _mark: Arc::clone(mark),
        }
    }

    impl Body for Silent {
        type Data = &'static [u8];
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_body_is_held_for_its_time_and_no_longer_over_http2_alone() {
        let mark = Arc::new(());
        drop(ReadOn::new(silent(&mark), Version::HTTP_11));
        assert_eq!(Arc::strong_count(&mark), 1);

        drop(ReadOn::new(silent(&mark), Version::HTTP_2));
        tokio::time::sleep(TIME / 2).await;
        assert_eq!(Arc::strong_count(&mark), 2);
        tokio::time::sleep(TIME).await;
        assert_eq!(Arc::strong_count(&mark), 1);
    }

    #[test]
    fn outside_a_runtime_it_is_dropped_at_once() {
        let mark = Arc::new(());
        drop(ReadOn::new(silent(&mark), Version::HTTP_2));
        assert_eq!(Arc::strong_count(&mark), 1);
    }
}
