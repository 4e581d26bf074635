//! What an operator may set.

use std::time::Duration;

use crate::{Offer, TunnelLimits};

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
    /// The least bytes per second of a client's body, over every [`request_rate_window`](Self::request_rate_window)
    /// of waiting for it; waiting for the upstream does not count. Default 256; 0 allows any rate.
    pub request_min_rate: u32,
    /// Over how much waiting the rate is judged, so also the grace at the beginning. Default 30 s.
    pub request_rate_window: Duration,
    /// How long an upstream may pause within an answer, measured as coarsely. Default 600 s: models think
    /// for minutes between two events.
    pub response_idle_timeout: Duration,
    /// How long an unused connection is kept. Default 50 s, below the 60 s after which common load
    /// balancers close: a request written on a connection that is being closed is lost.
    pub pool_idle_timeout: Duration,
    /// How many unused connections are kept per origin and forwarder. Default 256; 0 keeps none.
    pub max_idle_per_origin: usize,
    /// How old a connection may become. An older one takes no new request and ends with its last one, so that
    /// a name that leads elsewhere now does so for us too. Connections made together end within the last
    /// fifth of this time, not at once. Default 5 min.
    pub max_connection_age: Duration,
    /// How many connections an origin may have, over all forwarders that share them
    /// ([`Shared`](crate::Shared)). Over HTTP/1.1 each carries one request at a time. Default 10,000.
    pub max_connections_per_origin: usize,
    /// How many requests may wait for one of an origin's connections, the longest waiting served first; more
    /// are refused at once. Default 1,000.
    pub max_waiting_per_origin: usize,
    /// How long a request may wait for a connection. Default 10 s.
    pub queue_timeout: Duration,
    /// Which protocols TLS upstreams are offered. Default [`Offer::Http2OrHttp1`].
    pub offer: Offer,
    /// How many requests an HTTP/2 connection carries at a time, if the upstream takes as many; beyond, another
    /// connection is made. Default 100.
    pub http2_max_streams: usize,
    /// How many bytes of one answer over HTTP/2 an upstream may send ahead of its reader. As many lie in
    /// memory for each reader that stands still, and it bounds one answer's rate to this much per round trip.
    /// The window of a connection is this times its streams, so that no reader holds up the others. Default
    /// 128 KiB; at most 2³¹ − 1.
    pub http2_stream_window_bytes: u32,
    /// How long nothing may come over an HTTP/2 connection with open streams before it is asked for a sign of
    /// life (`PING`); without one within 20 s it is closed. Default 30 s.
    pub http2_keep_alive_interval: Duration,
    /// How many bytes of a request's body are remembered over HTTP/2 until the answer's head is there, so that
    /// a request that the upstream refused unprocessed is sent again. A longer body that was begun is not.
    /// Remembering shares the bytes and copies none. Default 64 KiB.
    pub replay_bytes: usize,
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
            request_min_rate: 256,
            request_rate_window: Duration::from_secs(30),
            response_idle_timeout: Duration::from_secs(600),
            pool_idle_timeout: Duration::from_secs(50),
            max_idle_per_origin: 256,
            max_connection_age: Duration::from_secs(300),
            max_connections_per_origin: 10_000,
            max_waiting_per_origin: 1_000,
            queue_timeout: Duration::from_secs(10),
            offer: Offer::Http2OrHttp1,
            http2_max_streams: 100,
            http2_stream_window_bytes: 128 * 1024,
            http2_keep_alive_interval: Duration::from_secs(30),
            replay_bytes: 64 * 1024,
            max_response_head_bytes: 64 * 1024,
            tunnel: TunnelLimits::default(),
        }
    }
}
