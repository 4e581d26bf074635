//! The same answers over HTTP/2.

use std::{convert::Infallible, future::pending, rc::Rc};

use bytes::Bytes;
use futures_util::stream;
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Gate, is_authorized};
use crate::streams::{Ask, PER_HTTP2_CONNECTION, ThisThread, event};

/// Answers every request for events of a connection; bodies of bytes are not to be had here.
pub(super) async fn connection<S>(stream: S, gate: Rc<Gate>) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&request, Rc::clone(&gate));
        async move { Ok::<_, Infallible>(answer) }
    });
    http2::Builder::new(ThisThread)
        .max_concurrent_streams(PER_HTTP2_CONNECTION)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer<B>(
    request: &Request<B>,
    gate: Rc<Gate>,
) -> Response<impl Body<Data = Bytes, Error = Infallible> + use<B>> {
    let ask = request.uri().query().and_then(Ask::parse);
    let key = request.headers().get(AUTHORIZATION);
    let status = match ask {
        _ if !key.is_some_and(|key| key.to_str().is_ok_and(is_authorized)) => {
            StatusCode::UNAUTHORIZED
        }
        None | Some(Ask::Bytes(_)) => StatusCode::NOT_FOUND,
        Some(Ask::Hold | Ask::Events { .. }) => StatusCode::OK,
    };
    let ask = ask.filter(|_| status == StatusCode::OK);
    let events = stream::unfold((0, None), move |(number, mut open)| {
        let gate = Rc::clone(&gate);
        async move {
            match ask {
                Some(Ask::Hold) if number > 0 => pending().await,
                Some(Ask::Events { count, .. }) if number >= count => return None,
                Some(Ask::Events { gate: wanted, .. }) if number == 1 => {
                    open = Some(gate.pass(wanted).await);
                }
                // The streams go on in turn.
                Some(Ask::Hold | Ask::Events { .. }) => tokio::task::yield_now().await,
                None | Some(Ask::Bytes(_)) => return None,
            }
            let frame = Frame::data(Bytes::from(event(number)));
            Some((Ok(frame), (number + 1, open)))
        }
    });
    let mut response = Response::new(StreamBody::new(events));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}
