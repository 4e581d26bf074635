//! Kept connections of one forwarder: per origin a stack, the most recently used on top.
//!
//! Of our own rather than `hyper_util::client::pool`: that cache has no age limit and hides the connection
//! behind services, through which hyper cannot hand an unsent request back.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use hyper::client::conn::http1::SendRequest;
use keyward_secret::Origin;
use tokio::time::{Instant, Sleep};

use crate::body::{Lease, RequestBody};

/// Above this many origins, shelves that hold nothing are thrown away.
const SHELVES_KEPT: usize = 256;

/// Kept connections of one forwarder.
///
/// The locks are held for a few instructions and never across an await; a worker that owns its forwarder
/// never contends for them.
pub(crate) struct Pool<B> {
    shelves: Mutex<HashMap<Origin, Arc<Shelf<B>>>>,
    idle_timeout: Duration,
    max_idle: usize,
}

/// Kept connections of one origin, the longest unused first.
pub(crate) struct Shelf<B> {
    #[expect(
        clippy::vec_box,
        reason = "an answer's body holds the same box without knowing `B`"
    )]
    idle: Mutex<Vec<Box<Conn<B>>>>,
    max_idle: usize,
}

/// One connection. Boxed once for its lifetime, so that a body can hold it without knowing `B`.
pub(crate) struct Conn<B> {
    pub(crate) sender: SendRequest<RequestBody<B>>,
    /// One timer for all waits of this connection: moving a deadline further away costs no lock.
    pub(crate) timer: Pin<Box<Sleep>>,
    shelf: Weak<Shelf<B>>,
    idle_since: Instant,
}

impl<B> Pool<B> {
    pub(crate) fn new(idle_timeout: Duration, max_idle: usize) -> Self {
        Self {
            shelves: Mutex::default(),
            idle_timeout,
            max_idle,
        }
    }

    /// The shelf of `origin`.
    pub(crate) fn shelf(&self, origin: &Origin) -> Arc<Shelf<B>> {
        let mut shelves = lock(&self.shelves);
        if let Some(shelf) = shelves.get(origin) {
            return shelf.clone();
        }
        if shelves.len() >= SHELVES_KEPT {
            shelves.retain(|_, shelf| Arc::strong_count(shelf) > 1 || !shelf.is_empty());
        }
        let shelf = Arc::new(Shelf {
            idle: Mutex::default(),
            max_idle: self.max_idle,
        });
        shelves.insert(origin.clone(), shelf.clone());
        shelf
    }

    /// A kept connection that can take a request now.
    pub(crate) fn take(&self, shelf: &Shelf<B>, now: Instant) -> Option<Box<Conn<B>>> {
        shelf.take(now, self.idle_timeout)
    }

    /// Closes what is unused for too long or closed by the other side.
    pub(crate) fn sweep(&self, now: Instant) {
        for shelf in lock(&self.shelves).values() {
            shelf.sweep(now, self.idle_timeout);
        }
    }

    /// How many connections are kept.
    pub(crate) fn idle(&self) -> usize {
        let shelves = lock(&self.shelves);
        shelves.values().map(|shelf| lock(&shelf.idle).len()).sum()
    }
}

impl<B> Shelf<B> {
    fn take(&self, now: Instant, idle_timeout: Duration) -> Option<Box<Conn<B>>> {
        let mut idle = lock(&self.idle);
        let is_old =
            |conn: &Conn<B>| now.saturating_duration_since(conn.idle_since) >= idle_timeout;
        if idle.first().is_some_and(|conn| is_old(conn)) {
            idle.retain(|conn| !is_old(conn));
        }
        // One that is not ready yet still ends its last exchange: it stays for a later request.
        let mut busy = 0;
        while let Some(at) = idle.len().checked_sub(1 + busy) {
            match idle.get(at) {
                Some(conn) if conn.sender.is_closed() => drop(idle.remove(at)),
                Some(conn) if conn.sender.is_ready() => return Some(idle.remove(at)),
                _ => busy += 1,
            }
        }
        None
    }

    fn sweep(&self, now: Instant, idle_timeout: Duration) {
        lock(&self.idle).retain(|conn| {
            let age = now.saturating_duration_since(conn.idle_since);
            age < idle_timeout && !conn.sender.is_closed()
        });
    }

    fn is_empty(&self) -> bool {
        lock(&self.idle).is_empty()
    }
}

impl<B> Conn<B> {
    pub(crate) fn new(
        sender: SendRequest<RequestBody<B>>,
        shelf: &Arc<Shelf<B>>,
        now: Instant,
    ) -> Box<Self> {
        Box::new(Self {
            sender,
            timer: Box::pin(tokio::time::sleep_until(now)),
            shelf: Arc::downgrade(shelf),
            idle_since: now,
        })
    }
}

impl<B: Send> Lease for Conn<B> {
    fn timer(&mut self) -> Pin<&mut Sleep> {
        self.timer.as_mut()
    }

    fn give_back(mut self: Box<Self>) {
        if self.sender.is_closed() {
            return;
        }
        if let Some(shelf) = self.shelf.upgrade() {
            self.idle_since = Instant::now();
            let mut idle = lock(&shelf.idle);
            if idle.len() < shelf.max_idle {
                idle.push(self);
            }
        }
    }
}

impl<B> fmt::Debug for Pool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("idle", &self.idle())
            .finish_non_exhaustive()
    }
}

/// Nothing panics while a lock is held; if it did, the list of connections would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
