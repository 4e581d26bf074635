//! All origins of the forwarders that share connections.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, AtomicUsize},
    },
};

use keyward_secret::{Origin, Scheme};

use super::{Gate, HTTP1, Queue, State, UNKNOWN, lock};
use crate::Config;

/// Above this many origins, those that nobody uses are forgotten.
const ORIGINS_KEPT: usize = 256;

/// What forwarders share: HTTP/2 connections, and per origin a limit of connections with a queue before it.
///
/// Cheap to clone; every clone is the same. One per process is usual: each worker makes its
/// [`Forwarder`](crate::Forwarder) with a clone of it.
pub struct Shared<B> {
    gates: Arc<Mutex<HashMap<Origin, Arc<Gate<B>>>>>,
    limits: Limits,
}

/// What bounds one origin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) waiting: usize,
    pub(super) streams: usize,
}

/// How much is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// Connections, over all origins; also those that are being made.
    pub connections: usize,
    /// Requests that wait for one.
    pub waiting: usize,
    /// Exchanges over HTTP/2.
    pub streams: usize,
}

impl<B> Shared<B> {
    /// Nothing is open. `config` says what bounds an origin; the rest of it is the forwarders'.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            gates: Arc::default(),
            limits: Limits {
                connections: config.max_connections_per_origin.max(1),
                waiting: config.max_waiting_per_origin,
                streams: config.http2_max_streams.max(1),
            },
        }
    }

    /// How much is in use now.
    #[must_use]
    pub fn load(&self) -> Load {
        let gates: Vec<_> = lock(&self.gates).values().cloned().collect();
        gates.iter().fold(Load::default(), |mut load, gate| {
            let state = lock(&gate.state);
            load.connections += state.open;
            load.waiting += state.queue.still_waiting();
            load.streams += state.http2.iter().map(|entry| entry.streams).sum::<usize>();
            load
        })
    }

    pub(crate) fn gate(&self, origin: &Origin) -> Arc<Gate<B>> {
        let mut gates = lock(&self.gates);
        if let Some(gate) = gates.get(origin) {
            return Arc::clone(gate);
        }
        if gates.len() >= ORIGINS_KEPT {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1 || lock(&gate.state).open > 0);
        }
        let known = match origin.scheme() {
            // Without TLS nobody asks which protocol it is.
            Scheme::Http => HTTP1,
            Scheme::Https => UNKNOWN,
        };
        let gate = Arc::new(Gate {
            limits: self.limits,
            known: AtomicU8::new(known),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State {
                open: 0,
                dialling: 0,
                http2: Vec::new(),
                assumed_streams: usize::MAX,
                queue: Queue::new(),
                shelves: Vec::new(),
                watch: None,
                is_watched: false,
            }),
        });
        gates.insert(origin.clone(), Arc::clone(&gate));
        gate
    }
}

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Self {
            gates: Arc::clone(&self.gates),
            limits: self.limits,
        }
    }
}

impl<B> fmt::Debug for Shared<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}
