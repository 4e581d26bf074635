//! The body of an answer: the provider's, streamed, or our own.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use keyward_forward::{BodyError, ResponseBody};

use crate::in_flight::RequestSlot;

/// The body of an answer of the data plane.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    Forwarded {
        body: ResponseBody,
        _slot: RequestSlot,
    },
    Own(Option<Bytes>),
}

impl AnswerBody {
    /// A provider's answer, which keeps its request's place until it is over.
    pub(crate) const fn forwarded(body: ResponseBody, slot: RequestSlot) -> Self {
        Self::Forwarded { body, _slot: slot }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Forwarded { body, .. } => Pin::new(body).poll_frame(context),
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Forwarded { body, .. } => body.is_end_stream(),
            Self::Own(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Forwarded { body, .. } => body.size_hint(),
            Self::Own(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
        }
    }
}
