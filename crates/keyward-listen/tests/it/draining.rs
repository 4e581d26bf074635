//! The end of serving fails no request that was accepted.

use std::{convert::Infallible, sync::atomic::Ordering, time::Duration};

use http::Response;
use hyper::service::service_fn;
use keyward_listen::{Config, Drain, Server};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    DATA, END_HEADERS, GOAWAY, HEADERS, LONG, Running, frame, get, hello, patient, read_frame,
    read_to_end, read_until, wait_until,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn until_refused(running: &Running) {
    wait_until("the listener is closed", || {
        std::net::TcpStream::connect(running.address).is_err()
    })
    .await;
}

#[tokio::test]
async fn a_request_on_an_idle_connection_is_answered_within_the_grace() {
    let mut running = Running::start(Config {
        idle_grace: LONG,
        drain_timeout: LONG,
        ..patient()
    })
    .await;
    let mut idle = running.connect_and_send(GET).await;
    let answer = read_until(&mut idle, "127.0.0.1").await;
    assert!(!answer.contains("connection: close"), "{answer}");
    let mut silent = running.connect().await;
    running.begin_stop();
    until_refused(&running).await;
    for stream in [&mut idle, &mut silent] {
        stream.write_all(GET).await.unwrap();
        let answer = String::from_utf8(read_to_end(stream).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    drop((idle, silent));
    running.ended().await;
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_an_idle_connection_closed() {
    let mut running = Running::start(patient()).await;
    let mut busy = running
        .connect_and_send(b"GET /hold HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    wait_until("the request", || {
        running.seen.begun.load(Ordering::SeqCst) == 1
    })
    .await;
    let mut idle = running.connect_and_send(GET).await;
    read_until(&mut idle, "127.0.0.1").await;
    let mut silent = running.connect().await;
    running.begin_stop();
    assert_eq!(read_to_end(&mut idle).await, b"");
    assert_eq!(read_to_end(&mut silent).await, b"");
    running.seen.release.notify_one();
    let answer = String::from_utf8(read_to_end(&mut busy).await).unwrap();
    assert!(answer.ends_with("held"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    drop((busy, idle, silent));
    running.ended().await;
}

#[tokio::test]
async fn http2_is_told_by_goaway_and_its_streams_are_answered() {
    let mut running = Running::start(patient()).await;
    let request = frame(HEADERS, END_HEADERS | 1, 1, &get("/hold"));
    let mut stream = running
        .connect_and_send(&[hello(&[]), request].concat())
        .await;
    wait_until("the request", || {
        running.seen.begun.load(Ordering::SeqCst) == 1
    })
    .await;
    running.begin_stop();
    let mut is_told = false;
    loop {
        let (kind, _flags, id, payload) = read_frame(&mut stream).await.expect("an answer");
        if kind == GOAWAY && !is_told {
            is_told = true;
            // One that was on its way when the client was told.
            let late = frame(HEADERS, END_HEADERS | 1, 3, &get("/"));
            stream.write_all(&late).await.unwrap();
        }
        if kind == DATA && id == 3 && !payload.is_empty() {
            assert_eq!(payload, b"127.0.0.1");
            running.seen.release.notify_one();
        }
        if kind == DATA && id == 1 && !payload.is_empty() {
            assert_eq!(payload, b"held");
            break;
        }
    }
    drop(stream);
    running.ended().await;
}

#[tokio::test]
async fn what_never_ends_is_cut_after_the_timeout() {
    let mut running = Running::start(Config {
        drain_timeout: Duration::from_millis(300),
        ..patient()
    })
    .await;
    let mut busy = running
        .connect_and_send(b"GET /hold HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    wait_until("the request", || {
        running.seen.begun.load(Ordering::SeqCst) == 1
    })
    .await;
    running.begin_stop();
    assert_eq!(read_to_end(&mut busy).await, b"");
    running.ended().await;
}

/// The kernel has told these clients that they are connected.
#[tokio::test]
async fn connections_that_wait_in_the_queue_are_served() {
    serves_those_that_wait(LONG).await;
}

/// A busy runtime comes to a connection late. Its client has waited all the time.
#[tokio::test]
async fn a_request_that_came_before_the_connection_was_looked_at_is_answered() {
    let without_http2 = Config {
        http2: None,
        ..patient()
    };
    let request = frame(HEADERS, END_HEADERS | 1, 1, &get("/"));
    let http2 = [hello(&[]), request].concat();
    for (config, request, answer) in [
        (without_http2, GET, "HTTP/1.1 200"),
        (patient(), GET, "HTTP/1.1 200"),
        (patient(), &http2, "answered"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(Config {
            idle_grace: Duration::ZERO,
            ..config
        });
        let drain = Drain::new();
        let acceptor = server.acceptor(listener, &drain);
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(request).await.unwrap();
        let accepted = acceptor.accept().await;
        drain.close_idle();
        let serving = server.serve_connection(accepted, |_peer| {
            service_fn(|_request| async {
                Ok::<_, Infallible>(Response::new("answered".to_owned()))
            })
        });
        let ((), answered) = tokio::join!(serving, read_until(&mut client, "answered"));
        assert!(answered.contains(answer), "{answered}");
    }
}

/// On this runtime of one thread nothing is read between the two.
#[tokio::test]
async fn a_request_that_comes_together_with_the_end_is_answered() {
    let request = frame(HEADERS, END_HEADERS | 1, 3, &get("/"));
    let first = frame(HEADERS, END_HEADERS | 1, 1, &get("/"));
    let http2 = [hello(&[]), first].concat();
    for (first, second) in [(GET, GET), (&http2, &request)] {
        let mut running = Running::start(Config {
            idle_grace: Duration::ZERO,
            drain_timeout: LONG,
            ..patient()
        })
        .await;
        let mut client = running.connect_and_send(first).await;
        read_until(&mut client, "127.0.0.1").await;
        assert_eq!(client.try_write(second).unwrap(), second.len());
        running.begin_stop();
        read_until(&mut client, "127.0.0.1").await;
        drop(client);
        running.ended().await;
    }
}

#[tokio::test]
async fn connections_that_wait_in_the_queue_are_served_without_a_grace_too() {
    serves_those_that_wait(Duration::ZERO).await;
}

async fn serves_those_that_wait(idle_grace: Duration) {
    let mut running = Running::start(Config {
        drain_timeout: LONG,
        idle_grace,
        ..patient()
    })
    .await;
    // On this runtime of one thread nothing is accepted before the next await.
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let client = std::net::TcpStream::connect(running.address).unwrap();
            std::io::Write::write_all(&mut &client, GET).unwrap();
            client
        })
        .collect();
    running.begin_stop();
    for client in clients {
        client.set_nonblocking(true).unwrap();
        let mut client = TcpStream::from_std(client).unwrap();
        let answer = String::from_utf8(read_to_end(&mut client).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    running.ended().await;
}
