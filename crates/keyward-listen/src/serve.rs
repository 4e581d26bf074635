//! The limits of a listener, prepared; and an accept loop over them.

use std::{error::Error, future::Future, pin::pin, sync::Arc};

use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, service::Service};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{Accepted, Acceptor, Config, Drain, Peer, http1};

/// Serves connections within limits. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Server(Arc<Prepared>);

#[derive(Debug)]
struct Prepared {
    config: Config,
    http1: hyper::server::conn::http1::Builder,
}

impl Server {
    /// Prepares a server. Does no I/O.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let http1 = http1::builder(&config);
        Self(Arc::new(Prepared { config, http1 }))
    }

    /// What it was prepared with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn http1(&self) -> &hyper::server::conn::http1::Builder {
        &self.0.http1
    }

    /// Accepts connections of `listener`, within the caps of the configuration. They end as `drain` says.
    #[must_use]
    pub fn acceptor(&self, listener: TcpListener, drain: &Drain) -> Acceptor {
        Acceptor::new(listener, self.config(), drain.clone())
    }

    /// What a server has to do beside serving: to keep up with the [files of TLS](crate::Tls::keep_up). Never returns.
    /// [`serve`](Self::serve) does it; whoever uses its parts polls this beside them.
    pub async fn keep_up(&self) {
        match &self.config().tls {
            Some(tls) => tls.keep_up().await,
            None => std::future::pending().await,
        }
    }

    /// Serves `listener` until `stop` is ready, each connection as a task with the service that `make_service`
    /// makes for it. Then serves what the kernel has accepted already and nothing more, and returns when the
    /// requests in flight are answered, after [`Config::drain_timeout`] at the latest.
    ///
    /// Needs a tokio runtime with I/O and time. Cancelling the future cuts every connection.
    pub async fn serve<M, S, B>(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        make_service: M,
    ) where
        M: Fn(Peer) -> S + Clone + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let drain = Drain::new();
        let acceptor = self.acceptor(listener, &drain);
        let mut connections = JoinSet::new();
        let connect = |accepted: Accepted| {
            let (server, make_service) = (self.clone(), make_service.clone());
            async move { server.serve_connection(accepted, make_service).await }
        };
        let mut stop = pin!(stop);
        let mut upkeep = pin!(self.keep_up());
        loop {
            while connections.try_join_next().is_some() {}
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = &mut upkeep => {}
                accepted = acceptor.accept() => {
                    connections.spawn(connect(accepted));
                }
            }
        }
        // Before any client is asked to go elsewhere: one that comes back at once is refused by the kernel, not
        // accepted by it and then lost.
        for accepted in acceptor.into_waiting() {
            connections.spawn(connect(accepted));
        }
        let Config {
            idle_grace,
            drain_timeout,
            ..
        } = *self.config();
        let open = drain.run(idle_grace, drain_timeout).await;
        if open > 0 {
            tracing::warn!(open, "connections were cut after the drain timeout");
        }
        connections.shutdown().await;
    }
}
