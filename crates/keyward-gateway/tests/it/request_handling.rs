//! Time-outs and attempts that a request or its gateway asks for.

use std::time::{Duration, Instant};

use keyward_registry::{Backoff, GatewaySettings};
use keyward_testing::{Behaviour, client::RawAnswer};

use crate::support::{ACCOUNT, ACTOR, CHAT, Running, Setup, code, now};

const ATTEMPTS: &str = "cf-aig-max-attempts";
const NO_DELAY: (&str, &str) = ("cf-aig-retry-delay", "0");

fn failing(status: u16) -> Behaviour {
    Behaviour::Status(status, r#"{"error":{"message":"overloaded"}}"#.to_owned())
}

async fn running() -> Running {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    running
}

fn times(running: &Running) -> usize {
    running.provider.take_recorded().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_may_pass_is_tried_again_where_that_is_asked_for() {
    let running = running().await;
    for status in [408, 429, 500, 502, 503, 504, 529] {
        running.provider.behave_once(failing(status));
        running.provider.behave_once(failing(status));
        let answer = running
            .authorized_chat("openai", &[(ATTEMPTS, "3"), NO_DELAY])
            .await;
        assert_eq!(answer.status, 200, "{status}: {}", answer.text());
        let recorded = running.provider.take_recorded();
        assert_eq!(recorded.len(), 3, "{status}");
        // Each as the first one was.
        assert!(recorded.iter().all(|request| request.body == CHAT));
        assert!(recorded.iter().all(|request| {
            !request
                .headers
                .iter()
                .any(|(name, _)| name.starts_with("cf-aig"))
        }));
        // Nobody asked: what a provider may have begun is not begun twice.
        running.provider.behave_once(failing(status));
        let answer = running.authorized_chat("openai", &[]).await;
        assert_eq!((answer.status, times(&running)), (status, 1));
    }
    for status in [400, 401, 403, 404, 409, 422, 501] {
        running.provider.behave_once(failing(status));
        let answer = running
            .authorized_chat("openai", &[(ATTEMPTS, "3"), NO_DELAY])
            .await;
        assert_eq!(times(&running), 1, "{status}: {}", answer.status);
    }
    running.stop().await;
}

/// The provider has answered: what the gateway does not hand on may have been charged for.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_itself_refuses_is_not_tried_again() {
    let running = running().await;
    let elsewhere = Behaviour::Redirect("https://elsewhere.example/".to_owned());
    running.provider.behave(elsewhere);
    let answer = running
        .authorized_chat("openai", &[(ATTEMPTS, "3"), NO_DELAY])
        .await;
    assert_eq!((answer.status, code(&answer)), (502, 9022));
    assert_eq!(times(&running), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_attempt_fails_the_last_answer_is_the_clients() {
    let running = running().await;
    running.provider.behave(failing(503));
    let answer = running
        .authorized_chat("openai", &[(ATTEMPTS, "2"), NO_DELAY])
        .await;
    assert_eq!((answer.status, times(&running)), (503, 2));
    assert!(answer.text().contains("overloaded"));
    running.provider.behave(Behaviour::CutBeforeHead);
    let answer = running
        .authorized_chat("openai", &[(ATTEMPTS, "2"), NO_DELAY])
        .await;
    assert_eq!((answer.status, code(&answer)), (502, 9020));
    assert_eq!(times(&running), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_silent_is_not_waited_for_longer_than_was_asked() {
    let running = running().await;
    running.provider.behave(Behaviour::StallBeforeHead);
    let began = Instant::now();
    let answer = running
        .authorized_chat("openai", &[("cf-aig-request-timeout", "200")])
        .await;
    assert_eq!((answer.status, code(&answer)), (504, 9021));
    assert!(answer.text().contains("200 ms"), "{}", answer.text());
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(began.elapsed() < Duration::from_secs(10));
    // The last of two is waited for, as there is nothing left to try.
    drop(running.provider.take_recorded());
    running.provider.behave(Behaviour::Normal);
    running.provider.behave_once(Behaviour::StallBeforeHead);
    let headers = [("cf-aig-request-timeout", "200"), (ATTEMPTS, "2"), NO_DELAY];
    let answer = running.authorized_chat("openai", &headers).await;
    assert_eq!((answer.status, times(&running)), (200, 2));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_asks_for_is_waited_for() {
    let running = running().await;
    running
        .provider
        .behave_once(Behaviour::SetHeaders(Vec::new()));
    let (key, _) = running.store_key("openai", "busy").await;
    running
        .provider
        .answer_key(key.text(), 429, &[("retry-after", "1")], r#"{"error":{}}"#);
    let began = Instant::now();
    let headers = [(ATTEMPTS, "2"), NO_DELAY, ("cf-aig-byok-alias", "busy")];
    let answer = running.authorized_chat("openai", &headers).await;
    assert_eq!(answer.status, 429);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(times(&running), 2);
    // Longer than anybody waits.
    running
        .provider
        .answer_key(key.text(), 429, &[("retry-after", "61")], r#"{"error":{}}"#);
    let answer = running.authorized_chat("openai", &headers).await;
    assert_eq!((answer.status, times(&running)), (429, 1));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_asks_for_all_its_requests_and_a_request_otherwise() {
    let running = Running::start(Setup {
        settings: GatewaySettings {
            retry_max_attempts: Some(3),
            retry_delay: Some(1),
            retry_backoff: Some(Backoff::Exponential),
            ..GatewaySettings::default()
        },
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    running.provider.behave(failing(500));
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, times(&running)), (500, 3));
    let answer = running.authorized_chat("openai", &[(ATTEMPTS, "1")]).await;
    assert_eq!((answer.status, times(&running)), (500, 1));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_cannot_be_meant_is_refused() {
    let running = running().await;
    for (name, value) in [
        ("cf-aig-request-timeout", "soon"),
        (ATTEMPTS, "6"),
        ("cf-aig-retry-delay", "5001"),
        ("cf-aig-backoff", "none"),
    ] {
        let answer = running.authorized_chat("openai", &[(name, value)]).await;
        assert_eq!((answer.status, code(&answer)), (400, 9006), "{name}");
        assert!(answer.text().contains(name), "{}", answer.text());
    }
    assert_eq!(times(&running), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_send_a_request_has_no_body_read() {
    let running = running().await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\n{ATTEMPTS}: 3\r\nContent-Length: 1000\r\n\r\n",
        running.path("openai/chat/completions"),
        running.addr,
    );
    let answer: RawAnswer = running
        .client()
        .await
        .exchange(head.as_bytes())
        .await
        .unwrap();
    assert_eq!((answer.status, code(&answer)), (401, 2009));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_elsewhere_uses_up_no_limit() {
    let running = Running::start(Setup {
        settings: GatewaySettings {
            rate_limiting_limit: 1,
            rate_limiting_interval: 366 * 86_400,
            ..GatewaySettings::default()
        },
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    let mut grant = Running::grant();
    grant.networks.allow = vec![keyward_auth::Network::parse("10.0.0.0/8").unwrap()];
    let (token, _) = crate::support::mint(&running.registry, grant).await;
    let bearer = format!("Bearer {}", token.text());
    let headers = [("cf-aig-authorization", bearer.as_str()), (ATTEMPTS, "2")];
    for rest in ["openai/chat/completions", "compat/chat/completions"] {
        let mut client = running.client().await;
        let path = running.path(rest);
        let answer = client.post(&path, &headers, CHAT).await.unwrap();
        assert_eq!((answer.status, code(&answer)), (401, 2009), "{rest}");
    }
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_begins_with_a_token_that_was_revoked_meanwhile() {
    let running = running().await;
    running.provider.behave(failing(503));
    let headers = [(ATTEMPTS, "5"), ("cf-aig-retry-delay", "300")];
    let chat = running.authorized_chat("openai", &headers);
    let revoke = async {
        running.provider.wait_for(1, Duration::from_secs(20)).await;
        let text = keyward_auth::TokenText::parse(running.token.text().as_bytes()).unwrap();
        running
            .registry
            .delete_token(ACCOUNT, &text.id(), ACTOR, now())
            .await
            .unwrap();
    };
    let (answer, ()) = tokio::join!(chat, revoke);
    assert_eq!((answer.status, code(&answer)), (401, 2009));
    assert_eq!(times(&running), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_attempts_count_as_one_request_of_a_client() {
    let running = Running::start(Setup {
        settings: GatewaySettings {
            rate_limiting_limit: 1,
            rate_limiting_interval: 366 * 86_400,
            ..GatewaySettings::default()
        },
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    running.provider.behave_once(failing(500));
    running.provider.behave_once(failing(500));
    let headers = [(ATTEMPTS, "3"), NO_DELAY];
    let answer = running.authorized_chat("openai", &headers).await;
    assert_eq!((answer.status, times(&running)), (200, 3));
    let answer = running.authorized_chat("openai", &headers).await;
    assert_eq!((answer.status, code(&answer)), (429, 2003));
    assert_eq!(times(&running), 0);
    running.stop().await;
}
