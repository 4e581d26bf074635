//! Providers that speak HTTP/2, and the limits of connections to providers, as clients see them.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use keyward_forward::{Protocol, SystemDial, TlsConfig, dial::Guard};
use keyward_gateway::Config;
use keyward_testing::{Behaviour, FakeProvider, Placement, TestCa};
use tokio::task::JoinSet;

use crate::support::{Base, CHAT, Running, Setup, code, wait_until};

const DEADLINE: Duration = Duration::from_secs(20);

async fn start(slug: &'static [&'static str], placement: Placement, workers: usize) -> Running {
    Running::start(Setup {
        slugs: slug,
        placement,
        protocol: Protocol::Http2,
        config: Config {
            workers: NonZeroUsize::new(workers).unwrap(),
            ..Config::default()
        },
        ..Setup::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_placement_of_a_key_works_over_http2() {
    let cases: [(&'static [&'static str], Placement, &str); 4] = [
        (&["openai"], Placement::bearer(), "chat/completions"),
        (&["anthropic"], Placement::x_api_key(), "v1/messages"),
        (
            &["google-ai-studio"],
            Placement::x_goog_api_key(),
            "v1beta/models/m:generateContent",
        ),
        (
            &["elevenlabs"],
            Placement::new("xi-api-key", ""),
            "v1/models",
        ),
    ];
    for (slugs, placement, rest) in cases {
        let slug = slugs[0];
        let (header, scheme) = (placement.header.clone(), placement.scheme.clone());
        let running = start(slugs, placement, 1).await;
        let (key, _) = running.store_key(slug, "default").await;
        let bearer = running.bearer();
        let headers = [
            ("cf-aig-authorization", bearer.as_str()),
            ("anthropic-version", "2023-06-01"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
        ];
        let path = running.path(&format!("{slug}/{rest}"));
        let answer = running
            .client()
            .await
            .post(&path, &headers, CHAT)
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{slug}: {}", answer.text());
        let seen = running.provider.take_recorded().remove(0);
        assert!(seen.is_http2, "{slug}");
        let expected = format!("{scheme}{}", key.text());
        assert_eq!(seen.header_all(&header), [expected.as_bytes()], "{slug}");
        let host = running.provider.addr().to_string();
        assert_eq!(seen.header_all("host"), [host.as_bytes()], "{slug}");
        assert_eq!(seen.body, CHAT, "{slug}");
        for gone in [
            "connection",
            "x-hop",
            "cf-aig-authorization",
            "transfer-encoding",
            "te",
        ] {
            assert!(seen.header(gone).is_none(), "{slug}: {gone}");
        }
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_workers_share_one_connection() {
    let running = Arc::new(start(&["openai"], Placement::bearer(), 4).await);
    running.store_key("openai", "default").await;
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let running = running.clone();
        clients.spawn(async move {
            for _ in 0..5 {
                assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    assert_eq!(running.provider.count(), 80);
    assert_eq!(running.provider.accepted_connections(), 1);
    Arc::into_inner(running).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_big_bodies_come_over_http2_as_they_are() {
    let running = start(&["openai"], Placement::bearer(), 2).await;
    running.store_key("openai", "default").await;
    let stream = br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let path = running.path("openai/chat/completions");
    let bearer = running.bearer();
    let token = [("cf-aig-authorization", bearer.as_str())];
    let mut client = running.client().await;
    let answer = client.post(&path, &token, stream).await.unwrap();
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.text().ends_with("data: [DONE]\n\n") && !answer.truncated);

    let length = 10_000_000;
    running.provider.behave_once(Behaviour::LargeBody(length));
    let answer = client.post(&path, &token, CHAT).await.unwrap();
    assert_eq!(u64::try_from(answer.body.len()), Ok(length));

    let big = vec![b' '; 3_000_000];
    let answer = client.post(&path, &token, &big).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(running.provider.recorded().last().unwrap().body, big);
    assert_eq!(
        (
            running.provider.accepted_connections(),
            client.connections()
        ),
        (1, 1)
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_refused_unprocessed_is_sent_again_and_what_it_cut_is_not() {
    let running = start(&["openai"], Placement::bearer(), 2).await;
    running.store_key("openai", "default").await;
    running.provider.behave_once(Behaviour::RefuseStream);
    running.provider.behave_once(Behaviour::RefuseStream);
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    assert_eq!(running.provider.count(), 1);

    running.provider.behave_once(Behaviour::CutBeforeHead);
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, code(&answer)), (502, 9020));
    assert_eq!(running.provider.count(), 2);

    running.provider.behave_once(Behaviour::CutMidBody);
    // The client sees an answer that breaks off, or none: never one that ends.
    let cut = running.client().await.exchange(&running.raw_chat("")).await;
    assert!(cut.is_err() || cut.is_ok_and(|answer| answer.truncated));
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    assert_eq!(running.provider.accepted_connections(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_finds_everything_in_use_is_told_when_to_come_back() {
    let mut config = Config::default();
    config.forward.max_connections_per_origin = 1;
    config.forward.max_waiting_per_origin = 0;
    let running = Arc::new(
        Running::start(Setup {
            config,
            ..Setup::default()
        })
        .await,
    );
    running.store_key("openai", "default").await;
    running.provider.behave_once(Behaviour::StallBeforeHead);
    let first = running.clone();
    let first = tokio::spawn(async move { first.authorized_chat("openai", &[]).await.status });
    running.provider.wait_for(1, DEADLINE).await;
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, code(&answer)), (503, 9024));
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert!(
        answer
            .text()
            .contains("too many requests wait for 127.0.0.1")
    );
    running.provider.release(1);
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    assert_eq!(running.provider.accepted_connections(), 1);
    Arc::into_inner(running).unwrap().stop().await;
}

/// A client that hangs up ends its own exchange at the provider, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_leave_the_shared_connection_to_the_others() {
    let running = start(&["openai"], Placement::bearer(), 2).await;
    running.store_key("openai", "default").await;
    running.provider.behave(Behaviour::StallBeforeHead);
    let request = running.raw_chat("");
    for round in 1..=150 {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = tokio::net::TcpStream::connect(running.addr).await.unwrap();
        stream.write_all(&request).await.unwrap();
        running.provider.wait_for(round, DEADLINE).await;
        drop(stream);
    }
    running.provider.behave(Behaviour::Normal);
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    // The first hundred places are free at once; of the others some are still taken.
    assert!(running.provider.accepted_connections() <= 2);
    running.stop().await;
}

/// Workers end together: the shared connection, which lives on one of them, lasts for the answers of all.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_answers_over_the_shared_connection_finish() {
    let running = start(&["openai"], Placement::bearer(), 4).await;
    running.store_key("openai", "default").await;
    running.provider.behave(Behaviour::StallMidBody);
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let request = running.raw_chat("");
        let mut client = running.client().await;
        clients.spawn(async move { client.exchange(&request).await.unwrap() });
    }
    running.provider.wait_for(8, DEADLINE).await;
    assert_eq!(running.provider.accepted_connections(), 1);
    running.begin_stop();
    // No new connection is taken any more: the stop is under way.
    wait_until("the listener is closed", || {
        std::net::TcpStream::connect(running.addr).is_err()
    })
    .await;
    running.provider.release(8);
    while let Some(answer) = clients.join_next().await {
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.truncated), (200, false));
        assert!(!answer.body.is_empty());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_on_a_private_address_that_nobody_named_is_refused() {
    let ca = TestCa::new();
    let provider = FakeProvider::start_tls(Placement::bearer(), Vec::<String>::new(), &ca).await;
    let tls = TlsConfig {
        extra_ca_pem: vec![ca.ca_pem().as_bytes().to_vec()],
    };
    let dial = SystemDial::build(tls).unwrap().with_guard(Guard::new());
    let origin = provider.origin();
    let urls = [("openai", origin.as_str())];
    let running = Running::dialling(
        &Base::new(),
        &urls,
        provider,
        Arc::new(dial),
        Config::default(),
    )
    .await;
    running.store_key("openai", "default").await;
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, code(&answer)), (502, 9023));
    assert!(
        answer.text().contains("[providers.NAME] base_url"),
        "{}",
        answer.text()
    );
    assert_eq!(running.provider.accepted_connections(), 0);
    wait_until("the log tells the address", || {
        running
            .logs
            .contents()
            .contains("127.0.0.1 leads to 127.0.0.1")
    })
    .await;
    running.stop().await;
}
