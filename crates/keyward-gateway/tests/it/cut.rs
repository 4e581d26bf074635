//! Revocation while requests are under way: they finish, or are cut at once.

use std::time::Duration;

use keyward_gateway::Config;
use keyward_registry::Use;
use keyward_testing::Canary;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    support::{ACCOUNT, ACTOR, Running, mint, now, value, wait_until},
    upstream::{Link, Upstream},
    websocket::tunnel,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// A streaming answer whose first piece has arrived, on both ends.
async fn stream(running: &Running, upstream: &Upstream, bearer: &str) -> (TcpStream, Link) {
    let (mut client, mut link) = ask(running, upstream, bearer).await;
    link.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        .await;
    read_to(&mut client, "first\r\n").await;
    (client, link)
}

/// A request that the provider has and does not answer.
async fn ask(running: &Running, upstream: &Upstream, bearer: &str) -> (TcpStream, Link) {
    let path = running.path("openai/chat/completions");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\ncf-aig-authorization: {bearer}\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    let mut client = TcpStream::connect(running.addr).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    let mut link = upstream.accept().await;
    link.head().await;
    link.read_to("{}").await;
    (client, link)
}

async fn read_to(client: &mut TcpStream, end: &str) -> String {
    let mut came = Vec::new();
    while !came.ends_with(end.as_bytes()) {
        let read = timeout(DEADLINE, client.read_buf(&mut came)).await;
        assert!(read.unwrap().unwrap() > 0, "{came:?}");
    }
    String::from_utf8(came).unwrap()
}

/// The connection ends, and what came is no complete answer.
async fn is_cut(mut client: TcpStream) {
    let mut came = Vec::new();
    let ended = timeout(DEADLINE, client.read_to_end(&mut came)).await;
    let _reset_counts_too = ended.unwrap();
    assert!(!came.ends_with(b"0\r\n\r\n"), "{came:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_cuts_its_streams_and_no_other() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    let (text, minted) = mint(&running.registry, Running::grant()).await;
    let revoked = format!("Bearer {}", text.text());
    let (cut, mut cut_link) = stream(&running, &upstream, &revoked).await;
    let (mut kept, mut kept_link) = stream(&running, &upstream, &running.bearer()).await;
    let (waiting, mut waiting_link) = ask(&running, &upstream, &revoked).await;
    let (socket, mut socket_link) = tunnel(&running, &upstream, &revoked).await;
    let uses = Use::Token(minted.record.id);
    // A request is counted once it waits for the provider, and that is for it to do.
    wait_until("three requests wait", || {
        running.registry.requests_open(uses) == 3
    })
    .await;
    running
        .registry
        .delete_token(ACCOUNT, &minted.record.id, ACTOR, now())
        .await
        .unwrap();
    // Without a cut they go on.
    cut_link.write("6\r\nsecond\r\n").await;
    assert_eq!(running.registry.requests_open(uses), 3);

    assert_eq!(running.registry.cut_requests(uses), 3);
    assert_eq!(running.registry.requests_open(uses), 0);
    is_cut(cut).await;
    is_cut(socket).await;
    for link in [&mut cut_link, &mut waiting_link, &mut socket_link] {
        link.rest().await;
    }
    // What was not answered yet can be told.
    let mut waiting = waiting;
    let answer = read_to(&mut waiting, "}").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    kept_link.write("5\r\nthird\r\n0\r\n\r\n").await;
    let rest = read_to(&mut kept, "0\r\n\r\n").await;
    assert!(rest.contains("third"), "{rest}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_cuts_what_uses_the_old_value_alone() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    let bearer = running.bearer();
    let (old, mut old_link) = stream(&running, &upstream, &bearer).await;
    let snapshot = running.registry.snapshot();
    let account = snapshot.account(ACCOUNT).unwrap();
    let id = account.provider_keys().next().unwrap().record.id;
    let fresh = Canary::new("fresh");
    let key = running
        .registry
        .rotate_provider_key(ACCOUNT, id, &value(&fresh), ACTOR, now())
        .await
        .unwrap();
    let (mut new, mut new_link) = stream(&running, &upstream, &bearer).await;
    let current = key.current.as_ref().unwrap();
    let keeps = Some((key.record.secret, current.version));
    let replaced = Use::ProviderKey { id, keeps };
    let all = Use::ProviderKey { id, keeps: None };
    wait_until("both wait", || running.registry.requests_open(all) == 2).await;
    assert_eq!(running.registry.cut_requests(replaced), 1);
    is_cut(old).await;
    old_link.rest().await;
    new_link.write("5\r\nthird\r\n").await;
    read_to(&mut new, "third\r\n").await;

    // Deleted, it cuts the rest; a request that waits is told which.
    let (mut waiting, mut waiting_link) = ask(&running, &upstream, &bearer).await;
    wait_until("both wait", || running.registry.requests_open(all) == 2).await;
    running
        .registry
        .delete_provider_key(ACCOUNT, id, ACTOR, now())
        .await
        .unwrap();
    assert_eq!(running.registry.cut_requests(all), 2);
    is_cut(new).await;
    new_link.rest().await;
    let answer = read_to(&mut waiting, "}").await;
    assert!(answer.starts_with("HTTP/1.1 424"), "{answer}");
    assert!(answer.contains("9014"), "{answer}");
    waiting_link.rest().await;
    running.stop().await;
}

/// An answer that is always ready never waits, and is cut all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_never_pauses_is_cut() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    let (text, minted) = mint(&running.registry, Running::grant()).await;
    let bearer = format!("Bearer {}", text.text());
    let (mut client, mut link) = stream(&running, &upstream, &bearer).await;
    let flooding = tokio::spawn(async move {
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        while link.try_write(&chunk).await {}
    });
    let reading = tokio::spawn(async move {
        let mut block = vec![0; 64 * 1024];
        while let Ok(1..) = client.read(&mut block).await {}
    });
    let uses = Use::Token(minted.record.id);
    wait_until("it is under way", || {
        running.registry.requests_open(uses) == 1
    })
    .await;
    assert_eq!(running.registry.cut_requests(uses), 1);
    for ended in [flooding, reading] {
        timeout(DEADLINE, ended).await.unwrap().unwrap();
    }
    running.stop().await;
}
