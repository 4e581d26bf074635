//! What an operator may set.

use std::time::Duration;

use crate::TunnelLimits;

/// Limits of a [`Forwarder`](crate::Forwarder).
///
/// ```
/// use std::time::Duration;
/// use keyward_forward::Config;
///
/// let config = Config { connect_timeout: Duration::from_secs(2), ..Config::default() };
/// assert_eq!(config.pool_idle_timeout, Duration::from_secs(50));
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// How long resolving, connecting and the TLS handshake may take together. Default 10 s.
    pub connect_timeout: Duration,
    /// How long an upstream may take from the moment a request is handed to its connection until the
    /// answer's head is complete; the upload counts. Default 600 s, as OpenAI's SDKs wait.
    pub response_header_timeout: Duration,
    /// How long a client may pause while it sends a body. Measured coarsely: a pause is noticed after once
    /// to twice this time. Default 60 s.
    pub request_idle_timeout: Duration,
    /// How long an upstream may pause within an answer, measured as coarsely. Default 600 s: models think
    /// for minutes between two events.
    pub response_idle_timeout: Duration,
    /// How long an unused connection is kept. Default 50 s, below the 60 s after which common load
    /// balancers close: a request written on a connection that is being closed is lost.
    pub pool_idle_timeout: Duration,
    /// How many unused connections are kept per origin. Default 256; 0 keeps none.
    pub max_idle_per_origin: usize,
    /// Longest head of an answer, in bytes. Default 64 KiB. (At most 100 headers, which is hyper's limit.)
    pub max_response_head_bytes: usize,
    /// Limits of WebSockets.
    pub tunnel: TunnelLimits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            response_header_timeout: Duration::from_secs(600),
            request_idle_timeout: Duration::from_secs(60),
            response_idle_timeout: Duration::from_secs(600),
            pool_idle_timeout: Duration::from_secs(50),
            max_idle_per_origin: 256,
            max_response_head_bytes: 64 * 1024,
            tunnel: TunnelLimits::default(),
        }
    }
}
