//! What a request is called on its answer.

use keyward_testing::{Behaviour, client::RawAnswer};
use serde_json::json;
use uuid::Uuid;

use crate::support::{ACCOUNT, Running, Setup};

/// The ids of an answer: the event's, the request's, the attempt's.
fn ids(answer: &RawAnswer) -> [&str; 3] {
    let names = ["cf-aig-event-id", "cf-aig-request-id", "cf-aig-log-id"];
    names.map(|name| answer.header(name).unwrap())
}

#[track_caller]
fn assert_is_made(id: &str) {
    assert_eq!(Uuid::parse_str(id).unwrap().get_version_num(), 7, "{id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_what_its_request_is_called_whoever_gives_it() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let bad = Behaviour::Status(500, "{}".to_owned());
    let stranger = [("cf-aig-authorization", "Bearer kw_gw_1")];
    let mut seen = Vec::new();
    for (behaviour, path, status) in [
        (Behaviour::Normal, "openai/v1/chat/completions", 200),
        (bad, "openai/v1/chat/completions", 500),
        (Behaviour::CutBeforeHead, "openai/v1/chat/completions", 502),
        (Behaviour::Normal, "groq/v1/chat/completions", 400),
    ] {
        running.provider.behave_once(behaviour);
        let bearer = running.bearer();
        let headers = [("cf-aig-authorization", bearer.as_str())];
        let mut client = running.client().await;
        let path = running.path(path);
        let answer = client.post(&path, &headers, b"{}").await.unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
        let [event, request, log] = ids(&answer);
        assert_eq!((event, request), (log, log));
        assert_is_made(log);
        seen.push(log.to_owned());
    }
    let mut client = running.client().await;
    let path = running.path("openai/v1/chat/completions");
    let answer = client.post(&path, &stranger, b"{}").await.unwrap();
    assert_eq!(answer.status, 401);
    seen.push(ids(&answer)[2].to_owned());
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_calls_its_event_is_echoed_and_kept_from_the_provider() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let event = ("cf-aig-event-id", "turn 7");
    for status in [200, 500] {
        if status == 500 {
            let failing = Behaviour::Status(500, "{}".to_owned());
            running.provider.behave_once(failing);
        }
        let answer = running.authorized_chat("openai", &[event]).await;
        assert_eq!(answer.status, status);
        assert_eq!(ids(&answer)[0], "turn 7");
    }
    for sent in running.provider.take_recorded() {
        assert_eq!(sent.header("cf-aig-event-id"), None);
    }
    let refused = running.authorized_chat("groq", &[event]).await;
    assert_eq!((refused.status, ids(&refused)[0]), (400, "turn 7"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attempts_of_one_request_have_its_event_and_ids_of_their_own() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let bearer = running.bearer();
    let entry = json!({
        "provider": "openai", "endpoint": "v1/chat/completions", "headers": {},
        "query": {"model": "gpt-5", "messages": []},
    });
    let both = json!([entry, entry]).to_string();
    let unified = r#"{"model":"openai/gpt-5","messages":[]}"#;
    let universal = format!("/v1/{ACCOUNT}/prod");
    let compat = running.path("compat/chat/completions");
    for (path, body, failures) in [(&universal, both.as_str(), 1), (&compat, unified, 0)] {
        for _ in 0..failures {
            let failing = Behaviour::Status(500, "{}".to_owned());
            running.provider.behave_once(failing);
        }
        let mut client = running.client().await;
        let headers = [("cf-aig-authorization", bearer.as_str())];
        let answer = client.post(path, &headers, body.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let [event, request, log] = ids(&answer);
        assert_eq!(event, request);
        assert_ne!(request, log);
        assert_is_made(request);
        assert_is_made(log);
        let headers = [headers[0], ("cf-aig-event-id", "turn 7")];
        let answer = client.post(path, &headers, body.as_bytes()).await.unwrap();
        assert_eq!(ids(&answer)[0], "turn 7");
    }
    // What is refused before anything is asked has no attempt.
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let mut client = running.client().await;
    let answer = client.post(&compat, &headers, b"{}").await.unwrap();
    assert_eq!(answer.status, 400);
    let [event, request, log] = ids(&answer);
    assert_eq!((event, request), (log, log));
    running.stop().await;
}
