//! A request of a token for some models, whose body names the one it is for: the body is read, and the request decided
//! again.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Request, Uri,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body::Body;
use keyward_forward::BoxError;
use keyward_routes::{check_encoding, sole_model};

use super::{Worker, now};
use crate::{
    replay::{MOST_WHOLE, NotWhole, Replayable},
    request::{BodyModel, Plan, Sender, Stop},
    respond::Refusal,
    traffic::Series,
};

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// What becomes of a request once its body is read, and what it counts under. The body can be sent afterwards.
    ///
    /// The token is looked up again: it may be gone since.
    pub(super) async fn decide_by_model(
        &self,
        request: &mut Request<Replayable<B>>,
        uri: &Uri,
        sender: Sender<'_>,
    ) -> (Result<Plan, Refusal>, Option<Series>) {
        let model = match self.read_model(request).await {
            Ok(model) => model,
            Err(refusal) => return (Err(refusal), None),
        };
        let sender = Sender {
            model: BodyModel::Named(&model),
            ..sender
        };
        let (decided, counted) = self.decide(request, uri, None, sender, now());
        (decided.map_err(Stop::refusal), counted)
    }

    async fn read_model(&self, request: &mut Request<Replayable<B>>) -> Result<Box<str>, Refusal> {
        let unread = |error: keyward_routes::BodyError| Refusal::ModelUnread(error.to_string());
        let encoding = sole(request.headers(), &CONTENT_ENCODING)?;
        check_encoding(encoding).map_err(unread)?;
        let content_type = sole(request.headers(), &CONTENT_TYPE)?.unwrap_or_default();
        let content_type = content_type.to_vec();
        let (room, config) = (self.gateway.replay_room(), &self.gateway.config().forward);
        let body = request.body_mut().read_whole(room, config).await;
        let body = body.map_err(|error| not_whole(&error))?;
        sole_model(&content_type, &body).map_err(unread)
    }
}

const MOST_MIB: usize = MOST_WHOLE / (1024 * 1024);

/// What the client is told of a body that cannot be read to its end.
pub(super) fn not_whole(error: &NotWhole) -> Refusal {
    match error {
        NotWhole::TooLarge => Refusal::BodyTooLong { mib: MOST_MIB },
        NotWhole::NoRoom => Refusal::Busy,
        NotWhole::Slow => {
            Refusal::RequestBodySlow("the request's body came too slowly; send it again".to_owned())
        }
        NotWhole::Broken => Refusal::RequestBody(
            "the request's body broke off or is malformed; send it again".to_owned(),
        ),
    }
}

/// The value of a header. Of several, one server takes the first and another the last.
fn sole<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h [u8]>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    match values.next() {
        None => Ok(first.map(http::HeaderValue::as_bytes)),
        Some(_) => Err(Refusal::ModelUnread(format!(
            "header `{name}` stands in the request more than once; send it once"
        ))),
    }
}
