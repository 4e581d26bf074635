//! Connections that say too little are closed within their limit: holding one open costs an attacker something.

use keyward_listen::Config;

use crate::support::{
    END_HEADERS, GOAWAY, HEADERS, PREFACE, Running, frame, frames_to_end, get, hello, impatient,
    patient, read_to_end, read_until,
};

#[tokio::test]
async fn a_client_that_says_too_little_is_closed() {
    let running = Running::start(impatient()).await;
    let whole = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (name, sent) in [
        ("nothing", &b""[..]),
        ("one byte that may be of either", b"P"),
        ("one byte of HTTP/1.1", b"G"),
        ("half a head", b"GET / HTTP/1.1\r\nhost: local"),
        (
            "a head without its end",
            b"GET / HTTP/1.1\r\nhost: localhost\r\n",
        ),
        ("half a preface", b"PRI * HTTP/2.0\r\n\r\n"),
        ("an empty line", b"\r\n"),
    ] {
        let mut stream = running.connect_and_send(sent).await;
        assert_eq!(read_to_end(&mut stream).await, b"", "{name}");
    }
    let mut stream = running.connect_and_send(whole).await;
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "idle after a request");
    running.stop().await;
}

#[tokio::test]
async fn a_client_of_http2_that_says_too_little_is_closed() {
    let running = Running::start(impatient()).await;
    let cut = get("/");
    let begun = frame(HEADERS, 0, 1, &cut);
    for (name, sent) in [
        ("the preface alone", PREFACE.to_vec()),
        ("preface and settings", hello(&[])),
        ("half a frame", [&hello(&[])[..], &[0, 0]].concat()),
        ("a head without its end", [hello(&[]), begun].concat()),
    ] {
        let mut stream = running.connect_and_send(&sent).await;
        frames_to_end(&mut stream).await;
        assert_eq!(
            running.seen.begun.load(std::sync::atomic::Ordering::SeqCst),
            0,
            "{name}"
        );
    }
    let request = frame(HEADERS, END_HEADERS | 1, 1, &cut);
    let mut stream = running
        .connect_and_send(&[hello(&[]), request].concat())
        .await;
    let kinds = frames_to_end(&mut stream).await;
    assert!(kinds.contains(&HEADERS), "idle after a request: {kinds:?}");
    assert!(kinds.contains(&GOAWAY), "told that it ends: {kinds:?}");
    running.stop().await;
}

/// Pings find a client that is gone without a word, also while it has a request.
#[tokio::test]
async fn a_client_of_http2_that_does_not_answer_pings_is_closed() {
    let mut config = patient();
    let limits = config.http2.as_mut().unwrap();
    limits.ping_interval = crate::support::SHORT;
    limits.ping_timeout = crate::support::SHORT;
    let running = Running::start(config).await;
    let request = frame(HEADERS, END_HEADERS | 1, 1, &get("/hold"));
    let mut stream = running
        .connect_and_send(&[hello(&[]), request].concat())
        .await;
    frames_to_end(&mut stream).await;
    crate::support::wait_until("the request is dropped", || {
        running.seen.alive.load(std::sync::atomic::Ordering::SeqCst) == 0
    })
    .await;
    running.stop().await;
}

/// A client may take its time between requests, as long as it is within the limit.
#[tokio::test]
async fn several_requests_go_over_one_connection() {
    let running = Running::start(patient()).await;
    let mut stream = running.connect().await;
    for _ in 0..3 {
        use tokio::io::AsyncWriteExt;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let answer = read_until(&mut stream, "127.0.0.1").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    running.stop().await;
}

#[tokio::test]
async fn without_http2_its_preface_is_a_bad_request() {
    let running = Running::start(Config {
        http2: None,
        ..impatient()
    })
    .await;
    let mut stream = running.connect_and_send(PREFACE).await;
    let answer = read_to_end(&mut stream).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let mut silent = running.connect().await;
    assert_eq!(read_to_end(&mut silent).await, b"");
    running.stop().await;
}
