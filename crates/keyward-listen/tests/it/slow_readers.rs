//! Clients that take nothing of their answer.

use std::sync::atomic::Ordering;

use keyward_listen::Config;
use tokio::io::AsyncWriteExt;

use crate::support::{
    DATA, END_HEADERS, HEADERS, RST_STREAM, Running, SETTINGS, SHORT, frame, get, hello, patient,
    read_frame, wait_until,
};

fn config() -> Config {
    Config {
        write_timeout: SHORT,
        ..patient()
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed() {
    let running = Running::start(config()).await;
    let stream = running
        .connect_and_send(b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    wait_until("the request is there", || {
        running.seen.begun.load(Ordering::SeqCst) == 1
    })
    .await;
    wait_until("the answer is dropped", || {
        running.seen.alive.load(Ordering::SeqCst) == 0
    })
    .await;
    drop(stream);
    running.stop().await;
}

/// The client opens a window so large that the socket is what fills up.
#[tokio::test]
async fn a_client_of_http2_that_reads_nothing_is_closed() {
    let running = Running::start(config()).await;
    let mut bytes = hello(&[(4, 0x7fff_ffff)]);
    bytes.extend(frame(8, 0, 0, &0x7fff_0000_u32.to_be_bytes()));
    bytes.extend(frame(HEADERS, END_HEADERS | 1, 1, &get("/endless")));
    let stream = running.connect_and_send(&bytes).await;
    wait_until("the request is there", || {
        running.seen.begun.load(Ordering::SeqCst) == 1
    })
    .await;
    wait_until("the answer is dropped", || {
        running.seen.alive.load(Ordering::SeqCst) == 0
    })
    .await;
    drop(stream);
    running.stop().await;
}

/// The socket is free, but no window is opened for one stream; the others go on.
#[tokio::test]
async fn a_stream_without_a_window_is_reset_and_the_connection_lives() {
    let running = Running::start(config()).await;
    let mut bytes = hello(&[]);
    bytes.extend(frame(HEADERS, END_HEADERS | 1, 1, &get("/endless")));
    let mut stream = running.connect_and_send(&bytes).await;
    loop {
        let (kind, _flags, id, _payload) = read_frame(&mut stream).await.expect("a reset");
        if kind == RST_STREAM {
            assert_eq!(id, 1);
            break;
        }
    }
    assert_eq!(running.seen.alive.load(Ordering::SeqCst), 0);
    // Room for the answer to the next one.
    let mut bytes = frame(8, 0, 0, &1_000_000_u32.to_be_bytes());
    bytes.extend(frame(HEADERS, END_HEADERS | 1, 3, &get("/")));
    stream.write_all(&bytes).await.unwrap();
    loop {
        let (kind, _flags, id, payload) = read_frame(&mut stream).await.expect("an answer");
        if kind == DATA && id == 3 {
            assert_eq!(payload, b"127.0.0.1");
            break;
        }
    }
    running.stop().await;
}

/// One byte of window is enough for hyper to be done with the stream. The last chunk must not stay behind it.
#[tokio::test]
async fn the_rest_of_an_answer_without_a_window_is_reset() {
    // Its end is known with its last chunk; or it comes after it, without and with trailers.
    for path in ["/", "/unknown-end", "/trailers"] {
        let running = Running::start(config()).await;
        let mut bytes = hello(&[(4, 1)]);
        bytes.extend(frame(HEADERS, END_HEADERS | 1, 1, &get(path)));
        let mut stream = running.connect_and_send(&bytes).await;
        loop {
            let (kind, _flags, id, _payload) = read_frame(&mut stream).await.expect("a reset");
            if kind == RST_STREAM {
                assert_eq!(id, 1);
                break;
            }
        }
        // The window comes too late for that stream, and in time for the next one.
        let mut bytes = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
        bytes.extend(frame(HEADERS, END_HEADERS | 1, 3, &get(path)));
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        loop {
            let (kind, flags, id, payload) = read_frame(&mut stream).await.expect("an answer");
            if id == 3 && kind == DATA {
                answer.extend(payload);
            }
            if id == 3 && flags & 1 == 1 {
                break;
            }
        }
        assert_eq!(answer, b"127.0.0.1", "{path}");
        drop(stream);
        running.stop().await;
    }
}

/// Waiting for the service is not waiting for the client.
#[tokio::test]
async fn an_answer_that_takes_its_time_is_not_cut() {
    let running = Running::start(config()).await;
    let request = frame(HEADERS, END_HEADERS | 1, 1, &get("/hold"));
    let mut h2 = running
        .connect_and_send(&[hello(&[]), request].concat())
        .await;
    let mut h1 = running
        .connect_and_send(b"GET /hold HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    wait_until("both requests are there", || {
        running.seen.begun.load(Ordering::SeqCst) == 2
    })
    .await;
    // Well beyond the limit.
    let mut interval = tokio::time::interval(3 * SHORT);
    interval.tick().await;
    interval.tick().await;
    running.seen.release.notify_waiters();
    crate::support::read_until(&mut h1, "held").await;
    loop {
        let (kind, _flags, _id, payload) = read_frame(&mut h2).await.expect("an answer");
        if kind == DATA {
            assert_eq!(payload, b"held");
            break;
        }
    }
    running.stop().await;
}
