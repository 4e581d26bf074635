//! One HTTP/1.1 connection.

use std::{
    error::Error,
    future::{Future, poll_fn},
    pin::pin,
};

use futures_util::TryFutureExt;
use http::{HeaderValue, Request, Response, StatusCode, header::CONNECTION};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::{Config, Drain, io::Io};

/// How many header fields hyper 1 takes unless it is told otherwise.
const HYPER_MAX_HEADERS: usize = 100;
/// The smallest read buffer that hyper takes; it panics below.
const LEAST_BUFFER: usize = 8192;

/// hyper, set up for `config`.
pub(crate) fn builder(config: &Config) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_buf_size(config.max_head_bytes.max(LEAST_BUFFER))
        // The buffer's limit alone lets a longer head through that comes in one read.
        .max_header_size(config.max_head_bytes);
    // hyper keeps its default on the stack; any other number costs it a cleared buffer per request.
    if config.max_headers != HYPER_MAX_HEADERS {
        http.max_headers(config.max_headers);
    }
    http
}

/// Serves `io` to its end.
pub(crate) async fn serve<S, B>(
    http: &http1::Builder,
    io: Io,
    service: S,
    drain: &Drain,
) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = service_fn(|request| {
        service.call(request).map_ok(|mut response| {
            // So that the client's next request goes elsewhere, instead of into a connection that closes.
            if drain.has_begun() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        })
    });
    let connection = http.serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection.with_upgrades());
    let mut closing = pin!(drain.closing().cancelled());
    let mut is_closing = false;
    let mut is_registered = false;
    poll_fn(|context| {
        // The token is polled once, to be woken when it is cancelled; asking it at every wake-up would take its
        // lock each time.
        if !is_registered {
            is_registered = true;
            let _woken_later = closing.as_mut().poll(context);
        }
        let shuts_down = !is_closing && drain.is_closing();
        let polled = connection.as_mut().poll(context);
        if shuts_down && polled.is_pending() {
            // Only now: hyper closes a connection without a request, and would not look whether one has come.
            is_closing = true;
            connection.as_mut().graceful_shutdown();
            return connection.as_mut().poll(context);
        }
        polled
    })
    .await
}
