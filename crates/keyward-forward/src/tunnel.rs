//! The two-way stream behind a handshake: bytes as they come, with back-pressure, small buffers and limits.
//!
//! Messages are not read. Of frames that come from the upstream only the borders are, so that the credential
//! can be masked in what they carry without touching their framing.

mod frames;

use std::{
    any::Any,
    fmt,
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) use self::frames::FrameScrub;
use crate::Scrubber;

/// Bytes read at once, per direction: what a tunnel holds, and how far a fast side is ahead of a slow one.
const BUFFER_BYTES: usize = 8 * 1024;

/// Limits of a tunnel.
#[derive(Debug, Clone)]
pub struct TunnelLimits {
    /// How long neither side may send anything before the tunnel is closed; measured coarsely, noticed after
    /// once to twice this time. Pings count. Default 600 s.
    pub idle_timeout: Duration,
    /// How long a tunnel may last. Default: no limit but the upstream's.
    pub lifetime: Option<Duration>,
}

/// A connection to an upstream that has switched protocols.
pub struct Tunnel {
    upstream: Upgraded,
    scrubber: Option<Arc<Scrubber>>,
    limits: TunnelLimits,
    /// The connection's place among those of its origin, until the tunnel ends.
    _place: Place,
}

/// What counts a connection for as long as it is held.
pub(crate) type Place = Arc<dyn Any + Send + Sync>;

/// How a tunnel ended, and what went through it.
#[derive(Debug)]
pub struct TunnelReport {
    /// Why it ended.
    pub end: TunnelEnd,
    /// Bytes from the client to the upstream.
    pub bytes_up: u64,
    /// Bytes from the upstream to the client.
    pub bytes_down: u64,
}

/// Why a tunnel ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum TunnelEnd {
    /// Both sides ended their streams.
    Closed,
    /// A connection broke.
    Broken(io::Error),
    /// Neither side sent anything for too long.
    Idle,
    /// It lasted as long as it may.
    Expired,
    /// The caller ended it.
    Cut,
}

impl Default for TunnelLimits {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(600),
            lifetime: None,
        }
    }
}

impl Tunnel {
    pub(crate) const fn new(
        upstream: Upgraded,
        scrubber: Option<Arc<Scrubber>>,
        limits: TunnelLimits,
        place: Place,
    ) -> Self {
        Self {
            upstream,
            scrubber,
            limits,
            _place: place,
        }
    }

    /// Copies both ways until both sides have ended their streams, a limit is reached, or `cut` is ready.
    ///
    /// The end of one side's stream is passed on, and the other goes on. In what comes from the upstream the
    /// credential is masked, where it stands in one uncompressed frame. A side that does not read stops the
    /// other side from being read. Ending early drops both connections: neither side is told of a clean end.
    pub async fn run<C>(self, client: C, cut: impl Future<Output = ()>) -> TunnelReport
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let (client_in, client_out) = tokio::io::split(client);
        let (upstream_in, upstream_out) = tokio::io::split(TokioIo::new(self.upstream));
        let scrub = self.scrubber.map(FrameScrub::new);
        let flow = Flow::default();
        let copying = async {
            tokio::try_join!(
                copy(client_in, upstream_out, None, &flow, &flow.up),
                copy(upstream_in, client_out, scrub, &flow, &flow.down),
            )
        };
        let end = tokio::select! {
            ended = copying => match ended {
                Ok(((), ())) => TunnelEnd::Closed,
                Err(error) => TunnelEnd::Broken(error),
            },
            () = flow.stands_still_for(self.limits.idle_timeout) => TunnelEnd::Idle,
            () = expires_after(self.limits.lifetime) => TunnelEnd::Expired,
            () = cut => TunnelEnd::Cut,
        };
        TunnelReport {
            end,
            bytes_up: flow.up.load(Ordering::Relaxed),
            bytes_down: flow.down.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("is_scrubbed", &self.scrubber.is_some())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl TunnelEnd {
    /// The end as a word, for a metric's label.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Broken(_) => "broken",
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::Cut => "cut",
        }
    }
}

/// What has gone through. Atomics only because the future may move between threads.
#[derive(Default)]
struct Flow {
    moved: AtomicBool,
    up: AtomicU64,
    down: AtomicU64,
}

impl Flow {
    async fn stands_still_for(&self, limit: Duration) {
        loop {
            tokio::time::sleep(limit).await;
            if !self.moved.swap(false, Ordering::Relaxed) {
                return;
            }
        }
    }
}

async fn expires_after(lifetime: Option<Duration>) {
    match lifetime {
        Some(lifetime) => tokio::time::sleep(lifetime).await,
        None => std::future::pending().await,
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut scrub: Option<FrameScrub>,
    flow: &Flow,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        // The last piece is dropped by now, so this takes its memory again.
        buffer.reserve(BUFFER_BYTES);
        let length = from.read_buf(&mut buffer).await?;
        flow.moved.store(true, Ordering::Relaxed);
        if length == 0 {
            if let Some(held) = scrub.as_mut().map(FrameScrub::finish) {
                to.write_all(&held).await?;
            }
            return to.shutdown().await;
        }
        let came = buffer.split().freeze();
        let passes: Bytes = match &mut scrub {
            Some(scrub) => scrub.pass(came),
            None => came,
        };
        to.write_all(&passes).await?;
        to.flush().await?;
        flow.moved.store(true, Ordering::Relaxed);
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        count.fetch_add(length, Ordering::Relaxed);
    }
}
