//! Upstreams that cannot be reached or do not answer: 502 and 504, each naming the host and no secret.

use std::{sync::Arc, time::Duration};

use keyward_forward::{BoxFuture, Connection, Dial, DialError, Offer, dial};
use keyward_gateway::Config;
use keyward_secret::Origin;
use keyward_testing::{Behaviour, FakeProvider, Placement, RawRecorder, TestCa};

use crate::{
    bad_input::check,
    support::{Base, Running, Setup, code},
    upstream::Upstream,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_refuses_the_connection_is_502() {
    let gone = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
    let origin = gone.origin();
    gone.stop().await;
    let (running, _) = Running::at(&origin, Config::default()).await;
    let answer = running.authorized_chat("openai", &[]).await;
    check(
        &running,
        &answer,
        502,
        9020,
        &["127.0.0.1 refused the connection"],
    );
    running.stop().await;
}

/// A dialler for which no name has an address.
#[derive(Debug)]
struct NoName;

impl Dial for NoName {
    fn dial<'a>(
        &'a self,
        _origin: &'a Origin,
        _offer: Offer,
    ) -> BoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(async { Err(DialError::from(dial::Kind::Unresolvable)) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_without_an_address_is_502() {
    let unused = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
    let url = [("openai", "https://nowhere.invalid")];
    let dial = Arc::new(NoName);
    let running = Running::dialling(&Base::new(), &url, unused, dial, Config::default()).await;
    running.store_key("openai", "default").await;
    let answer = running.authorized_chat("openai", &[]).await;
    check(
        &running,
        &answer,
        502,
        9020,
        &["nowhere.invalid has no address"],
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_not_who_it_should_be_is_502_and_sees_nothing() {
    let ca = TestCa::new();
    let keys = Vec::<String>::new;
    let another =
        FakeProvider::start_tls_as(Placement::bearer(), keys(), &ca, &["other.example"]).await;
    let untrusted = FakeProvider::start_tls(Placement::bearer(), keys(), &TestCa::new()).await;
    for provider in [another, untrusted] {
        let url = provider.origin();
        let base_urls = [("openai", url.as_str())];
        let running =
            Running::over(&Base::new(), &base_urls, provider, &ca, Config::default()).await;
        running.store_key("openai", "default").await;
        let answer = running.authorized_chat("openai", &[]).await;
        check(
            &running,
            &answer,
            502,
            9020,
            &["TLS handshake with 127.0.0.1 failed"],
        );
        assert_eq!(running.provider.count(), 0);
        running.stop().await;
    }
    // One that does no TLS at all, and answers a handshake as a server of plain HTTP does.
    let plain = Upstream::listen().await;
    let url = plain.base_url().replace("http://", "https://");
    let (running, key) = Running::at(&url, Config::default()).await;
    let refusing = async {
        let mut link = plain.accept().await;
        link.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            .await;
        link.rest().await
    };
    let (answer, came) = tokio::join!(running.authorized_chat("openai", &[]), refusing);
    check(
        &running,
        &answer,
        502,
        9020,
        &["TLS handshake with 127.0.0.1 failed"],
    );
    assert!(!String::from_utf8_lossy(&came).contains(key.random_part()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_too_slow_is_504() {
    let mut config = Config::default();
    config.forward.response_header_timeout = Duration::from_millis(150);
    config.forward.connect_timeout = Duration::from_millis(150);
    let running = Running::start(Setup {
        config: config.clone(),
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    running.provider.behave(Behaviour::StallBeforeHead);
    let answer = running.authorized_chat("openai", &[]).await;
    check(
        &running,
        &answer,
        504,
        9021,
        &["127.0.0.1 did not answer in time"],
    );
    assert_eq!(running.provider.count(), 1);
    running.stop().await;

    // It takes the connection and never answers the TLS handshake.
    let silent = RawRecorder::start("").await;
    let (running, _) = Running::at(&format!("https://{}", silent.addr()), config).await;
    let answer = running.authorized_chat("openai", &[]).await;
    check(
        &running,
        &answer,
        504,
        9021,
        &["connecting to 127.0.0.1 took too long"],
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_breaks_off_or_talks_nonsense_is_502() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    for behaviour in [
        Behaviour::CutBeforeHead,
        Behaviour::Reset,
        Behaviour::CloseOnAccept,
    ] {
        // On a fresh connection, so that none is taken for one that was closed while it was kept.
        running.provider.behave(behaviour);
        let answer = running.authorized_chat("openai", &[]).await;
        assert_eq!(
            (answer.status, code(&answer)),
            (502, 9020),
            "{}",
            answer.text()
        );
    }
    running.stop().await;
    for nonsense in [
        "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".to_owned(),
        format!(
            "HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n",
            "x".repeat(128 * 1024)
        ),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".to_owned(),
    ] {
        let recorder = RawRecorder::start(nonsense.as_bytes()).await;
        let (running, _) =
            Running::at(&format!("http://{}", recorder.addr()), Config::default()).await;
        let answer = running.authorized_chat("openai", &[]).await;
        let shown: String = nonsense.chars().take(40).collect();
        assert_eq!(answer.status, 502, "{shown:?}: {}", answer.text());
        check(&running, &answer, 502, 9020, &["127.0.0.1"]);
        running.stop().await;
    }
}
