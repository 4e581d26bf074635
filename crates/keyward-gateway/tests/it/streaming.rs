//! Bodies on their way, in both directions: each piece as it comes, no more than the other side takes, and
//! never a clean end where there was none.

use std::time::Duration;

use keyward_gateway::Config;
use keyward_testing::{Behaviour, client::Client};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    support::{CHAT, Running, Setup, code, wait_until},
    upstream::{Upstream, write_until_standstill},
};

const STREAMED: &[u8] =
    br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const DEADLINE: Duration = Duration::from_secs(20);
const MEGABYTE: usize = 1024 * 1024;
/// What is sent to a reader that does not read.
const MUCH: usize = 64 * MEGABYTE;
/// What may stand in the sockets' buffers of both connections (the kernel's default limits are 4 MB for a sender
/// and 6 MB for a receiver) and in the gateway (below 1 MB).
const IN_BETWEEN: usize = 24 * MEGABYTE;

pub(crate) async fn start() -> Running {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    running
}

fn streamed(running: &Running) -> Vec<u8> {
    let lines = format!("Content-Length: {}\r\n", STREAMED.len());
    let mut request = running
        .head("POST", "openai/chat/completions", &lines)
        .into_bytes();
    request.extend_from_slice(STREAMED);
    request
}

/// Reads until `came` holds `wanted` so many times; what came meanwhile is added to it.
pub(crate) async fn read_until(client: &mut Client, came: &mut String, wanted: &str, times: usize) {
    while came.matches(wanted).count() < times {
        let bytes = client.read_some().await.unwrap();
        assert!(!bytes.is_empty(), "the connection ended after {came}");
        came.push_str(std::str::from_utf8(&bytes).unwrap());
    }
}

/// The provider sends event n + 1 only after the client has seen event n.
#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one() {
    let running = start().await;
    running.provider.behave(Behaviour::GatedSse);
    let mut client = running.client().await;
    client.send(&streamed(&running)).await.unwrap();
    let mut came = String::new();
    let mut events = 0;
    while !came.ends_with("0\r\n\r\n") {
        events += 1;
        read_until(&mut client, &mut came, "data: ", events).await;
        assert_eq!(came.matches("data: ").count(), events, "{came}");
        if came.contains("[DONE]") {
            // No event is left; the end of the body is not gated.
            read_until(&mut client, &mut came, "\r\n0\r\n\r\n", 1).await;
            break;
        }
        running.provider.release(1);
    }
    assert_eq!(events, 6);
    assert!(came.starts_with("HTTP/1.1 200 OK\r\n"), "{came}");
    assert!(
        came.contains("content-type: text/event-stream\r\n"),
        "{came}"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_the_provider() {
    let upstream = Upstream::listen().await;
    let (running, _) = Running::at(&upstream.base_url(), Config::default()).await;
    let mut client = TcpStream::connect(running.addr).await.unwrap();
    client
        .write_all(running.head("GET", "openai/files/1/content", "").as_bytes())
        .await
        .unwrap();
    let mut link = upstream.accept().await;
    link.head().await;
    link.write(&format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n"
    ))
    .await;
    // The client does not read: the provider can write what the buffers hold, and no more.
    let written = link.write_until_standstill(MUCH).await;
    assert!(
        written < IN_BETWEEN,
        "the gateway took {written} bytes for a client that reads none"
    );
    assert!(written > 0);
    // Once it reads, everything comes.
    let reading = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let mut block = vec![0; MEGABYTE];
        let mut left = MUCH;
        while left > 0 {
            let most = left.min(block.len());
            let count = client.read(&mut block[..most]).await.unwrap();
            assert!(count > 0, "{left} bytes are missing");
            left -= count;
        }
    };
    let writing = link.write_until_standstill(MUCH - written);
    let (_, rest) = timeout(DEADLINE, async { tokio::join!(reading, writing) })
        .await
        .unwrap();
    assert_eq!(written + rest, MUCH);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_provider_slows_the_client() {
    let upstream = Upstream::listen().await;
    let (running, _) = Running::at(&upstream.base_url(), Config::default()).await;
    let mut client = TcpStream::connect(running.addr).await.unwrap();
    let head = running.head(
        "POST",
        "openai/files",
        &format!("Content-Length: {MUCH}\r\n"),
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut link = upstream.accept().await;
    let head = link.head().await;
    assert!(
        head.contains(&format!("content-length: {MUCH}\r\n")),
        "the body is not counted anew: {head}"
    );
    let written = write_until_standstill(&mut client, MUCH).await;
    assert!(
        written < IN_BETWEEN,
        "the gateway took {written} bytes for a provider that reads none"
    );
    let reading = async {
        link.read_exactly(MUCH).await;
        link.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            .await;
    };
    let writing = async {
        let rest = write_until_standstill(&mut client, MUCH - written).await;
        assert_eq!(written + rest, MUCH);
        let mut answer = vec![0; 15];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 200 OK");
    };
    timeout(DEADLINE, async { tokio::join!(reading, writing) })
        .await
        .unwrap();
    running.stop().await;
}

/// Both directions at once: the client asks on while the answer comes.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_while_the_request_is_still_being_sent() {
    let upstream = Upstream::listen().await;
    let (running, _) = Running::at(&upstream.base_url(), Config::default()).await;
    let mut client = running.client().await;
    let head = running.head(
        "POST",
        "openai/audio/transcriptions",
        "Transfer-Encoding: chunked\r\n",
    );
    client.send(head.as_bytes()).await.unwrap();
    client.send(b"5\r\nask-0\r\n").await.unwrap();
    let mut link = upstream.accept().await;
    let head = link.head().await;
    assert!(
        head.contains("transfer-encoding: chunked\r\n") && !head.contains("content-length"),
        "{head}"
    );
    link.read_to("ask-0").await;
    link.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let mut came = String::new();
    for round in 1..=5 {
        link.write(&format!("8\r\nanswer-{}\r\n", round - 1)).await;
        read_until(&mut client, &mut came, &format!("answer-{}", round - 1), 1).await;
        client
            .send(format!("5\r\nask-{round}\r\n").as_bytes())
            .await
            .unwrap();
        link.read_to(&format!("ask-{round}")).await;
    }
    client.send(b"0\r\n\r\n").await.unwrap();
    link.read_to("0\r\n\r\n").await;
    link.write("0\r\n\r\n").await;
    read_until(&mut client, &mut came, "\r\n0\r\n\r\n", 1).await;
    running.stop().await;
}

/// A provider that refuses an upload need not swallow it first.
#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let running = start().await;
    running.provider.behave(Behaviour::EarlyAnswer(413));
    let mut client = running.client().await;
    let path = running.path("openai/files");
    let bearer = running.bearer();
    let body = vec![b'x'; 16 * MEGABYTE];
    let answer = client
        .post(&path, &[("cf-aig-authorization", &bearer)], &body)
        .await
        .unwrap();
    assert_eq!(answer.status, 413);
    assert!(
        answer.text().contains("answered early") && !answer.truncated,
        "{}",
        answer.text()
    );
    // The next request, on whatever connection, is served as ever.
    running.provider.behave(Behaviour::Normal);
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_upstream_is_cut_for_the_client() {
    let running = start().await;
    let path = running.path("openai/chat/completions");
    let bearer = running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    for body in [CHAT, STREAMED] {
        running.provider.behave(Behaviour::CutMidBody);
        let answer = running
            .client()
            .await
            .post(&path, &headers, body)
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.truncated, "a clean end: {}", answer.text());
        assert!(
            !answer.body.is_empty(),
            "what came before the cut is handed on"
        );
    }
    running.stop().await;
    // An answer without length or chunks ends where its connection ends: cleanly or reset.
    for (end, truncated) in [("", false), ("reset", true)] {
        let upstream = Upstream::listen().await;
        let (running, _) = Running::at(&upstream.base_url(), Config::default()).await;
        let playing = async {
            let mut link = upstream.accept().await;
            link.head().await;
            link.write("HTTP/1.1 200 OK\r\n\r\nhalf of it").await;
            link.end(end == "reset").await;
        };
        let (answer, ()) = tokio::join!(running.authorized_chat("openai", &[]), playing);
        if truncated {
            // A reset may overtake what was sent before it.
            assert!(
                answer.truncated || answer.status == 502,
                "{}",
                answer.text()
            );
        } else {
            assert_eq!(
                (answer.status, answer.text().as_str(), answer.truncated),
                (200, "half of it", false)
            );
        }
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_falls_silent_within_its_answer_is_cut_off() {
    let mut config = Config::default();
    config.forward.response_idle_timeout = Duration::from_millis(150);
    let running = Running::start(Setup {
        config,
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    running.provider.behave(Behaviour::StallMidBody);
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, answer.truncated), (200, true));
    running.stop().await;
}

/// When the client goes away the provider's work stops: its connection is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_the_upstream_connection_along() {
    let upstream = Upstream::listen().await;
    let (running, _) = Running::at(&upstream.base_url(), Config::default()).await;
    // Before the answer's head.
    let mut client = running.client().await;
    client.send(&streamed(&running)).await.unwrap();
    let mut link = upstream.accept().await;
    link.head().await;
    client.close();
    link.rest().await;
    // Within the answer.
    let mut client = running.client().await;
    client.send(&streamed(&running)).await.unwrap();
    let mut link = upstream.accept().await;
    link.head().await;
    link.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nevent1\r\n")
        .await;
    read_until(&mut client, &mut String::new(), "event1", 1).await;
    client.close();
    link.rest().await;
    running.stop().await;
}

/// A request that breaks off never looks whole to the provider.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_breaks_off_is_broken_off_upstream() {
    let running = start().await;
    for (lines, body) in [
        ("Content-Length: 1000\r\n", "{\"a\":"),
        ("Transfer-Encoding: chunked\r\n", "5\r\n{\"a\":\r\n"),
        ("Transfer-Encoding: chunked\r\n", "5\r\n{\"a\":\r\n5\r\n12"),
        ("Transfer-Encoding: chunked\r\n", "5\r\n{\"a\":\r\nzz\r\n12"),
    ] {
        let before = running.provider.accepted_connections();
        let mut client = running.client().await;
        let request = running.head("POST", "openai/chat/completions", lines) + body;
        client.send(request.as_bytes()).await.unwrap();
        // Not before the request is on its way: the gateway need not begin one whose sender is gone.
        wait_until("an upstream connection", || {
            running.provider.accepted_connections() > before
        })
        .await;
        client.close();
        wait_until("no upstream connection", || {
            running.provider.open_connections() == 0
        })
        .await;
        for seen in running.provider.take_recorded() {
            assert!(seen.truncated, "{lines:?} {body:?}: {seen:?}");
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_falls_silent_within_its_request_is_told_so() {
    let mut config = Config::default();
    config.forward.request_idle_timeout = Duration::from_millis(150);
    let running = Running::start(Setup {
        config,
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    let mut client = running.client().await;
    let request = running.head("POST", "openai/files", "Content-Length: 1000\r\n") + "only this";
    let answer = client.exchange(request.as_bytes()).await.unwrap();
    assert_eq!(
        (answer.status, code(&answer)),
        (408, 9016),
        "{}",
        answer.text()
    );
    running.stop().await;
}

/// Pauses short enough each, and no progress worth the connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_drips_its_request_is_told_so() {
    let mut config = Config::default();
    config.forward.request_min_rate = 10_000;
    config.forward.request_rate_window = Duration::from_millis(300);
    let running = Running::start(Setup {
        config,
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    let mut client = TcpStream::connect(running.addr).await.unwrap();
    let head = running.head("POST", "openai/files", "Content-Length: 1000000\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = client.into_split();
    let dripping = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        while write.write_all(b"x").await.is_ok() {
            beat.tick().await;
        }
    });
    let mut answer = vec![0; 12];
    let told = read.read_exact(&mut answer);
    let told = timeout(DEADLINE, told).await;
    told.unwrap().unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    dripping.abort();

    // Who sends as fast as is asked for is not hurried.
    let fast = running.authorized_chat("openai", &[]).await;
    assert_eq!(fast.status, 200);
    running.stop().await;
}
