//! Taking a request's body along for the log.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Request,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING},
};
use http_body::Body;
use keyward_forward::BoxError;
use keyward_providers::Class;

use super::Worker;
use crate::{
    log::{Bodies, Noted},
    replay::Replayable,
    request::Plan,
    respond::Refusal,
};

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// What the log is to keep of a request's bodies; none where it keeps none. Reads the request's, where that is short
    /// enough, there is room for it, and it is not compressed: what is in it could not be masked. The answer is asked for
    /// uncompressed.
    pub(super) async fn bodies(
        &self,
        plan: &Plan,
        request: &mut Request<Replayable<B>>,
        noted: Noted,
    ) -> Result<Option<Box<Bodies>>, Refusal> {
        let most = self.gateway.config().log_body_bytes;
        let is_kept = most > 0 && runs_a_model(plan.class);
        if !is_kept || !noted.may_keep_bodies(request.headers()) {
            return Ok(None);
        }
        let mut bodies = Bodies::new(most, Arc::clone(self.gateway.log_room()));
        let length = request.body().size_hint().exact();
        let length = length.and_then(|length| usize::try_from(length).ok());
        let is_short = length.is_some_and(|length| (1..=most).contains(&length));
        if is_short
            && !request.headers().contains_key(CONTENT_ENCODING)
            && let Some(whole) = self.read_along(request).await?
        {
            bodies.asked(&whole.joined());
        }
        let identity = HeaderValue::from_static("identity");
        request.headers_mut().insert(ACCEPT_ENCODING, identity);
        Ok(Some(Box::new(bodies)))
    }
}

/// Whether it is a model that answers. What else there is may answer with a credential.
const fn runs_a_model(class: Class) -> bool {
    matches!(
        class,
        Class::Inference | Class::Embeddings | Class::Images | Class::Audio | Class::Video
    )
}
