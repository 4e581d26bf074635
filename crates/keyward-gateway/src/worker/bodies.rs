//! Taking a request's body along for the log.

use bytes::Bytes;
use http::{Request, header::CONTENT_ENCODING};
use http_body::Body;
use keyward_forward::BoxError;

use super::{Worker, by_body::not_whole};
use crate::{
    log::{Bodies, Noted},
    replay::{NotWhole, Replayable},
    respond::Refusal,
};

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// What the log is to keep of a request's bodies; none where it keeps none. Reads the request's, where that is short
    /// enough, there is room for it, and it is not compressed: what is in it could not be masked.
    pub(super) async fn bodies(
        &self,
        request: &mut Request<Replayable<B>>,
        noted: Noted,
    ) -> Result<Option<Box<Bodies>>, Refusal> {
        let most = self.gateway.config().log_body_bytes;
        if most == 0 || !noted.may_keep_bodies(request.headers()) {
            return Ok(None);
        }
        let length = request.body().size_hint().exact();
        let length = length.and_then(|length| usize::try_from(length).ok());
        let is_short = length.is_some_and(|length| (1..=most).contains(&length));
        let mut body = None;
        if is_short && !request.headers().contains_key(CONTENT_ENCODING) {
            body = match self.whole(request).await {
                Ok(whole) => Some(whole),
                // It was not begun, and goes on as it is.
                Err(NotWhole::NoRoom) if request.body().is_untouched() => None,
                Err(error) => return Err(not_whole(&error)),
            };
        }
        Ok(Some(Box::new(Bodies::new(most, body))))
    }
}
