//! One connection, from its first byte to its last.

use std::{error::Error, future::Future, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, service::Service};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    Accepted, Peer, Server,
    acceptor::refused,
    first_bytes::{self, Protocol},
    http1, http2,
    io::{Io, Transport},
    proxy_protocol,
    socket::Socket,
};

impl Server {
    /// Serves a connection to its end, with the service that `make_service` makes for it. Runs on the runtime
    /// that it is polled on, which needs I/O and time; streams of HTTP/2 are tasks of their own there.
    ///
    /// Never fails: a connection that ends early is the client's affair, and is logged at debug level. Dropping
    /// the future cuts the connection.
    pub async fn serve_connection<M, S, B>(&self, accepted: Accepted, make_service: M)
    where
        M: FnOnce(Peer) -> S,
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let address = accepted.peer;
        let drain = accepted.drain.clone();
        let begun = match self.begin(accepted).await {
            Ok(Some(begun)) => begun,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(peer = %address, %error, "a connection ended before it began");
                return;
            }
        };
        let service = make_service(begun.peer);
        let result = match (begun.protocol, &self.config().http2) {
            (Protocol::Http2, Some(limits)) => {
                // Boxed, so that a connection of HTTP/1.1 does not take the room of one of HTTP/2.
                let serving = http2::serve(self.config(), limits, begun.io, service, &drain);
                Box::pin(serving).await.map(|ended| note(ended, address))
            }
            (Protocol::Http1 | Protocol::Http2, _) => {
                http1::serve(self.http1(), begun.io, service, &drain).await
            }
        };
        if let Err(error) = result {
            // The client went away, was too slow, or sent what is no HTTP: its affair, and no news.
            tracing::debug!(
                peer = %address,
                error = &error as &dyn Error,
                "a connection ended early"
            );
        }
    }

    /// Everything before the first request, each step with its deadline. `None`: the client said too little, or
    /// its address has too many connections.
    async fn begin(&self, accepted: Accepted) -> io::Result<Option<Begun>> {
        let config = self.config();
        let mut held = accepted.held;
        let mut address = accepted.peer;
        let drain = accepted.drain;
        let closing = drain.closing();
        let mut stream = Socket::new(accepted.stream, drain.clone())?;
        if let Some(addresses) = accepted.uncounted {
            let source = proxy_protocol::read(&mut stream);
            let Some(source) = within(config.header_timeout, closing, source).await? else {
                return Ok(None);
            };
            address = source.unwrap_or(address);
            if !config.trusted_proxies.contains(address.ip()) {
                held.address = addresses.take(address.ip()).or_else(refused);
                if held.address.is_none() {
                    return Ok(None);
                }
            }
        }
        let with_http2 = config.http2.is_some();
        let (transport, protocol, ahead) = if let Some(tls) = &config.tls {
            // Boxed, so that a connection in clear does not take the room of a handshake.
            let handshake = Box::pin(tls.accept(stream, with_http2));
            let Some((stream, is_http2)) =
                within(config.handshake_timeout, closing, handshake).await?
            else {
                return Ok(None);
            };
            let protocol = match is_http2 {
                true => Protocol::Http2,
                false => Protocol::Http1,
            };
            (Transport::Tls(stream), protocol, Bytes::new())
        } else if with_http2 {
            let first = first_bytes::read(&mut stream);
            let first = within(config.header_timeout, closing, first).await?;
            let Some((protocol, ahead)) = first.flatten() else {
                return Ok(None);
            };
            (Transport::Clear(stream), protocol, ahead)
        } else {
            (Transport::Clear(stream), Protocol::Http1, Bytes::new())
        };
        Ok(Some(Begun {
            peer: Peer::new(address, config.tls.is_some(), &config.trusted_proxies),
            io: Io::new(transport, ahead, config, held),
            protocol,
        }))
    }
}

/// What `step` comes to; `None` if it takes longer than `limit`, or serving ends: whoever has said nothing by
/// then has nothing to lose.
async fn within<T>(
    limit: Duration,
    closing: &CancellationToken,
    step: impl Future<Output = io::Result<T>>,
) -> io::Result<Option<T>> {
    tokio::select! {
        // The step first: what the client has said is to be heard also where serving ends already.
        biased;
        result = timeout(limit, step) => match result {
            Ok(result) => result.map(Some),
            Err(_elapsed) => Ok(None),
        },
        () = closing.cancelled() => Ok(None),
    }
}

/// A connection whose protocol is known.
struct Begun {
    peer: Peer,
    io: Io,
    protocol: Protocol,
}

fn note(ended: http2::Ended, peer: SocketAddr) {
    if ended == http2::Ended::Flooded {
        metrics::counter!("keyward_connections_refused_total", "reason" => "resets").increment(1);
        tracing::debug!(%peer, "a client gave up too many requests; its connection is closed");
    }
}
