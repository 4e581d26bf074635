//! Expectations and interim answers: `100 Continue` comes when the request may go on, and not before.

use keyward_gateway::Config;
use keyward_testing::client::send_raw;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    support::{Running, Setup, code},
    upstream::Upstream,
};

const EXPECT: &str = "Content-Length: 5\r\nExpect: 100-continue\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_not_told_to_continue() {
    let running = Running::start(Setup::default()).await;
    let path = running.path("openai/chat/completions");
    let bad = running.token.text().replace("kw_gw_", "kw_gw_0");
    for (line, status) in [
        ("", 401),
        (&*format!("cf-aig-authorization: Bearer {bad}\r\n"), 401),
        (
            &*format!("cf-aig-authorization: {}\r\n", running.bearer()),
            400,
        ),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{line}{EXPECT}\r\n");
        let answer = send_raw(running.addr, head.as_bytes()).await.unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.interim.is_empty(), "{line}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_request_is_told_once_and_goes_on() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    let head = running.head("POST", "openai/chat/completions", EXPECT);
    let mut client = TcpStream::connect(running.addr).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    let mut link = upstream.accept().await;
    let sent = link.head().await;
    assert!(!sent.to_lowercase().contains("expect"), "{sent}");
    let mut told = vec![0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    client.read_exact(&mut told).await.unwrap();
    assert_eq!(told, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hello").await.unwrap();
    assert_eq!(link.read_to("hello").await, "hello");
    // What the provider says in between is for the gateway.
    link.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        .await;
    link.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        .await;
    let mut answer = vec![0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_expectations_are_not_met() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    for more in [
        "Expect: 200-ok\r\n",
        "Expect: 100-continue, x\r\n",
        "Expect: 100-continue\r\nExpect: x=y\r\n",
    ] {
        let answer = send_raw(running.addr, &running.raw_chat(more))
            .await
            .unwrap();
        assert_eq!((answer.status, code(&answer)), (417, 9015), "{more}");
        assert!(answer.interim.is_empty());
    }
    let bytes = running.raw_chat("Expect: 100-Continue\r\n");
    let answer = send_raw(running.addr, &bytes).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    running.stop().await;
}

/// An answer before the end of the upload reaches the client, and the provider gets no more of the upload.
#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_ends_the_upload() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    let length = 64 * 1024 * 1024;
    let lines = format!("Content-Length: {length}\r\n");
    let head = running.head("POST", "openai/chat/completions", &lines);
    let mut client = TcpStream::connect(running.addr).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&[b'x'; 1000]).await.unwrap();
    let mut link = upstream.accept().await;
    link.head().await;
    link.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
        .await;
    let mut answer = vec![0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
    // The connection upstream ends, far from the announced length.
    let rest = link.rest().await;
    assert!(rest.len() < length / 2, "{}", rest.len());
    running.stop().await;
}
