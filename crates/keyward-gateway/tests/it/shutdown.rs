//! A graceful stop: what is in flight finishes, what is idle ends, what is new is refused.

use std::{num::NonZeroUsize, time::Duration};

use keyward_gateway::Config;
use keyward_testing::Behaviour;
use tokio::net::TcpStream;

use crate::support::{CHAT, Running, Setup, wait_until};

const STREAMED: &[u8] = br#"{"model":"m","stream":true}"#;

async fn start(config: Config) -> Running {
    let running = Running::start(Setup {
        config,
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_the_request_in_flight_finish_and_ends_the_rest() {
    let running = start(Config {
        workers: NonZeroUsize::new(2).unwrap(),
        ..Config::default()
    })
    .await;
    let path = running.path("openai/chat/completions");
    let bearer = running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    // Idle after an answer, and idle from the start; several, so that each worker has some.
    let mut idle = Vec::new();
    for number in 0..4 {
        let mut client = running.client().await;
        if number % 2 == 0 {
            assert_eq!(
                client.post(&path, &headers, CHAT).await.unwrap().status,
                200
            );
        }
        idle.push(client);
    }
    running.provider.behave(Behaviour::GatedSse);
    let mut busy = running.client().await;
    let request = [
        running
            .head(
                "POST",
                "openai/chat/completions",
                &format!("Content-Length: {}\r\n", STREAMED.len()),
            )
            .as_bytes(),
        STREAMED,
    ]
    .concat();
    busy.send(&request).await.unwrap();
    let first = busy.read_some().await.unwrap();
    assert!(String::from_utf8_lossy(&first).starts_with("HTTP/1.1 200 OK\r\n"));

    running.begin_stop();
    for client in &mut idle {
        assert_eq!(
            client.read_some().await.unwrap(),
            b"",
            "an idle connection ends"
        );
    }
    let mut refused = false;
    let addr = running.addr;
    for _attempt in 0..1000 {
        // Whether the listener is closed shows when a connection is refused; one that was in its queue then ends.
        match TcpStream::connect(addr).await {
            Err(_refused) => {
                refused = true;
                break;
            }
            Ok(_queued) => tokio::task::yield_now().await,
        }
    }
    assert!(refused, "new connections are still taken");

    running.provider.release(100);
    let mut came = String::from_utf8(first).unwrap();
    loop {
        let bytes = busy.read_some().await.unwrap();
        if bytes.is_empty() {
            break;
        }
        came.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    assert!(
        came.contains("data: [DONE]") && came.ends_with("\r\n0\r\n\r\n"),
        "{came}"
    );
    running.stop().await;
}

/// A request whose head came before the stop and whose body comes after it is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_has_begun_is_served_to_its_end() {
    let running = start(Config::default()).await;
    let mut client = running.client().await;
    let lines = format!("Content-Length: {}\r\n", CHAT.len());
    let head = running.head("POST", "openai/chat/completions", &lines);
    client
        .send(&[head.as_bytes(), &CHAT[..10]].concat())
        .await
        .unwrap();
    wait_until("an upstream connection", || {
        running.provider.open_connections() > 0
    })
    .await;
    running.begin_stop();
    wait_until("a closed listener", || {
        std::net::TcpStream::connect(running.addr).is_err()
    })
    .await;
    client.send(&CHAT[10..]).await.unwrap();
    let answer = client.next_answer("POST").await.unwrap();
    assert_eq!((answer.status, answer.truncated), (200, false));
    assert_eq!(answer.header("connection"), Some("close"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_cut_after_the_drain_timeout() {
    let running = start(Config {
        listen: keyward_listen::Config {
            drain_timeout: Duration::from_millis(200),
            ..keyward_listen::Config::default()
        },
        ..Config::default()
    })
    .await;
    running.provider.behave(Behaviour::StallMidBody);
    let mut client = running.client().await;
    client.send(&running.raw_chat("")).await.unwrap();
    running.provider.wait_for(1, Duration::from_secs(20)).await;
    running.begin_stop();
    let answer = client.next_answer("POST").await.unwrap();
    assert_eq!((answer.status, answer.truncated), (200, true));
    running.stop().await;
}
