//! Kept connections of one forwarder: per origin a stack, the most recently used on top.
//!
//! Of our own rather than `hyper_util::client::pool`: that cache has no age limit and hides the connection
//! behind services, through which hyper cannot hand an unsent request back.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use hyper::{body::Incoming, client::conn::http1::SendRequest};
use keyward_secret::Origin;
use rustc_hash::FxHashMap;
use tokio::{
    task::AbortHandle,
    time::{Instant, Sleep},
};

use crate::{
    Config,
    body::{Lease, RequestBody, Upload},
    gate::{Gate, Shared, SharedPermit},
    tunnel::Place,
};

/// Above this many origins, shelves that hold nothing are thrown away.
const SHELVES_KEPT: usize = 256;

/// Kept connections of one forwarder.
///
/// The locks are held for a few instructions and never across an await; a worker that owns its forwarder
/// never contends for them.
pub(crate) struct Pool<B> {
    /// Few, by a limit: a hash that an attacker could foresee gains nothing.
    shelves: Mutex<FxHashMap<Origin, Arc<Shelf<B>>>>,
    shared: Shared<B>,
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
    idle_timeout: Duration,
    pub(crate) gate: Arc<Gate<B>>,
}

/// One connection. Boxed once for its lifetime, so that a body can hold it without knowing `B`.
pub(crate) struct Conn<B> {
    pub(crate) sender: SendRequest<RequestBody<B>>,
    /// One timer for all waits of this connection: moving a deadline further away costs no lock.
    pub(crate) timer: Pin<Box<Sleep>>,
    /// Whether its request is still being sent.
    pub(crate) upload: Arc<Upload>,
    shelf: Weak<Shelf<B>>,
    idle_since: Instant,
    /// Kept no longer than until then, so that a changed address takes effect.
    old_at: Instant,
    permit: Arc<SharedPermit<B>>,
    /// What sends and reads. Ends by itself when the connection is dropped, but not while it waits for room to
    /// send a request that nobody reads.
    task: AbortHandle,
}

impl<B> Pool<B> {
    pub(crate) fn new(config: &Config, shared: Shared<B>) -> Self {
        Self {
            shelves: Mutex::default(),
            shared,
            idle_timeout: config.pool_idle_timeout,
            max_idle: config.max_idle_per_origin,
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
            idle_timeout: self.idle_timeout,
            gate: self.shared.gate(origin),
        });
        shelf.gate.add_shelf(&shelf);
        shelves.insert(origin.clone(), shelf.clone());
        shelf
    }

    /// Closes what is unused for too long, too old, or closed by the other side.
    pub(crate) fn sweep(&self, now: Instant, config: &Config) {
        let shelves: Vec<_> = lock(&self.shelves).values().cloned().collect();
        for shelf in shelves {
            shelf.sweep(now);
            shelf.gate.sweep(now, config);
        }
    }

    /// How many connections are kept.
    pub(crate) fn idle(&self) -> usize {
        let shelves = lock(&self.shelves);
        shelves.values().map(|shelf| lock(&shelf.idle).len()).sum()
    }
}

impl<B> Shelf<B> {
    /// A kept connection that can take a request now, the last used first.
    pub(crate) fn take(&self, now: Instant) -> Option<Box<Conn<B>>> {
        let mut idle = lock(&self.idle);
        let is_old = |conn: &Conn<B>| conn.idle_for(now) >= self.idle_timeout;
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

    fn sweep(&self, now: Instant) {
        lock(&self.idle).retain(|conn| {
            let is_kept = conn.idle_for(now) < self.idle_timeout && now < conn.old_at;
            is_kept && !conn.sender.is_closed()
        });
    }

    /// Keeps a connection, unless somebody waits for one or there are enough.
    fn keep(&self, conn: Box<Conn<B>>) {
        let mut idle = lock(&self.idle);
        if !self.gate.is_wanted() {
            if idle.len() < self.max_idle {
                idle.push(conn);
            }
            return;
        }
        drop(idle);
        if let Err(conn) = self.gate.hand(conn) {
            let mut idle = lock(&self.idle);
            if idle.len() < self.max_idle {
                idle.push(conn);
            }
        }
    }

    fn is_empty(&self) -> bool {
        lock(&self.idle).is_empty()
    }
}

impl<B> Conn<B> {
    pub(crate) fn new(
        sender: SendRequest<RequestBody<B>>,
        shelf: &Arc<Shelf<B>>,
        permit: Arc<SharedPermit<B>>,
        task: AbortHandle,
        now: Instant,
        old_at: Instant,
    ) -> Box<Self> {
        Box::new(Self {
            sender,
            timer: Box::pin(tokio::time::sleep_until(now)),
            upload: Arc::default(),
            shelf: Arc::downgrade(shelf),
            idle_since: now,
            old_at,
            permit,
            task,
        })
    }

    /// The exchange that follows may switch it to another protocol.
    pub(crate) fn may_switch(&self) {
        self.permit.may_switch();
    }

    /// The exchange did not switch it.
    pub(crate) fn stays(&self) {
        self.permit.stays();
    }

    /// Its place among the connections of its origin, for who goes on with it.
    pub(crate) fn place(&self) -> Place
    where
        B: Send + 'static,
    {
        self.permit.clone()
    }

    /// How long it is unused.
    pub(crate) fn idle_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.idle_since)
    }

    /// Makes it a connection of another forwarder, with a timer of the runtime that asks.
    pub(crate) fn move_to(&mut self, shelf: &Arc<Shelf<B>>, now: Instant) {
        self.shelf = Arc::downgrade(shelf);
        self.timer = Box::pin(tokio::time::sleep_until(now));
    }

    /// Puts it where its forwarder finds it, as unused for as long as it was.
    pub(crate) fn keep(self: Box<Self>) {
        if self.sender.is_closed() {
            return;
        }
        if let Some(shelf) = self.shelf.upgrade() {
            shelf.keep(self);
        }
    }
}

impl<B: Send> Lease for Conn<B> {
    fn timer(&mut self) -> Pin<&mut Sleep> {
        self.timer.as_mut()
    }

    fn give_back(mut self: Box<Self>, _answer: &mut Option<Incoming>) {
        // A connection on which a request is cut short serves no other.
        if self.upload.is_under_way() {
            return;
        }
        self.idle_since = Instant::now();
        if self.idle_since < self.old_at {
            self.keep();
        }
    }
}

impl<B> Drop for Conn<B> {
    fn drop(&mut self) {
        if self.upload.answered() {
            self.task.abort();
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
