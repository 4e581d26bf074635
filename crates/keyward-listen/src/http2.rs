//! One HTTP/2 connection.
//!
//! hyper and h2 bound what one frame or one stream can do. What a connection does as a whole is bounded here:
//! how long it may be without a stream, how many streams it may give up, and how long one may take no answer.

mod activity;
mod stream;

use std::{
    error::Error,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::http2,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, sleep_until};

use self::{
    activity::Activity,
    stream::{StreamBody, Streams},
};
use crate::{Config, Drain, Http2, io::Io};

/// The shortest grace: the end of the last answer may be known some time before its bytes are written.
const LEAST_GRACE: Duration = Duration::from_millis(100);

/// Why we ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    ByClient,
    Idle,
    Flooded,
}

/// Serves `io` to its end.
pub(crate) async fn serve<S, B>(
    config: &Config,
    limits: &Http2,
    io: Io,
    service: S,
    drain: &Drain,
) -> hyper::Result<Ended>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let activity = Arc::new(Activity::new(limits));
    let max_headers = config.max_headers;
    let service = service_fn(|request: Request<Incoming>| {
        let open = activity.open();
        let answering = (request.headers().len() <= max_headers).then(|| service.call(request));
        async move {
            match answering {
                Some(answering) => {
                    let response = answering.await?;
                    Ok::<_, S::Error>(response.map(|body| StreamBody::new(body, open)))
                }
                None => Ok(stream::too_many_headers(open)),
            }
        }
    });
    let connection = builder(config, limits).serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let mut limit = config.header_timeout;
    let grace = config.idle_grace.max(LEAST_GRACE);
    let mut idle = pin!(sleep_until(Instant::now() + limit));
    let mut flooded = pin!(activity.flooded());
    let mut begun = pin!(drain.begun());
    let mut is_registered = false;
    let mut is_told = false;
    let mut is_draining = false;
    poll_fn(|context| {
        // As on HTTP/1.1: the token is polled once, to be woken. Its lock is one that all connections share.
        if !is_registered {
            is_registered = true;
            let _woken_later = begun.as_mut().poll(context);
        }
        loop {
            if !is_draining && drain.has_begun() {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
                limit = limit.min(grace);
                idle.as_mut().reset(Instant::now() + limit);
            }
            // The connection first: what the client has sent is to be heard before it counts as idle.
            if let Poll::Ready(result) = connection.as_mut().poll(context) {
                return Poll::Ready(result.map(|()| Ended::ByClient));
            }
            if flooded.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(Ended::Flooded));
            }
            ready!(idle.as_mut().poll(context));
            match activity.idle_since() {
                Some(since) if since + limit <= Instant::now() => {
                    if is_told || is_draining {
                        return Poll::Ready(Ok(Ended::Idle));
                    }
                    is_told = true;
                    limit = grace;
                    connection.as_mut().graceful_shutdown();
                    idle.as_mut().reset(Instant::now() + limit);
                }
                Some(since) => idle.as_mut().reset(since + limit),
                None => idle.as_mut().reset(Instant::now() + limit),
            }
        }
    })
    .await
}

fn builder(config: &Config, limits: &Http2) -> http2::Builder<Streams> {
    let mut http = http2::Builder::new(Streams::new(config.write_timeout));
    http.timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX))
        .max_frame_size(limits.max_frame_bytes)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_send_buf_size(limits.send_buffer)
        .max_pending_accept_reset_streams(limits.max_pending_resets)
        .max_local_error_reset_streams(limits.max_error_resets)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
    http
}
