//! How many connections an origin may have, and who waits for one.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use keyward_forward::{
    BoxFuture, Config, Connection, Dial, DialError, Fault, ForwardError, Forwarder, Handshake,
    Kind, Offer, Shared, Switch, SystemDial, TlsConfig, dial,
};
use keyward_secret::Origin;
use tokio::{io::AsyncReadExt, sync::Semaphore, task::JoinSet};

use crate::{
    connections::Closing,
    support::{Gateway, Upstream, Whole, field, post, text, until},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An upstream that answers a request for each permit, over connections that stay open.
async fn gated() -> (Upstream, &'static Semaphore) {
    let gate: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    let upstream = Upstream::start(move |mut peer| async move {
        while peer.read_request().await.is_some() {
            gate.acquire().await.unwrap().forget();
            peer.write(OK).await;
        }
    })
    .await;
    (upstream, gate)
}

fn limited(connections: usize, waiting: usize) -> Config {
    Config {
        max_connections_per_origin: connections,
        max_waiting_per_origin: waiting,
        ..Config::default()
    }
}

fn sharing(origin: &Origin, config: &Config, shared: &Shared<Whole>) -> Gateway<Whole> {
    let mut gateway = Gateway::to(origin);
    let dial = Arc::new(SystemDial::build(TlsConfig::default()).unwrap());
    gateway.forwarder = Forwarder::sharing(dial, config.clone(), shared.clone());
    gateway
}

/// Asks for a WebSocket.
async fn shake_hands(gateway: &Gateway<Whole>) -> Result<Switch, ForwardError> {
    let mut request = http::Request::get("/")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Whole::default())
        .unwrap();
    let handshake = Handshake::take(&mut request).unwrap();
    let (target, rules) = (gateway.target(), gateway.rules());
    let switching = gateway
        .forwarder
        .upgrade(request, &handshake, target, rules);
    switching.await
}

#[tokio::test]
async fn who_has_waited_longest_gets_the_next_connection() {
    let (upstream, gate) = gated().await;
    let config = limited(2, 100);
    let shared = Shared::new(&config);
    let gateway = Arc::new(sharing(&upstream.origin, &config, &shared));
    let (say, mut order) = tokio::sync::mpsc::unbounded_channel();
    let mut requests = JoinSet::new();
    for number in 0..20 {
        let (gateway, say) = (gateway.clone(), say.clone());
        requests.spawn(async move {
            let answer = gateway.send(post("x")).await.unwrap();
            say.send(number).unwrap();
            assert_eq!(text(answer).await, "ok");
        });
        let expected = usize::try_from(number).unwrap() + 1;
        until(|| {
            let load = shared.load();
            load.connections.min(2) + load.waiting == expected
        })
        .await;
    }
    assert_eq!((shared.load().connections, shared.load().waiting), (2, 18));
    let mut served = Vec::new();
    for _ in 0..20 {
        gate.add_permits(1);
        served.push(order.recv().await.unwrap());
    }
    requests.join_all().await;
    // The first two race for the first permit; behind them the order is that of asking.
    served[..2].sort_unstable();
    assert_eq!(served, (0..20).collect::<Vec<_>>());
    assert_eq!(upstream.accepted(), 2);
    assert_eq!((shared.load().connections, shared.load().waiting), (2, 0));
}

#[tokio::test]
async fn more_than_may_wait_are_refused_at_once() {
    let (upstream, gate) = gated().await;
    let config = limited(1, 2);
    let shared = Shared::new(&config);
    let gateway = Arc::new(sharing(&upstream.origin, &config, &shared));
    let mut requests = JoinSet::new();
    for expected in 1..=3 {
        let gateway = gateway.clone();
        requests.spawn(async move { text(gateway.send(post("x")).await.unwrap()).await });
        until(|| shared.load().connections + shared.load().waiting == expected).await;
    }
    let error = gateway.send(post("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.fault()), (Kind::Busy, Fault::Us));
    assert!(error.is_retryable() && !error.is_timeout());

    // Who gives up makes room, and takes nothing along.
    requests.abort_all();
    while requests.join_next().await.is_some() {}
    gate.add_permits(100);
    for _ in 0..5 {
        assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "ok");
    }
    assert_eq!(shared.load().waiting, 0);
}

#[tokio::test]
async fn waiting_ends_at_its_limit() {
    let (upstream, _gate) = gated().await;
    let config = Config {
        queue_timeout: Duration::from_millis(50),
        ..limited(1, 10)
    };
    let shared = Shared::new(&config);
    let gateway = Arc::new(sharing(&upstream.origin, &config, &shared));
    let first = gateway.clone();
    let first = tokio::spawn(async move { first.send(post("x")).await });
    until(|| shared.load().connections == 1).await;
    assert_eq!(
        gateway.send(post("x")).await.unwrap_err().kind(),
        Kind::Busy
    );
    first.abort();
}

/// A connection that closes is as good for who waits as one that is given back.
#[tokio::test]
async fn a_connection_that_ends_lets_the_next_make_one() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.read_request().await.unwrap();
        peer.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
            .await;
    })
    .await;
    let config = limited(2, 100);
    let shared = Shared::new(&config);
    let gateway = Arc::new(sharing(&upstream.origin, &config, &shared));
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let gateway = gateway.clone();
        requests.spawn(async move { text(gateway.send(post("x")).await.unwrap()).await });
    }
    assert_eq!(requests.join_all().await.len(), 20);
    assert_eq!(upstream.accepted(), 20);
}

/// A connection that is closed behind its answer makes room at once, however long the answer lies unread.
#[tokio::test]
async fn an_answer_that_nobody_reads_keeps_no_place_once_its_connection_has_ended() {
    let go: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    let upstream = Upstream::start(move |mut peer| async move {
        peer.read_request().await.unwrap();
        peer.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n")
            .await;
        go.acquire().await.unwrap().forget();
        peer.write("ok").await;
    })
    .await;
    let config = limited(1, 100);
    let shared = Shared::new(&config);
    let gateway = Arc::new(sharing(&upstream.origin, &config, &shared));
    let unread = gateway.send(post("x")).await.unwrap();
    let waiting = gateway.clone();
    let waiting = tokio::spawn(async move { waiting.send(post("x")).await });
    until(|| shared.load().waiting == 1).await;
    go.add_permits(2);
    assert_eq!(text(waiting.await.unwrap().unwrap()).await, "ok");
    assert_eq!(upstream.accepted(), 2);
    assert_eq!(text(unread).await, "ok");
}

/// A handshake that is declined leaves a connection like any other.
#[tokio::test]
async fn a_declined_handshake_keeps_no_place_either() {
    let upstream = Upstream::start(move |mut peer| async move {
        peer.read_request().await.unwrap();
        peer.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
            .await;
    })
    .await;
    let config = limited(1, 100);
    let shared = Shared::new(&config);
    let gateway = sharing(&upstream.origin, &config, &shared);
    let Switch::Declined(unread) = shake_hands(&gateway).await.unwrap() else {
        panic!("switched");
    };
    until(|| shared.load().connections == 0).await;
    assert_eq!(text(unread).await, "ok");
}

/// Unused connections of one forwarder serve another's requests when there may be no more.
#[tokio::test]
async fn a_forwarder_gets_the_unused_connection_of_another() {
    let (upstream, gate) = gated().await;
    gate.add_permits(100);
    let config = limited(1, 10);
    let shared = Shared::new(&config);
    let one = sharing(&upstream.origin, &config, &shared);
    let other = sharing(&upstream.origin, &config, &shared);
    for _ in 0..3 {
        for gateway in [&one, &other] {
            assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "ok");
            assert_eq!(gateway.forwarder.idle_connections(), 1);
        }
    }
    assert_eq!(upstream.accepted(), 1);
}

/// A dialler that fails when it is let, and counts.
#[derive(Debug)]
struct Failing {
    dials: AtomicUsize,
    go: Semaphore,
}

impl Failing {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            dials: AtomicUsize::new(0),
            go: Semaphore::new(0),
        })
    }
}

impl Dial for Failing {
    fn dial<'a>(
        &'a self,
        _origin: &'a Origin,
        offer: Offer,
    ) -> BoxFuture<'a, Result<Connection, DialError>> {
        assert_eq!(offer, Offer::Http2OrHttp1);
        self.dials.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            self.go.acquire().await.unwrap().forget();
            let error = io::Error::from(io::ErrorKind::ConnectionRefused);
            Err(DialError::new(dial::Kind::Refused, error))
        })
    }
}

#[tokio::test]
async fn who_waits_for_a_first_connection_that_fails_is_told_so() {
    let origin = Origin::parse("https://a.example").unwrap();
    let dialler = Failing::new();
    let config = Config::default();
    let shared = Shared::new(&config);
    let mut gateway = Gateway::<Whole>::to(&origin);
    gateway.forwarder = Forwarder::sharing(dialler.clone(), config, shared.clone());
    let gateway = Arc::new(gateway);
    let mut requests = JoinSet::new();
    for _ in 0..10 {
        let gateway = gateway.clone();
        requests.spawn(async move { gateway.send(post("x")).await.unwrap_err() });
    }
    until(|| shared.load().waiting == 9).await;
    dialler.go.add_permits(1);
    for error in requests.join_all().await {
        assert_eq!(error.kind(), Kind::ConnectRefused);
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(cause.to_string(), "the connection was refused");
    }
    assert_eq!(dialler.dials.load(Ordering::SeqCst), 1);
    assert_eq!(shared.load(), keyward_forward::Load::default());
}

/// Who makes the connection for all may go away: another makes it.
#[tokio::test]
async fn the_one_who_dials_may_give_up() {
    let origin = Origin::parse("https://a.example").unwrap();
    let dialler = Failing::new();
    let config = Config::default();
    let shared = Shared::new(&config);
    let mut gateway = Gateway::<Whole>::to(&origin);
    gateway.forwarder = Forwarder::sharing(dialler.clone(), config, shared.clone());
    let gateway = Arc::new(gateway);
    let send =
        |gateway: Arc<Gateway<Whole>>| async move { gateway.send(post("x")).await.map(|_| ()) };
    let first = tokio::spawn(send(gateway.clone()));
    until(|| dialler.dials.load(Ordering::SeqCst) == 1).await;
    let second = tokio::spawn(send(gateway.clone()));
    until(|| shared.load().waiting == 1).await;
    first.abort();
    until(|| dialler.dials.load(Ordering::SeqCst) == 2).await;
    dialler.go.add_permits(1);
    assert_eq!(
        second.await.unwrap().unwrap_err().kind(),
        Kind::ConnectRefused
    );
}

/// A connection that was switched to a WebSocket is one of its origin's for as long as the tunnel is.
#[tokio::test]
async fn a_tunnel_keeps_its_place_until_it_ends() {
    // Key and answer of RFC 6455 §1.3.
    let switched = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let upstream = Upstream::start(move |mut peer| async move {
        peer.read_request().await.unwrap();
        peer.write(switched).await;
        peer.closed().await;
    })
    .await;
    let config = limited(1, 0);
    let shared = Shared::new(&config);
    let gateway = sharing(&upstream.origin, &config, &shared);
    let open = async || match shake_hands(&gateway).await {
        Ok(Switch::Switched(_, tunnel)) => Ok(tunnel),
        Ok(Switch::Declined(answer)) => panic!("{}", answer.status()),
        Err(error) => Err(error.kind()),
    };
    let tunnel = open().await.unwrap();
    until(|| shared.load().connections == 1).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(open().await.unwrap_err(), Kind::Busy);
    drop(tunnel);
    until(|| shared.load().connections == 0).await;
    drop(open().await.unwrap());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A connection of a worker that looks elsewhere was closed by the upstream. Another worker gets it and queues a
/// request on it; then the first one looks.
fn over_a_connection_that_closed_unseen<T>(
    send: &impl AsyncFn(&Gateway<Whole>) -> Result<T, ForwardError>,
) -> T {
    let upstream = Closing::start();
    let config = limited(1, 10);
    let shared = Shared::new(&config);
    let one = sharing(&upstream.origin, &config, &shared);
    let other = sharing(&upstream.origin, &config, &shared);
    let (first, second) = (runtime(), runtime());
    first.block_on(async { assert_eq!(text(one.send(post("x")).await.unwrap()).await, "ok") });
    upstream.close.send(1).unwrap();
    upstream.closed.recv().unwrap();
    // The first runtime learns that there is something to read, and gets no further.
    first.block_on(tokio::task::yield_now());
    let (end, told) = tokio::sync::oneshot::channel::<()>();
    let outcome = second.block_on(async {
        let looking = async {
            // The request takes less than this to be queued.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            std::thread::spawn(move || first.block_on(told).ok())
        };
        let (outcome, looking) = tokio::join!(send(&other), looking);
        drop(end);
        looking.join().unwrap();
        outcome
    });
    drop(one);
    outcome.unwrap()
}

#[test]
fn a_connection_of_another_forwarder_that_closes_costs_no_request() {
    over_a_connection_that_closed_unseen(&async |gateway: &Gateway<Whole>| {
        gateway.send(post("x")).await
    });
    let switch = over_a_connection_that_closed_unseen(&shake_hands);
    assert!(matches!(switch, Switch::Declined(_)));
}

/// An upstream answers before it has read the request's end: the connection is given back while it still sends.
#[tokio::test]
async fn a_connection_that_is_handed_on_serves_once_it_is_ready() {
    let go: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    let upstream = Upstream::start(move |mut peer| async move {
        while let Some(head) = peer.read_head().await {
            peer.write(OK).await;
            go.acquire().await.unwrap().forget();
            let length = field(&head, "content-length").unwrap().parse().unwrap();
            let mut body = vec![0; length];
            peer.stream.read_exact(&mut body).await.unwrap();
        }
    })
    .await;
    let config = limited(1, 10);
    let shared = Shared::new(&config);
    let gateway = Arc::new(sharing(&upstream.origin, &config, &shared));
    // More than the sockets hold.
    let long: &'static str = "x".repeat(16 << 20).leak();
    let first = gateway.send(post(long)).await.unwrap();
    let waiting = gateway.clone();
    let waiting = tokio::spawn(async move { waiting.send(post("x")).await });
    until(|| shared.load().waiting == 1).await;
    // Who waits has the connection now, and does with one that is not ready what it would.
    assert_eq!(text(first).await, "ok");
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    go.add_permits(2);
    assert_eq!(text(waiting.await.unwrap().unwrap()).await, "ok");
}
