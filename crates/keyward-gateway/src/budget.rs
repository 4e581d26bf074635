//! From one number of bytes to the caps that keep the data plane below it.
//!
//! Pure arithmetic over the configuration; docs/configuration.md gives the formula for operators. It counts what each
//! connection and each request can make the process hold at most, whatever clients and providers do. Typical use is
//! far below: an open stream of events takes about 30 KiB.

use std::{cmp, fmt};

use keyward_listen::Http2;
use keyward_registry::Snapshot;

use crate::Config;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The process without traffic and with little stored: program, registry, store, control plane. Measured 20 MiB. While the
/// database does not answer, 100,000 rows of counts wait, of 350 bytes at most, and 20,000 entries of the log, of about one KiB.
const BASE: u64 = 84 * MIB;
/// A provider key with its secret and its sealed value. Measured 1,395 bytes (docs/performance.md), and the
/// allocator's own share.
const PROVIDER_KEY: u64 = 2_304;
/// A token. Measured 523 bytes (docs/performance.md), and the allocator's own share.
const TOKEN: u64 = 896;
/// A worker without traffic: its stack, its opened credentials, and the upstream connections that it keeps, 256 of
/// about 22 KiB. And one compressed error that is being decoded: of a decoder's window only what it fills is in memory,
/// 256 KiB for each of two codings, with a copy of it and its tables.
const WORKER: u64 = 10 * MIB;
/// A client connection before its first byte: two buffers of 8 KiB, its task, its timers. Measured 18 KiB.
const CONNECTION: u64 = 24 * KIB;
/// A request before its first byte: the upstream connection with two buffers of 8 KiB and a queue of 10 KiB, its
/// task, headers. Measured 24 KiB. And 2 KiB of what the log is told of it.
const REQUEST: u64 = 34 * KIB;
/// A compressed error is held whole, decoded, until its client has read it; nothing else comes down then.
const DECODED_ERROR: u64 = 256 * KIB;
/// How many buffers hyper holds for one direction of a request at most: the one that it reads into, a chunk that
/// was handed over and not taken, what waits to be written, and the chunk that went beyond the limit of that.
const BUFFERS_PER_DIRECTION: u64 = 4;
/// Bodies that are remembered so that their requests can be sent again, of all requests together. So much without a
/// budget, too.
pub(crate) const HELD: u64 = 64 * MIB;
/// A small budget gives them this part of it.
const HELD_PART: u64 = 32;
/// hyper takes no smaller buffer.
const LEAST_BUFFER: u64 = 8 * KIB;
/// Fewer connections are not worth serving.
const LEAST_CONNECTIONS: usize = 16;
/// Windows of HTTP/2 are not made smaller: it is what the protocol begins with.
const LEAST_WINDOW: u32 = 64 * 1024;

/// A worker, with the requests that the log is not told of yet.
fn worker(config: &Config) -> u64 {
    let waiting = u64::try_from(config.log_queue_bytes).unwrap_or(u64::MAX);
    WORKER.saturating_add(waiting)
}

/// How much memory the data plane may take at most, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget(u64);

/// What is held of what is stored, whatever the traffic: every provider key and every token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain counts")]
pub struct Stored {
    /// Provider keys, each with its secret.
    pub provider_keys: usize,
    /// Tokens.
    pub tokens: usize,
}

/// The caps that follow from a [`Budget`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The budget.
    pub budget: Budget,
    /// What is set aside for provider keys and tokens.
    pub stored: Budget,
    /// What is set aside for bodies that are remembered so that their requests can be sent again with another key, in
    /// bytes.
    pub held: u64,
    /// Client connections at once.
    pub connections: usize,
    /// What is set aside for each of them, in bytes.
    pub connection_bytes: u64,
    /// Requests that are being forwarded at once, on all connections together.
    pub requests: usize,
    /// What is set aside for each of them, in bytes.
    pub request_bytes: u64,
    /// HTTP/2 with its windows.
    pub http2: Option<Http2>,
}

/// A budget does not allow what is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a memory budget of {budget} is too small: {connections} connections with a request each need {needed}"
)]
pub struct BudgetError {
    budget: Budget,
    connections: usize,
    needed: Budget,
}

impl Budget {
    /// A budget of this many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// How many bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The caps that keep to this budget beside what is stored. Reads the configured caps, which it only ever lowers,
    /// and changes nothing.
    ///
    /// First the windows of HTTP/2 give way, down to an eighth; then, where
    /// [`max_connections`](keyward_listen::Config::max_connections) is not set, the number of connections. What
    /// connections leave is for requests beyond one for each connection, which HTTP/2 makes possible.
    ///
    /// # Errors
    ///
    /// When not even 16 connections fit, or not as many as are set, each with one request.
    pub fn limits(self, config: &Config, stored: Stored) -> Result<Limits, BudgetError> {
        let wanted = config.listen.connections();
        let workers = u64::try_from(config.workers.get()).unwrap_or(u64::MAX);
        let base = BASE
            .saturating_add(worker(config).saturating_mul(workers))
            .saturating_add(stored.bytes());
        let for_traffic = self
            .0
            .saturating_sub(base)
            .saturating_sub(self.held_bytes());
        let request_bytes = request_bytes(config);

        let mut shrink = 1;
        let (http2, connection_bytes, fitting) = loop {
            let http2 = config.listen.http2.as_ref();
            let http2 = http2.map(|http2| with_smaller_windows(http2, shrink));
            let connection_bytes = connection_bytes(config, http2.as_ref());
            let both = connection_bytes.saturating_add(request_bytes);
            let fitting = usize::try_from(for_traffic / both).unwrap_or(usize::MAX);
            if fitting >= wanted || shrink >= 8 || http2.is_none() {
                break (http2, connection_bytes, fitting);
            }
            shrink *= 2;
        };

        let least = match config.listen.max_connections {
            Some(set) => set,
            None => cmp::min(wanted, LEAST_CONNECTIONS),
        };
        if fitting < least {
            let both = connection_bytes.saturating_add(request_bytes);
            let least = u64::try_from(least).unwrap_or(u64::MAX);
            return Err(BudgetError {
                budget: self,
                connections: usize::try_from(least).unwrap_or(usize::MAX),
                needed: Self(with_held(base.saturating_add(both.saturating_mul(least)))),
            });
        }
        let connections = cmp::min(wanted, fitting);
        let taken = u64::try_from(connections)
            .unwrap_or(u64::MAX)
            .saturating_mul(connection_bytes);
        let requests = for_traffic.saturating_sub(taken) / request_bytes;
        let streams = http2.as_ref().map_or(1, |http2| http2.max_streams.max(1));
        let possible = connections.saturating_mul(usize::try_from(streams).unwrap_or(usize::MAX));
        Ok(Limits {
            budget: self,
            stored: Self(stored.bytes()),
            held: self.held_bytes(),
            connections,
            connection_bytes,
            requests: cmp::min(usize::try_from(requests).unwrap_or(usize::MAX), possible),
            request_bytes,
            http2,
        })
    }
}

impl Budget {
    /// What is set aside for bodies that are remembered.
    fn held_bytes(self) -> u64 {
        cmp::min(HELD, self.0 / HELD_PART)
    }
}

/// The budget that leaves `bytes` beside what it sets aside for bodies that are remembered.
fn with_held(bytes: u64) -> u64 {
    let part = bytes / (HELD_PART - 1) + 1;
    bytes.saturating_add(cmp::min(HELD, part))
}

impl Stored {
    /// What a snapshot holds.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let keys = snapshot
            .accounts()
            .map(|account| account.provider_key_count());
        Self {
            provider_keys: keys.sum(),
            tokens: snapshot.tokens().len(),
        }
    }

    fn bytes(self) -> u64 {
        let bytes = |count: usize, each: u64| {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            count.saturating_mul(each)
        };
        bytes(self.provider_keys, PROVIDER_KEY).saturating_add(bytes(self.tokens, TOKEN))
    }
}

/// What one client connection can make the process hold, beside its requests.
fn connection_bytes(config: &Config, http2: Option<&Http2>) -> u64 {
    // One head is being read, and one that was read may live on in the request made of it.
    let heads = 2 * client_buffer(config);
    let windows = http2.map_or(0, |http2| u64::from(http2.connection_window));
    CONNECTION.saturating_add(heads).saturating_add(windows)
}

/// What one request that is being forwarded can make the process hold, both ways.
fn request_bytes(config: &Config) -> u64 {
    let upstream = buffer(config.forward.max_response_head_bytes.max(64 * 1024));
    // Up, chunks are read by the client's side and queued by the upstream's; down, the other way round.
    let one_way = (BUFFERS_PER_DIRECTION / 2).saturating_mul(client_buffer(config) + upstream);
    REQUEST
        .saturating_add(one_way)
        .saturating_add(one_way.max(DECODED_ERROR))
}

/// hyper has one limit for the head and for what it buffers of a body.
fn client_buffer(config: &Config) -> u64 {
    buffer(config.listen.max_head_bytes)
}

fn buffer(bytes: usize) -> u64 {
    u64::try_from(bytes)
        .unwrap_or(u64::MAX / 64)
        .clamp(LEAST_BUFFER, u64::MAX / 64)
}

fn with_smaller_windows(http2: &Http2, shrink: u32) -> Http2 {
    let smaller = |window: u32| cmp::min(window, (window / shrink).max(LEAST_WINDOW));
    Http2 {
        stream_window: smaller(http2.stream_window),
        connection_window: smaller(http2.connection_window),
        ..http2.clone()
    }
}

impl Limits {
    /// What is set aside for this many connections and requests, in bytes.
    #[must_use]
    pub fn reserved(&self, connections: usize, requests: usize) -> u64 {
        let bytes = |count: usize, each: u64| {
            u64::try_from(count)
                .unwrap_or(u64::MAX)
                .saturating_mul(each)
        };
        bytes(connections, self.connection_bytes)
            .saturating_add(bytes(requests, self.request_bytes))
    }

    /// `config` with these caps.
    #[must_use]
    pub(crate) fn apply(&self, mut config: Config) -> Config {
        // Fixed first: it would follow the lowered number of connections.
        let per_address = config.listen.connections_per_address();
        config.listen.max_connections_per_address = Some(cmp::min(per_address, self.connections));
        config.listen.max_connections = Some(self.connections);
        config.listen.http2.clone_from(&self.http2);
        config
    }
}

impl fmt::Display for Budget {
    /// In whole MiB, rounded up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0.div_ceil(MIB))
    }
}

#[cfg(test)]
mod tests;
