//! A request's body read whole before the request goes on, because something in it decides.

use std::{future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body::Body;
use keyward_forward::{BoxError, Config};
use tokio::time::{Instant, timeout};

use super::{LEAST_FRAME, Memory, Replayable, Room, Whole};

/// How long a body may be that is read whole. Images within chats are some MiB.
pub(crate) const MOST_WHOLE: usize = 10 * 1024 * 1024;
/// How long the reading of a body may take in all that must be read: its room is kept from others meanwhile.
pub(crate) const LONGEST_READ: Duration = Duration::from_secs(120);
/// By how much the buffer of a body of unknown length grows at least.
const STEP: usize = 64 * 1024;

/// Why a body is not read whole.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotWhole {
    /// It is longer than [`MOST_WHOLE`].
    TooLarge,
    /// There is no room for it among all that are held.
    NoRoom,
    /// The client pauses for too long, or sends too slowly.
    Slow,
    /// The client's connection broke, or the body is malformed.
    Broken,
}

impl<B> Replayable<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// Whether nothing was taken from the body so far.
    pub(crate) const fn is_untouched(&self) -> bool {
        matches!(self, Self::Once(_))
    }

    /// Reads the body to its end, and gives it. It is still there to be sent, and to be [held](Self::hold).
    ///
    /// What is read counts in `room` for as long as the body is there; how slowly it may come says `config`, as of every
    /// body, and `longest` how long all of it may take. Where there is no room for what is announced, nothing is taken from it; cancelled, it leaves a body that is
    /// broken.
    pub(crate) async fn read_whole(
        &mut self,
        room: &Arc<Room>,
        config: &Config,
        longest: Option<Duration>,
    ) -> Result<Whole, NotWhole> {
        let whole = match std::mem::replace(self, Self::Taken) {
            Self::Whole(whole) => whole,
            Self::Once(mut body) => {
                let mut memory = Memory {
                    frames: Vec::new(),
                    bytes: 0,
                    room: Arc::clone(room),
                };
                let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
                // A short one is not copied, and keeps the buffer that it was read into.
                if let Err(error) = take(announced.max(LEAST_FRAME), &mut memory) {
                    *self = Self::Once(body);
                    return Err(error);
                }
                let all = read(&mut body, announced, &mut memory, (config, longest)).await?;
                Whole::new(all, memory)
            }
            Self::Taken | Self::Held(_) => return Err(NotWhole::Broken),
        };
        *self = Self::Whole(whole.clone());
        Ok(whole)
    }
}

/// Reads a body for whose announced length there is room.
async fn read<B>(
    body: &mut B,
    announced: usize,
    memory: &mut Memory,
    (config, longest): (&Config, Option<Duration>),
) -> Result<Bytes, NotWhole>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = Vec::new();
    let mut waited = Duration::ZERO;
    loop {
        let began = Instant::now();
        let next = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        let frame = timeout(config.request_idle_timeout, next).await;
        waited += began.elapsed();
        let Some(frame) = frame.map_err(|_elapsed| NotWhole::Slow)? else {
            return Ok(whole.into());
        };
        // Trailers are not sent on.
        if let Ok(data) = frame.map_err(|_error| NotWhole::Broken)?.into_data() {
            if whole.len() + data.len() > MOST_WHOLE {
                return Err(NotWhole::TooLarge);
            }
            if whole.capacity() == 0 {
                if data.len() == announced && body.is_end_stream() {
                    return Ok(data);
                }
                whole.reserve_exact(announced);
            }
            let missing = data.len().saturating_sub(whole.capacity() - whole.len());
            if missing > 0 {
                grow(&mut whole, missing.max(STEP), memory)?;
            }
            whole.extend_from_slice(&data);
        }
        let is_late = longest.is_some_and(|longest| waited > longest);
        if is_late || is_slow(waited, whole.len() as u64, config) {
            return Err(NotWhole::Slow);
        }
    }
}

/// Whether a body of which so much came after so long is not waited for any longer.
fn is_slow(waited: Duration, length: u64, config: &Config) -> bool {
    let rate = u64::from(config.request_min_rate);
    let is_below = length < waited.as_secs().saturating_mul(rate);
    waited > config.request_rate_window && is_below
}

/// Room for `more` bytes among all bodies that are held.
fn take(more: usize, memory: &mut Memory) -> Result<(), NotWhole> {
    if memory.bytes.saturating_add(more) > MOST_WHOLE + STEP {
        return Err(NotWhole::TooLarge);
    }
    if !memory.room.take(more) {
        return Err(NotWhole::NoRoom);
    }
    memory.bytes += more;
    Ok(())
}

/// The same, and as much in the buffer.
fn grow(whole: &mut Vec<u8>, more: usize, memory: &mut Memory) -> Result<(), NotWhole> {
    take(more, memory)?;
    whole.reserve_exact(whole.capacity() + more - whole.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc, time::Duration};

    use bytes::Bytes;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{BodyExt, Full, StreamBody};
    use keyward_forward::Config;

    use super::{LONGEST_READ, MOST_WHOLE, NotWhole, is_slow};
    use crate::replay::{Replayable, Room};

    const LONG: usize = 3 * MOST_WHOLE;

    fn chunks(
        count: usize,
        size: usize,
    ) -> impl http_body::Body<Data = Bytes, Error = Infallible> + Unpin {
        let frames = (0..count).map(move |_| Ok(Frame::data(Bytes::from(vec![b'x'; size]))));
        StreamBody::new(stream::iter(frames))
    }

    #[tokio::test]
    async fn what_was_read_whole_is_sent_and_can_be_sent_again() {
        let room = Arc::new(Room::of(LONG as u64));
        let mut body = Replayable::Once(chunks(5, 100_000));
        let read = body.read_whole(&room, &Config::default(), None).await;
        let whole = read.expect("it fits").joined();
        assert_eq!(whole.len(), 500_000);
        let hold = body.hold(&room).expect("it is all there");
        assert_eq!(body.collect().await.unwrap().to_bytes(), whole);
        assert!(!room.take(LONG), "it is there still");
        let (again, hold) = hold.recover().expect("it is held");
        assert_eq!(again.collect().await.unwrap().to_bytes(), whole);
        drop(hold);
        assert!(room.take(LONG), "all room is given back");
    }

    #[tokio::test]
    async fn what_is_too_long_or_has_no_room_is_refused_and_gives_its_room_back() {
        let room = Arc::new(Room::of(LONG as u64));
        let config = Config::default();
        let longest = Full::new(Bytes::from(vec![b'x'; MOST_WHOLE]));
        let mut body = Replayable::Once(longest);
        assert!(body.read_whole(&room, &config, None).await.is_ok());
        drop(body);
        let longer = Full::new(Bytes::from(vec![b'x'; MOST_WHOLE + 1]));
        let read = Replayable::Once(longer)
            .read_whole(&room, &config, None)
            .await;
        assert!(matches!(read, Err(NotWhole::TooLarge)));
        let endless = chunks(1_000, 64 * 1024);
        let read = Replayable::Once(endless)
            .read_whole(&room, &config, None)
            .await;
        assert!(matches!(read, Err(NotWhole::TooLarge)));
        assert!(room.take(LONG), "all room is given back");
        let read = Replayable::Once(chunks(1, 10))
            .read_whole(&room, &config, None)
            .await;
        assert!(matches!(read, Err(NotWhole::NoRoom)));
    }

    #[test]
    fn a_body_has_no_more_than_its_time_to_arrive() {
        let config = Config::default();
        let rate = u64::from(config.request_min_rate);
        let window = config.request_rate_window;
        let second = Duration::from_secs(1);
        for (waited, length, expected) in [
            (Duration::ZERO, 0, false),
            (window, 0, false),
            (window + second, 0, true),
            (window + second, (window + second).as_secs() * rate, false),
            (LONGEST_READ + second, u64::MAX, false),
        ] {
            assert_eq!(
                is_slow(waited, length, &config),
                expected,
                "{waited:?} {length}"
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_must_be_read_has_no_more_than_its_time_in_all() {
        let room = Arc::new(Room::default());
        // Each piece comes in time.
        let steady = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let piece: Result<_, Infallible> = Ok(Frame::data(Bytes::from_static(b"x")));
            Some((piece, ()))
        });
        let steady = StreamBody::new(Box::pin(steady));
        let longest = Some(Duration::from_millis(10));
        let read = Replayable::Once(steady)
            .read_whole(&room, &Config::default(), longest)
            .await;
        assert!(matches!(read, Err(NotWhole::Slow)));
    }

    #[tokio::test]
    async fn a_client_that_stops_sending_is_not_waited_for() {
        let room = Arc::new(Room::default());
        let silent = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let config = Config {
            request_idle_timeout: Duration::from_millis(5),
            ..Config::default()
        };
        let read = Replayable::Once(silent)
            .read_whole(&room, &config, None)
            .await;
        assert!(matches!(read, Err(NotWhole::Slow)));
    }
}
