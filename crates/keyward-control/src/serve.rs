//! The accept loop of the control plane.
//!
//! `axum::serve` has no time limits at all, so a connection that says nothing stays open for ever
//! (ARCHITECTURE.md). Here every phase of a connection ends: the head and the wait for the next request by
//! hyper's timer, the body by its deadline, and whatever else stalls, such as a reader that does not read, by
//! the longest life of a connection.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt;

use crate::{Control, Peer};

/// Connections at a time; more wait in the kernel's queue. A guess: operators and scripts are few.
const MAX_CONNECTIONS: usize = 256;

/// How long the head of a request may take, and how long a connection may idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest life of a connection; it ends after the request in flight. A guess.
const LIFETIME: Duration = Duration::from_secs(300);

/// How long requests in flight may take to finish once the connection is to end.
const GRACE: Duration = Duration::from_secs(10);

/// The read buffer of a connection. One read may go beyond it, so the head has a limit of its own.
const MAX_BUFFER: usize = 64 * 1024;

/// The largest head of a request, and the largest trailers.
const MAX_HEAD: usize = 32 * 1024;

/// Header lines of a request. Clients of Cloudflare send about 15 (wire-spec §8.1).
const MAX_HEADERS: usize = 64;

/// How long to wait after a connection could not be accepted, which is mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Control {
    /// Serves HTTP/1.1 on `listener` until `shutdown` is ready; then accepts nothing more, and returns when
    /// the requests in flight are answered, after 10 s at the latest.
    ///
    /// Needs a tokio runtime with I/O and time. Cancelling the future cuts every connection; a change that has
    /// begun is finished all the same, as long as the runtime runs.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let router = self.router();
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let (stop, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accept(&listener, &slots) => accepted,
            };
            match accepted {
                Some((stream, peer, slot)) => {
                    let connection =
                        serve_connection(router.clone(), stream, peer, stopped.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                None => tokio::select! {
                    () = &mut shutdown => break,
                    () = sleep(ACCEPT_PAUSE) => {}
                },
            }
        }
        drop(listener);
        drop(stop);
        let finished = timeout(GRACE, async {
            while connections.join_next().await.is_some() {}
        })
        .await;
        if finished.is_err() {
            tracing::warn!(
                open = connections.len(),
                "connections to the control plane were cut"
            );
            connections.shutdown().await;
        }
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<Accepted> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            tracing::warn!(%error, "a connection to the control plane could not be accepted");
            None
        }
    }
}

async fn serve_connection(
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    mut stopped: watch::Receiver<()>,
) {
    // Answers are small; waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection to the control plane closed at once");
        return;
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        // The sender only ever goes away: that is the signal.
        _gone = stopped.changed() => None,
        () = sleep(LIFETIME) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the control plane ended early");
    }
}
