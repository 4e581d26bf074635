//! The pool, retries, and connections that fail.

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use keyward_forward::{Config, Fault, ForwardError, Kind, TlsConfig};
use keyward_secret::Origin;
use tokio::{net::TcpListener, sync::Notify};

use crate::support::{Gateway, Upstream, Whole, post, text, until};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let upstream = Upstream::always(OK).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    for _ in 0..20 {
        assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "ok");
    }
    assert_eq!(
        (upstream.accepted(), gateway.forwarder.idle_connections()),
        (1, 1)
    );
}

#[tokio::test]
async fn an_answer_that_is_not_read_to_its_end_holds_its_connection() {
    let upstream = Upstream::always(OK).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let first = gateway.send(post("x")).await.unwrap();
    let second = gateway.send(post("x")).await.unwrap();
    assert_eq!(
        (upstream.accepted(), gateway.forwarder.idle_connections()),
        (2, 0)
    );
    assert_eq!(text(first).await + &text(second).await, "okok");
    assert_eq!(gateway.forwarder.idle_connections(), 2);
}

#[tokio::test]
async fn no_more_connections_are_kept_than_configured_nor_longer() {
    let upstream = Upstream::always(OK).await;
    let config = Config {
        max_idle_per_origin: 1,
        pool_idle_timeout: Duration::ZERO,
        ..Config::default()
    };
    let gateway = Gateway::<Whole>::with(&upstream.origin, config, TlsConfig::default());
    let first = gateway.send(post("x")).await.unwrap();
    let second = gateway.send(post("x")).await.unwrap();
    assert_eq!(text(first).await + &text(second).await, "okok");
    assert_eq!(gateway.forwarder.idle_connections(), 1);
    assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "ok");
    assert_eq!(upstream.accepted(), 3);
    gateway.forwarder.sweep();
    assert_eq!(gateway.forwarder.idle_connections(), 0);
}

/// The upstream closes a kept connection. Whether we know before the next request or only when hyper hands
/// it back, the request is sent on another connection, once.
#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_request() {
    let close = Arc::new(Notify::new());
    let asked = close.clone();
    let upstream = Upstream::start(move |mut peer| {
        let close = asked.clone();
        async move {
            peer.read_request().await.unwrap();
            peer.write(OK).await;
            close.notified().await;
        }
    })
    .await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    for round in 1..=10 {
        assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "ok");
        assert_eq!(
            (upstream.accepted(), upstream.heads().len()),
            (round, round)
        );
        close.notify_one();
        // The upstream's task runs and closes; ours has perhaps not seen it yet.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        if round % 2 == 0 {
            until(|| {
                gateway.forwarder.sweep();
                gateway.forwarder.idle_connections() == 0
            })
            .await;
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The upstream closes a kept connection so late that the request is already queued on it: hyper hands it
/// back, and it is sent on another connection.
#[tokio::test]
async fn a_request_that_hyper_hands_back_is_sent_again() {
    // A thread of its own, so that it closes while this runtime stands still.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (say_closed, closed) = std::sync::mpsc::channel();
    let (close, told_to_close) = std::sync::mpsc::channel();
    let upstream = std::thread::spawn(move || {
        let mut served = 0;
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\nx") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                seen.extend_from_slice(&byte);
            }
            stream.write_all(OK.as_bytes()).unwrap();
            served += 1;
            told_to_close.recv().unwrap();
            drop(stream);
            say_closed.send(()).unwrap();
        }
        served
    });
    let origin = Origin::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let gateway = Gateway::<Whole>::to(&origin);
    assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "ok");
    close.send(()).unwrap();
    closed.recv().unwrap();
    // Lets the reactor see the close; this task goes on before the connection's own.
    tokio::task::yield_now().await;
    assert_eq!(gateway.forwarder.idle_connections(), 1);
    assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "ok");
    close.send(()).unwrap();
    closed.recv().unwrap();
    assert_eq!(upstream.join().unwrap(), 2);
}

#[tokio::test]
async fn a_request_whose_head_was_written_is_never_sent_twice() {
    let heads = Arc::new(AtomicUsize::new(0));
    let seen = heads.clone();
    let upstream = Upstream::start(move |mut peer| {
        let seen = seen.clone();
        async move {
            // The first request of a connection is answered; the second is read, and then it closes.
            peer.read_request().await.unwrap();
            peer.write(OK).await;
            if peer.read_request().await.is_some() {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "ok");
    let error = gateway.send(post("x")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.fault()),
        (Kind::UpstreamClosed, Fault::Upstream)
    );
    assert!(!error.is_retryable());
    assert_eq!((heads.load(Ordering::SeqCst), upstream.accepted()), (1, 1));
}

#[tokio::test]
async fn a_connection_serves_no_longer_than_its_age() {
    let upstream = Upstream::always(OK).await;
    let config = Config {
        max_connection_age: Duration::ZERO,
        ..Config::default()
    };
    let gateway = Gateway::<Whole>::with(&upstream.origin, config, TlsConfig::default());
    for round in 1..=3 {
        assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "ok");
        assert_eq!(
            (upstream.accepted(), gateway.forwarder.idle_connections()),
            (round, 0)
        );
    }
}

/// An upstream with a thread of its own, which answers, and closes connections when told to.
pub(crate) struct Closing {
    pub(crate) origin: Origin,
    pub(crate) close: std::sync::mpsc::Sender<usize>,
    pub(crate) closed: std::sync::mpsc::Receiver<()>,
}

impl Closing {
    /// Takes requests whose body is "x", and handshakes, which it declines.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (close, told) = std::sync::mpsc::channel::<usize>();
        let (say_closed, closed) = std::sync::mpsc::channel();
        let open = Arc::new(std::sync::Mutex::new(Vec::new()));
        let all = open.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                all.lock().unwrap().push(stream.try_clone().unwrap());
                std::thread::spawn(move || {
                    let mut seen = Vec::new();
                    let mut byte = [0];
                    while matches!(stream.read(&mut byte), Ok(1)) {
                        seen.push(byte[0]);
                        let is_handshake = seen.ends_with(b"\r\n\r\n")
                            && seen.windows(9).any(|part| part == b"websocket");
                        if is_handshake || seen.ends_with(b"\r\n\r\nx") {
                            seen.clear();
                            if stream.write_all(OK.as_bytes()).is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        std::thread::spawn(move || {
            while let Ok(every) = told.recv() {
                for stream in open.lock().unwrap().iter().step_by(every) {
                    // One that is closed already is closed.
                    let _closed = stream.shutdown(std::net::Shutdown::Both);
                }
                say_closed.send(()).unwrap();
            }
        });
        Self {
            origin: Origin::parse(&format!("http://127.0.0.1:{port}")).unwrap(),
            close,
            closed,
        }
    }
}

/// The upstream closes unused connections while this runtime looks elsewhere, so that nothing but a look at the
/// socket can tell. No request may be written on one of them: it would be lost.
#[tokio::test]
async fn connections_closed_while_nobody_looked_cost_no_request() {
    let upstream = Closing::start();
    let gateway = Arc::new(Gateway::<Whole>::to(&upstream.origin));
    for round in 1..=50 {
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let gateway = gateway.clone();
            requests.spawn(async move { text(gateway.send(post("x")).await.unwrap()).await });
        }
        for said in requests.join_all().await {
            assert_eq!(said, "ok");
        }
        // Longer than for what a connection is used without a look; the runtime stands still meanwhile.
        let wait = upstream.closed.recv_timeout(Duration::from_millis(6));
        assert!(wait.is_err());
        upstream.close.send(1 + round % 3).unwrap();
        upstream.closed.recv().unwrap();
    }
}

async fn refused_by(answer: &'static str) -> ForwardError {
    let upstream = Upstream::start(move |mut peer| async move {
        peer.read_request().await.unwrap();
        peer.write(answer).await;
        peer.closed().await;
    })
    .await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let error = gateway.send(post("x")).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Upstream);
    assert_eq!(gateway.forwarder.idle_connections(), 0);
    error
}

#[tokio::test]
async fn answers_that_are_none_are_refused() {
    let upgrade = "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    assert_eq!(refused_by(upgrade).await.kind(), Kind::UnaskedUpgrade);
    for answer in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        assert_eq!(
            refused_by(answer).await.kind(),
            Kind::InvalidAnswer,
            "{answer}"
        );
    }
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(70_000));
    assert_eq!(refused_by(long.leak()).await.kind(), Kind::InvalidAnswer);
}

#[tokio::test]
async fn who_cannot_be_reached_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for host in ["127.0.0.1", "localhost"] {
        let origin = Origin::parse(&format!("http://{host}:{port}")).unwrap();
        let error = Gateway::<Whole>::to(&origin)
            .send(post("x"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::ConnectRefused);
        assert!(error.is_retryable());
        assert_eq!(
            error.to_string(),
            format!("{host} refused the connection; try again later")
        );
    }
}

#[tokio::test]
async fn a_name_below_localhost_is_loopback_and_other_families_are_tried() {
    let upstream = Upstream::always(OK).await;
    let origin = Origin::parse(&format!("http://a.localhost:{}", upstream.origin.port())).unwrap();
    let gateway = Gateway::<Whole>::to(&origin);
    assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "ok");
}

#[test]
fn the_future_is_send() {
    fn check<T: Send>(_: &T) {}
    let gateway = Gateway::<Whole>::to(&Origin::parse("http://127.0.0.1:1").unwrap());
    let future = gateway
        .forwarder
        .forward(post("x"), gateway.target(), gateway.rules());
    check(&future);
    // A task that forwards should stay small: thousands are open at a time.
    assert!(size_of_val(&future) < 4096, "{}", size_of_val(&future));
}
