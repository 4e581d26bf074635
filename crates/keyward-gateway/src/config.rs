//! What an operator may set.

use std::{
    num::NonZeroUsize,
    sync::{Arc, LazyLock},
    time::Duration,
};

use keyward_routes::{Budgets, Counters, MemoryBudgets, MemoryCounters, Prices};

use crate::Budget;

/// Limits of the data plane.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that serve connections, each with its own runtime and its own upstream connections. Default:
    /// as many as the machine has cores for this process.
    pub workers: NonZeroUsize,
    /// How connections are accepted and served, and for how long a stop waits.
    pub listen: keyward_listen::Config,
    /// What memory the data plane may take at most. The caps of [`listen`](Self::listen) are lowered until they
    /// keep to it, and requests beyond what is left are refused, see [`Budget::limits`]. Default `None`: the caps
    /// stand as they are, and requests are not counted.
    pub memory_budget: Option<Budget>,
    /// Limits of the forwarder.
    pub forward: keyward_forward::Config,
    /// How many rows of counts the store keeps at most, half of them for minutes and half for hours; beyond, the oldest
    /// go first. Default: 500,000.
    pub traffic_rows: u64,
    /// Where rate limits are counted. Default: in this process's memory. Counters elsewhere are shared by all gateways over
    /// the same vault.
    pub counters: Arc<dyn Counters>,
    /// Where budgets are counted. Default: in this process's memory, from which the recorder has the store keep them.
    pub budgets: Arc<dyn Budgets>,
    /// What tokens cost. Default: the table as it is shipped.
    pub prices: Arc<Prices>,
    /// For how long the log keeps what it is told of a request. Default: 30 days.
    pub log_retention: Duration,
    /// What requests that wait for the recorder may take of memory, in bytes, of each worker. Default: 8 MiB, some 10,000
    /// requests between two of its turns, four a second; further ones are not in the log, and counted as lost.
    pub log_queue_bytes: usize,
    /// How long a request's or an answer's body may be that the log keeps, in bytes: longer ones are not kept, nor are those
    /// of unknown length or in an unknown coding. A request is read whole before it is sent then. Default: 0, and none is
    /// kept.
    pub log_body_bytes: usize,
    /// How many of a hundred requests that succeed the log keeps; those that fail are kept all. Default: 100, and more is
    /// the same.
    pub log_sample_percent: u8,
    /// Whether a provider's stream is asked what it takes (`stream_options.include_usage`) where the provider tells it only
    /// then and the client does not ask. The client does not see the chunk. Requests that nobody is told of are not touched.
    /// Default: it is.
    pub asks_for_usage: bool,
}

/// The shipped table, read once: that takes longer than all else of a configuration. A test of the table's crate sees to it
/// that it can be read.
static BUILT_IN: LazyLock<Arc<Prices>> =
    LazyLock::new(|| Arc::new(Prices::built_in().unwrap_or_default()));

impl Default for Config {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            listen: keyward_listen::Config::default(),
            memory_budget: None,
            forward: keyward_forward::Config::default(),
            traffic_rows: 500_000,
            counters: Arc::new(MemoryCounters::default()),
            budgets: Arc::new(MemoryBudgets::default()),
            prices: Arc::clone(&BUILT_IN),
            log_retention: Duration::from_hours(30 * 24),
            log_queue_bytes: 8 * 1024 * 1024,
            log_body_bytes: 0,
            log_sample_percent: 100,
            asks_for_usage: true,
        }
    }
}
