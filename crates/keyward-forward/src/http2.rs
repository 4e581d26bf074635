//! HTTP/2 upstreams: connections that all forwarders share, and one exchange on a stream of one.
//!
//! A connection's tasks live on the runtime it was made on. When that ends, its streams end with it, and the
//! next request makes a connection of its own.

mod cancel;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::{
    Request, Response, Uri, Version,
    header::{HOST, TRANSFER_ENCODING},
    uri,
};
use http_body::Body;
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, Sleep};

use self::cancel::CancelRate;
use crate::{
    BoxError, Config, Connection, Endpoint,
    body::{HeldBody, Hold, Lease, RequestBody, RequestBodyError, Tasks},
    gate::{Gate, Permit},
    retry::Failure,
};

/// How long an answer to a keep-alive ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of one request's body that may lie between us and the socket.
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Streams that we have reset and still know: more than [`CancelRate`] lets go in the second for which each is
/// remembered, so that what the upstream had sent already is never taken for an error.
const REMEMBERED_RESETS: usize = 256;

/// One connection that speaks HTTP/2.
pub(crate) struct Http2<B> {
    sender: SendRequest<HeldBody<B>>,
    tasks: Tasks,
    limit: Arc<StreamLimit>,
    /// The upstream said that it goes away.
    is_leaving: AtomicBool,
    old_at: Instant,
    cancels: Mutex<CancelRate>,
}

/// How many streams the upstream takes at a time.
#[derive(Default)]
struct StreamLimit {
    /// As the connection's task saw it last. The task looks when it has something to do.
    most: AtomicUsize,
    /// Whether the upstream has answered, so that what it says of itself has come.
    is_heard: AtomicBool,
    /// Whether the task has looked since.
    is_known: AtomicBool,
    task: AtomicWaker,
}

/// A stream of a shared connection: one exchange.
pub(crate) struct Stream<B> {
    place: Arc<Place<B>>,
    timer: Pin<Box<Sleep>>,
    /// The way back to the request's body, once it is on its way.
    upload: Option<Hold<B>>,
    stage: Stage,
}

/// A place among the streams of a connection. Free when neither the answer nor the request's body needs the
/// stream any more: an upstream may answer before it has read the body, and counts the stream until both are done.
struct Place<B> {
    gate: Arc<Gate<B>>,
    conn: Arc<Http2<B>>,
    /// The stream is reset, and did not end by itself.
    is_reset: AtomicBool,
}

/// What ends with a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent on it.
    Unused,
    /// To drop it now resets it.
    Open,
    /// Both sides are done with it.
    Ended,
}

/// No answer came.
pub(crate) struct Unanswered<B> {
    pub(crate) failure: Failure,
    /// The request, where it can be sent again.
    pub(crate) request: Option<Request<RequestBody<B>>>,
    pub(crate) cause: Cause,
}

/// Why no answer came.
pub(crate) enum Cause {
    TimedOut,
    Failed(hyper::Error),
    /// The client's body ended in this, and took the stream along.
    RequestBody(RequestBodyError),
}

pub(crate) type Answered<B> = (Response<Incoming>, Box<Stream<B>>);

fn builder(config: &Config, tasks: Tasks) -> Builder<Tasks> {
    let stream_window = config.http2_stream_window_bytes;
    // As much as all streams may hold together: one that nobody reads must not stop the others.
    let streams = u32::try_from(config.http2_max_streams).unwrap_or(u32::MAX);
    let connection_window = stream_window.saturating_mul(streams).min(MAX_WINDOW);
    let head = u32::try_from(config.max_response_head_bytes).unwrap_or(u32::MAX);
    let mut builder = Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(stream_window.min(MAX_WINDOW))
        .initial_connection_window_size(connection_window)
        .max_header_list_size(head)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_concurrent_reset_streams(REMEMBERED_RESETS)
        .keep_alive_interval(config.http2_keep_alive_interval)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// The largest window there is (RFC 9113 §6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

impl<B> Http2<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Greets the other side, and starts the connection's task, which keeps `permit` until it ends.
    pub(crate) async fn start(
        config: &Config,
        connection: Connection,
        gate: &Arc<Gate<B>>,
        mut permit: Permit<B>,
        old_at: Instant,
    ) -> Result<Stream<B>, hyper::Error> {
        let tasks = Tasks::default();
        let builder = builder(config, tasks.clone());
        let (sender, connection) = builder.handshake(TokioIo::new(connection)).await?;
        let limit = Arc::new(StreamLimit::default());
        limit
            .most
            .store(connection.current_max_send_streams(), Ordering::Relaxed);
        let conn = Arc::new(Self {
            sender,
            tasks,
            limit: Arc::clone(&limit),
            is_leaving: AtomicBool::new(false),
            old_at,
            cancels: Mutex::default(),
        });
        let stream = permit.opened_http2(gate, &conn, Instant::now());
        drop(tokio::spawn(async move {
            let _permit = permit;
            let mut connection = pin!(connection);
            let ended = poll_fn(|cx| {
                limit.task.register(cx.waker());
                let ended = connection.as_mut().poll(cx);
                let most = connection.current_max_send_streams();
                limit.most.store(most, Ordering::Relaxed);
                let is_heard = limit.is_heard.load(Ordering::Acquire);
                limit.is_known.store(is_heard, Ordering::Relaxed);
                ended
            })
            .await;
            if let Err(error) = ended {
                tracing::debug!(%error, "an upstream connection ended");
            }
        }));
        Ok(stream)
    }
}

impl<B> Http2<B> {
    /// How many streams the upstream takes at a time: as it said, or, before it has, as `assumed` says.
    pub(crate) fn most_streams(&self, assumed: &mut usize) -> usize {
        let most = self.limit.most.load(Ordering::Relaxed);
        let most = match self.limit.is_known.load(Ordering::Relaxed) {
            true => {
                *assumed = most;
                most
            }
            false => most.min(*assumed),
        };
        // One at least: who allows none for now lets it wait.
        most.max(1)
    }

    /// Whether it takes no more streams.
    pub(crate) fn is_over(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed) || self.sender.is_closed()
    }

    /// Whether new streams should be of a newer connection, so that a changed address takes effect.
    pub(crate) fn is_old(&self, now: Instant) -> bool {
        now >= self.old_at
    }
}

impl StreamLimit {
    /// An answer came, and with it, at the first time, what the upstream says of itself.
    fn heard(&self) {
        if !self.is_heard.load(Ordering::Relaxed) {
            self.is_heard.store(true, Ordering::Release);
            self.task.wake();
        }
    }
}

impl<B> Stream<B> {
    pub(crate) fn new(gate: Arc<Gate<B>>, conn: Arc<Http2<B>>, now: Instant) -> Self {
        Self {
            place: Arc::new(Place {
                gate,
                conn,
                is_reset: AtomicBool::new(false),
            }),
            timer: Box::pin(tokio::time::sleep_until(now)),
            upload: None,
            stage: Stage::Unused,
        }
    }
}

impl<B> Stream<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Sends `request` and waits for the head of its answer.
    pub(crate) async fn send(
        mut self,
        request: Request<RequestBody<B>>,
        endpoint: &Endpoint,
        deadline: Instant,
        replay_bytes: usize,
    ) -> Result<Answered<B>, Unanswered<B>> {
        let (head, body) = request.into_parts();
        let conn = Arc::clone(&self.place.conn);
        let (tasks, place) = (conn.tasks.clone(), Arc::clone(&self.place));
        let (body, hold) = HeldBody::new(body, replay_bytes, tasks, place);
        // Whoever drops the stream stops the body.
        let held = self.upload.insert(hold);
        let sent = Request::from_parts(in_http2(head.clone(), endpoint), body);
        self.stage = Stage::Open;
        self.timer.as_mut().reset(deadline);
        let mut sender = conn.sender.clone();
        let mut sending = pin!(sender.try_send_request(sent));
        let timer = &mut self.timer;
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(outcome) = sending.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            timer.as_mut().poll(cx).map(|()| None)
        })
        .await;
        let mut error = match outcome {
            Some(Ok(response)) => {
                held.release();
                conn.limit.heard();
                return Ok((response, Box::new(self)));
            }
            Some(Err(error)) => error,
            None => {
                return Err(Unanswered {
                    failure: Failure::Sent,
                    request: None,
                    cause: Cause::TimedOut,
                });
            }
        };
        self.stage = Stage::Ended;
        // The other side ended the stream, and the body with it.
        let upload = self.upload.take();
        if let Some(cause) = upload.as_ref().and_then(Hold::failure) {
            return Err(Unanswered {
                failure: Failure::Sent,
                request: None,
                cause: Cause::RequestBody(cause),
            });
        }
        let is_unsent = error.take_message().is_some();
        let error = error.into_error();
        let refusal = refusal(&error);
        if is_unsent || refusal == Some(Refusal::GoAway) {
            conn.is_leaving.store(true, Ordering::Relaxed);
        }
        let body = match is_unsent || refusal.is_some() {
            true => upload.and_then(|upload| upload.recover()),
            false => None,
        };
        Err(Unanswered {
            failure: match body {
                Some(_) if is_unsent => Failure::UnsentOnKept,
                Some(_) => Failure::Refused,
                None => Failure::Sent,
            },
            request: body.map(|body| Request::from_parts(head, body)),
            cause: Cause::Failed(error),
        })
    }
}

/// The head as HTTP/2 wants it: the authority in its own field, and no framing of HTTP/1.1.
fn in_http2(mut head: http::request::Parts, endpoint: &Endpoint) -> http::request::Parts {
    head.headers.remove(HOST);
    head.headers.remove(TRANSFER_ENCODING);
    let mut uri = uri::Parts::from(std::mem::take(&mut head.uri));
    uri.scheme = Some(endpoint.scheme().clone());
    uri.authority = Some(endpoint.authority().clone());
    // Scheme, authority and path are all there: nothing about them can be wrong together.
    head.uri = Uri::from_parts(uri).unwrap_or_default();
    head.version = Version::HTTP_2;
    head
}

/// How an upstream says that it did nothing with a request (RFC 9113 §8.7).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// `REFUSED_STREAM`.
    Stream,
    /// The stream is beyond the last one that `GOAWAY` names. (h2 gives this error to no other.)
    GoAway,
}

fn refusal(error: &hyper::Error) -> Option<Refusal> {
    let error = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    if !error.is_remote() {
        return None;
    }
    if error.is_go_away() {
        return Some(Refusal::GoAway);
    }
    (error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
        .then_some(Refusal::Stream)
}

impl<B: Send> Lease for Stream<B> {
    fn timer(&mut self) -> Pin<&mut Sleep> {
        self.timer.as_mut()
    }

    fn give_back(mut self: Box<Self>, answer: &mut Option<Incoming>) {
        self.stage = Stage::Ended;
        // A stream whose body is stopped is reset once nobody holds its answer either.
        drop(answer.take());
    }
}

impl<B> Drop for Stream<B> {
    fn drop(&mut self) {
        let is_cut = self.upload.take().is_some_and(|upload| upload.stop());
        if is_cut || self.stage == Stage::Open {
            self.place.is_reset.store(true, Ordering::Relaxed);
        }
    }
}

impl<B> Drop for Place<B> {
    fn drop(&mut self) {
        let now = Instant::now();
        let hold = match *self.is_reset.get_mut() {
            true => {
                let cancels = self.conn.cancels.lock();
                cancels.unwrap_or_else(PoisonError::into_inner).hold(now)
            }
            false => Duration::ZERO,
        };
        self.gate.release(&self.conn, now, hold);
    }
}
