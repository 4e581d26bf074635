//! What an operator may set.

use std::{num::NonZeroUsize, time::Duration};

/// Limits of the data plane.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that serve connections, each with its own runtime and its own upstream connections. Default:
    /// as many as the machine has cores for this process.
    pub workers: NonZeroUsize,
    /// Client connections at once; further ones wait in the kernel's queue. Default 10,000.
    pub max_connections: usize,
    /// Client connections at once from one address; further ones are closed. Default 1,000.
    pub max_connections_per_address: usize,
    /// How long a client may take to send a whole head, counted from when the connection is ready for it; so
    /// also how long a connection may be idle. Default 60 s.
    pub header_timeout: Duration,
    /// How long a client may take no byte of what is sent to it before its connection is closed. Default 60 s.
    pub write_timeout: Duration,
    /// Bytes of one request head. Default 64 KiB; a longer one is answered 431.
    pub max_head_bytes: usize,
    /// Header fields of one request. Default 100; more are answered 431.
    pub max_headers: usize,
    /// How long a stop waits for requests in flight. Default 30 s.
    pub drain_timeout: Duration,
    /// Limits of the forwarder.
    pub forward: keyward_forward::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            header_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            max_head_bytes: 64 * 1024,
            max_headers: 100,
            drain_timeout: Duration::from_secs(30),
            forward: keyward_forward::Config::default(),
        }
    }
}
