//! One stream: its answer's body, and the limit for a client that takes none of it.
//!
//! What an answer's body gives is counted until h2 lets go of it, which it does when the bytes have gone to the
//! connection. A stream that waits for the client is one of which something is held. The task that hyper runs the
//! stream in watches this, and ends, which resets the stream.
//!
//! hyper itself waits for a window of one byte, hands the whole chunk to h2, and is done with a stream whose last
//! chunk that was: nobody could reset it any more. So the end of an answer is given when everything before it has
//! gone. The price is an empty frame of its own for the end.

use std::{
    future::Future,
    io::IoSlice,
    ops::DerefMut,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Response, StatusCode};
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
    /// Chunks given.
    given: AtomicU64,
    /// Those of them that hyper or h2 still has.
    held: AtomicUsize,
    /// The body, where its end waits for them.
    waiting: Mutex<Option<Waker>>,
}

impl Progress {
    fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire) > 0
    }

    /// Ready when nothing that was given is held.
    fn poll_gone(&self, context: &Context<'_>) -> Poll<()> {
        if !self.is_held() {
            return Poll::Ready(());
        }
        *self.waiting() = Some(context.waker().clone());
        // Once more: it may have gone before there was anybody to wake.
        match self.is_held() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    fn waiting(&self) -> impl DerefMut<Target = Option<Waker>> + '_ {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A chunk of an answer; held until it is dropped.
#[derive(Debug)]
pub(super) struct Chunk<D> {
    data: D,
    /// `None`: it is empty, and needs no window.
    progress: Option<Arc<Progress>>,
}

impl<D: Buf> Chunk<D> {
    fn new(data: D, progress: &Arc<Progress>) -> Self {
        let progress = data.has_remaining().then(|| {
            progress.given.fetch_add(1, Ordering::Relaxed);
            progress.held.fetch_add(1, Ordering::Relaxed);
            Arc::clone(progress)
        });
        Self { data, progress }
    }
}

impl<D> Drop for Chunk<D> {
    fn drop(&mut self) {
        let Some(progress) = &self.progress else {
            return;
        };
        if progress.held.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waiting = progress.waiting().take();
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
    }
}

impl<D: Buf> Buf for Chunk<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(slices)
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        self.data.copy_to_bytes(length)
    }
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
    progress: Arc<Progress>,
    ending: Ending,
}

/// What a body gives next; `None` at its end.
type Given<B> = Option<Result<Chunk<<B as Body>::Data>, <B as Body>::Error>>;

/// How far the end of an answer is.
#[derive(Debug)]
enum Ending {
    NotYet,
    /// It waits, with the trailers that it has.
    Waits(Option<HeaderMap>),
}

/// The task of one stream.
struct Watched<F> {
    stream: Pin<Box<F>>,
    progress: Arc<Progress>,
    /// Chunks that were given when the timer was set.
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
        if !me.progress.is_held() {
            return Poll::Pending;
        }
        let given = me.progress.given.load(Ordering::Relaxed);
        let limit = me.limit;
        let timer = me
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if me.seen != given {
            me.seen = given;
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
            progress: PROGRESS.try_with(Arc::clone).unwrap_or_default(),
            ending: Ending::NotYet,
        }
    }
}

/// The answer to a request with too many header fields, as hyper gives it on HTTP/1.1.
pub(super) fn too_many_headers<B>(mut open: Open) -> Response<StreamBody<B>> {
    open.finish();
    let mut response = Response::new(StreamBody {
        inner: None,
        open,
        progress: Arc::default(),
        ending: Ending::NotYet,
    });
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response
}

impl<B: Body> StreamBody<B> {
    /// The next chunk. `None`: there is none any more, and how it ends is in `ending`.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Given<B>> {
        let (Some(inner), Ending::NotYet) = (&mut self.inner, &self.ending) else {
            return Poll::Ready(None);
        };
        if inner.is_end_stream() {
            self.open.finish();
            self.ending = Ending::Waits(None);
            return Poll::Ready(None);
        }
        match ready!(inner.as_mut().poll_frame(context)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    if inner.is_end_stream() {
                        self.open.finish();
                    }
                    Poll::Ready(Some(Ok(Chunk::new(data, &self.progress))))
                }
                Err(frame) => {
                    self.open.finish();
                    self.ending = Ending::Waits(frame.into_trailers().ok());
                    Poll::Ready(None)
                }
            },
            Some(Err(error)) => {
                self.open.finish();
                Poll::Ready(Some(Err(error)))
            }
            None => {
                self.open.finish();
                self.ending = Ending::Waits(None);
                Poll::Ready(None)
            }
        }
    }
}

impl<B: Body> Body for StreamBody<B> {
    type Data = Chunk<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let me = &mut *self;
        if let Some(chunk) = ready!(me.poll_chunk(context)) {
            return Poll::Ready(Some(chunk.map(Frame::data)));
        }
        ready!(me.progress.poll_gone(context));
        let trailers = match &mut me.ending {
            Ending::Waits(trailers) => trailers.take(),
            Ending::NotYet => None,
        };
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    /// As long as something is held, its end is still to come.
    fn is_end_stream(&self) -> bool {
        let is_over = match (&self.inner, &self.ending) {
            (None, _) | (_, Ending::Waits(None)) => true,
            (Some(_), Ending::Waits(Some(_))) => false,
            (Some(inner), Ending::NotYet) => inner.is_end_stream(),
        };
        is_over && !self.progress.is_held()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}
