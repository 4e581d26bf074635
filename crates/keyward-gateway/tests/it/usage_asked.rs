//! Streams that say what they took because the gateway asks, and clients that do not see it.

use keyward_gateway::Config;
use keyward_registry::LogEntry;
use keyward_testing::{Behaviour, Canary, client::RawAnswer};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, ACTOR, Running, Setup, mint, now, value, wait_until};

const CHAT: &str = "openai/v1/chat/completions";
const STREAM: &str = r#"{"model":"gpt-4o","messages":[],"stream":true}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

async fn start() -> Running {
    let running = Running::start(Setup {
        relay: true,
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    running
}

async fn ask(running: &Running, path: &str, headers: &[(&str, &str)], body: &str) -> RawAnswer {
    let bearer = running.bearer();
    let mut headers = headers.to_vec();
    headers.push(("cf-aig-authorization", &bearer));
    let mut client = running.client().await;
    let path = running.path(path);
    client.post(&path, &headers, body.as_bytes()).await.unwrap()
}

/// What the provider was sent.
fn sent(running: &Running) -> Vec<Value> {
    let recorded = running.provider.take_recorded();
    let bodies = recorded.iter().map(|request| {
        let length: usize = request.header("content-length").unwrap().parse().unwrap();
        assert_eq!(length, request.body.len());
        serde_json::from_slice(&request.body).unwrap()
    });
    bodies.collect()
}

fn is_asked(body: &Value) -> bool {
    body["stream_options"]["include_usage"] == true
}

fn tokens(entries: &[LogEntry]) -> (Option<u64>, Option<u64>) {
    let usage = entries.last().unwrap().usage;
    (usage.input, usage.output)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_ask_sees_no_chunk_and_is_counted_all_the_same() {
    let running = start().await;
    let answer = ask(&running, CHAT, &[JSON, ("accept-encoding", "gzip")], STREAM).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    assert!(!text.contains("_tokens"), "{text}");
    assert!(text.ends_with("\n\ndata: [DONE]\n\n"), "{text}");
    assert_eq!(text.matches("data: ").count(), 6);
    assert_eq!(tokens(&running.recorded_log().await), (Some(9), Some(3)));
    let recorded = running.provider.take_recorded();
    assert_eq!(recorded[0].header("accept-encoding"), Some("identity"));
    let body: Value = serde_json::from_slice(&recorded[0].body).unwrap();
    let mut expected: Value = serde_json::from_str(STREAM).unwrap();
    expected["stream_options"] = json!({"include_usage": true});
    assert_eq!(body, expected);

    // What else the client gets is what who asks gets, byte for byte.
    let asking = body.to_string();
    let whole = ask(&running, CHAT, &[JSON], &asking).await.text();
    let chunks: Vec<&str> = whole.split_inclusive("\n\n").collect();
    let extra = chunks.iter().position(|chunk| chunk.contains("_tokens"));
    let mut thinned = chunks.clone();
    thinned.remove(extra.unwrap());
    assert_eq!(thinned.concat(), text);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_stream_or_asks_or_is_told_to_nobody_goes_as_it_comes() {
    let running = start().await;
    let asks = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    let whole = r#"{"model":"m","messages":[],"stream":false}"#;
    let twice = r#"{"model":"m","stream":true,"stream":true}"#;
    let words = r#"{"model":"m","messages":["\"stream\""]}"#;
    let untold = [JSON, ("cf-aig-collect-log", "false")];
    for (headers, body) in [
        (&[JSON][..], asks),
        (&[JSON], whole),
        (&[JSON], twice),
        (&[JSON], words),
        (&[], STREAM),
        (&untold, STREAM),
    ] {
        let answer = ask(&running, CHAT, headers, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let recorded = running.provider.take_recorded();
        assert_eq!(recorded[0].body, body.as_bytes(), "{headers:?}");
        assert_eq!(
            answer.text().contains("_tokens"),
            body == asks || body == whole || body == words
        );
    }
    // Other endpoints know no such field.
    ask(&running, "openai/v1/responses", &[JSON], STREAM).await;
    assert!(!is_asked(&sent(&running)[0]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_says_no_says_yes() {
    let running = start().await;
    for options in [
        r#"null"#,
        r#"{}"#,
        r#"{"include_usage":false}"#,
        r#"{"x":1}"#,
    ] {
        let body = format!(r#"{{"model":"m","stream":true,"stream_options":{options}}}"#);
        let answer = ask(&running, CHAT, &[JSON], &body).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text().contains("_tokens"), "{options}");
        assert!(is_asked(&sent(&running)[0]), "{options}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_a_model_asks() {
    let running = start().await;
    let unified = r#"{"model":"openai/gpt-4o","messages":[],"stream":true}"#;
    let entries = json!([{
        "provider": "openai", "endpoint": "v1/chat/completions", "headers": {},
        "query": {"model": "gpt-4o", "messages": [], "stream": true},
    }])
    .to_string();
    for (path, body) in [("compat/chat/completions", unified), ("", &entries)] {
        let answer = ask(&running, path, &[JSON], body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.text().contains("_tokens"), "{path}");
        assert!(is_asked(&sent(&running)[0]), "{path}");
        assert_eq!(tokens(&running.recorded_log().await), (Some(9), Some(3)));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_gives_what_came_and_breaks_off() {
    let running = start().await;
    running.provider.behave_once(Behaviour::CutMidBody);
    let answer = ask(&running, CHAT, &[JSON], STREAM).await;
    assert!(answer.truncated);
    assert!(answer.text().contains("data: "));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_stream_that_was_not_wanted_passes() {
    let running = start().await;
    let coded = vec![("content-encoding".to_owned(), "br".to_owned())];
    running.provider.behave_once(Behaviour::SetHeaders(coded));
    let answer = ask(&running, CHAT, &[JSON], STREAM).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("_tokens"),
        "what cannot be read is not cut"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_who_may_not_know_the_field_nor_where_it_is_turned_off() {
    let replaced = Setup::default();
    let off = Setup {
        relay: true,
        config: Config {
            asks_for_usage: false,
            ..Setup::default().config
        },
        ..Setup::default()
    };
    for setup in [replaced, off] {
        let running = Running::start(setup).await;
        running.store_key("openai", "default").await;
        let answer = ask(&running, CHAT, &[JSON], STREAM).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!is_asked(&sent(&running)[0]));
        running.stop().await;
    }
}

/// The registry changes while the body is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_while_its_body_comes_is_not_sent_and_what_is_replaced_goes_anew() {
    let running = Running::start(Setup {
        relay: true,
        ..Setup::default()
    })
    .await;
    let (_, key) = running.store_key("openai", "default").await;
    let lines = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        STREAM.len()
    );
    let (most, last) = STREAM.as_bytes().split_at(STREAM.len() - 1);
    let begin = [running.head("POST", CHAT, &lines).as_bytes(), most].concat();
    let registry = &running.registry;

    let mut client = running.client().await;
    client.send(&begin).await.unwrap();
    wait_until("it was decided", || key.last_used.get().is_some()).await;
    let other = Canary::new("openai-new");
    running.provider.accept_keys([other.text()]);
    let id = key.record.id;
    let new = value(&other);
    let replaced = registry.rotate_provider_key(ACCOUNT, id, &new, ACTOR, now());
    replaced.await.unwrap();
    let answer = client.exchange(last).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = running.provider.take_recorded();
    let bearer = format!("Bearer {}", other.text());
    assert_eq!(sent[0].header("authorization"), Some(bearer.as_str()));

    let (token, minted) = mint(registry, Running::grant()).await;
    let begin = String::from_utf8(begin).unwrap();
    let begin = begin.replace(running.token.text(), token.text());
    client.send(begin.as_bytes()).await.unwrap();
    let id = minted.record.id;
    let is_used = || {
        let snapshot = registry.snapshot();
        let token = snapshot.tokens().find_by_id(id).unwrap();
        token.last_used.get().is_some()
    };
    wait_until("it was decided", is_used).await;
    registry
        .delete_token(ACCOUNT, &id, ACTOR, now())
        .await
        .unwrap();
    let answer = client.exchange(last).await.unwrap();
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(running.provider.take_recorded().is_empty());
    running.stop().await;
}
