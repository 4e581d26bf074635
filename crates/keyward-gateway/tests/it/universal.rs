//! Several requests in turn, until one succeeds.

use keyward_testing::{Behaviour, client::RawAnswer};
use serde_json::{Value, json};

use crate::support::{Running, Setup, code};

async fn send(running: &Running, headers: &[(&str, &str)], body: &str) -> RawAnswer {
    let path = format!("/v1/{}/prod", crate::support::ACCOUNT);
    let mut client = running.client().await;
    client.post(&path, headers, body.as_bytes()).await.unwrap()
}

async fn ask(running: &Running, body: &Value) -> RawAnswer {
    let bearer = running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    send(running, &headers, &body.to_string()).await
}

fn entry(provider: &str, headers: &Value) -> Value {
    json!({
        "provider": provider,
        "endpoint": "v1/chat/completions",
        "headers": headers,
        "query": {"model": "gpt-5", "messages": []},
    })
}

fn failing(status: u16) -> Behaviour {
    Behaviour::Status(status, r#"{"error":{"message":"no"}}"#.to_owned())
}

async fn running() -> Running {
    let running = Running::start(Setup {
        slugs: &["openai", "groq"],
        ..Setup::default()
    })
    .await;
    let (openai, _) = running.store_key("openai", "default").await;
    let (groq, _) = running.store_key("groq", "default").await;
    running.provider.accept_keys([openai.text(), groq.text()]);
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_entry_that_succeeds_answers() {
    let running = running().await;
    let both = json!([entry("openai", &json!({})), entry("groq", &json!({}))]);
    let answer = ask(&running, &both).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cf-aig-step"), Some("0"));
    assert_eq!(running.provider.take_recorded().len(), 1);
    for behaviour in [
        failing(500),
        failing(429),
        failing(404),
        Behaviour::CutBeforeHead,
    ] {
        running.provider.behave_once(behaviour.clone());
        let answer = ask(&running, &both).await;
        assert_eq!(answer.status, 200, "{behaviour:?}: {}", answer.text());
        assert_eq!(answer.header("cf-aig-step"), Some("1"), "{behaviour:?}");
        let sent = running.provider.take_recorded();
        assert_eq!(sent.len(), 2, "{behaviour:?}");
        assert_eq!(sent[1].path(), "/v1/chat/completions");
        assert_eq!(sent[1].body, br#"{"messages":[],"model":"gpt-5"}"#);
    }
    // One that has no key fails like one that is down.
    let none = json!([entry("mistral", &json!({})), entry("openai", &json!({}))]);
    let answer = ask(&running, &none).await;
    assert_eq!(answer.header("cf-aig-step"), Some("1"));
    drop(running.provider.take_recorded());
    running.provider.behave(failing(503));
    let answer = ask(&running, &both).await;
    assert_eq!(
        (answer.status, answer.header("cf-aig-step")),
        (503, Some("1"))
    );
    assert!(answer.text().contains("no"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_says_how_it_is_sent() {
    let running = running().await;
    let mut first = entry("openai", &json!({}));
    first["config"] = json!({"maxAttempts": 3, "retryDelay": 0});
    running.provider.behave_once(failing(500));
    running.provider.behave_once(failing(500));
    let answer = ask(&running, &json!([first, entry("groq", &json!({}))])).await;
    assert_eq!(
        (answer.status, answer.header("cf-aig-step")),
        (200, Some("0"))
    );
    assert_eq!(running.provider.take_recorded().len(), 3);
    let mut slow = entry("openai", &json!({"cf-aig-request-timeout": "150"}));
    slow["config"] = json!({"requestTimeout": 60_000});
    running.provider.behave_once(Behaviour::StallBeforeHead);
    let answer = ask(&running, &json!([slow, entry("groq", &json!({}))])).await;
    assert_eq!(
        (answer.status, answer.header("cf-aig-step")),
        (200, Some("1"))
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entrys_headers_obey_the_rules_of_every_request() {
    let running = running().await;
    let bearer = running.bearer();
    // A token of ours where the provider's key would stand is recognised, and goes nowhere.
    let with_token = json!([entry("openai", &json!({"Authorization": bearer}))]);
    let answer = ask(&running, &with_token).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = running.provider.take_recorded();
    assert!(!sent[0].header("authorization").unwrap().contains("kw_gw_"));
    // One that does not verify is refused, and the next entry is not asked for.
    let with_wrong = json!([
        entry("openai", &json!({"authorization": "Bearer kw_gw_wrong"})),
        entry("groq", &json!({})),
    ]);
    let answer = ask(&running, &with_wrong).await;
    assert_eq!((answer.status, code(&answer)), (401, 2009));
    assert!(running.provider.take_recorded().is_empty());
    // A key of the client's own goes through.
    let own = keyward_testing::Canary::new("own");
    running.provider.accept_keys([own.text()]);
    let own = format!("Bearer {}", own.text());
    let answer = ask(
        &running,
        &json!([entry("openai", &json!({"authorization": own}))]),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = running.provider.take_recorded();
    assert_eq!(sent[0].header("authorization"), Some(own.as_str()));
    assert!(
        !sent[0]
            .headers
            .iter()
            .any(|(name, _)| name.starts_with("cf-aig"))
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_requests_own_headers_goes_to_no_entry() {
    let running = running().await;
    let own = keyward_testing::Canary::new("own");
    let own = format!("Bearer {}", own.text());
    let bearer = running.bearer();
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("authorization", own.as_str()),
    ];
    let body = json!([entry("openai", &json!({}))]).to_string();
    let answer = send(&running, &headers, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = running.provider.take_recorded();
    assert_ne!(sent[0].header("authorization"), Some(own.as_str()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_endpoint_leads_out_of_its_provider() {
    let running = running().await;
    for endpoint in [
        "../groq/v1/chat/completions",
        "v1/%2e%2e/%2e%2e/x",
        "v1/..%2f..%2fx",
        "https://attacker.example/v1",
        "//attacker.example/v1",
        "v1/x#y",
        "v1\\..\\x",
        "v1/x y",
        "v1/x\r\nHost: attacker.example",
    ] {
        let mut hostile = entry("openai", &json!({}));
        hostile["endpoint"] = json!(endpoint);
        let answer = ask(&running, &json!([hostile])).await;
        assert_eq!(answer.status, 400, "{endpoint}: {}", answer.text());
    }
    for provider in [
        "../v1",
        "openai/../groq",
        "",
        "open ai",
        "openai?x=",
        "@evil",
    ] {
        let answer = ask(&running, &json!([entry(provider, &json!({}))])).await;
        assert_eq!(answer.status, 400, "{provider}: {}", answer.text());
    }
    assert!(running.provider.take_recorded().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_may_be_a_unified_one() {
    let running = running().await;
    let mut unified = entry("compat", &json!({}));
    unified["endpoint"] = json!("chat/completions");
    unified["query"] = json!({"model": "groq/llama", "messages": []});
    let answer = ask(&running, &json!([entry("mistral", &json!({})), unified])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cf-aig-step"), Some("1"));
    assert_eq!(answer.header("cf-aig-provider"), Some("groq"));
    let sent = running.provider.take_recorded();
    assert_eq!(sent[0].body, br#"{"messages":[],"model":"llama"}"#);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_universal_request_is_refused() {
    let running = running().await;
    let bearer = running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let entry = entry("openai", &json!({}));
    for body in [
        "",
        "[]",
        "[1]",
        "{}",
        "nothing",
        &json!(vec![entry; 11]).to_string(),
    ] {
        let answer = send(&running, &headers, body).await;
        assert_eq!(
            (answer.status, code(&answer)),
            (400, 9029),
            "{body}: {}",
            answer.text()
        );
    }
    let answer = send(&running, &[], "[]").await;
    assert_eq!((answer.status, code(&answer)), (401, 2009));
    let mut client = running.client().await;
    let path = format!("/v1/{}/prod", crate::support::ACCOUNT);
    let answer = client.get(&path, &headers).await.unwrap();
    assert_eq!((answer.status, code(&answer)), (405, 9005));
    assert!(running.provider.take_recorded().is_empty());
    running.stop().await;
}
