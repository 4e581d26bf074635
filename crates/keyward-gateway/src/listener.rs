//! The workers: one acceptor, and threads that serve.
//!
//! One task accepts and hands each connection to the worker with the fewest. Each worker is a thread with a
//! runtime of its own, so that a request, its upstream connection and its credential stay on one core. How a
//! connection is accepted, served and limited is `keyward_listen`'s.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use hyper::{Request, body::Incoming, service::service_fn};
use keyward_listen::{Accepted, Acceptor, Drain, ReadOn, Server};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Gateway, counters::Writers, in_flight::InFlight, replay::Replayable, request::Turn,
    worker::Worker,
};

/// How often a worker lets go of what is outdated, where no request makes it.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// The worker threads could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a worker thread")]
pub struct StartError(#[source] io::Error);

struct Handle {
    connections: mpsc::UnboundedSender<Accepted>,
    load: Arc<AtomicUsize>,
    ended: oneshot::Receiver<()>,
}

/// One connection of a worker; counted until it is dropped.
#[derive(Debug)]
struct Load(Arc<AtomicUsize>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gateway {
    /// Serves `listener` until `stop` is cancelled: then takes no connection but those that wait already, asks
    /// clients to go elsewhere, lets requests in flight finish for as long as
    /// [`drain_timeout`](keyward_listen::Config::drain_timeout) says, and returns when every worker has ended.
    ///
    /// # Errors
    ///
    /// When a worker thread cannot be started. A failing accept is logged and tried again.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), StartError> {
        if let Err(error) = self.restore_budgets().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot read what was spent of budgets before this start: until the recorder can, they are counted without it"
            );
        }
        let server = Server::new(self.config().listen.clone());
        let drain = Drain::new();
        let cut = CancellationToken::new();
        let mut workers = Vec::new();
        for index in 0..self.config().workers.get() {
            let worker = start_worker(&self, index, &server, &cut).map_err(StartError)?;
            workers.push(worker);
        }
        let acceptor = server.acceptor(listener, &drain);
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(&acceptor, &workers, self.in_flight()) => {}
            () = server.keep_up() => {}
        }
        // Before any client is asked to go elsewhere: one that comes back at once is refused by the kernel, not
        // accepted by it and then lost.
        for accepted in acceptor.into_waiting() {
            hand_over(accepted, &workers, self.in_flight());
        }
        let limits = server.config();
        let open = drain.run(limits.idle_grace, limits.drain_timeout).await;
        if open > 0 {
            tracing::warn!(open, "connections were cut after the drain timeout");
        }
        cut.cancel();
        for worker in workers {
            drop(worker.connections);
            // A worker that panicked has dropped its sender; there is nothing left to wait for.
            if worker.ended.await.is_err() {
                tracing::error!("a worker ended before it was asked to");
            }
        }
        Ok(())
    }
}

/// Hands connections over until no worker takes one.
async fn accept(acceptor: &Acceptor, workers: &[Handle], in_flight: &Arc<InFlight>) {
    while hand_over(acceptor.accept().await, workers, in_flight) {}
    tracing::error!("every worker has ended: no more connections are accepted");
}

/// Gives a connection to the worker with the fewest. Whether there is one at all.
fn hand_over(accepted: Accepted, workers: &[Handle], in_flight: &Arc<InFlight>) -> bool {
    // A worker that ended has the fewest connections of all.
    let Some(worker) = workers
        .iter()
        .filter(|worker| !worker.connections.is_closed())
        .min_by_key(|worker| worker.load.load(Ordering::Relaxed))
    else {
        return false;
    };
    worker.load.fetch_add(1, Ordering::Relaxed);
    let accepted =
        accepted.with_guard((Load(Arc::clone(&worker.load)), in_flight.begin_connection()));
    // A worker that ended just now takes nothing: the connection closes, and the client tries another.
    if worker.connections.send(accepted).is_err() {
        tracing::error!("a worker takes no connection");
    }
    true
}

fn start_worker(
    gateway: &Arc<Gateway>,
    index: usize,
    server: &Server,
    cut: &CancellationToken,
) -> io::Result<Handle> {
    let (connections, receiver) = mpsc::unbounded_channel();
    let (ended, when_ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let worker = gateway.worker(Writers::One, gateway.upstreams().clone());
    let (server, cut) = (server.clone(), cut.clone());
    thread::Builder::new()
        .name(format!("keyward-worker-{index}"))
        .spawn(move || {
            runtime.block_on(work(&worker, receiver, &server, &cut));
            // What is still open is cut with the runtime.
            drop(runtime);
            // Nobody listens any more only if the whole process is on its way out.
            let _nobody = ended.send(());
        })?;
    Ok(Handle {
        connections,
        load: Arc::new(AtomicUsize::new(0)),
        ended: when_ended,
    })
}

/// Serves what is handed over, until it is cut.
async fn work(
    worker: &Arc<Worker<ReadOn<Incoming>>>,
    mut connections: mpsc::UnboundedReceiver<Accepted>,
    server: &Server,
    cut: &CancellationToken,
) {
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cut.cancelled() => return,
            accepted = connections.recv() => match accepted {
                Some(accepted) => serve(server.clone(), accepted, Arc::clone(worker)),
                None => return,
            },
            _ = tidy.tick() => worker.tidy(),
        }
    }
}

fn serve(server: Server, accepted: Accepted, worker: Arc<Worker<ReadOn<Incoming>>>) {
    // Tracked by the drain, and cut with the runtime.
    tokio::spawn(async move {
        server
            .serve_connection(accepted, |peer| {
                service_fn(move |request: Request<Incoming>| {
                    let worker = Arc::clone(&worker);
                    let source = peer.source(request.headers());
                    let version = request.version();
                    let request = request.map(|body| Replayable::Once(ReadOn::new(body, version)));
                    // Boxed for as long as a request takes to its answer's head: hyper keeps room for the future
                    // itself as long as the connection, and copies it on its way there.
                    Box::pin(worker.answer(request, source, None, Turn::Client))
                })
            })
            .await;
    });
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::StartError;

        keyward_testing::assert_texts!("StartError", [
            "no thread" => StartError(std::io::ErrorKind::OutOfMemory.into()),
        ]);
    }
}
