//! HTTP/2 turned against the server: streams that are reset, heads that never end.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    CONTINUATION, END_HEADERS, HEADERS, RST_STREAM, Running, frame, frames_to_end, get, hello,
    patient, wait_until,
};

const CANCEL: [u8; 4] = 8_u32.to_be_bytes();

fn reset_flood(count: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..count {
        let id = 2 * number + 1;
        bytes.extend(frame(HEADERS, END_HEADERS | 1, id, &get("/hold")));
        bytes.extend(frame(RST_STREAM, 0, id, &CANCEL));
    }
    bytes
}

/// CVE-2023-44487: in one go, so that h2 sees the resets before we see the requests.
#[tokio::test]
async fn resets_in_one_go_end_the_connection() {
    let running = Running::start(patient()).await;
    let mut stream = running.connect_and_send(&hello(&[])).await;
    // The connection may be closed before all of it is sent.
    let _sent = stream.write_all(&reset_flood(10_000)).await;
    frames_to_end(&mut stream).await;
    let begun = running.seen.begun.load(Ordering::SeqCst);
    assert!(begun <= 500, "{begun} requests were begun");
    wait_until("nothing is left", || {
        running.seen.alive.load(Ordering::SeqCst) == 0
    })
    .await;
    running.stop().await;
}

/// The patient kind: each request is begun before it is reset, so that h2 sees nothing wrong.
#[tokio::test]
async fn resets_one_after_the_other_end_the_connection() {
    let mut config = patient();
    config.http2.as_mut().unwrap().cancelled_burst = 50;
    let running = Running::start(config).await;
    let stream = running.connect_and_send(&hello(&[])).await;
    let (mut reading, mut writing) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        let _reset = reading.read_to_end(&mut all).await;
    });
    let mut sent = 0;
    for number in 0..2_000_u32 {
        let id = 2 * number + 1;
        let request = frame(HEADERS, END_HEADERS | 1, id, &get("/hold"));
        if writing.write_all(&request).await.is_err() {
            break;
        }
        sent += 1;
        let is_begun = || running.seen.begun.load(Ordering::SeqCst) >= sent;
        wait_until("a request or the end", || {
            is_begun() || reading.is_finished()
        })
        .await;
        if writing
            .write_all(&frame(RST_STREAM, 0, id, &CANCEL))
            .await
            .is_err()
        {
            break;
        }
    }
    assert!(sent < 2_000, "as many resets as the client likes");
    assert!(sent >= 50, "fewer resets than may be: {sent}");
    reading.await.unwrap();
    running.stop().await;
}

/// Other clients do not notice.
#[tokio::test]
async fn a_client_that_gives_up_now_and_then_goes_on() {
    let running = Running::start(patient()).await;
    let mut stream = running.connect_and_send(&hello(&[])).await;
    for number in 0..100_usize {
        let id = u32::try_from(2 * number + 1).unwrap();
        let request = frame(HEADERS, END_HEADERS | 1, id, &get("/hold"));
        stream.write_all(&request).await.unwrap();
        wait_until("the request", || {
            running.seen.begun.load(Ordering::SeqCst) == number + 1
        })
        .await;
        let reset = frame(RST_STREAM, 0, id, &CANCEL);
        stream.write_all(&reset).await.unwrap();
    }
    wait_until("all are dropped", || {
        running.seen.alive.load(Ordering::SeqCst) == 0
    })
    .await;
    let request = frame(HEADERS, END_HEADERS | 1, 1001, &get("/"));
    stream.write_all(&request).await.unwrap();
    crate::support::read_until(&mut stream, "127.0.0.1").await;
    running.stop().await;
}

/// A head that goes on for ever is neither kept nor waited for.
#[tokio::test]
async fn a_head_of_endless_continuations_ends_the_connection() {
    let running = Running::start(patient()).await;
    let mut stream = running.connect_and_send(&hello(&[])).await;
    let mut sent = stream.write_all(&frame(HEADERS, 1, 1, &get("/"))).await;
    let field = [&[0, 1, b'x', 100][..], &[b'a'; 100]].concat().repeat(100);
    let more = frame(CONTINUATION, 0, 1, &field);
    let mut count = 0;
    while sent.is_ok() && count < 100_000 {
        sent = stream.write_all(&more).await;
        count += 1;
    }
    assert!(sent.is_err(), "a gigabyte of head was taken");
    assert_eq!(running.seen.begun.load(Ordering::SeqCst), 0);
    running.stop().await;
}

/// Empty ones cost the client next to nothing.
#[tokio::test]
async fn empty_continuations_end_the_connection() {
    let running = Running::start(patient()).await;
    let mut stream = running.connect_and_send(&hello(&[])).await;
    let mut sent = stream.write_all(&frame(HEADERS, 1, 1, &get("/"))).await;
    let more = frame(CONTINUATION, 0, 1, &[]).repeat(1000);
    let mut count = 0;
    while sent.is_ok() && count < 100_000 {
        sent = stream.write_all(&more).await;
        count += 1;
    }
    assert!(sent.is_err(), "100,000,000 frames were taken");
    running.stop().await;
}
