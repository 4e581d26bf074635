//! A message that is sent through a gateway by way of the API.

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use keyward_auth::{Grant, Kind, Permission, Permissions, Scope};
use keyward_control::{
    explain::{
        Address, Answer, Credential, Destination, Explanation, Forwarded, Headers, Outcome,
        Refused, SetHeader, Token,
    },
    trial::Tried,
};
use keyward_registry::ProviderKeyId;
use serde_json::{Value, json};

use crate::support::{Harness, OURS, secret};

fn path() -> String {
    format!("/client/v4/accounts/{OURS}/keyward/try")
}

fn message(provider: &str) -> Value {
    json!({"gateway": "default", "provider": provider, "message": "Say hello."})
}

pub(crate) fn tried(outcome: Option<Outcome>) -> Tried {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    Tried {
        explanation: outcome.map(|outcome| Explanation {
            target: "/v1/x".to_owned(),
            address: Some(Address {
                account: OURS,
                gateway: "default".to_owned(),
                provider: "openai".to_owned(),
            }),
            token: Token::Absent,
            outcome,
        }),
        status: StatusCode::OK,
        headers,
        body: br#"{"says":"hello"}"#.to_vec(),
        is_cut: false,
        is_broken: false,
    }
}

pub(crate) fn forwarded(key: &str) -> Forwarded {
    Forwarded {
        provider: "openai".to_owned(),
        destination: Destination {
            origin: "https://api.openai.com".to_owned(),
            target: "/v1/chat/completions".to_owned(),
        },
        credential: Credential::Stored {
            key: ProviderKeyId::parse(key).unwrap(),
            is_asked_for: false,
        },
        is_custom: false,
        is_handshake: false,
        headers: Headers {
            dropped: vec!["cf-aig-byok-alias".to_owned()],
            set: vec![
                SetHeader {
                    name: "host".to_owned(),
                    value: Some("api.openai.com".to_owned()),
                },
                SetHeader {
                    name: "authorization".to_owned(),
                    value: None,
                },
            ],
            kept: vec!["content-type".to_owned()],
        },
        answer: Answer {
            cut: Vec::new(),
            may_be_compressed: true,
        },
    }
}

#[tokio::test]
async fn what_is_sent_is_a_request_of_the_providers_own_format_without_a_token() {
    let harness = Harness::new().await;
    let custom = format!("/client/v4/accounts/{OURS}/ai-gateway/custom-providers");
    let body = json!({"name": "Ours", "slug": "ours", "base_url": "https://llm.example.com/v1"});
    harness.post(&custom, body).await.result();
    for (provider, model, rest, field) in [
        (
            "openai",
            None,
            "openai/chat/completions",
            "/messages/0/content",
        ),
        (
            "echo",
            None,
            "echo/v1/chat/completions",
            "/messages/0/content",
        ),
        (
            "anthropic",
            None,
            "anthropic/v1/messages",
            "/messages/0/content",
        ),
        (
            "google-ai-studio",
            Some("gemini-x"),
            "google-ai-studio/v1beta/models/gemini-x:generateContent",
            "/contents/0/parts/0/text",
        ),
        (
            "custom-ours",
            Some("our/model:1"),
            "custom-ours/chat/completions",
            "/messages/0/content",
        ),
    ] {
        let mut body = message(provider);
        body["model"] = json!(model);
        body["alias"] = json!("team-a");
        harness.post(&path(), body).await.result();
        let sent = harness.plane.take_tried().unwrap();
        let request = &sent.request;
        assert_eq!(request.method(), Method::POST);
        assert_eq!(
            request.uri().to_string(),
            format!("/v1/{OURS}/default/{rest}")
        );
        let json: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(json.pointer(field), Some(&json!("Say hello.")), "{json}");
        if provider != "google-ai-studio" {
            let expected = model.map_or_else(|| json["model"].clone(), |model| json!(model));
            assert_eq!(json["model"], expected);
            assert!(json["model"].is_string(), "{json}");
        }
        let headers = request.headers();
        assert_eq!(headers["cf-aig-byok-alias"], "team-a");
        assert_eq!(headers["accept-encoding"], "identity");
        assert_eq!(
            headers.contains_key("anthropic-version"),
            provider == "anthropic"
        );
        for name in [
            "authorization",
            "cf-aig-authorization",
            "x-api-key",
            "cookie",
        ] {
            assert!(!headers.contains_key(name), "{name}");
        }
        assert_eq!(sent.source.to_string(), "127.0.0.1");
    }
}

#[tokio::test]
async fn it_is_sent_by_what_the_caller_may_hand_out_and_no_more() {
    let harness = Harness::new().await;
    let mints = Permissions::from_iter([Permission::AccountApiTokensWrite]);
    let mut grant = Grant::new(OURS, mints);
    grant.gateways = Scope::only(["default".to_owned()]);
    grant.providers = Scope::only(["openai".to_owned()]);
    grant.aliases = Scope::only(["team-a".to_owned()]);
    let (id, text) = harness.token(grant.clone()).await;
    let ask = async |field: &str, value: &str| {
        let mut body = message("openai");
        body["alias"] = json!("team-a");
        body[field] = json!(value);
        harness
            .call_as(&text, Method::POST, &path(), Some(body))
            .await
    };
    ask("message", "hello").await.result();
    let token = harness.plane.take_tried().unwrap().token;
    assert_eq!((token.record.id, token.record.kind), (id, Kind::Gateway));
    let run = Grant {
        permissions: Permissions::from_iter([Permission::AiGatewayRun]),
        ..grant
    };
    assert_eq!(token.record.grant, run);
    // Nothing is told of what lies outside, and nothing is sent.
    for (field, value) in [
        ("gateway", "other"),
        ("provider", "anthropic"),
        ("alias", "default"),
    ] {
        ask(field, value).await.refused(403, 10000);
        assert!(harness.plane.take_tried().is_none());
    }
    // Who may do anything else may not do this.
    let others = Permission::ALL.into_iter();
    let others: Vec<_> = others
        .filter(|permission| {
            !matches!(
                permission,
                Permission::AiGatewayRun | Permission::AccountApiTokensWrite
            )
        })
        .collect();
    let other = harness.token_with(OURS, &others).await;
    let body = Some(message("openai"));
    let refused = harness.call_as(&other, Method::POST, &path(), body).await;
    refused.refused(403, 10000);
    assert!(harness.plane.take_tried().is_none());
}

#[tokio::test]
async fn what_became_of_it_is_told_with_the_credential_masked() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    harness
        .plane
        .answer(tried(Some(Outcome::Forwarded(Box::new(forwarded(&key))))));
    let answer = harness.post(&path(), message("openai")).await;
    let said = answer.result();
    assert_eq!(said["explanation"]["credential"]["key"]["id"], json!(key));
    let request = &said["request"];
    assert_eq!(request["url"], "https://api.openai.com/v1/chat/completions");
    assert_eq!(
        request["headers"],
        json!([
            {"name": "host", "value": "api.openai.com"},
            {"name": "authorization", "value": null},
            {"name": "content-type", "value": "application/json"},
        ])
    );
    assert!(request["body"].as_str().unwrap().contains("Say hello."));
    let answer = &said["answer"];
    assert_eq!(answer["from"], "provider");
    assert_eq!(answer["status"], 200);
    assert_eq!(answer["body"], r#"{"says":"hello"}"#);
    assert!(said["duration_ms"].is_u64());

    // A refusal of the gateway is an answer too.
    let refused = Refused {
        status: 400,
        code: Some(2044),
        message: "there is no key".to_owned(),
        reason: None,
        help: Some("keyward keys add openai".to_owned()),
    };
    let mut gateway = tried(Some(Outcome::Refused(refused)));
    gateway.status = StatusCode::BAD_REQUEST;
    harness.plane.answer(gateway);
    let answer = harness.post(&path(), message("openai")).await;
    let said = answer.result();
    assert_eq!(
        (&said["request"], &said["answer"]["from"]),
        (&Value::Null, &json!("gateway"))
    );
    assert_eq!(said["explanation"]["refusal"]["code"], 2044);
}

#[tokio::test]
async fn who_may_not_read_the_gateway_is_told_the_answer_alone() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let custom = Forwarded {
        is_custom: true,
        ..forwarded(&key)
    };
    let ask = async |permissions: &[Permission], narrow: bool, to: &Forwarded| {
        let mut grant = Grant::new(OURS, permissions.iter().copied().collect());
        if narrow {
            grant.gateways = Scope::only(["default".to_owned()]);
        }
        let (_, text) = harness.token(grant).await;
        let outcome = Outcome::Forwarded(Box::new(to.clone()));
        harness.plane.answer(tried(Some(outcome)));
        let body = Some(message("openai"));
        let answer = harness.call_as(&text, Method::POST, &path(), body).await;
        let said = answer.result();
        assert_eq!(said["answer"]["status"], 200);
        (said["explanation"].is_object(), said["request"].is_object())
    };
    let mints = Permission::AccountApiTokensWrite;
    let reads = [mints, Permission::AiGatewayRead];
    assert_eq!(ask(&[mints], false, &forwarded(&key)).await, (false, false));
    assert_eq!(ask(&reads, true, &forwarded(&key)).await, (true, true));
    // Where a custom provider is, is the account's.
    assert_eq!(ask(&reads, true, &custom).await, (true, false));
    assert_eq!(ask(&reads, false, &custom).await, (true, true));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_by_its_field() {
    let harness = Harness::new().await;
    let custom = format!("/client/v4/accounts/{OURS}/ai-gateway/custom-providers");
    let body = json!({"name": "Ours", "slug": "ours", "base_url": "https://llm.example.com/v1"});
    harness.post(&custom, body).await.result();
    let long = "x".repeat(8193);
    for (field, value) in [
        ("gateway", json!("No Such")),
        ("gateway", json!("../x")),
        ("gateway", Value::Null),
        ("provider", json!("nobody")),
        ("provider", json!("open ai")),
        ("provider", json!("custom-none")),
        ("message", json!(" ")),
        ("message", json!(long)),
        ("message", json!("a\u{0}")),
        ("message", json!(["x"])),
        ("model", json!("")),
        ("model", json!("a b")),
        ("model", json!("../x")),
        ("model", json!("a%2fb")),
        ("model", json!("x".repeat(129))),
        ("alias", json!("No Alias!")),
        ("secret", json!(secret())),
    ] {
        let mut body = message("openai");
        body[field] = value;
        let answer = harness.post(&path(), body).await;
        answer.invalid(&json!(["body", field]));
        assert!(harness.plane.take_tried().is_none());
    }
    let answer = harness.post(&path(), message("custom-ours")).await;
    answer.invalid(&json!(["body", "model"]));
    let mut body = message("openai");
    body["gateway"] = json!("nowhere");
    harness.post(&path(), body).await.refused(404, 7002);
}

#[tokio::test]
async fn a_compressed_answer_is_not_shown_and_one_that_broke_off_says_so() {
    let harness = Harness::new().await;
    let mut compressed = tried(None);
    compressed
        .headers
        .insert("content-encoding", HeaderValue::from_static("gzip"));
    harness.plane.answer(compressed);
    let answer = harness.post(&path(), message("openai")).await;
    assert_eq!(answer.result()["answer"]["body"], Value::Null);
    harness.plane.answer(Tried {
        body: vec![b'a', 0xFF],
        is_broken: true,
        ..tried(None)
    });
    let answer = harness.post(&path(), message("openai")).await;
    let said = &answer.result()["answer"];
    assert_eq!(
        (&said["body"], &said["is_broken"]),
        (&json!("a\u{FFFD}"), &json!(true))
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_a_minute() {
    let harness = Harness::new().await;
    harness.plane.fall_silent();
    let start = tokio::time::Instant::now();
    let answer = harness.post(&path(), message("openai")).await;
    assert_eq!(answer.result()["answer"], Value::Null);
    assert_eq!(start.elapsed().as_secs(), 60);
}
