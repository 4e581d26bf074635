//! A request's body, remembered on its way so that the request can be sent once more with another key.
//!
//! Only where there is another key: else a body passes through as it is. What was given out is remembered up to
//! [`MOST_BYTES`] a request and a number of bytes for all requests together; beyond either it is forgotten, and the
//! request cannot be repeated.

mod parts;
mod whole;

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use keyward_forward::BoxError;

pub(crate) use self::{
    parts::Whole,
    whole::{LONGEST_READ, MOST_WHOLE, NotWhole},
};
use crate::budget::HELD;

/// How much of one request's body is remembered at most.
pub(crate) const MOST_BYTES: usize = 256 * 1024;
/// What a remembered frame counts at least: it keeps the buffer it was read into.
const LEAST_FRAME: usize = 8 * 1024;

/// The room for remembered bodies, which all requests share.
#[derive(Debug)]
pub(crate) struct Room {
    left: AtomicUsize,
}

impl Default for Room {
    fn default() -> Self {
        Self::of(HELD)
    }
}

impl Room {
    /// Room for so many bytes.
    pub(crate) fn of(bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            left: AtomicUsize::new(bytes),
        }
    }

    /// Whether so much is left. It is taken.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            });
        taken.is_ok()
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A request's body, which may be one that can be had back.
pub(crate) enum Replayable<B> {
    /// Passes as it comes.
    Once(B),
    /// Is on its way elsewhere.
    Taken,
    /// Is remembered.
    Held(Arc<Mutex<Held<B>>>),
    /// Was read whole, and can be sent any number of times.
    Whole(Whole),
}

/// The way back to a body that can be sent again.
pub(crate) enum Hold<B> {
    Held(Back<B>),
    Whole(Whole),
}

/// The way back to a body that is remembered.
pub(crate) struct Back<B>(Arc<Mutex<Held<B>>>);

pub(crate) struct Held<B> {
    /// None once it was taken back, by which time whoever sends the old one has to stop.
    body: Option<B>,
    memory: Option<Memory>,
    /// How many of the remembered frames were given out again.
    repeated: usize,
    /// Nobody will ask for it any more: what is remembered is let go of once it was given out.
    forgets: bool,
}

/// What was given out so far.
struct Memory {
    frames: Vec<Bytes>,
    bytes: usize,
    room: Arc<Room>,
}

/// The body was taken back: the request goes another way.
#[derive(Debug, thiserror::Error)]
#[error("the request is sent again with another key")]
struct TakenBack;

impl<B> Replayable<B> {
    /// Has the body remembered from here on, and gives the way back to it; none where another has that.
    pub(crate) fn hold(&mut self, room: &Arc<Room>) -> Option<Hold<B>> {
        let memory = Memory {
            frames: Vec::new(),
            bytes: 0,
            room: Arc::clone(room),
        };
        match std::mem::replace(self, Self::Taken) {
            Self::Once(body) => {
                let (held, hold) = Self::held(body, memory);
                *self = held;
                Some(hold)
            }
            Self::Whole(whole) => {
                let hold = Hold::Whole(whole.clone());
                *self = Self::Whole(whole);
                Some(hold)
            }
            other => {
                *self = other;
                None
            }
        }
    }

    fn held(body: B, memory: Memory) -> (Self, Hold<B>) {
        let held = Arc::new(Mutex::new(Held {
            body: Some(body),
            memory: Some(memory),
            repeated: 0,
            forgets: false,
        }));
        (Self::Held(Arc::clone(&held)), Hold::Held(Back(held)))
    }
}

impl<B> Hold<B> {
    /// The body as it was at first, to be sent once more and held again; none where not all of it can be had. Whoever
    /// sends the old one finds it broken.
    pub(crate) fn recover(self) -> Option<(Replayable<B>, Self)> {
        let back = match self {
            Self::Whole(whole) => {
                return Some((Replayable::Whole(whole.clone()), Self::Whole(whole)));
            }
            Self::Held(back) => back,
        };
        let (body, memory) = {
            let mut held = lock(&back.0);
            // What cannot be had whole goes on as it is.
            let memory = held.memory.take()?;
            (held.body.take()?, memory)
        };
        Some(Replayable::held(body, memory))
    }
}

impl<B> Drop for Back<B> {
    fn drop(&mut self) {
        let mut held = lock(&self.0);
        held.forgets = true;
        if held.remembered_left().is_empty() {
            held.memory = None;
        }
    }
}

impl<B> Held<B> {
    /// A frame that was remembered and has to be given out again.
    fn next_remembered(&mut self) -> Option<Bytes> {
        let frame = self.memory.as_ref()?.frames.get(self.repeated)?.clone();
        self.repeated += 1;
        if self.forgets && self.remembered_left().is_empty() {
            self.memory = None;
        }
        Some(frame)
    }

    fn remembered_left(&self) -> &[Bytes] {
        let frames = self.memory.as_ref().map(|memory| memory.frames.as_slice());
        frames
            .and_then(|frames| frames.get(self.repeated..))
            .unwrap_or_default()
    }

    fn remember(&mut self, frame: &Frame<Bytes>) {
        let is_kept = match (&mut self.memory, frame.data_ref()) {
            (None, _) => return,
            (Some(memory), Some(data)) => memory.keep(data),
            // Trailers are not sent on, and not kept.
            (Some(_), None) => true,
        };
        if is_kept {
            self.repeated = self.memory.as_ref().map_or(0, |memory| memory.frames.len());
        } else {
            self.memory = None;
        }
    }
}

impl Memory {
    fn keep(&mut self, data: &Bytes) -> bool {
        let counted = data.len().max(LEAST_FRAME);
        let bytes = self.bytes.saturating_add(counted);
        if bytes > MOST_BYTES || !self.room.take(counted) {
            return false;
        }
        self.bytes = bytes;
        self.frames.push(data.clone());
        true
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}

impl<B> Body for Replayable<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let held = match self.get_mut() {
            Self::Once(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
            Self::Taken => return Poll::Ready(Some(Err(TakenBack.into()))),
            Self::Whole(whole) => {
                return Poll::Ready(whole.next().map(|part| Ok(Frame::data(part))));
            }
            Self::Held(held) => held,
        };
        let mut held = lock(held);
        if let Some(frame) = held.next_remembered() {
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        let Some(body) = &mut held.body else {
            return Poll::Ready(Some(Err(TakenBack.into())));
        };
        Poll::Ready(match ready!(Pin::new(body).poll_frame(cx)) {
            None => None,
            Some(Ok(frame)) => {
                held.remember(&frame);
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                held.memory = None;
                Some(Err(error.into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Once(body) => body.is_end_stream(),
            Self::Taken => false,
            Self::Whole(whole) => whole.left() == 0,
            Self::Held(held) => {
                let held = lock(held);
                held.remembered_left().is_empty()
                    && held.body.as_ref().is_some_and(Body::is_end_stream)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Once(body) => body.size_hint(),
            Self::Taken => SizeHint::default(),
            Self::Whole(whole) => SizeHint::with_exact(whole.left()),
            Self::Held(held) => {
                let held = lock(held);
                let rest = held.body.as_ref().map(Body::size_hint).unwrap_or_default();
                let again: usize = held.remembered_left().iter().map(Bytes::len).sum();
                let again = u64::try_from(again).unwrap_or(u64::MAX);
                let mut hint = SizeHint::new();
                // In this order: a lower bound above the upper one is refused.
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper.saturating_add(again));
                }
                hint.set_lower(rest.lower().saturating_add(again));
                hint
            }
        }
    }
}

/// Nothing panics while the lock is held but the body itself, and then nobody sends it again.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use bytes::Bytes;
    use futures_util::stream;
    use http_body::{Body, Frame};
    use http_body_util::{BodyExt, StreamBody};

    use super::{HELD, LEAST_FRAME, MOST_BYTES, Replayable, Room};

    type Pieces = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

    fn pieces(lengths: &[usize]) -> (Pieces, Bytes) {
        let mut all = Vec::new();
        let mut frames = Vec::new();
        for (number, length) in (b'a'..).zip(lengths) {
            let piece = vec![number; *length];
            all.extend_from_slice(&piece);
            frames.push(Ok(Frame::data(Bytes::from(piece))));
        }
        (StreamBody::new(stream::iter(frames)), all.into())
    }

    /// Reads `read` frames of a body, takes it back, and reads it to its end; three times.
    #[track_caller]
    fn check(lengths: &[usize], read: usize, comes_back: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let room = Arc::new(Room::default());
            let (body, all) = pieces(lengths);
            let mut sent = Replayable::Once(body);
            let mut hold = sent.hold(&room).unwrap();
            for _ in 0..3 {
                for _ in 0..read {
                    sent.frame().await.unwrap().unwrap();
                }
                let Some((again, next)) = hold.recover() else {
                    assert!(!comes_back, "{lengths:?}");
                    return;
                };
                assert!(comes_back, "{lengths:?}");
                // Whoever still sends the old one does not take it for whole.
                assert!(sent.frame().await.unwrap().is_err());
                assert!(!sent.is_end_stream());
                (sent, hold) = (again, next);
            }
            assert_eq!(sent.collect().await.unwrap().to_bytes(), all);
            drop(hold);
            let left = room.left.load(std::sync::atomic::Ordering::Relaxed);
            assert_eq!(u64::try_from(left), Ok(HELD));
        });
    }

    #[test]
    fn a_body_comes_back_whole_or_not_at_all() {
        for read in 0..=3 {
            check(&[3, 0, 5], read, true);
        }
        check(&[MOST_BYTES], 1, true);
        check(&[MOST_BYTES + 1], 1, false);
        check(&[MOST_BYTES + 1], 0, true);
        // Small frames keep the buffers that they were read into.
        let frames = MOST_BYTES / LEAST_FRAME;
        check(&vec![1; frames], frames, true);
        check(&vec![1; frames + 1], frames + 1, false);
    }

    #[tokio::test]
    async fn all_bodies_together_have_one_room() {
        let room = Arc::new(Room::default());
        let mut holds = Vec::new();
        let most = usize::try_from(HELD).unwrap() / MOST_BYTES;
        for number in 0..=most {
            let (body, _all) = pieces(&[MOST_BYTES]);
            let mut sent = Replayable::Once(body);
            let hold = sent.hold(&room).unwrap();
            sent.frame().await.unwrap().unwrap();
            if number == most {
                assert!(hold.recover().is_none());
            } else {
                holds.push((sent, hold));
            }
        }
        // What is answered gives its room back.
        holds.pop();
        let (body, _all) = pieces(&[MOST_BYTES]);
        let mut sent = Replayable::Once(body);
        let hold = sent.hold(&room).unwrap();
        sent.frame().await.unwrap().unwrap();
        assert!(hold.recover().is_some());
    }

    #[tokio::test]
    async fn what_is_sent_again_is_whole_also_when_nobody_will_ask_again() {
        let room = Arc::new(Room::default());
        let (body, all) = pieces(&[3, 4, 5]);
        let mut sent = Replayable::Once(body);
        let hold = sent.hold(&room).unwrap();
        sent.frame().await.unwrap().unwrap();
        sent.frame().await.unwrap().unwrap();
        let (again, hold) = hold.recover().unwrap();
        drop(hold);
        assert_eq!(again.collect().await.unwrap().to_bytes(), all);
        let left = room.left.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(u64::try_from(left), Ok(HELD));
    }

    #[test]
    fn a_size_that_is_known_stays_known() {
        let room = Arc::new(Room::default());
        let body = http_body_util::Full::new(Bytes::from_static(b"whole"));
        let mut sent = Replayable::Once(body);
        let hold = sent.hold(&room).unwrap();
        assert_eq!(sent.size_hint().exact(), Some(5));
        let frame = futures_util::FutureExt::now_or_never(sent.frame()).unwrap();
        assert!(frame.unwrap().is_ok());
        assert!(sent.is_end_stream());
        let (again, _hold) = hold.recover().unwrap();
        assert_eq!(again.size_hint().exact(), Some(5));
        assert!(!again.is_end_stream());
    }
}
