//! Asking for what a stream takes, where the provider tells it only then and the client does not ask.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Body;
use keyward_forward::BoxError;
use keyward_routes::{JsonBody, Spliced};
use memchr::memmem;

use super::{Worker, by_body::sole};
use crate::{replay::Replayable, respond::Refusal};

/// How long a body may be that is read for this, in bytes. Longer ones, such as those with pictures, go on as they come.
const LONGEST: u64 = 1024 * 1024;
/// Without it, no body wants a stream.
const MARK: &[u8] = b"\"stream\"";

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Has the answer's stream say what it took, where the body can be read for that. Whether it was done: then the client
    /// is not to see the chunk that it did not ask for.
    pub(super) async fn ask_for_usage(
        &self,
        request: &mut Request<Replayable<B>>,
    ) -> Result<bool, Refusal> {
        let length = request.body().size_hint().exact();
        let is_short = length.is_some_and(|length| (1..=LONGEST).contains(&length));
        if !self.gateway.config().asks_for_usage || !is_short || !is_json(request.headers()) {
            return Ok(false);
        }
        let Some(whole) = self.read_along(request).await? else {
            return Ok(false);
        };
        let Some(asking) = asking(&whole.joined()) else {
            return Ok(false);
        };
        *request.body_mut() = Replayable::Whole(whole.spliced(asking));
        let headers = request.headers_mut();
        headers.remove(CONTENT_LENGTH);
        // A chunk is taken out of what can be read alone.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(true)
    }
}

/// The body with the question in it; none where there is nothing to ask, or it says two things.
fn asking(body: &Bytes) -> Option<Spliced> {
    memmem::find(body, MARK)?;
    let body = JsonBody::read(body).ok()?;
    body.with_usage_asked(None).ok()?
}

fn is_json(headers: &HeaderMap) -> bool {
    let is_plain = !headers.contains_key(CONTENT_ENCODING);
    let content_type = sole(headers, &CONTENT_TYPE).ok().flatten();
    let is_json = content_type.is_some_and(|value| {
        let name = value.split(|byte| *byte == b';').next();
        let name = name.unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(b"application/json")
    });
    is_plain && is_json
}
