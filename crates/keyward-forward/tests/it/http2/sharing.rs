//! Connections that forwarders share.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use keyward_forward::{Config, Forwarder, Handshake, Shared, SystemDial, TlsConfig};
use keyward_secret::Origin;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Semaphore,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{server::Server, to, trusting};
use crate::support::{DEADLINE, Gateway, Whole, post, text, tls, until};

type Shares = Shared<Whole>;

/// A worker: a thread, a runtime and a forwarder of its own, until told to end.
struct Worker {
    ask: tokio::sync::mpsc::UnboundedSender<tokio::sync::oneshot::Sender<String>>,
    thread: std::thread::JoinHandle<()>,
}

impl Worker {
    fn start(server: &Server, shared: Shares) -> Self {
        let (origin, tls) = (server.origin.clone(), trusting(&server.pem));
        let (ask, mut asked) =
            tokio::sync::mpsc::unbounded_channel::<tokio::sync::oneshot::Sender<String>>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut gateway = Gateway::<Whole>::to(&origin);
                let dial = Arc::new(SystemDial::build(tls).unwrap());
                gateway.forwarder = Forwarder::sharing(dial, Config::default(), shared);
                while let Some(answer) = asked.recv().await {
                    let said = text(gateway.send(post("x")).await.unwrap()).await;
                    answer.send(said).unwrap();
                }
            });
        });
        Self { ask, thread }
    }

    async fn request(&self) -> String {
        let (answer, said) = tokio::sync::oneshot::channel();
        self.ask.send(answer).unwrap();
        said.await.unwrap()
    }

    async fn end(self) {
        drop(self.ask);
        let thread = self.thread;
        tokio::task::spawn_blocking(move || thread.join().unwrap())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn workers_share_one_connection_and_survive_each_other() {
    let server = Server::numbering().await;
    let shared = Shares::new(&Config::default());
    let first = Worker::start(&server, shared.clone());
    let others: Vec<_> = (0..3)
        .map(|_| Worker::start(&server, shared.clone()))
        .collect();
    assert_eq!(first.request().await, "1");
    for worker in &others {
        for _ in 0..10 {
            assert_eq!(worker.request().await, "1");
        }
    }
    assert_eq!(server.accepted(), 1);
    assert_eq!(shared.load().connections, 1);

    // The connection lived on the first worker's runtime, and ends with it.
    first.end().await;
    for worker in &others {
        assert_eq!(worker.request().await, "2");
    }
    assert_eq!(server.accepted(), 2);
    for worker in others {
        worker.end().await;
    }
}

#[tokio::test]
async fn the_first_requests_make_one_connection_together() {
    let server = Server::numbering().await;
    let gateway = Arc::new(to::<Whole>(&server, Config::default()));
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let gateway = gateway.clone();
        requests.spawn(async move { text(gateway.send(post("x")).await.unwrap()).await });
    }
    for said in requests.join_all().await {
        assert_eq!(said, "1");
    }
    assert_eq!(server.accepted(), 1);
}

/// Holds `requests` open at once and gives how many connections they took.
async fn connections_of(
    server: &Server,
    gate: &Semaphore,
    config: Config,
    requests: usize,
) -> usize {
    let gateway = Arc::new(to::<Whole>(server, config));
    // So that the upstream's limit is known.
    gate.add_permits(1);
    text(gateway.send(post("x")).await.unwrap()).await;
    let mut open = JoinSet::new();
    for _ in 0..requests {
        let gateway = gateway.clone();
        open.spawn(async move { text(gateway.send(post("x")).await.unwrap()).await });
    }
    gate.add_permits(requests);
    assert_eq!(open.join_all().await.len(), requests);
    server.accepted()
}

#[tokio::test]
async fn another_connection_is_made_when_one_is_full() {
    for (upstreams, ours, requests, expected) in
        [(1_000, 100, 30, 1), (10, 100, 30, 3), (1_000, 10, 30, 3)]
    {
        let gate: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
        let server = Server::taking(upstreams, move |exchange| async move {
            gate.acquire().await.unwrap().forget();
            exchange.answer("ok").await;
        })
        .await;
        let config = Config {
            http2_max_streams: ours,
            ..Config::default()
        };
        let found = connections_of(&server, gate, config, requests).await;
        assert!(
            found >= expected && found <= expected + 1,
            "{found}, expected {expected}"
        );
    }
}

#[tokio::test]
async fn an_old_connection_drains_and_a_new_one_takes_over() {
    let gate: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    let server = Server::start(move |exchange| async move {
        let number = exchange.connection.to_string();
        if exchange.request.method() == "POST" {
            let pieces = [Bytes::from(number)];
            exchange.answer_with(Response::new(()), pieces, None).await;
        } else {
            gate.acquire().await.unwrap().forget();
            exchange.answer(number).await;
        }
    })
    .await;
    let config = Config {
        max_connection_age: Duration::from_millis(200),
        ..Config::default()
    };
    let gateway = Arc::new(to::<Whole>(&server, config));
    let long = gateway.clone();
    let long = tokio::spawn(async move {
        let get = http::Request::get("/")
            .body(http_body_util::Full::default())
            .unwrap();
        text(long.send(get).await.unwrap()).await
    });
    let mut last = String::new();
    let started = tokio::time::Instant::now();
    while last != "2" {
        last = text(gateway.send(post("x")).await.unwrap()).await;
        assert!(started.elapsed() < DEADLINE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gate.add_permits(1);
    assert_eq!(long.await.unwrap(), "1");
}

#[tokio::test]
async fn an_unused_connection_is_closed_after_its_time() {
    let server = Server::numbering().await;
    let config = Config {
        pool_idle_timeout: Duration::from_millis(20),
        ..Config::default()
    };
    let shared = Shares::new(&config);
    let mut gateway = to::<Whole>(&server, config.clone());
    let dial = Arc::new(SystemDial::build(trusting(&server.pem)).unwrap());
    gateway.forwarder = Forwarder::sharing(dial, config, shared.clone());
    text(gateway.send(post("x")).await.unwrap()).await;
    until(|| {
        gateway.forwarder.sweep();
        shared.load().connections == 0
    })
    .await;
    assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "2");
}

#[tokio::test]
async fn connections_end_when_all_who_share_them_are_gone() {
    let server = Server::numbering().await;
    let shared = Shares::new(&Config::default());
    let mut gateway = to::<Whole>(&server, Config::default());
    let dial = Arc::new(SystemDial::build(trusting(&server.pem)).unwrap());
    gateway.forwarder = Forwarder::sharing(dial, Config::default(), shared);
    text(gateway.send(post("x")).await.unwrap()).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    drop(gateway);
    until(|| tasks() < before).await;
}

/// A WebSocket needs a connection of its own, for which there is no place. Streams have room, and go on.
#[tokio::test]
async fn a_websocket_that_waits_for_a_connection_stops_no_stream() {
    let server = Server::numbering().await;
    let config = Config {
        max_connections_per_origin: 1,
        ..Config::default()
    };
    let shared = Shares::new(&config);
    let mut gateway = to::<Whole>(&server, config.clone());
    let dial = Arc::new(SystemDial::build(trusting(&server.pem)).unwrap());
    gateway.forwarder = Forwarder::sharing(dial, config, shared.clone());
    let gateway = Arc::new(gateway);
    assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "1");
    let asking = gateway.clone();
    let asking = tokio::spawn(async move {
        let mut request = http::Request::get("/")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(Whole::default())
            .unwrap();
        let handshake = Handshake::take(&mut request).unwrap();
        let (target, rules) = (asking.target(), asking.rules());
        let switching = asking.forwarder.upgrade(request, &handshake, target, rules);
        switching.await.unwrap_err().kind()
    });
    until(|| shared.load().waiting == 1).await;
    for _ in 0..10 {
        assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "1");
        // It waits still: no request was served because it had gone.
        assert_eq!(shared.load().waiting, 1);
    }
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let gateway = gateway.clone();
        requests.spawn(async move { text(gateway.send(post("x")).await.unwrap()).await });
    }
    assert_eq!(requests.join_all().await.len(), 50);
    assert_eq!((shared.load().waiting, server.accepted()), (1, 1));
    asking.abort();
}

/// Places of streams that were given up too fast are free after a while, and nothing but time says so.
#[tokio::test]
async fn who_waits_for_a_place_that_time_frees_gets_it() {
    let (say, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut exchange| {
        let say = say.clone();
        async move {
            exchange.body().await;
            if exchange.request.method() == "GET" {
                exchange.answer("served").await;
            } else {
                say.send(()).unwrap();
                exchange.reset_reason().await;
            }
        }
    })
    .await;
    let config = Config {
        max_connections_per_origin: 1,
        http2_max_streams: 1,
        ..Config::default()
    };
    let gateway = Arc::new(to::<Whole>(&server, config));
    // More than may be given up at once.
    for _ in 0..110 {
        let leaving = gateway.clone();
        let leaving = tokio::spawn(async move { leaving.send(post("x")).await.map(|_| ()) });
        tokio::time::timeout(DEADLINE, begun.recv()).await.unwrap();
        leaving.abort();
        assert!(leaving.await.unwrap_err().is_cancelled());
    }
    let get = http::Request::get("/").body(Whole::default()).unwrap();
    assert_eq!(text(gateway.send(get).await.unwrap()).await, "served");
    assert_eq!(server.accepted(), 1);
}

/// Speaks HTTP/2 on its first connection, where it begins an answer and ends it when told, and HTTP/1.1 after that.
async fn falls_back(end: &'static Semaphore) -> (Origin, Vec<Vec<u8>>) {
    let (http2, first_pem) = tls::server(&[b"h2"]);
    let (http1, second_pem) = tls::server(&[b"http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = TlsAcceptor::from(Arc::new(http2)).accept(stream).await;
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(stream.unwrap()).await.unwrap();
            while let Some(Ok((_request, mut respond))) = connection.accept().await {
                tokio::spawn(async move {
                    let mut body = respond.send_response(Response::new(()), false).unwrap();
                    end.acquire().await.unwrap().forget();
                    body.send_data(Bytes::from_static(b"http2"), true).unwrap();
                });
            }
        });
        let acceptor = TlsAcceptor::from(Arc::new(http1));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    seen.push(byte);
                    if seen.ends_with(b"\r\n\r\nx") {
                        seen.clear();
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhttp1";
                        stream.write_all(answer).await.unwrap();
                    }
                }
            });
        }
    });
    let origin = Origin::parse(&format!("https://localhost:{port}")).unwrap();
    (origin, vec![first_pem, second_pem])
}

#[tokio::test]
async fn what_an_origin_spoke_before_is_closed_after_its_time_too() {
    let end: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    let (origin, extra_ca_pem) = falls_back(end).await;
    let config = Config {
        http2_max_streams: 1,
        pool_idle_timeout: Duration::from_millis(20),
        ..Config::default()
    };
    let shared = Shares::new(&config);
    let mut gateway = Gateway::<Whole>::to(&origin);
    let dial = Arc::new(SystemDial::build(TlsConfig { extra_ca_pem }).unwrap());
    gateway.forwarder = Forwarder::sharing(dial, config, shared.clone());
    let first = gateway.send(post("x")).await.unwrap();
    let second = gateway.send(post("x")).await.unwrap();
    assert_eq!(text(second).await, "http1");
    assert_eq!(shared.load().connections, 2);
    end.add_permits(1);
    assert_eq!(text(first).await, "http2");
    until(|| {
        gateway.forwarder.sweep();
        shared.load().connections == 0
    })
    .await;
}
