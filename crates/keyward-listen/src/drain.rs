//! How serving ends without failing a request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, timeout_at};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// Tells connections that serving ends, and knows when the last one is closed. Cloning shares it.
///
/// In steps: once it [`begin`](Self::begin)s, answers on HTTP/1.1 carry `Connection: close` and HTTP/2 clients
/// are told to open no more streams; after [`close_idle`](Self::close_idle), connections without a request
/// close. A request whose head has arrived by then is answered, also where nobody has read it yet. What is still
/// open then is cut by whoever stops polling it.
#[derive(Clone, Debug, Default)]
pub struct Drain(Arc<State>);

#[derive(Debug, Default)]
struct State {
    has_begun: AtomicBool,
    begun: CancellationToken,
    is_closing: AtomicBool,
    closing: CancellationToken,
    open: TaskTracker,
}

/// One open connection; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Token {
    _token: TaskTrackerToken,
}

impl Drain {
    /// One that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks clients to go elsewhere with their next request.
    pub fn begin(&self) {
        self.0.has_begun.store(true, Ordering::Release);
        self.0.begun.cancel();
    }

    /// Closes connections without a request, and every other one after its answer. Begins it too.
    pub fn close_idle(&self) {
        self.begin();
        self.0.is_closing.store(true, Ordering::Release);
        self.0.closing.cancel();
    }

    /// Whether it has begun. One load.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::Acquire)
    }

    /// Waits until it begins: for what lives on beside requests, such as upgraded connections. Cancel-safe.
    pub async fn begun(&self) {
        self.0.begun.cancelled().await;
    }

    /// Connections that are open, upgraded ones among them.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.open.len()
    }

    /// Waits until every connection is closed. Cancel-safe.
    pub async fn finished(&self) {
        self.0.open.close();
        self.0.open.wait().await;
    }

    /// Goes through the steps: begins, closes idle connections after `idle_grace`, and returns when all are
    /// closed, or when `limit` is over since the beginning. Returns how many are open then.
    pub async fn run(&self, idle_grace: Duration, limit: Duration) -> usize {
        let begun = Instant::now();
        self.begin();
        let graceful = timeout_at(begun + idle_grace.min(limit), self.finished()).await;
        self.close_idle();
        if graceful.is_err() {
            // Whether it was in time is what `open` tells.
            let _in_time = timeout_at(begun + limit, self.finished()).await;
        }
        self.open()
    }

    pub(crate) fn token(&self) -> Token {
        Token {
            _token: self.0.open.token(),
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.0.is_closing.load(Ordering::Acquire)
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }
}
