//! The forwarder: the way of one request from its rewriting to the first frame of its answer.
//!
//! HTTP/1.1 upstreams, in clear and over TLS. HTTP/2 upstreams, shared per origin, come in beside
//! [`Pool`]: the dialler tells the protocol, and `attempt` asks the origin's shared sender first.

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
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::{
    BoxError, Config, Dial, Endpoint, ForwardError, Kind, ResponseBody, Rules, Scrubber, Target,
    body::{RequestBody, RequestBodyError},
    dial::Offer,
    headers::{self, frame_request, frame_response, is_identity},
    pool::{Conn, Pool, Shelf},
    retry::{self, Failure, Next},
    scrub::Forms,
};

/// Bytes hyper may buffer per connection and direction, beyond a head.
const BUFFER_BYTES: usize = 64 * 1024;

/// Forwards requests whose bodies are `B`, over connections of its own.
///
/// A worker owns one: nothing is shared between forwarders but the dialler. Connections run as tasks of the
/// runtime that [`forward`](Self::forward) is called on, and end when the forwarder is dropped and their
/// last answers are read or dropped.
pub struct Forwarder<B> {
    dial: Arc<dyn Dial>,
    config: Config,
    http1: http1::Builder,
    pool: Pool<B>,
}

type Attempt<B> = Result<Response<Incoming>, TrySendError<Request<RequestBody<B>>>>;

impl<B> Forwarder<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// A forwarder without connections.
    #[must_use]
    pub fn new(dial: Arc<dyn Dial>, config: Config) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .max_header_size(config.max_response_head_bytes)
            .max_buf_size(config.max_response_head_bytes.max(BUFFER_BYTES));
        Self {
            pool: Pool::new(config.pool_idle_timeout, config.max_idle_per_origin),
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
    /// Dropping the future, or the answer's body before its end, closes the connection.
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
        let body = RequestBody::new(body, self.config.request_idle_timeout);
        let (response, conn) = self
            .exchange(Request::from_parts(parts, body), endpoint)
            .await?;
        self.answer(response, conn, &method, &target, &rules.lend())
    }

    /// Closes connections that are unused for too long or closed by the other side.
    ///
    /// Happens by itself when a new connection is made; a worker that may see no traffic for long calls it
    /// now and then.
    pub fn sweep(&self) {
        self.pool.sweep(Instant::now());
    }

    /// How many unused connections are kept.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.pool.idle()
    }

    /// Sends the request, again where nothing of it was sent.
    async fn exchange(
        &self,
        mut request: Request<RequestBody<B>>,
        endpoint: &Arc<Endpoint>,
    ) -> Result<(Response<Incoming>, Box<Conn<B>>), ForwardError> {
        let shelf = self.pool.shelf(endpoint.origin());
        let mut now = Instant::now();
        let mut kept = self.pool.take(&shelf, now);
        let mut attempt: u8 = 0;
        loop {
            attempt = attempt.saturating_add(1);
            let is_kept = kept.is_some();
            let mut conn = match kept.take() {
                Some(conn) => conn,
                None => {
                    // Boxed because it is rare and large: the future of every request would carry its room.
                    let conn = Box::pin(self.open(endpoint, &shelf)).await?;
                    now = Instant::now();
                    conn
                }
            };
            let deadline = now + self.config.response_header_timeout;
            let mut error = match send(&mut conn, request, deadline).await {
                Some(Ok(response)) => return Ok((response, conn)),
                Some(Err(error)) => error,
                None => return Err(ForwardError::new(Kind::HeaderTimeout, endpoint)),
            };
            let unsent = error.take_message();
            let failure = match (&unsent, is_kept) {
                (Some(_), true) => Failure::UnsentOnKept,
                (Some(_), false) => Failure::UnsentOnFresh,
                (None, _) => Failure::Sent,
            };
            let again = retry::next(failure, attempt);
            let (Next::Again | Next::AgainFresh, Some(unsent)) = (again, unsent) else {
                return Err(unanswered(error.into_error(), endpoint));
            };
            request = unsent;
            if again == Next::Again {
                kept = self.pool.take(&shelf, now);
            }
        }
    }

    /// A new connection that speaks HTTP/1.1, for an exchange that only it can carry.
    pub(crate) async fn open_http1(
        &self,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Box<Conn<B>>, ForwardError> {
        let shelf = self.pool.shelf(endpoint.origin());
        self.open(endpoint, &shelf).await
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    async fn open(
        &self,
        endpoint: &Arc<Endpoint>,
        shelf: &Arc<Shelf<B>>,
    ) -> Result<Box<Conn<B>>, ForwardError> {
        self.sweep();
        let dial = self.dial.dial(endpoint.origin(), Offer::Http1);
        let connection = match tokio::time::timeout(self.config.connect_timeout, dial).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                let kind = error.kind().into();
                return Err(ForwardError::because(kind, endpoint, error));
            }
            Err(elapsed) => {
                let kind = Kind::ConnectTimeout;
                return Err(ForwardError::because(kind, endpoint, elapsed));
            }
        };
        let handshake = self.http1.handshake(TokioIo::new(connection)).await;
        let (sender, connection) = handshake
            .map_err(|error| ForwardError::because(Kind::UpstreamClosed, endpoint, error))?;
        // The task ends with its connection: when the sender and the last body are dropped, or when the
        // other side closes.
        drop(tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        }));
        Ok(Conn::new(sender, shelf, Instant::now()))
    }

    pub(crate) fn answer(
        &self,
        response: Response<Incoming>,
        conn: Box<Conn<B>>,
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
        let forms = match is_identity(&parts.headers) {
            false => Forms::None,
            true if is_error => Forms::All,
            true => Forms::Raw,
        };
        let scrub = rules.scrubber.map(|scrubber| (scrubber.clone(), forms));
        let body = ResponseBody::new(incoming, conn, scrub, self.config.response_idle_timeout);
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
    let own = match (rules.credential, rules.scrubber) {
        (Some(credential), Some(scrubber)) if scrubber.is_for(credential) => None,
        (Some(credential), _) => Some(Arc::new(Scrubber::new(credential))),
        (None, _) => None,
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
pub(crate) async fn send<B>(
    conn: &mut Conn<B>,
    request: Request<RequestBody<B>>,
    deadline: Instant,
) -> Option<Attempt<B>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    conn.timer.as_mut().reset(deadline);
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

/// Why hyper has no answer.
pub(crate) fn unanswered(error: hyper::Error, endpoint: &Arc<Endpoint>) -> ForwardError {
    let body = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<RequestBodyError>());
    let kind = match body {
        Some(RequestBodyError::Idle) => Kind::RequestBodyTimeout,
        Some(RequestBodyError::Broken(_)) => Kind::RequestBody,
        None if error.is_parse() => Kind::InvalidAnswer,
        None => Kind::UpstreamClosed,
    };
    ForwardError::because(kind, endpoint, error)
}
