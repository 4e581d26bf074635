//! The accept loop: one acceptor, and workers that serve.
//!
//! One task accepts and hands each connection to the worker with the fewest. Each worker is a thread with a
//! runtime of its own, so that a request, its upstream connection and its credential stay on one core.

use std::{
    collections::HashMap,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::MissedTickBehavior,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Config, Gateway, stalled::StallLimit, worker::Worker};

/// How many header fields hyper 1 takes unless it is told otherwise.
const HYPER_MAX_HEADERS: usize = 100;

/// The smallest read buffer that hyper takes; it panics below.
const LEAST_BUFFER: usize = 8192;
/// How often a worker lets go of what is outdated, where no request makes it.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// The worker threads could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a worker thread")]
pub struct StartError(#[source] io::Error);

/// One client connection on its way to a worker.
struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    held: Held,
}

/// What a connection holds for as long as it is open.
struct Held {
    _slot: OwnedSemaphorePermit,
    _address: AddressSlot,
    load: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Set once, when the listener stops: connections then finish what they are at and close.
#[derive(Debug, Default)]
struct Drain {
    begun: AtomicBool,
    token: CancellationToken,
}

struct Handle {
    connections: mpsc::UnboundedSender<Accepted>,
    load: Arc<AtomicUsize>,
    ended: oneshot::Receiver<()>,
}

impl Gateway {
    /// Serves `listener` until `stop` is cancelled: then takes no new connection, lets requests in flight
    /// finish for as long as [`Config::drain_timeout`] says, and returns when every worker has ended.
    ///
    /// # Errors
    ///
    /// When a worker thread cannot be started. A failing accept is logged and tried again.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), StartError> {
        let drain = Arc::new(Drain::default());
        let mut workers = Vec::new();
        for index in 0..self.config().workers.get() {
            workers.push(start_worker(&self, index, &drain).map_err(StartError)?);
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(&listener, self.config(), &workers) => {}
        }
        drop(listener);
        drain.begun.store(true, Ordering::Release);
        drain.token.cancel();
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

async fn accept(listener: &TcpListener, config: &Config, workers: &[Handle]) {
    let slots = Arc::new(Semaphore::new(
        config.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let addresses = Addresses::new(config.max_connections_per_address);
    loop {
        // The slot comes first: at the limit, connections wait in the kernel's queue.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                accept_failed(&error).await;
                continue;
            }
        };
        let Some(address) = addresses.take(peer.ip()) else {
            metrics::counter!("keyward_connections_refused_total", "reason" => "address")
                .increment(1);
            continue;
        };
        // A worker that ended has the fewest connections of all.
        let Some(worker) = workers
            .iter()
            .filter(|worker| !worker.connections.is_closed())
            .min_by_key(|worker| worker.load.load(Ordering::Relaxed))
        else {
            tracing::error!("every worker has ended: no more connections are accepted");
            return;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch Nagle's algorithm off");
        }
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "cannot hand a connection over");
                continue;
            }
        };
        worker.load.fetch_add(1, Ordering::Relaxed);
        let accepted = Accepted {
            stream,
            peer,
            held: Held {
                _slot: slot,
                _address: address,
                load: Arc::clone(&worker.load),
            },
        };
        // A worker that ended just now takes nothing: the connection closes, and the client tries another.
        if worker.connections.send(accepted).is_err() {
            tracing::error!("a worker takes no connection");
        }
    }
}

/// A failed accept concerns one connection, or the process is out of files: then waiting helps.
async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    let one_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !one_connection {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn start_worker(gateway: &Arc<Gateway>, index: usize, drain: &Arc<Drain>) -> io::Result<Handle> {
    let (connections, receiver) = mpsc::unbounded_channel();
    let (ended, when_ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let worker = gateway.worker();
    let drain = Arc::clone(drain);
    let config = gateway.config().clone();
    thread::Builder::new()
        .name(format!("keyward-worker-{index}"))
        .spawn(move || {
            runtime.block_on(work(worker, receiver, drain, &config));
            // Nobody listens any more only if the whole process is on its way out.
            let _nobody = ended.send(());
        })?;
    Ok(Handle {
        connections,
        load: Arc::new(AtomicUsize::new(0)),
        ended: when_ended,
    })
}

async fn work(
    worker: Arc<Worker>,
    mut connections: mpsc::UnboundedReceiver<Accepted>,
    drain: Arc<Drain>,
    config: &Config,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_buf_size(config.max_head_bytes.max(LEAST_BUFFER))
        // The buffer's limit alone lets a longer head through that comes in one read.
        .max_header_size(config.max_head_bytes);
    // hyper keeps its default on the stack; any other number costs it a cleared buffer per request.
    if config.max_headers != HYPER_MAX_HEADERS {
        http.max_headers(config.max_headers);
    }
    let open = TaskTracker::new();
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            accepted = connections.recv() => match accepted {
                Some(accepted) => accepted,
                None => break,
            },
            _ = tidy.tick() => {
                worker.tidy();
                continue;
            }
        };
        let stream = match TcpStream::from_std(accepted.stream) {
            Ok(stream) => StallLimit::new(stream, config.write_timeout),
            Err(error) => {
                tracing::warn!(%error, "cannot serve a connection");
                continue;
            }
        };
        let connection = serve_connection(
            http.clone(),
            stream,
            accepted.peer,
            Arc::clone(&worker),
            Arc::clone(&drain),
            accepted.held,
        );
        open.spawn(connection);
    }
    open.close();
    if tokio::time::timeout(config.drain_timeout, open.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            open = open.len(),
            "connections were cut after the drain timeout"
        );
    }
}

async fn serve_connection(
    http: http1::Builder,
    stream: StallLimit,
    peer: SocketAddr,
    worker: Arc<Worker>,
    drain: Arc<Drain>,
    held: Held,
) {
    let source = canonical(peer.ip());
    let service = service_fn(move |request| {
        let worker = Arc::clone(&worker);
        async move { Ok::<_, std::convert::Infallible>(worker.answer(request, source).await) }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut stop = pin!(drain.token.cancelled());
    let mut draining = false;
    let mut registered = false;
    let result = poll_fn(|context| {
        // The token is polled once, to be woken when it is cancelled; asking it at every wake-up would take
        // its lock each time.
        if !registered {
            registered = true;
            let _woken_later = stop.as_mut().poll(context);
        }
        if !draining && drain.begun.load(Ordering::Acquire) {
            draining = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    if let Err(error) = result {
        // The client went away, was too slow, or sent what is no HTTP: its affair, and no news.
        tracing::debug!(%peer, error = &error as &dyn std::error::Error, "a connection ended early");
    }
    drop(held);
}

/// An IPv4 address that came in through an IPv6 socket is still that IPv4 address.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// How many connections each address has open.
#[derive(Clone, Debug)]
struct Addresses {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    limit: usize,
}

struct AddressSlot {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Addresses {
    fn new(limit: usize) -> Self {
        Self {
            open: Arc::default(),
            limit,
        }
    }

    fn take(&self, address: IpAddr) -> Option<AddressSlot> {
        let address = canonical(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(AddressSlot {
            open: Arc::clone(&self.open),
            address,
        })
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
