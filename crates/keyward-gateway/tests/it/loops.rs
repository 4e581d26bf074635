//! Requests that come back to where they were before (RFC 8586).

use keyward_gateway::Config;
use tokio::net::{TcpListener, TcpStream};

use crate::{
    support::{ACCOUNT, Running, Setup, code},
    upstream::Upstream,
};

/// A gateway whose provider is itself, by way of a relay: the second visit ends the circle.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_leads_to_itself_answers_508() {
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!(
        "http://{}/v1/{ACCOUNT}/prod/openai",
        relay.local_addr().unwrap()
    );
    let (running, _key) = Running::at(&base_url, Config::default()).await;
    let gateway = running.addr;
    let relaying = tokio::spawn(async move {
        loop {
            let (mut from, _) = relay.accept().await.unwrap();
            tokio::spawn(async move {
                let mut to = TcpStream::connect(gateway).await.unwrap();
                let _either_may_reset = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!(answer.status, 508, "{}", answer.text());
    assert_eq!(answer.json()["internalCode"], 9017);
    relaying.abort();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_mark_is_added_behind_the_marks_of_others() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    let marks = [("CDN-Loop", "cdn.example; v=1"), ("cdn-loop", "other")];
    let playing = async {
        let mut link = upstream.accept().await;
        let head = link.head().await;
        link.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            .await;
        head
    };
    let (answer, head) = tokio::join!(running.authorized_chat("openai", &marks), playing);
    assert_eq!(answer.status, 200);
    let sent: Vec<_> = head
        .lines()
        .filter_map(|line| line.strip_prefix("cdn-loop: "))
        .collect();
    let [first, second, own] = sent[..] else {
        panic!("{head}");
    };
    assert_eq!([first, second], ["cdn.example; v=1", "other"]);

    // What was sent comes back, and is known again.
    let loops = [("cdn-loop", own)];
    let again = running.authorized_chat("openai", &loops).await;
    assert_eq!((again.status, code(&again)), (508, 9017));
    // Nobody removes it by nominating it.
    let hidden = [("cdn-loop", own), ("Connection", "cdn-loop")];
    let again = running.authorized_chat("openai", &hidden).await;
    assert_eq!((again.status, code(&again)), (508, 9017));
    let malformed = running
        .authorized_chat("openai", &[("cdn-loop", "{not a list}")])
        .await;
    assert_eq!((malformed.status, code(&malformed)), (400, 9006));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn built_in_origins_get_no_mark() {
    let running = Running::start(Setup::default()).await;
    running.store_key("echo", "default").await;
    let answer = running
        .authorized_chat("echo", &[("cdn-loop", "cdn.example")])
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("cdn-loop"), "{}", answer.text());
    running.stop().await;
}
