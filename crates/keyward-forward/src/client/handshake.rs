//! The way of a WebSocket handshake to the head of its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{Forwarder, connect::Way, send, unanswered};
use crate::{
    BoxError, Endpoint, ForwardError, Kind, Offer,
    body::RequestBody,
    http2::Unanswered,
    pool::Conn,
    retry::{self, Next},
};

impl<B> Forwarder<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Sends a handshake over a connection that speaks HTTP/1.1, again where the upstream cannot have worked on it.
    pub(crate) async fn shake_hands(
        &self,
        mut request: Request<RequestBody<B>>,
        endpoint: &Arc<Endpoint>,
    ) -> Result<(Response<Incoming>, Box<Conn<B>>), ForwardError> {
        let shelf = self.pool.shelf(endpoint.origin());
        let mut attempt: u8 = 0;
        loop {
            attempt = attempt.saturating_add(1);
            let opened = self.open(endpoint, &shelf, Offer::Http1).await?;
            let Way::Http1(mut conn) = opened.way else {
                // A dialler that agrees on what it was not to offer.
                return Err(ForwardError::new(Kind::InvalidAnswer, endpoint));
            };
            let deadline = Instant::now() + self.config.response_header_timeout;
            conn.may_switch();
            let failed = match send(&mut conn, request, deadline).await {
                Some(Ok(response)) => {
                    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                        conn.stays();
                    }
                    return Ok((response, conn));
                }
                Some(Err(error)) => Unanswered::over_http1(error, opened.is_kept),
                None => return Err(ForwardError::new(Kind::HeaderTimeout, endpoint)),
            };
            let again = retry::next(failed.failure, attempt);
            let (Next::Again | Next::AgainFresh, Some(unsent)) = (again, failed.request) else {
                return Err(unanswered(failed.cause, endpoint));
            };
            request = unsent;
        }
    }
}
