//! Leave for one connection.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, Weak, atomic::Ordering},
};

use tokio::time::Instant;

use super::{Entry, Gate, HTTP1, HTTP2, State, freed, lock};
use crate::{
    DialError,
    http2::{Http2, Stream},
};

/// One of the origin's connections. Given up when the connection's task ends.
pub(crate) struct Permit<B> {
    /// Weak: the gate holds the senders that keep connections, and their tasks, going.
    pub(super) gate: Weak<Gate<B>>,
    pub(super) is_dialling: bool,
}

impl<B> Permit<B> {
    /// The connection is there, and speaks HTTP/1.1.
    pub(crate) fn opened_http1(&mut self, gate: &Arc<Gate<B>>) {
        let state = self.opened(gate, HTTP1);
        gate.serve(state, Instant::now());
    }

    fn opened<'g>(&mut self, gate: &'g Gate<B>, known: u8) -> MutexGuard<'g, State<B>> {
        let mut state = lock(&gate.state);
        if std::mem::take(&mut self.is_dialling) {
            gate.known.store(known, Ordering::Relaxed);
            state.dialling = state.dialling.saturating_sub(1);
        }
        state
    }

    /// The connection could not be made. Where there is no other, who waits for it cannot have one either.
    pub(crate) fn failed(mut self, error: &Arc<DialError>) {
        let Some(gate) = self.gate.upgrade() else {
            return;
        };
        self.give_back(&gate);
        let is_last = lock(&gate.state).open == 0;
        if is_last {
            gate.fail(error);
        } else {
            gate.serve(lock(&gate.state), Instant::now());
        }
    }

    fn give_back(&mut self, gate: &Gate<B>) {
        let mut state = lock(&gate.state);
        state.open = state.open.saturating_sub(1);
        if std::mem::take(&mut self.is_dialling) {
            state.dialling = state.dialling.saturating_sub(1);
        }
        self.gate = Weak::new();
    }
}

impl<B: Send + 'static> Permit<B> {
    /// The connection is there, and speaks HTTP/2: it serves who made it, and then who waits.
    pub(crate) fn opened_http2(
        &mut self,
        gate: &Arc<Gate<B>>,
        conn: &Arc<Http2<B>>,
        now: Instant,
    ) -> Stream<B> {
        let mut state = self.opened(gate, HTTP2);
        state.watch = Some(freed::watch);
        state.http2.push(Entry {
            conn: Arc::clone(conn),
            streams: 1,
            held: VecDeque::new(),
            idle_since: now,
        });
        gate.serve(state, now);
        Stream::new(Arc::clone(gate), Arc::clone(conn), now)
    }
}

impl<B> Drop for Permit<B> {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.upgrade() {
            self.give_back(&gate);
            gate.serve(lock(&gate.state), Instant::now());
        }
    }
}

/// The permit of a connection that speaks HTTP/1.1, between its task and who uses it.
///
/// The task gives it up when it ends, so that who waits need not wait for the reader of an answer that came
/// whole. Only where the connection is being switched to another protocol, it goes on without its task.
pub(crate) struct SharedPermit<B>(Mutex<Shares<B>>);

/// What the connection's task holds.
pub(crate) struct TasksShare<B>(Arc<SharedPermit<B>>);

struct Shares<B> {
    permit: Option<Permit<B>>,
    /// Whether the exchange under way may switch the connection.
    may_switch: bool,
    has_task: bool,
}

impl<B> SharedPermit<B> {
    pub(crate) fn new(permit: Permit<B>) -> (Arc<Self>, TasksShare<B>) {
        let shared = Arc::new(Self(Mutex::new(Shares {
            permit: Some(permit),
            may_switch: false,
            has_task: true,
        })));
        (Arc::clone(&shared), TasksShare(shared))
    }

    /// From now on the connection may go on without its task.
    pub(crate) fn may_switch(&self) {
        lock(&self.0).may_switch = true;
    }

    /// The connection was not switched.
    pub(crate) fn stays(&self) {
        let given_up = {
            let mut shares = lock(&self.0);
            shares.may_switch = false;
            match shares.has_task {
                true => None,
                false => shares.permit.take(),
            }
        };
        // Without the lock: who waits is served.
        drop(given_up);
    }
}

impl<B> Drop for TasksShare<B> {
    fn drop(&mut self) {
        let given_up = {
            let mut shares = lock(&self.0.0);
            shares.has_task = false;
            match shares.may_switch {
                true => None,
                false => shares.permit.take(),
            }
        };
        drop(given_up);
    }
}
