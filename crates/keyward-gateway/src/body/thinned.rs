//! A stream without the chunk that its client did not ask for.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::{Body as _, Frame};
use keyward_forward::Codings;
use keyward_providers::ExtraChunk;

use super::{AnswerBody, AnswerError};

/// The stream as the provider sends it, which the log reads, and what of it goes on.
#[derive(Debug)]
pub(crate) struct Thinned {
    whole: AnswerBody,
    extra: ExtraChunk,
    /// What may go on, and did not yet.
    passed: VecDeque<Bytes>,
    /// What comes behind that: trailers, or why the stream broke off.
    last: Option<Result<Frame<Bytes>, AnswerError>>,
    is_at_end: bool,
}

/// The answer to a request, where that was made to ask what its stream takes. What is no stream, or cannot be read, has no
/// such chunk and goes on as it is.
pub(crate) fn without_extra_chunk(
    mut answer: Response<AnswerBody>,
    is_asked: bool,
) -> Response<AnswerBody> {
    if !is_asked {
        return answer;
    }
    let headers = answer.headers();
    let content_type = headers.get(CONTENT_TYPE);
    let is_stream = content_type.is_some_and(|value| {
        let name = value.as_bytes().split(|byte| *byte == b';').next();
        let name = name.unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(b"text/event-stream")
    });
    let is_plain = Codings::of(headers).is_ok_and(|codings| codings.is_empty());
    if !answer.status().is_success() || !is_stream || !is_plain {
        return answer;
    }
    answer.headers_mut().remove(CONTENT_LENGTH);
    answer.map(|whole| {
        AnswerBody::Thinned(Box::new(Thinned {
            whole,
            extra: ExtraChunk::new(),
            passed: VecDeque::new(),
            last: None,
            is_at_end: false,
        }))
    })
}

impl Thinned {
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        loop {
            if let Some(bytes) = self.passed.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if self.is_at_end {
                return Poll::Ready(self.last.take());
            }
            let next = ready!(Pin::new(&mut self.whole).poll_frame(context));
            let passed = &mut self.passed;
            match next.map(|next| next.map(Frame::into_data)) {
                Some(Ok(Ok(bytes))) => self.extra.push(bytes, |bytes| passed.push_back(bytes)),
                end => {
                    // Also of a stream that broke off: what came of it is the client's.
                    self.extra.finish(|bytes| passed.push_back(bytes));
                    self.is_at_end = true;
                    self.last = match end {
                        Some(Ok(Err(trailers))) => Some(Ok(trailers)),
                        Some(Err(error)) => Some(Err(error)),
                        _ => None,
                    };
                }
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let is_over = self.is_at_end || self.whole.is_end_stream() && self.extra.held() == 0;
        is_over && self.passed.is_empty() && self.last.is_none()
    }
}
