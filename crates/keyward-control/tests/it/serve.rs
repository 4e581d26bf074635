//! The accept loop, over real sockets.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use crate::support::Harness;

/// Longer than any limit of the loop, and none at all where time is paused.
const DEADLINE: Duration = Duration::from_secs(30);

struct Running {
    harness: Harness,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

async fn start() -> Running {
    let harness = Harness::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let control = harness.control.clone();
    let served = tokio::spawn(async move {
        control.serve(listener, async { drop(stopped.await) }).await;
    });
    Running {
        harness,
        address,
        stop,
        served,
    }
}

fn get(token: &str, address: SocketAddr) -> String {
    format!(
        "GET /client/v4/accounts HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n"
    )
}

/// Reads one answer of JSON: up to the brace that closes it.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let byte = timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap();
        read.push(byte);
        let text = String::from_utf8_lossy(&read);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && serde_json::from_str::<serde_json::Value>(body).is_ok()
        {
            return text.into_owned();
        }
    }
}

async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut rest))
        .await
        .expect("the connection stays open")
        .unwrap();
    rest
}

#[tokio::test]
async fn a_connection_carries_several_requests_and_stops_when_asked() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..2 {
        stream
            .write_all(get(&running.harness.admin, running.address).as_bytes())
            .await
            .unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
    }
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    running.stop.send(()).unwrap();
    timeout(DEADLINE, running.served).await.unwrap().unwrap();
    assert!(read_to_end(&mut stream).await.is_empty());
    // Closed, or reset where it was still waiting to be accepted.
    let mut rest = Vec::new();
    let closed = timeout(DEADLINE, silent.read_to_end(&mut rest)).await;
    assert!(closed.is_ok() && rest.is_empty());
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_loop_ends() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let path = crate::support::gateways(crate::support::OURS);
    let body = crate::support::new_gateway("prod").to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\
         expect: 100-continue\r\n\r\n",
        running.address,
        running.harness.admin,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body once it is in the handler.
    let mut asked = [0; 25];
    timeout(DEADLINE, stream.read_exact(&mut asked))
        .await
        .unwrap()
        .unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100"));
    running.stop.send(()).unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    timeout(DEADLINE, running.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_its_change() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let path = crate::support::gateways(crate::support::OURS);
    let body = crate::support::new_gateway("prod").to_string();
    let sent = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        running.address,
        running.harness.admin,
        body.len()
    );
    let store = &running.harness.store;
    let before = store.revision();
    store.is_held.store(true, Ordering::Relaxed);
    stream.write_all(sent.as_bytes()).await.unwrap();
    let stored = async {
        while store.revision() == before {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, stored)
        .await
        .expect("the change was not stored");
    drop(stream);
    // By the time that these are answered, the server has seen that the client is gone.
    for _ in 0..3 {
        let mut other = TcpStream::connect(running.address).await.unwrap();
        other
            .write_all(get(&running.harness.admin, running.address).as_bytes())
            .await
            .unwrap();
        read_answer(&mut other).await;
    }
    store.released.notify_waiters();
    let made = async {
        while running
            .harness
            .registry
            .snapshot()
            .gateway(crate::support::OURS, "prod")
            .is_none()
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, made).await.expect("the change was lost");
}

/// The lines of the table in threats.md, "The connection that costs an attacker nothing".
#[tokio::test(start_paused = true)]
async fn connections_that_say_nothing_are_closed() {
    let running = start().await;
    let request = get(&running.harness.admin, running.address);
    for (name, sent) in [
        ("nothing", ""),
        ("one byte", "P"),
        ("half a head", "GET / HTTP/1.1\r\nhost: local"),
        ("a request, then idle", request.as_str()),
        ("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (
            "HTTP/2, then idle",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ),
        (
            "HTTP/2 and half a head",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x02",
        ),
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let closed = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{name}: the connection stays open");
    }
    // A body that does not come is waited for no longer than its deadline.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 9\r\n\r\n",
        crate::support::gateways(crate::support::OURS),
        running.harness.admin,
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    timeout(2 * DEADLINE, stream.read_to_end(&mut rest))
        .await
        .expect("the connection stays open")
        .unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 408"));
}

#[tokio::test]
async fn http2_has_the_same_rules() {
    let running = start().await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut status = async |host: &str, token: Option<&str>| {
        let mut request = http::Request::builder().uri(format!("http://{host}/client/v4/accounts"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = timeout(DEADLINE, client.send_request(request)).await;
        answer.unwrap().unwrap().status().as_u16()
    };
    let here = running.address.to_string();
    let admin = running.harness.admin.as_str();
    assert_eq!(status(&here, Some(admin)).await, 200);
    assert_eq!(status(&here, None).await, 401);
    // A name by which a web page would reach it.
    assert_eq!(status("evil.example", Some(admin)).await, 421);
    running.stop.send(()).unwrap();
    timeout(DEADLINE, running.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let running = start().await;
    for head in [
        format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
            "a".repeat(40_000)
        ),
        format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n",
            "x: y\r\n".repeat(100)
        ),
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        timeout(DEADLINE, stream.read_exact(&mut status))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&status, b"HTTP/1.1 431");
    }
}
