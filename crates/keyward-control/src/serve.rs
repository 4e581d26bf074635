//! The control plane on a listener of its own.

use std::{future::Future, time::Duration};

use axum::body::Body;
use hyper::{Request, body::Incoming, service::service_fn};
use keyward_listen::{ReadOn, Server};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::{Control, Peer};

impl Control {
    /// Serves HTTP/1.1 and HTTP/2 on `listener` within [`Config::listen`](crate::Config::listen) until
    /// `shutdown` is ready; then accepts nothing more, and returns when the requests in flight are answered,
    /// after [`drain_timeout`](keyward_listen::Config::drain_timeout) at the latest.
    ///
    /// Needs a tokio runtime with I/O and time. Cancelling the future cuts every connection; a change that has
    /// begun is finished all the same, as long as the runtime runs.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let router = self.router();
        let server = Server::new(self.config().listen.clone());
        let serving = server.serve(listener, shutdown, move |peer| {
            let router = router.clone();
            service_fn(move |mut request: Request<Incoming>| {
                let source = peer.source(request.headers());
                let peer = Peer((source, peer.address().port()).into());
                request.extensions_mut().insert(peer);
                let version = request.version();
                let request = request.map(|body| Body::new(ReadOn::new(body, version)));
                router.clone().oneshot(request)
            })
        });
        serving.await;
    }
}

/// The limits of a control plane: operators and scripts are few, and their requests are small.
pub(crate) fn limits() -> keyward_listen::Config {
    keyward_listen::Config {
        // Guesses.
        max_connections: Some(256),
        max_connections_per_address: Some(128),
        header_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(30),
        max_head_bytes: 32 * 1024,
        // Clients of Cloudflare send about 15 (wire-spec §8.1).
        max_headers: 64,
        drain_timeout: Duration::from_secs(10),
        ..keyward_listen::Config::default()
    }
}
