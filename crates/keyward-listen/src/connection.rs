//! One connection, from its first byte to its last.

use std::{error::Error, io, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, service::Service};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    Accepted, Peer, Server,
    first_bytes::{self, Protocol},
    http1, http2,
    io::Io,
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
        let service = make_service(Peer::new(address));
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

    /// Everything before the first request. `None`: the client said too little, or too late.
    async fn begin(&self, accepted: Accepted) -> io::Result<Option<Begun>> {
        let (held, drain) = (accepted.held, accepted.drain);
        let mut stream = TcpStream::from_std(accepted.stream)?;
        let config = self.config();
        let (protocol, ahead) = if config.http2.is_some() {
            let first = async {
                tokio::select! {
                    first = timeout(config.header_timeout, first_bytes::read(&mut stream)) => first,
                    // Whoever has said nothing by then has nothing to lose.
                    () = drain.closing().cancelled() => Ok(Ok(None)),
                }
            };
            match first.await {
                Ok(Ok(Some(first))) => first,
                Ok(Ok(None)) | Err(_) => return Ok(None),
                Ok(Err(error)) => return Err(error),
            }
        } else {
            (Protocol::Http1, Bytes::new())
        };
        let io = Io::new(stream, ahead, config, held);
        Ok(Some(Begun { io, protocol }))
    }
}

/// A connection whose protocol is known.
struct Begun {
    io: Io,
    protocol: Protocol,
}

fn note(ended: http2::Ended, peer: SocketAddr) {
    if ended == http2::Ended::Flooded {
        metrics::counter!("keyward_connections_refused_total", "reason" => "resets").increment(1);
        tracing::debug!(%peer, "a client gave up too many requests; its connection is closed");
    }
}
