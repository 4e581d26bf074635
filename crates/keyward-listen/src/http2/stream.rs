//! One stream: its answer's body, and the limit for a client that takes none of it.
//!
//! hyper asks for the next frame of an answer only once the client has let it send the last. A stream that waits
//! for the client is therefore one whose body gave a frame and was not asked for another. The task that hyper
//! runs the stream in watches this, and ends, which resets the stream.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Instant, Sleep};

use super::activity::Open;

tokio::task_local! {
    /// What the body of the stream that is being polled has given.
    static PROGRESS: Arc<Progress>;
}

#[derive(Debug, Default)]
struct Progress {
    /// Frames given.
    frames: AtomicU64,
    /// Whether the last frame given was not asked to be followed yet.
    is_owed: AtomicBool,
}

/// Runs the streams of a connection, and ends those that the client lets wait.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    write_timeout: Duration,
}

/// The answer's body on HTTP/2.
pub(super) struct StreamBody<B> {
    /// `None`: there is none.
    inner: Option<Pin<Box<B>>>,
    open: Open,
    progress: Option<Arc<Progress>>,
}

/// The task of one stream.
struct Watched<F> {
    stream: Pin<Box<F>>,
    progress: Arc<Progress>,
    seen: u64,
    limit: Duration,
    /// Made when the stream waits for the first time.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Streams {
    pub(super) const fn new(write_timeout: Duration) -> Self {
        Self { write_timeout }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let progress = Arc::new(Progress::default());
        let stream = PROGRESS.scope(Arc::clone(&progress), stream);
        // It ends with its connection: h2 wakes every stream of a connection that is gone.
        tokio::spawn(Watched {
            stream: Box::pin(stream),
            progress,
            seen: 0,
            limit: self.write_timeout,
            timer: None,
        });
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        if me.stream.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        if !me.progress.is_owed.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let frames = me.progress.frames.load(Ordering::Relaxed);
        let limit = me.limit;
        let timer = me
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if me.seen != frames {
            me.seen = frames;
            timer.as_mut().reset(Instant::now() + limit);
        }
        if timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        tracing::debug!("a client takes nothing of its answer; the stream is reset");
        metrics::counter!("keyward_streams_stalled_total").increment(1);
        Poll::Ready(())
    }
}

impl<B: Body> StreamBody<B> {
    /// To be called within the stream's task.
    pub(super) fn new(body: B, mut open: Open) -> Self {
        // hyper does not ask such a body for a frame.
        if body.is_end_stream() {
            open.finish();
        }
        Self {
            inner: Some(Box::pin(body)),
            open,
            progress: PROGRESS.try_with(Arc::clone).ok(),
        }
    }
}

/// The answer to a request with too many header fields, as hyper gives it on HTTP/1.1.
pub(super) fn too_many_headers<B>(mut open: Open) -> Response<StreamBody<B>> {
    open.finish();
    let mut response = Response::new(StreamBody {
        inner: None,
        open,
        progress: None,
    });
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response
}

impl<B: Body> Body for StreamBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let me = &mut *self;
        let Some(inner) = &mut me.inner else {
            return Poll::Ready(None);
        };
        let polled = inner.as_mut().poll_frame(context);
        if let Some(progress) = &me.progress {
            progress.is_owed.store(polled.is_ready(), Ordering::Relaxed);
            if polled.is_ready() {
                progress.frames.fetch_add(1, Ordering::Relaxed);
            }
        }
        let is_last = match &polled {
            Poll::Ready(Some(Ok(_frame))) => inner.is_end_stream(),
            Poll::Ready(Some(Err(_)) | None) => true,
            Poll::Pending => false,
        };
        if is_last {
            me.open.finish();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(|inner| inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}
