//! What may be set.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::{Networks, Tls};

/// The most connections that are allowed where nothing is set and the system would allow more.
const MOST_CONNECTIONS: usize = 10_000;
/// Descriptors that are for something else: the store, the log, other listeners.
const RESERVED_FILES: u64 = 128;
/// The least that is worth listening for.
const LEAST_CONNECTIONS: usize = 16;

/// Limits of a listener. Each has a default that is safe in production.
#[derive(Clone, Debug)]
pub struct Config {
    /// Connections at once; further ones wait in the kernel's queue. Default: half of what `RLIMIT_NOFILE`
    /// leaves (whoever forwards a request holds a second socket for it), at most 10,000.
    pub max_connections: Option<usize>,
    /// Connections at once from one IPv4 address or one IPv6 network of 64 bits; further ones are closed.
    /// Default: a tenth of `max_connections`, at least 16.
    pub max_connections_per_address: Option<usize>,
    /// How long a client may take for the first bytes of a connection, for a whole request head, and how long a
    /// connection may be without a request. Default 60 s.
    pub header_timeout: Duration,
    /// How long a client may take no byte of what is sent to it. On HTTP/1.1 that ends the connection; on
    /// HTTP/2 a stream that gets no window ends, and the connection where nothing is taken at all. Default 60 s.
    pub write_timeout: Duration,
    /// How long a client may take for the TLS handshake. Default 10 s.
    pub handshake_timeout: Duration,
    /// Bytes of one request head; on HTTP/2 counted as RFC 9113 §6.5.2 does, with 32 for each field. Default
    /// 64 KiB; a longer one is answered 431.
    pub max_head_bytes: usize,
    /// Header fields of one request. Default 100; more are answered 431.
    pub max_headers: usize,
    /// HTTP/2. `None`: HTTP/1.1 alone.
    pub http2: Option<Http2>,
    /// How long a client that still sends is listened to after its answer.
    pub linger: Linger,
    /// How long a connection without a request is kept when serving ends, so that a request that is already on
    /// its way is answered; on HTTP/2 also when one ends for being idle. Default 1 s.
    pub idle_grace: Duration,
    /// How long requests in flight may take when serving ends. Default 30 s.
    pub drain_timeout: Duration,
    /// TLS. `None`: connections are in clear.
    pub tls: Option<Tls>,
    /// Proxies that begin each connection with a header of the PROXY protocol, version 2. Such a header is taken
    /// from them alone, and they must send one: a connection of theirs without it is closed. Default none.
    pub proxy_protocol_from: Networks,
    /// Proxies whose `X-Forwarded-For` says where a request comes from ([`Peer::source`](crate::Peer::source)).
    /// They carry many clients, so `max_connections_per_address` is not for them. Default none.
    pub trusted_proxies: Networks,
}

/// Limits of one HTTP/2 connection.
#[derive(Clone, Debug)]
pub struct Http2 {
    /// Streams at once. Default 100, which RFC 9113 §6.5.2 recommends as the least.
    pub max_streams: u32,
    /// Bytes of one frame that a client may send. Default 16 KiB, the least that there is.
    pub max_frame_bytes: u32,
    /// Bytes of a request body that a client may send ahead on one stream. Default 256 KiB.
    pub stream_window: u32,
    /// The same for all streams together. Default 512 KiB.
    pub connection_window: u32,
    /// Bytes of an answer that are held for one stream which the client does not let us send. Default 64 KiB;
    /// one chunk of an answer goes beyond it.
    pub send_buffer: usize,
    /// How often the client is asked whether it is still there. Default 30 s.
    pub ping_interval: Duration,
    /// How long it may take to say so. Default 20 s.
    pub ping_timeout: Duration,
    /// Requests that a client may give up before their answer is complete, one after the other at once. Beyond
    /// it the connection ends ("rapid reset", CVE-2023-44487). Default 200.
    pub cancelled_burst: u32,
    /// How many more it may give up with each second. Default 20.
    pub cancelled_per_second: u32,
    /// Streams that were reset before we got to them. Default 20, as h2 0.4 has it.
    pub max_pending_resets: usize,
    /// Streams that we reset because the client broke the protocol. Default 100; h2 0.4 has 1,024.
    pub max_error_resets: usize,
}

/// How a connection is closed on which the client may still be sending.
///
/// A socket that is closed with unread bytes in it resets the connection, and the client may lose the answer
/// that explains why. So the sending half is closed first, and what still comes is read and thrown away.
#[derive(Clone, Copy, Debug)]
pub struct Linger {
    /// For how long altogether. Default 30 s.
    pub time: Duration,
    /// How long the client may be silent. Default 2 s.
    pub silence: Duration,
    /// How many bytes are thrown away. Default 64 MiB.
    pub bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: None,
            max_connections_per_address: None,
            header_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            max_head_bytes: 64 * 1024,
            max_headers: 100,
            http2: Some(Http2::default()),
            linger: Linger::default(),
            idle_grace: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(30),
            tls: None,
            proxy_protocol_from: Networks::default(),
            trusted_proxies: Networks::default(),
        }
    }
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_streams: 100,
            max_frame_bytes: 16 * 1024,
            stream_window: 256 * 1024,
            connection_window: 512 * 1024,
            send_buffer: 64 * 1024,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            cancelled_burst: 200,
            cancelled_per_second: 20,
            max_pending_resets: 20,
            max_error_resets: 100,
        }
    }
}

impl Default for Linger {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            silence: Duration::from_secs(2),
            bytes: 64 * 1024 * 1024,
        }
    }
}

impl Config {
    /// Connections at once: what is set, or what the limit of open files allows.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.max_connections
            .unwrap_or_else(|| connections_for(getrlimit(Resource::Nofile).current))
    }

    /// Connections at once from one address.
    #[must_use]
    pub fn connections_per_address(&self) -> usize {
        self.max_connections_per_address
            .unwrap_or_else(|| (self.connections() / 10).max(LEAST_CONNECTIONS))
    }
}

/// How many connections a process may have that may open `files`; `None` is without limit.
fn connections_for(files: Option<u64>) -> usize {
    let Some(files) = files else {
        return MOST_CONNECTIONS;
    };
    let half = files.saturating_sub(RESERVED_FILES) / 2;
    usize::try_from(half)
        .unwrap_or(MOST_CONNECTIONS)
        .clamp(LEAST_CONNECTIONS, MOST_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::{Config, connections_for};

    #[test]
    fn caps_follow_the_limit_of_open_files() {
        assert_eq!(connections_for(None), 10_000);
        assert_eq!(connections_for(Some(1_048_576)), 10_000);
        assert_eq!(connections_for(Some(1_024)), 448);
        assert_eq!(connections_for(Some(0)), 16);
    }

    #[test]
    fn what_is_set_is_taken_as_it_is() {
        let config = Config {
            max_connections: Some(500),
            ..Config::default()
        };
        assert_eq!(config.connections(), 500);
        assert_eq!(config.connections_per_address(), 50);
        let config = Config {
            max_connections_per_address: Some(3),
            ..config
        };
        assert_eq!(config.connections_per_address(), 3);
    }
}
