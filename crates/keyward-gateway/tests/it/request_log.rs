//! What the log is told of requests.

use std::collections::BTreeMap;

use keyward_gateway::Config;
use keyward_registry::{LogBody, LogSide};
use keyward_testing::{Behaviour, client::RawAnswer};
use serde_json::json;

use crate::support::{ACCOUNT, Running, Setup};

const BODY: &[u8] = br#"{"model":"gpt-4o","messages":[]}"#;
const STREAMED: &[u8] =
    br#"{"model":"gpt-4o","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;

async fn start() -> Running {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    running
}

async fn ask(running: &Running, path: &str, headers: &[(&str, &str)], body: &[u8]) -> RawAnswer {
    let bearer = running.bearer();
    let mut headers = headers.to_vec();
    headers.push(("cf-aig-authorization", &bearer));
    let mut client = running.client().await;
    let answer = client.post(&running.path(path), &headers, body).await;
    answer.unwrap()
}

async fn chat(running: &Running, headers: &[(&str, &str)], body: &[u8]) -> RawAnswer {
    ask(running, "openai/v1/chat/completions", headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_told_of_when_its_answer_has_ended() {
    let running = start().await;
    let said = [
        ("content-type", "application/json"),
        ("user-agent", "test/1.0"),
        ("cf-aig-event-id", "turn 7"),
        ("cf-aig-metadata", r#"{"team":"search","seat":3}"#),
    ];
    let answer = chat(&running, &said, BODY).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let entries = running.recorded_log().await;
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(
        entry.id.to_string(),
        answer.header("cf-aig-log-id").unwrap()
    );
    assert_eq!(entry.event_id.as_deref(), Some("turn 7"));
    assert_eq!(entry.provider.as_str(), "openai");
    assert!(entry.model.is_some());
    assert_eq!(&*entry.path, "v1/chat/completions");
    assert_eq!(
        entry.request_content_type.as_deref(),
        Some("application/json")
    );
    assert_eq!(
        entry.response_content_type.as_deref(),
        Some("application/json")
    );
    assert_eq!(
        (entry.status, entry.success, entry.cached),
        (Some(200), true, false)
    );
    assert_eq!((entry.usage.input, entry.usage.output), (Some(9), Some(3)));
    assert_eq!(entry.user_agent.as_deref(), Some("test/1.0"));
    assert_eq!(entry.metadata.to_json(), r#"{"seat":3,"team":"search"}"#);
    assert!(entry.provider_key.is_some() && entry.token.is_some() && entry.byok);
    assert!(!entry.compat && entry.step.is_none() && entry.error_code.is_none());
    assert_eq!(entry.request_bytes, BODY.len() as u64);
    assert_eq!(entry.response_bytes, answer.body.len() as u64);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streams_tokens_are_read_as_it_passes_and_change_no_byte() {
    let running = start().await;
    let answer = chat(&running, &[], STREAMED).await;
    let entries = running.recorded_log().await;
    assert_eq!(
        (entries[0].usage.input, entries[0].usage.output),
        (Some(9), Some(3))
    );
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
    running.provider.behave_once(Behaviour::CutMidBody);
    assert!(chat(&running, &[], STREAMED).await.truncated);
    let entries = running.recorded_log().await;
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[1].status, entries[1].success), (Some(200), false));
    assert!(entries[1].usage.is_unknown());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_of_the_gateways_own_with_their_code() {
    let running = start().await;
    let failing = Behaviour::Status(500, "{}".to_owned());
    running.provider.behave_once(failing);
    assert_eq!(chat(&running, &[], BODY).await.status, 500);
    running.provider.behave_once(Behaviour::CutBeforeHead);
    assert_eq!(chat(&running, &[], BODY).await.status, 502);
    let missing = ask(&running, "groq/v1/chat/completions", &[], BODY).await;
    assert_eq!(missing.status, 400);
    // Who it is nobody knows: nobody's log is told.
    let stranger = [("cf-aig-authorization", "Bearer kw_gw_1")];
    assert_eq!(running.chat("openai", &stranger).await.status, 401);
    let entries = running.recorded_log().await;
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.provider.as_str(),
                entry.status,
                entry.success,
                entry.error_code.is_some(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("openai", Some(500), false, false),
            ("openai", Some(502), false, true),
            ("groq", Some(400), false, true),
        ]
    );
    assert_eq!(entries[2].error_code, Some(2044));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_says_whether_it_is_told_and_the_client_has_the_last_word() {
    let running = start().await;
    let collected = |value| [("cf-aig-collect-log", value)];
    for (by_gateway, said, expected) in [
        (true, None, 1),
        (true, Some("false"), 0),
        (false, None, 0),
        (false, Some("true"), 1),
        (true, Some("maybe"), 1),
    ] {
        running
            .set(|settings| settings.collect_logs = by_gateway)
            .await;
        let before = running.recorded_log().await.len();
        let headers = said.map(collected);
        let answer = chat(
            &running,
            headers.as_ref().map_or(&[], |said| &said[..]),
            BODY,
        )
        .await;
        assert_eq!(answer.status, 200);
        let after = running.recorded_log().await.len();
        assert_eq!(after - before, expected, "{by_gateway} {said:?}");
    }
    for sent in running.provider.take_recorded() {
        assert_eq!(sent.header("cf-aig-collect-log"), None);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_of_a_request_is_told_of_with_its_step() {
    let running = start().await;
    running
        .provider
        .behave_once(Behaviour::Status(500, "{}".to_owned()));
    let entry = json!({
        "provider": "openai", "endpoint": "v1/chat/completions", "headers": {},
        "query": {"model": "gpt-4o", "messages": []},
    });
    let both = json!([entry, entry]).to_string();
    let bearer = running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let path = format!("/v1/{ACCOUNT}/prod");
    let mut client = running.client().await;
    let answer = client.post(&path, &headers, both.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let unified = br#"{"model":"openai/gpt-4o","messages":[]}"#;
    let answered = ask(&running, "compat/chat/completions", &[], unified).await;
    assert_eq!(answered.status, 200);
    let entries = running.recorded_log().await;
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| (entry.status, entry.step, entry.compat))
        .collect();
    assert_eq!(
        seen,
        [
            (Some(500), Some(0), false),
            (Some(200), Some(1), false),
            (Some(200), Some(0), true)
        ]
    );
    let events: BTreeMap<_, usize> = entries.iter().fold(BTreeMap::new(), |mut events, entry| {
        *events.entry(entry.event_id.clone().unwrap()).or_default() += 1;
        events
    });
    assert_eq!(
        events.into_values().collect::<Vec<_>>().len(),
        2,
        "two requests"
    );
    assert_eq!(
        answer.header("cf-aig-log-id").unwrap(),
        entries[1].id.to_string()
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_told_of() {
    let running = start().await;
    running.provider.behave_once(Behaviour::StallBeforeHead);
    let mut client = running.client().await;
    let lines = format!("Content-Length: {}\r\n", BODY.len());
    let mut request = running
        .head("POST", "openai/v1/chat/completions", &lines)
        .into_bytes();
    request.extend_from_slice(BODY);
    client.send(&request).await.unwrap();
    let patience = std::time::Duration::from_secs(20);
    running.provider.wait_for(1, patience).await;
    drop(client);
    let mut entries = Vec::new();
    let seen = async {
        while entries.is_empty() {
            entries = running.recorded_log().await;
        }
    };
    tokio::time::timeout(patience, seen).await.unwrap();
    assert_eq!((entries[0].status, entries[0].success), (None, false));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_of_what_succeeds() {
    let running = Running::start(Setup {
        config: Config {
            log_sample_percent: 0,
            ..Setup::default().config
        },
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    assert_eq!(chat(&running, &[], BODY).await.status, 200);
    running
        .provider
        .behave_once(Behaviour::Status(500, "{}".to_owned()));
    assert_eq!(chat(&running, &[], BODY).await.status, 500);
    let entries = running.recorded_log().await;
    let statuses: Vec<_> = entries.iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [Some(500)]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_is_counted_and_answered_all_the_same() {
    const ALL: usize = 60;
    let running = Running::start(Setup {
        config: Config {
            workers: std::num::NonZeroUsize::MIN,
            log_queue_bytes: 16 * 1024,
            ..Setup::default().config
        },
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    for _ in 0..ALL {
        assert_eq!(chat(&running, &[], BODY).await.status, 200);
    }
    let kept = running.recorded_log().await.len();
    assert!((1..ALL).contains(&kept), "{kept}");
    let lost = format!("lost={}", ALL - kept);
    assert!(running.logs.contents().contains(&lost), "{lost}");
    // There is room again.
    assert_eq!(chat(&running, &[], BODY).await.status, 200);
    assert_eq!(running.recorded_log().await.len(), kept + 1);
    running.stop().await;
}

async fn start_with_bodies(bytes: usize) -> Running {
    let running = Running::start(Setup {
        config: Config {
            log_body_bytes: bytes,
            ..Setup::default().config
        },
        relay: true,
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    running
}

/// The two bodies of the newest entry.
async fn bodies(running: &Running) -> [Option<Vec<u8>>; 2] {
    let entry = running.recorded_log().await.pop().unwrap();
    let store = running.registry.store();
    let mut bodies = Vec::new();
    for side in [LogSide::Request, LogSide::Response] {
        let body = store.find_log_body(entry.place(), entry.id, side).await;
        bodies.push(body.unwrap().map(LogBody::into_bytes));
    }
    let [request, response] = bodies.try_into().unwrap();
    [request, response]
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_kept_where_the_operator_and_the_client_let_them() {
    let running = start().await;
    chat(&running, &[], BODY).await;
    assert_eq!(bodies(&running).await, [None, None], "off by default");
    running.stop().await;

    let running = start_with_bodies(4096).await;
    let answer = chat(&running, &[], BODY).await;
    let expected = [Some(BODY.to_vec()), Some(answer.body)];
    assert_eq!(bodies(&running).await, expected);
    let no = [("cf-aig-collect-log-payload", "false")];
    chat(&running, &no, BODY).await;
    assert_eq!(bodies(&running).await, [None, None]);
    for sent in running.provider.take_recorded() {
        assert_eq!(sent.header("cf-aig-collect-log-payload"), None);
    }
    // As the provider sends a stream, with the chunk that the client did not ask for.
    let json = [("content-type", "application/json")];
    let asking = br#"{"model":"gpt-4o","messages":[],"stream":true}"#;
    let answer = chat(&running, &json, asking).await;
    let [request, response] = bodies(&running).await;
    assert_eq!(request.as_deref(), Some(&asking[..]));
    let response = String::from_utf8(response.unwrap()).unwrap();
    assert!(response.contains("_tokens") && !answer.text().contains("_tokens"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_whole_or_absent_and_hold_no_key() {
    let running = start_with_bodies(1024).await;
    let token = running.token.text();
    let said = format!(r#"{{"model":"m","messages":[],"user":"{token}"}}"#);
    chat(&running, &[], said.as_bytes()).await;
    let [request, _] = bodies(&running).await;
    let request = String::from_utf8(request.unwrap()).unwrap();
    assert_eq!(request, said.replace(token, &"*".repeat(token.len())));
    let long = format!(
        r#"{{"model":"m","messages":[],"user":"{}"}}"#,
        "a".repeat(1024)
    );
    chat(&running, &[], long.as_bytes()).await;
    let [request, response] = bodies(&running).await;
    assert!(request.is_none() && response.is_some());
    running.provider.behave_once(Behaviour::LargeBody(2048));
    chat(&running, &[], BODY).await;
    let [request, response] = bodies(&running).await;
    assert!(request.is_some() && response.is_none());
    // What is compressed cannot be masked as it is: an answer is decompressed, a request left out.
    let coded = [("content-encoding", "gzip")];
    chat(&running, &coded, BODY).await;
    assert_eq!(bodies(&running).await[0], None);
    running.stop().await;
}
