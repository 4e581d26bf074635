//! The forwarder: the way of one request from its rewriting to the first frame of its answer.
//!
//! HTTP/1.1 connections are this forwarder's own ([`Pool`]); HTTP/2 connections are shared per origin
//! ([`Shared`]). Which of them an origin speaks, the last dial told.

mod connect;
mod handshake;

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use tokio::time::Instant;

use self::connect::Way;
use crate::{
    BoxError, Config, Dial, Endpoint, ForwardError, Kind, ResponseBody, Rules, Scrubber, Shared,
    Target,
    age::Ages,
    body::{Lease, RequestBody, RequestBodyError},
    headers::{self, Coding, coding, frame_request, frame_response},
    http2::{Cause, Unanswered},
    plain_errors::{self, PlainErrors},
    pool::{Conn, Pool},
    retry::{self, Failure, Next},
    scrub::Forms,
};

/// Bytes hyper may buffer per connection and direction, beyond a head.
const BUFFER_BYTES: usize = 64 * 1024;

/// Forwards requests whose bodies are `B`, over connections of its own.
///
/// A worker owns one. HTTP/1.1 connections are its own; HTTP/2 connections, and how many connections an origin
/// may have, are [shared](Self::sharing) with other forwarders. Connections run as tasks of the runtime that
/// [`forward`](Self::forward) is called on, and end when all forwarders that share them are dropped and their
/// last answers are read or dropped.
pub struct Forwarder<B> {
    dial: Arc<dyn Dial>,
    config: Config,
    http1: http1::Builder,
    pool: Pool<B>,
    ages: Ages,
    plain_errors: PlainErrors,
}

type Attempt<B> = Result<Response<Incoming>, TrySendError<Request<RequestBody<B>>>>;

impl<B> Forwarder<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// A forwarder that shares nothing.
    #[must_use]
    pub fn new(dial: Arc<dyn Dial>, config: Config) -> Self {
        let shared = Shared::new(&config);
        Self::sharing(dial, config, shared)
    }

    /// A forwarder that shares connections with all others that got a clone of `shared`. All should have equal
    /// configurations.
    #[must_use]
    pub fn sharing(dial: Arc<dyn Dial>, config: Config, shared: Shared<B>) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .max_header_size(config.max_response_head_bytes)
            .max_buf_size(config.max_response_head_bytes.max(BUFFER_BYTES));
        Self {
            pool: Pool::new(&config, shared),
            ages: Ages::new(config.max_connection_age),
            plain_errors: PlainErrors::new(config.response_header_timeout),
            dial,
            config,
            http1,
        }
    }

    /// Rewrites `request` by `rules`, sends it to `target`, and gives its answer as soon as the head is
    /// there.
    ///
    /// Method and body are the client's; the URI is the target's, whatever the request says; extensions do
    /// not pass. The answer's head is rewritten, and its body scrubbed as it comes. An answer may come while
    /// the client still sends; 1xx answers are swallowed.
    ///
    /// Dropping the future, or the answer's body before its end, closes the connection, or over HTTP/2 resets
    /// the stream.
    ///
    /// # Errors
    ///
    /// When the request may not be sent, cannot be, or is not answered in time; and when the answer is none
    /// that may go to a client. [`ForwardError::fault`] says whose fault it is.
    pub async fn forward(
        &self,
        mut request: Request<B>,
        target: Target,
        rules: Rules<'_>,
    ) -> Result<Response<ResponseBody>, ForwardError> {
        let rules = &with_scrubber(rules);
        let endpoint = target.endpoint();
        if headers::is_never_forwarded(request.method()) {
            return Err(ForwardError::new(Kind::Method, endpoint));
        }
        headers::prepare_request(request.headers_mut(), endpoint, &rules.lend())
            .map_err(|error| ForwardError::because(Kind::WrongDestination, endpoint, error))?;
        let method = request.method().clone();
        let (mut parts, body) = request.into_parts();
        frame_request(&mut parts.headers, &method, &body);
        parts.uri = Uri::from(target.path_and_query().clone());
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        let body = RequestBody::new(body, &self.config);
        let (response, lease) = self
            .exchange(Request::from_parts(parts, body), endpoint)
            .await?;
        let rules = rules.lend();
        let response = self.answer(response, lease, &method, &target, &rules)?;
        match rules.scrubber {
            // Boxed because it is rare: the future of every request would carry its room.
            Some(scrubber) if plain_errors::is_needed(&response) => {
                Box::pin(self.plain_errors.make(response, scrubber, endpoint)).await
            }
            _ => Ok(response),
        }
    }

    /// Closes connections that are unused for too long or closed by the other side.
    ///
    /// Happens by itself when a new connection is made; a worker that may see no traffic for long calls it
    /// now and then.
    pub fn sweep(&self) {
        self.pool.sweep(Instant::now(), &self.config);
    }

    /// How many unused HTTP/1.1 connections are kept.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.pool.idle()
    }

    /// Sends the request, again where the upstream cannot have worked on it.
    async fn exchange(
        &self,
        mut request: Request<RequestBody<B>>,
        endpoint: &Arc<Endpoint>,
    ) -> Result<(Response<Incoming>, Box<dyn Lease>), ForwardError> {
        let shelf = self.pool.shelf(endpoint.origin());
        let mut now = Instant::now();
        let mut kept = self.take(&shelf, now).await;
        let mut attempt: u8 = 0;
        loop {
            attempt = attempt.saturating_add(1);
            let (way, is_kept) = match kept.take() {
                Some(way) => (way, true),
                None => {
                    // Boxed because it is rare and large: the future of every request would carry its room.
                    let opening = self.open(endpoint, &shelf, self.config.offer);
                    let opened = Box::pin(opening).await?;
                    now = Instant::now();
                    (opened.way, opened.is_kept)
                }
            };
            let deadline = now + self.config.response_header_timeout;
            let failed = match way {
                Way::Http1(mut conn) => match send(&mut conn, request, deadline).await {
                    Some(Ok(response)) => return Ok((response, conn)),
                    Some(Err(error)) => Unanswered::over_http1(error, is_kept),
                    None => return Err(ForwardError::new(Kind::HeaderTimeout, endpoint)),
                },
                Way::Http2(stream) => {
                    let room = self.config.replay_bytes;
                    let sending = stream.send(request, endpoint, deadline, room);
                    match Box::pin(sending).await {
                        Ok((response, stream)) => return Ok((response, stream)),
                        Err(failed) => failed.on_fresh(!is_kept),
                    }
                }
            };
            let again = retry::next(failed.failure, attempt);
            let (Next::Again | Next::AgainFresh, Some(unsent)) = (again, failed.request) else {
                return Err(unanswered(failed.cause, endpoint));
            };
            request = unsent;
            if again == Next::Again {
                kept = self.take(&shelf, now).await;
            }
        }
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) const fn plain_errors(&self) -> &PlainErrors {
        &self.plain_errors
    }

    pub(crate) fn answer(
        &self,
        response: Response<Incoming>,
        lease: Box<dyn Lease>,
        method: &Method,
        target: &Target,
        rules: &Rules<'_>,
    ) -> Result<Response<ResponseBody>, ForwardError> {
        let endpoint = target.endpoint();
        let (mut parts, incoming) = response.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(ForwardError::new(Kind::UnaskedUpgrade, endpoint));
        }
        headers::prepare_response(&mut parts.headers, parts.status, target, rules)
            .map_err(|error| ForwardError::because(Kind::RedirectOutside, endpoint, error))?;
        let bodiless = method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
        frame_response(&mut parts.headers, bodiless, &incoming);
        // What an HTTP/1.0 upstream says of itself is not true of us, and extensions hold its reason phrase.
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        let is_error = parts.status.is_client_error() || parts.status.is_server_error();
        let forms = match coding(&parts.headers) {
            Coding::Compressed => Forms::None,
            Coding::Plain | Coding::Unknown if is_error => Forms::All,
            Coding::Plain | Coding::Unknown => Forms::Raw,
        };
        let scrub = rules.scrubber.map(|scrubber| (scrubber.clone(), forms));
        let body = ResponseBody::new(incoming, lease, scrub, self.config.response_idle_timeout);
        Ok(Response::from_parts(parts, body))
    }
}

impl<B> fmt::Debug for Forwarder<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder")
            .field("dial", &self.dial)
            .field("config", &self.config)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// Rules with the scrubber that belongs to their credential.
pub(crate) struct Scrubbed<'a> {
    rules: Rules<'a>,
    /// Built here where the caller gave none, or another credential's.
    own: Option<Arc<Scrubber>>,
}

pub(crate) fn with_scrubber(rules: Rules<'_>) -> Scrubbed<'_> {
    let own = match rules.scrubber {
        _ if !rules.injects() => None,
        Some(scrubber) if scrubber.is_for_all(rules.injected()) => None,
        _ => Some(Arc::new(Scrubber::for_all(rules.injected().cloned()))),
    };
    Scrubbed { rules, own }
}

impl Scrubbed<'_> {
    pub(crate) fn lend(&self) -> Rules<'_> {
        Rules {
            scrubber: self.own.as_ref().or(self.rules.scrubber),
            ..self.rules
        }
    }
}

/// Hands the request to the connection and waits for the head of its answer; none if it takes too long.
async fn send<B>(
    conn: &mut Conn<B>,
    mut request: Request<RequestBody<B>>,
    deadline: Instant,
) -> Option<Attempt<B>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    conn.timer.as_mut().reset(deadline);
    request.body_mut().begin(&conn.upload);
    let mut sending = pin!(conn.sender.try_send_request(request));
    let timer = &mut conn.timer;
    poll_fn(|cx| {
        if let Poll::Ready(attempt) = sending.as_mut().poll(cx) {
            return Poll::Ready(Some(attempt));
        }
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}

impl<B> Unanswered<B> {
    fn over_http1(mut error: TrySendError<Request<RequestBody<B>>>, is_kept: bool) -> Self {
        let mut request = error.take_message();
        if let Some(unsent) = &mut request {
            unsent.body_mut().leave();
        }
        Self {
            failure: match (&request, is_kept) {
                (Some(_), true) => Failure::UnsentOnKept,
                (Some(_), false) => Failure::UnsentOnFresh,
                (None, _) => Failure::Sent,
            },
            request,
            cause: Cause::Failed(error.into_error()),
        }
    }

    fn on_fresh(mut self, is_fresh: bool) -> Self {
        if is_fresh && self.failure == Failure::UnsentOnKept {
            self.failure = Failure::UnsentOnFresh;
        }
        self
    }
}

/// Why there is no answer.
fn unanswered(cause: Cause, endpoint: &Arc<Endpoint>) -> ForwardError {
    let of_body = |body: &RequestBodyError| match body {
        RequestBodyError::Idle | RequestBodyError::Slow => Kind::RequestBodyTimeout,
        RequestBodyError::Broken(_) => Kind::RequestBody,
        RequestBodyError::Fine => Kind::RequestBodyTooFine,
        RequestBodyError::Answered => Kind::UpstreamClosed,
    };
    match cause {
        Cause::TimedOut => ForwardError::new(Kind::HeaderTimeout, endpoint),
        Cause::RequestBody(error) => ForwardError::because(of_body(&error), endpoint, error),
        Cause::Failed(error) => {
            let body = std::error::Error::source(&error)
                .and_then(|source| source.downcast_ref::<RequestBodyError>());
            let kind = match body {
                Some(body) => of_body(body),
                None if error.is_parse() => Kind::InvalidAnswer,
                None => Kind::UpstreamClosed,
            };
            ForwardError::because(kind, endpoint, error)
        }
    }
}
