//! A request whose body decides: of a token for some models, or for a pool that keeps conversations together. The body is
//! read, and the request decided again.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Request, Uri,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body::Body;
use keyward_forward::BoxError;
use keyward_routes::{BodyError, JsonBody, check_encoding, sole_model};
use sha2::{Digest as _, Sha256};

use super::{Worker, now};
use crate::{
    replay::{LONGEST_READ, MOST_WHOLE, NotWhole, Replayable, Whole},
    request::{Plan, ReadFor, Seen, Sender, Stop},
    respond::Refusal,
    traffic::Series,
};

/// What was read of a body that decides.
#[derive(Debug)]
pub(super) struct Read {
    model: Option<Box<str>>,
    /// The digest by which its conversation is known.
    conversation: Option<[u8; 32]>,
}

impl Read {
    /// The sender of a request whose body may have been read.
    pub(super) fn behind<'a>(read: Option<&'a Self>, sender: Sender<'a>) -> Sender<'a> {
        let seen = read.map_or(sender.seen, Self::seen);
        Sender { seen, ..sender }
    }

    fn seen(&self) -> Seen<'_> {
        Seen::Read {
            model: self.model.as_deref(),
            conversation: self.conversation.as_ref().map(<[u8; 32]>::as_slice),
        }
    }
}

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// What becomes of a request once its body is read, and what it counts under. The body can be sent afterwards. What was
    /// read of it is put into `read`.
    ///
    /// The token is looked up again: it may be gone since.
    pub(super) async fn decide_by_body(
        &self,
        request: &mut Request<Replayable<B>>,
        uri: &Uri,
        (sender, why): (Sender<'_>, ReadFor),
        read: &mut Option<Read>,
    ) -> (Result<Plan, Refusal>, Option<Series>) {
        let read = match self.read(request, why).await {
            Ok((model, conversation)) => read.insert(Read {
                model,
                conversation,
            }),
            Err(refusal) => return (Err(refusal), None),
        };
        let sender = Sender {
            seen: read.seen(),
            ..sender
        };
        let again = self.decide(request, uri, None, sender, now());
        (again.decided.map_err(Stop::refusal), again.counted)
    }

    async fn read(
        &self,
        request: &mut Request<Replayable<B>>,
        why: ReadFor,
    ) -> Result<(Option<Box<str>>, Option<[u8; 32]>), Refusal> {
        match why {
            ReadFor::Model => {
                let encoding = sole(request.headers(), &CONTENT_ENCODING)?;
                check_encoding(encoding).map_err(unread)?;
                let content_type = sole(request.headers(), &CONTENT_TYPE)?.unwrap_or_default();
                let content_type = content_type.to_vec();
                let body = self
                    .whole(request)
                    .await
                    .map_err(|error| not_whole(&error))?;
                let body = body.joined();
                let model = sole_model(&content_type, &body).map_err(unread)?;
                Ok((Some(model), conversation(&body)))
            }
            ReadFor::Conversation => match self.whole(request).await {
                Ok(body) => Ok((None, conversation(&body.joined()))),
                // It was not begun, and goes on as it is.
                Err(NotWhole::NoRoom) if request.body().is_untouched() => Ok((None, None)),
                Err(error) => Err(not_whole(&error)),
            },
        }
    }

    /// The body, which can be sent afterwards.
    pub(super) async fn whole(
        &self,
        request: &mut Request<Replayable<B>>,
    ) -> Result<Whole, NotWhole> {
        let (room, config) = (self.gateway.replay_room(), &self.gateway.config().forward);
        let body = request.body_mut();
        body.read_whole(room, config, Some(LONGEST_READ)).await
    }

    /// The body of a request that would be sent without being read: it may take the time that it may take otherwise. None
    /// where there is no room for it, and it goes on as it is.
    pub(super) async fn read_along(
        &self,
        request: &mut Request<Replayable<B>>,
    ) -> Result<Option<Whole>, Refusal> {
        let (room, config) = (self.gateway.replay_room(), &self.gateway.config().forward);
        match request.body_mut().read_whole(room, config, None).await {
            Ok(whole) => Ok(Some(whole)),
            Err(NotWhole::NoRoom) if request.body().is_untouched() => Ok(None),
            Err(error) => Err(not_whole(&error)),
        }
    }
}

fn unread(error: BodyError) -> Refusal {
    Refusal::ModelUnread(error.to_string())
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

/// By what a conversation is known: a digest of how it begins. None for a body that is no JSON or holds none.
fn conversation(body: &Bytes) -> Option<[u8; 32]> {
    let body = JsonBody::read(body).ok()?;
    let mut digest = Sha256::new();
    for part in body.conversation_start()?.parts() {
        // With its length, so that parts cannot run into each other.
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    Some(digest.finalize().into())
}

/// The value of a header. Of several, one server takes the first and another the last.
pub(super) fn sole<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h [u8]>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    match values.next() {
        None => Ok(first.map(http::HeaderValue::as_bytes)),
        Some(_) => Err(Refusal::ModelUnread(format!(
            "header `{name}` stands in the request more than once; send it once"
        ))),
    }
}
