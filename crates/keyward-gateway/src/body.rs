//! The body of an answer: the provider's, streamed, or our own.

mod thinned;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use keyward_forward::{BodyError, ResponseBody};

use self::thinned::Thinned;
pub(crate) use self::thinned::without_extra_chunk;
use crate::{cut::Watch, evidence::Front, in_flight::RequestSlot, log::Telling};

/// The body of an answer of the data plane.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every answer is the large one, and a box would be an allocation for each"
)]
pub(crate) enum AnswerBody {
    Forwarded {
        body: ResponseBody,
        watch: Watch,
        telling: Telling,
        _slot: RequestSlot,
    },
    /// Boxed because it is rare and larger.
    Behind(Box<Behind>),
    /// A stream that says what it took because the gateway asked. Boxed as well.
    Thinned(Box<Thinned>),
    Own(Option<Bytes>),
}

/// A provider's answer of which the beginning was read already.
#[derive(Debug)]
pub(crate) struct Behind {
    front: Front,
    body: ResponseBody,
    watch: Watch,
    telling: Telling,
    _slot: RequestSlot,
}

/// An answer ended early. The client's connection ends with it, so that the answer does not look complete.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct AnswerError {
    kind: AnswerErrorKind,
}

#[derive(Debug, thiserror::Error)]
enum AnswerErrorKind {
    #[error("the provider's answer broke off")]
    Provider(#[source] BodyError),
    #[error("what the request uses was revoked, and it was cut")]
    Cut,
}

impl AnswerError {
    /// Whether what the request uses was revoked, and the request was cut.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        matches!(self.kind, AnswerErrorKind::Cut)
    }

    fn provider(error: BodyError) -> Self {
        let kind = AnswerErrorKind::Provider(error);
        Self { kind }
    }
}

impl AnswerBody {
    /// A provider's answer, which keeps its request's place until it is over, and may be cut.
    pub(crate) const fn forwarded(body: ResponseBody, watch: Watch, slot: RequestSlot) -> Self {
        Self::Forwarded {
            body,
            watch,
            telling: Telling::NOBODY,
            _slot: slot,
        }
    }

    /// The same, with what was read of it before.
    pub(crate) fn behind(
        front: Front,
        body: ResponseBody,
        watch: Watch,
        slot: RequestSlot,
    ) -> Self {
        Self::Behind(Box::new(Behind {
            front,
            body,
            watch,
            telling: Telling::NOBODY,
            _slot: slot,
        }))
    }

    /// Has the log told of the request when its answer has ended.
    pub(crate) fn tell(&mut self, mut told: Telling) {
        if self.is_end_stream() {
            // Nobody asks for the end of what is empty.
            told.ended();
        }
        match self {
            Self::Forwarded { telling, .. } => *telling = told,
            Self::Behind(behind) => behind.telling = told,
            Self::Thinned(_) | Self::Own(_) => {}
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let (mut front, body, watch, telling) = match &mut *self {
            Self::Own(bytes) => {
                return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))));
            }
            Self::Thinned(thinned) => return thinned.poll_frame(context),
            Self::Forwarded {
                body,
                watch,
                telling,
                ..
            } => (None, body, watch, telling),
            Self::Behind(behind) => {
                let behind = &mut **behind;
                let Behind {
                    front,
                    body,
                    watch,
                    telling,
                    ..
                } = behind;
                (Some(front), body, watch, telling)
            }
        };
        let is_cut = watch.has_to_look() && watch.poll_revoked(context).is_ready();
        let frame = match is_cut {
            true => Poll::Pending,
            false => match front.as_mut().and_then(|front| front.next()) {
                Some(frame) => Poll::Ready(Some(frame)),
                None => Pin::new(&mut *body).poll_frame(context),
            },
        };
        let is_last = front.is_none_or(|front| front.is_empty());
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    telling.passes(bytes);
                }
                // Where the length is known, nobody asks for more.
                if is_last && body.is_end_stream() {
                    telling.ended();
                }
            }
            Poll::Ready(None) => telling.ended(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        if frame.is_pending() && (is_cut || watch.poll_revoked(context).is_ready()) {
            // The provider's connection closes at once, whenever this body is dropped.
            self.set(Self::Own(None));
            let kind = AnswerErrorKind::Cut;
            return Poll::Ready(Some(Err(AnswerError { kind })));
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(AnswerError::provider)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Forwarded { body, .. } => body.is_end_stream(),
            Self::Behind(behind) => behind.front.is_empty() && behind.body.is_end_stream(),
            Self::Thinned(thinned) => thinned.is_over(),
            Self::Own(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Forwarded { body, .. } => body.size_hint(),
            Self::Behind(behind) => behind.front.before(behind.body.size_hint()),
            Self::Thinned(_) => SizeHint::default(),
            Self::Own(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{AnswerError, AnswerErrorKind};

        keyward_testing::assert_texts!("AnswerError", [
            "a revocation" => AnswerError { kind: AnswerErrorKind::Cut },
        ]);
    }
}
