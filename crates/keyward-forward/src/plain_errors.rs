//! Compressed error answers, made plain: a provider's error may repeat the credential, and in a compressed one
//! nobody would find it.
//!
//! The body is read as a whole, within the caps of `decode.rs`; errors are short, and nobody streams them.

use std::{future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG},
};
use http_body::Body;
use tokio::sync::Semaphore;

use crate::{
    BoxError, Endpoint, ForwardError, Kind, ResponseBody, Scrubber,
    coding::DecodeError,
    decode::{self, MOST_COMPRESSED},
    headers::{Coding, coding},
};

/// What describes the bytes that came and not those that go on.
const OF_THE_BYTES: [HeaderName; 8] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    ACCEPT_RANGES,
    ETAG,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// What makes the errors of one forwarder plain.
pub(crate) struct PlainErrors {
    /// How long all of a body may take.
    within: Duration,
    /// One is decoded at a time: a decoder may take as much memory as many requests.
    turn: Semaphore,
}

/// Whether the answer is one to make plain.
pub(crate) fn is_needed(response: &Response<ResponseBody>) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error())
        && coding(response.headers()) != Coding::Plain
        && !response.body().is_end_stream()
}

impl PlainErrors {
    pub(crate) const fn new(within: Duration) -> Self {
        Self {
            within,
            turn: Semaphore::const_new(1),
        }
    }

    /// Reads the answer's body, decodes and scrubs it, and lets the head say so.
    pub(crate) async fn make(
        &self,
        response: Response<ResponseBody>,
        scrubber: &Scrubber,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Response<ResponseBody>, ForwardError> {
        let (mut parts, body) = response.into_parts();
        // The client waits for a head all the while, and pauses alone would let a body take for ever.
        let read = tokio::time::timeout(self.within, read(body, endpoint)).await;
        let read =
            read.map_err(|late| ForwardError::because(Kind::HeaderTimeout, endpoint, late))??;
        let decoded = match read {
            Some((compressed, trailers)) => {
                let _turn = self.turn.acquire().await;
                decode::decode(&parts.headers, &compressed).map(|plain| (plain, trailers))
            }
            None => Err(DecodeError::TooLong),
        };
        let (plain, trailers) =
            decoded.map_err(|error| ForwardError::because(Kind::Undecodable, endpoint, error))?;
        for name in OF_THE_BYTES {
            parts.headers.remove(name);
        }
        let plain = Bytes::from(scrubber.scrub_text(&plain));
        if trailers.is_none() {
            parts
                .headers
                .insert(CONTENT_LENGTH, HeaderValue::from(plain.len()));
        }
        Ok(Response::from_parts(
            parts,
            ResponseBody::whole(plain, trailers),
        ))
    }
}

type Read = (Vec<u8>, Option<Box<HeaderMap>>);

/// The whole body; none if it is too long.
async fn read(
    mut body: ResponseBody,
    endpoint: &Arc<Endpoint>,
) -> Result<Option<Read>, ForwardError> {
    let mut read = Vec::new();
    let mut trailers = None;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| {
            let kind = match error.is_timeout() {
                true => Kind::HeaderTimeout,
                false => Kind::UpstreamClosed,
            };
            ForwardError::because(kind, endpoint, BoxError::from(error))
        })?;
        match frame.into_data() {
            Ok(data) if read.len() + data.len() > MOST_COMPRESSED => return Ok(None),
            Ok(data) => read.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok().map(Box::new),
        }
    }
    Ok(Some((read, trailers)))
}
