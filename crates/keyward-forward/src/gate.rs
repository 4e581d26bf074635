//! One origin, as all forwarders that share connections see it: how many connections there are, which of
//! them speak HTTP/2, and who waits for one.
//!
//! The warm path over HTTP/1.1 reads two numbers of it and takes no lock. Everything else happens where a
//! connection is made, ends, or is fought for. No lock is held over an await, and nothing that could ask for
//! the lock again is dropped while it is held.

mod freed;
mod permit;
mod queue;
mod shared;
mod waiting;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

pub use self::shared::{Load, Shared};
use self::{
    freed::Watch,
    queue::{Asker, Queue},
    shared::Limits,
};
pub(crate) use self::{
    permit::{Permit, SharedPermit},
    waiting::Waiting,
};
use crate::{
    Config, DialError, Offer,
    http2::{Http2, Stream},
    pool::{Conn, Shelf},
};

/// One origin.
pub(crate) struct Gate<B> {
    limits: Limits,
    /// What the origin spoke when it was last dialled.
    known: AtomicU8,
    /// The length of the queue, for who gives a connection back.
    waiting: AtomicUsize,
    state: Mutex<State<B>>,
}

struct State<B> {
    /// Connections, also those that are being made.
    open: usize,
    /// Those that are being made.
    dialling: usize,
    http2: Vec<Entry<B>>,
    /// How many streams the origin's connections took so far: what a new one is taken to take as well.
    assumed_streams: usize,
    queue: Queue<B>,
    /// Where the forwarders keep their unused connections.
    shelves: Vec<Weak<Shelf<B>>>,
    /// Starts a task that serves who waits when time frees a place. There is one once there are such places.
    watch: Option<Watch<B>>,
    /// Whether that task runs.
    is_watched: bool,
}

/// One HTTP/2 connection that takes new streams.
struct Entry<B> {
    conn: Arc<Http2<B>>,
    streams: usize,
    /// When the places of streams that were reset are free again, the first first.
    held: VecDeque<Instant>,
    idle_since: Instant,
}

/// What a request gets, now or when its turn comes.
pub(crate) enum Turn<B> {
    /// A connection that somebody gave back.
    Kept(Box<Conn<B>>),
    /// A stream of a shared connection.
    Stream(Stream<B>),
    /// Leave to make a connection.
    Dial(Permit<B>),
    /// The connection that all waited for could not be made.
    Failed(Arc<DialError>),
}

/// Where in the queue who asks stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Behind all others.
    Last,
    /// Before all others: its turn had come, with a connection that turned out to be of no use.
    First,
}

/// What [`Gate::ask`] answers.
pub(crate) enum Ask<B> {
    Turn(Turn<B>),
    Wait(Waiting<B>),
    /// As many wait as may.
    Full,
}

const UNKNOWN: u8 = 0;
const HTTP1: u8 = 1;
const HTTP2: u8 = 2;

impl<B> Gate<B> {
    /// Whether the origin speaks HTTP/2, as far as is known. One load.
    pub(crate) fn is_http2(&self) -> bool {
        self.known.load(Ordering::Relaxed) == HTTP2
    }

    /// Whether somebody may be waiting. One load; asked under the lock of the shelf that a connection would
    /// go to, so that who waits and looks at that shelf afterwards finds it there.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn add_shelf(&self, shelf: &Arc<Shelf<B>>) {
        let mut state = lock(&self.state);
        state.shelves.retain(|known| known.strong_count() > 0);
        state.shelves.push(Arc::downgrade(shelf));
    }

    /// A stream of a shared connection, where one is free and nobody waits for one. Who waits for a connection
    /// that speaks HTTP/1.1 has no use for it.
    pub(crate) fn stream(self: &Arc<Self>, now: Instant) -> Option<Stream<B>> {
        if !self.is_http2() {
            return None;
        }
        let (stream, _gone) = {
            let mut state = lock(&self.state);
            let gone = state.drop_closed();
            match state.queue.waiting_for_streams() {
                0 => (state.free_stream(self, now), gone),
                _ => (None, gone),
            }
        };
        stream
    }

    /// Asks for a connection that speaks what `offer` says: gets one, leave to make one, or a place in the
    /// queue.
    pub(crate) fn ask(self: &Arc<Self>, offer: Offer, rank: Rank, now: Instant) -> Ask<B> {
        let (answer, _gone) = {
            let mut state = lock(&self.state);
            let gone = state.drop_closed();
            let turn = match rank == Rank::Last && state.queue.has(offer) {
                true => None,
                false => state.next_turn(self, offer, now),
            };
            let answer = match turn {
                Some(turn) => Ask::Turn(turn),
                None => state.enqueue(self, offer, rank),
            };
            (answer, gone)
        };
        match answer {
            Ask::Turn(turn) => Ask::Turn(turn),
            Ask::Wait(waiting) => {
                self.watch_freed(lock(&self.state));
                if let Some(conn) = self.steal(now) {
                    conn.keep();
                }
                Ask::Wait(waiting)
            }
            // Where nobody may wait, an unused connection serves who asks.
            Ask::Full => match self.steal(now) {
                Some(conn) => Ask::Turn(Turn::Kept(conn)),
                None => Ask::Full,
            },
        }
    }

    /// Gives a connection to who has waited longest; back, if nobody waits. Whether it is ready for a request, and
    /// when, is seen by who gets it.
    pub(crate) fn hand(&self, mut conn: Box<Conn<B>>) -> Result<(), Box<Conn<B>>> {
        let mut state = lock(&self.state);
        while let Some(asker) = self.pop(&mut state) {
            match asker.turn.send(Turn::Kept(conn)) {
                Ok(()) => return Ok(()),
                Err(Turn::Kept(refused)) => conn = refused,
                // What comes back is what was sent.
                Err(_) => return Ok(()),
            }
        }
        Err(conn)
    }

    /// Ends what is unused for too long, closed, or too old for new streams, and serves who waits for a place
    /// that time has freed.
    pub(crate) fn sweep(self: &Arc<Self>, now: Instant, config: &Config) {
        let _gone: Vec<_> = {
            let mut state = lock(&self.state);
            // Also of an origin that speaks HTTP/1.1 by now: what it spoke before is still open.
            state
                .http2
                .extract_if(.., |entry| {
                    let idle = now.saturating_duration_since(entry.idle_since);
                    let is_idle = entry.streams == 0 && idle >= config.pool_idle_timeout;
                    // One that is too old takes no more streams, and ends with its last one.
                    is_idle || entry.conn.is_over() || entry.conn.is_old(now)
                })
                .collect()
        };
        if self.is_wanted() {
            self.serve(lock(&self.state), now);
        }
    }

    /// A stream ended; its place stays taken for `hold`.
    pub(crate) fn release(self: &Arc<Self>, conn: &Arc<Http2<B>>, now: Instant, hold: Duration) {
        let mut state = lock(&self.state);
        let found = state
            .http2
            .iter_mut()
            .find(|entry| Arc::ptr_eq(&entry.conn, conn));
        if let Some(entry) = found {
            entry.streams = entry.streams.saturating_sub(1);
            entry.idle_since = now;
            if !hold.is_zero() {
                entry.held.push_back(now + hold);
            }
        }
        self.serve(state, now);
    }

    /// Takes an unused connection from any forwarder, for who has waited longest; gives it back if nobody
    /// waits.
    fn steal(&self, now: Instant) -> Option<Box<Conn<B>>> {
        let shelves: Vec<_> = {
            let state = lock(&self.state);
            state.shelves.iter().filter_map(Weak::upgrade).collect()
        };
        let conn = shelves.iter().find_map(|shelf| shelf.take(now))?;
        self.hand(conn).err()
    }

    /// Serves who waits, in order, for as long as there is something for them.
    fn serve(self: &Arc<Self>, mut state: MutexGuard<'_, State<B>>, now: Instant) {
        // Dropped without the lock: what a turn holds gives itself back.
        let mut refused = Vec::new();
        while let Some((asker, turn)) = state.next_served(self, now) {
            refused.extend(asker.turn.send(turn).err());
        }
        self.count(&state);
        self.watch_freed(state);
    }

    fn fail(&self, error: &Arc<DialError>) {
        let mut state = lock(&self.state);
        while let Some(asker) = self.pop(&mut state) {
            // Who has gone away needs no answer.
            let _gone = asker.turn.send(Turn::Failed(Arc::clone(error)));
        }
    }

    fn pop(&self, state: &mut State<B>) -> Option<Asker<B>> {
        let asker = state.queue.pop_longest();
        self.count(state);
        asker
    }

    fn count(&self, state: &State<B>) {
        self.waiting.store(state.queue.len(), Ordering::Relaxed);
    }
}

impl<B> State<B> {
    /// Takes out what ended. Dropped by the caller, without the lock.
    #[must_use]
    fn drop_closed(&mut self) -> Vec<Entry<B>> {
        if self.http2.iter().any(|entry| entry.conn.is_over()) {
            self.http2
                .extract_if(.., |entry| entry.conn.is_over())
                .collect()
        } else {
            Vec::new()
        }
    }

    /// The longest waiting of those for whom there is something, and what that is.
    fn next_served(&mut self, gate: &Arc<Gate<B>>, now: Instant) -> Option<(Asker<B>, Turn<B>)> {
        for offer in self.queue.by_age() {
            let Some(asker) = self.queue.pop(offer) else {
                continue;
            };
            match self.next_turn(gate, offer, now) {
                Some(turn) => return Some((asker, turn)),
                None => self.queue.put_back(asker),
            }
        }
        None
    }

    /// What the longest waiting of those that can do with `offer`, or who asks when none of them waits, can have
    /// now.
    fn next_turn(&mut self, gate: &Arc<Gate<B>>, offer: Offer, now: Instant) -> Option<Turn<B>> {
        let is_http1_only = offer == Offer::Http1;
        if !is_http1_only && let Some(stream) = self.free_stream(gate, now) {
            return Some(Turn::Stream(stream));
        }
        let is_allowed = match gate.known.load(Ordering::Relaxed) {
            _ if is_http1_only => true,
            HTTP1 => true,
            // One dial tells what the origin speaks; the others wait for what it tells.
            UNKNOWN => self.dialling == 0,
            // One connection serves many.
            _ => {
                self.dialling.saturating_mul(gate.limits.streams)
                    <= self.queue.waiting_for_streams()
            }
        };
        if !is_allowed || self.open >= gate.limits.connections {
            return None;
        }
        self.open += 1;
        // What is dialled for HTTP/1.1 alone tells nothing, and nobody waits for it.
        self.dialling += usize::from(!is_http1_only);
        Some(Turn::Dial(Permit {
            gate: Arc::downgrade(gate),
            is_dialling: !is_http1_only,
        }))
    }

    /// A stream of the connection that was made last and has one free.
    fn free_stream(&mut self, gate: &Arc<Gate<B>>, now: Instant) -> Option<Stream<B>> {
        let most = gate.limits.streams;
        let mut newest_first = self.http2.iter_mut().rev();
        let assumed = &mut self.assumed_streams;
        let entry =
            newest_first.find_map(|entry| entry.has_room(most, assumed, now).then_some(entry))?;
        entry.streams += 1;
        Some(Stream::new(Arc::clone(gate), Arc::clone(&entry.conn), now))
    }

    fn enqueue(&mut self, gate: &Arc<Gate<B>>, offer: Offer, rank: Rank) -> Ask<B> {
        // Who had a place in the queue gets it again, whoever came meanwhile.
        if rank == Rank::Last && self.queue.len() >= gate.limits.waiting {
            self.queue.drop_gone();
            if self.queue.len() >= gate.limits.waiting {
                return Ask::Full;
            }
        }
        let (turn, waiting) = oneshot::channel();
        self.queue.push(offer, rank, turn);
        gate.count(self);
        Ask::Wait(Waiting::new(waiting))
    }
}

impl<B> Entry<B> {
    fn has_room(&mut self, most: usize, assumed: &mut usize, now: Instant) -> bool {
        while self.held.front().is_some_and(|until| *until <= now) {
            self.held.pop_front();
        }
        let most = self.conn.most_streams(assumed).min(most);
        self.streams + self.held.len() < most && !self.conn.is_over() && !self.conn.is_old(now)
    }
}

/// Nothing panics while a lock is held; if it did, the numbers would still be right.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
