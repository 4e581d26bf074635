//! A request's body on its way over HTTP/2, held so that it can be sent again.

use std::{
    any::Any,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use super::{RequestBody, RequestBodyError, Sending, Tasks};
use crate::BoxError;

/// Frames shorter than this are copied.
const LEAST_SHARED: usize = 4 * 1024;

/// A request's body on its way over HTTP/2.
///
/// hyper asks for a body as soon as its head is queued, and keeps what it got. An upstream that refuses a
/// stream or goes away says, a moment later, that it did nothing with it: the body has to be had back then.
/// What was given out is remembered up to a limit, and until the head of the answer is there. Large frames are
/// not copied. Small ones are: each would keep all of the buffer that it was read into.
pub(crate) struct HeldBody<B> {
    held: Arc<Mutex<Held<B>>>,
    sending: Arc<Sending>,
    /// None once it was asked for its first frame.
    tasks: Option<Tasks>,
    /// Taken for as long as hyper has the body.
    _place: Arc<dyn Any + Send + Sync>,
}

/// The way back to a [`HeldBody`].
pub(crate) struct Hold<B> {
    held: Arc<Mutex<Held<B>>>,
    sending: Arc<Sending>,
}

struct Held<B> {
    /// None once it was taken back.
    body: Option<RequestBody<B>>,
    given: Vec<Bytes>,
    /// Small frames that were given out after those.
    small: BytesMut,
    /// How many more bytes may be remembered; none when something given out is not.
    room: Option<usize>,
    failure: Option<RequestBodyError>,
}

/// The body was taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeldBodyError {
    #[error("the request's body failed")]
    Failed,
    /// Its source is the reason that the stream is reset with.
    #[error("the request was given up on this stream")]
    TakenBack(#[source] h2::Error),
}

impl<B> HeldBody<B> {
    /// A body that `tasks` send, and that keeps `place` for as long as they do.
    pub(crate) fn new(
        body: RequestBody<B>,
        room: usize,
        tasks: Tasks,
        place: Arc<dyn Any + Send + Sync>,
    ) -> (Self, Hold<B>) {
        let held = Arc::new(Mutex::new(Held {
            body: Some(body),
            given: Vec::new(),
            small: BytesMut::new(),
            room: Some(room),
            failure: None,
        }));
        let sending = Arc::default();
        let body = Self {
            held: Arc::clone(&held),
            sending: Arc::clone(&sending),
            tasks: Some(tasks),
            _place: place,
        };
        (body, Hold { held, sending })
    }
}

impl<B> Hold<B> {
    /// The upstream has answered: nothing need be remembered any more.
    pub(crate) fn release(&self) {
        let mut held = lock(&self.held);
        held.forget();
    }

    /// The body as it was at first, if all of it can be had.
    pub(crate) fn recover(&self) -> Option<RequestBody<B>> {
        let mut held = lock(&self.held);
        let body = held.body.take()?;
        held.room?;
        held.gather();
        Some(body.behind(std::mem::take(&mut held.given)))
    }

    /// Nobody wants an answer any more, or all of it is here: what is left of the body is not sent. Whether
    /// something was.
    pub(crate) fn stop(&self) -> bool {
        let body = {
            let mut held = lock(&self.held);
            held.forget();
            held.body.take()
        };
        drop(body);
        self.sending.stop()
    }

    /// What the body ended in, if that is an error.
    pub(crate) fn failure(&self) -> Option<RequestBodyError> {
        lock(&self.held).failure.take()
    }
}

impl<B> Held<B> {
    fn remember(&mut self, data: &Bytes) {
        self.room = self.room.and_then(|room| room.checked_sub(data.len()));
        match self.room {
            Some(_) if data.len() < LEAST_SHARED => self.small.extend_from_slice(data),
            Some(_) => {
                self.gather();
                self.given.push(data.clone());
            }
            None => self.forget(),
        }
    }

    /// Puts what was copied behind what was given out before it.
    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.given.push(std::mem::take(&mut self.small).freeze());
        }
    }

    fn forget(&mut self) {
        self.room = None;
        self.given = Vec::new();
        self.small = BytesMut::new();
    }
}

impl<B> Body for HeldBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = HeldBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HeldBodyError>>> {
        let this = &mut *self;
        if let Some(tasks) = this.tasks.take() {
            tasks.next_sends(&this.sending);
        }
        let mut held = lock(&this.held);
        let Some(body) = &mut held.body else {
            let reason = h2::Error::from(h2::Reason::CANCEL);
            return Poll::Ready(Some(Err(HeldBodyError::TakenBack(reason))));
        };
        Poll::Ready(match ready!(Pin::new(body).poll_frame(cx)) {
            None => None,
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    held.remember(data);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                held.failure = Some(error);
                Some(Err(HeldBodyError::Failed))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        // One that was taken back is not at its end: it ends in an error.
        lock(&self.held)
            .body
            .as_ref()
            .is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.held)
            .body
            .as_ref()
            .map(Body::size_hint)
            .unwrap_or_default()
    }
}

impl<B> Drop for HeldBody<B> {
    fn drop(&mut self) {
        self.sending.end();
    }
}

/// Nothing panics while the lock is held but the body itself, and then nobody sends it again.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};

    use super::{HeldBody, Hold, RequestBody, Tasks};
    use crate::Config;

    type Piece = Result<Frame<Bytes>, std::io::Error>;

    type Pieces = StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Piece>>>;

    fn held(pieces: &[&'static str], room: usize) -> (HeldBody<Pieces>, Hold<Pieces>) {
        let frames: Vec<Piece> = pieces
            .iter()
            .map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))))
            .collect();
        let frames = StreamBody::new(futures_util::stream::iter(frames));
        let body = RequestBody::new(frames, &Config::default());
        HeldBody::new(body, room, Tasks::default(), std::sync::Arc::new(()))
    }

    #[track_caller]
    fn check(room: usize, polled: usize, expected: Option<&str>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut sent, hold) = held(&["one", "two", "three"], room);
            for _ in 0..polled {
                sent.frame().await.unwrap().unwrap();
            }
            let back = match hold.recover() {
                Some(body) => Some(body.collect().await.unwrap().to_bytes()),
                None => None,
            };
            assert_eq!(back.as_deref(), expected.map(str::as_bytes));
            // Whoever still sends the old one stops.
            assert!(sent.frame().await.unwrap().is_err());
        });
    }

    #[test]
    fn a_body_comes_back_whole_or_not_at_all() {
        for polled in 0..=3 {
            check(11, polled, Some("onetwothree"));
        }
        check(6, 2, Some("onetwothree"));
        check(6, 3, None);
        check(2, 1, None);
        check(0, 0, Some("onetwothree"));
        check(0, 1, None);
    }

    #[tokio::test]
    async fn nothing_is_remembered_once_the_answer_is_there() {
        let (mut sent, hold) = held(&["one", "two"], 100);
        sent.frame().await.unwrap().unwrap();
        hold.release();
        assert_eq!(
            sent.frame().await.unwrap().unwrap().into_data().unwrap(),
            "two"
        );
        assert!(hold.recover().is_none());
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::HeldBodyError;

        keyward_testing::assert_texts!("HeldBodyError", HeldBodyError {
            HeldBodyError::Failed => HeldBodyError::Failed,
            HeldBodyError::TakenBack(_) => HeldBodyError::TakenBack(h2::Reason::CANCEL.into()),
        }, |error| keyward_testing::told(&error));
    }
}
