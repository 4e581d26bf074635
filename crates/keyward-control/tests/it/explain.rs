//! What the data plane would do with a request: asked by way of the API, for those who may read the gateway.

use axum::body::Body;
use http::Method;
use keyward_auth::{Grant, Permission, Permissions, Scope};
use keyward_control::{
    Config, Control,
    explain::{
        Answer, Credential, Destination, Forwarded, Headers, NotFollowed, Outcome, Refused,
        SetHeader, Token,
    },
};
use keyward_registry::ProviderKeyId;
use keyward_secret::AccountId;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{CANARY, Harness, OURS, THEIRS, request};

fn path() -> String {
    format!("/client/v4/accounts/{OURS}/keyward/explain")
}

fn question() -> Value {
    json!({"method": "POST", "target": target(OURS, "default")})
}

fn target(account: AccountId, gateway: &str) -> String {
    format!("/v1/{account}/{gateway}/openai/chat/completions?a=b")
}

fn forwarded(credential: Credential) -> Outcome {
    Outcome::Forwarded(Box::new(Forwarded {
        provider: "openai".to_owned(),
        destination: Destination {
            origin: "https://api.openai.com".to_owned(),
            target: "/v1/chat/completions?a=b".to_owned(),
        },
        credential,
        is_custom: false,
        is_handshake: false,
        headers: Headers {
            dropped: vec!["cookie".to_owned()],
            set: vec![SetHeader {
                name: "authorization".to_owned(),
                value: None,
            }],
            kept: vec!["accept".to_owned()],
        },
        answer: Answer {
            cut: vec!["set-cookie".to_owned()],
            may_be_compressed: true,
        },
    }))
}

/// The API names the way, and tells what was decided.
#[tokio::test]
async fn a_way_that_is_not_followed_is_named() {
    let harness = Harness::new().await;
    for (way, name) in [
        (NotFollowed::Unified, "unified"),
        (NotFollowed::Models, "models"),
        (NotFollowed::Universal, "universal"),
        (NotFollowed::Inference, "inference"),
    ] {
        harness.plane.say(Token::Unknown, Outcome::NotFollowed(way));
        let answer = harness.post(&path(), question()).await;
        let said = answer.result();
        assert_eq!(
            (&said["verdict"], &said["way"]),
            (&json!("not_followed"), &json!(name))
        );
        assert_eq!(said["token_state"], "unknown");
        for absent in ["credential", "destination", "headers", "answer", "refusal"] {
            assert_eq!(said[absent], Value::Null, "{absent}");
        }
    }
}

#[tokio::test]
async fn what_goes_on_is_told_with_token_and_key_as_lists_show_them() {
    let harness = Harness::new().await;
    let key = harness.key("team").await;
    let run = Permissions::from_iter([Permission::AiGatewayRun]);
    let (token, text) = harness.token(Grant::new(OURS, run)).await;
    let stored = Credential::Stored {
        key: ProviderKeyId::parse(&key).unwrap(),
        is_asked_for: true,
    };
    harness.plane.say(Token::Known(token), forwarded(stored));
    let mut asked = question();
    asked["headers"] = json!([
        ["Host", "127.0.0.1:8787"],
        ["cf-aig-authorization", format!(" Bearer {text} ")],
        ["x-own", CANARY],
        ["x-own", "2"],
    ]);
    let answer = harness.post(&path(), asked).await;
    assert!(!answer.text.contains(&text), "{}", answer.text);
    let said = answer.result();
    assert_eq!(said["verdict"], "forwarded");
    assert_eq!(
        (&said["gateway"], &said["provider"]),
        (&json!("default"), &json!("openai"))
    );
    assert_eq!(said["source"], "127.0.0.1");
    assert_eq!(said["gateway_url"], "http://127.0.0.1:8787");
    assert_eq!(
        (&said["token_state"], &said["token"]["id"]),
        (&json!("known"), &json!(token.as_str()))
    );
    assert_eq!(
        said["token"]["policies"][0]["permission_groups"][0]["name"],
        "AI Gateway Run"
    );
    let credential = &said["credential"];
    assert_eq!(
        (&credential["from"], &credential["asked_for"]),
        (&json!("stored_key"), &json!(true))
    );
    assert_eq!(
        (&credential["key"]["id"], &credential["key"]["alias"]),
        (&json!(key), &json!("team"))
    );
    let keys = harness.get(&crate::support::keys(OURS, "default")).await;
    assert_eq!(credential["key"], keys.result()[0]);
    assert_eq!(said["destination"]["target"], "/v1/chat/completions?a=b");
    assert_eq!(
        said["headers"]["set"],
        json!([{"name": "authorization", "value": null}])
    );
    assert_eq!(said["refusal"], Value::Null);

    // What the data plane was asked is the request, and its values print as secrets.
    let (asked, source) = harness.plane.take_asked().unwrap();
    assert_eq!(
        (asked.method(), source.to_string().as_str()),
        (&Method::POST, "127.0.0.1")
    );
    assert_eq!(asked.uri().to_string(), target(OURS, "default"));
    assert_eq!(
        asked.headers()["cf-aig-authorization"],
        format!("Bearer {text}")
    );
    assert_eq!(asked.headers().get_all("x-own").iter().count(), 2);
    assert!(!format!("{:?}", asked.headers()).contains(CANARY));
}

#[tokio::test]
async fn a_refusal_is_told_as_an_answer() {
    let harness = Harness::new().await;
    let mut asked = question();
    asked["source"] = json!("192.0.2.7");
    let answer = harness.post(&path(), asked).await;
    let said = answer.result();
    assert_eq!(
        (&said["verdict"], &said["source"]),
        (&json!("refused"), &json!("192.0.2.7"))
    );
    assert_eq!(said["refusal"]["code"], 2009);
    assert_eq!(said["refusal"]["reason"], "why");
    assert_eq!(
        (&said["token_state"], &said["token"]),
        (&json!("absent"), &Value::Null)
    );
    for field in ["credential", "destination", "headers", "answer"] {
        assert_eq!(said[field], Value::Null, "{field}");
    }
    // What addresses nothing is explained as well.
    let nothing = json!({"method": "GET", "target": "/v1"});
    assert_eq!(
        harness.post(&path(), nothing).await.result()["gateway"],
        Value::Null
    );
}

fn api(permissions: impl IntoIterator<Item = Permission>) -> Grant {
    Grant::new(OURS, Permissions::from_iter(permissions))
}

#[tokio::test]
async fn a_token_is_shown_to_who_may_see_it_by_its_id() {
    let harness = Harness::new().await;
    let (token, _) = harness.token(api([Permission::AiGatewayRun])).await;
    let refused = Refused {
        status: 401,
        code: Some(2009),
        message: "Unauthorized".to_owned(),
        reason: Some("the token is for 192.0.2.0/24".to_owned()),
        help: Some(format!("`keyward tokens show {token}`")),
    };
    let reads = api([Permission::AiGatewayRead]);
    let both = api([Permission::AiGatewayRead, Permission::AccountApiTokensRead]);
    let mut narrow = both.clone();
    narrow.gateways = Scope::only(["default".to_owned()]);
    for (caller, is_shown) in [(reads, false), (narrow, false), (both, true)] {
        let (_, caller) = harness.token(caller).await;
        let ask = async || {
            harness
                .call_as(&caller, Method::POST, &path(), Some(question()))
                .await
        };
        harness
            .plane
            .say(Token::Known(token), Outcome::Refused(refused.clone()));
        let answer = ask().await;
        let said = answer.result();
        assert_eq!(said["token_state"], "known");
        assert_eq!(said["token"].is_object(), is_shown);
        for told in [token.to_string(), "192.0.2.0".to_owned()] {
            assert_eq!(answer.text.contains(&told), is_shown, "{}", answer.text);
        }
        assert!(said["refusal"]["reason"].is_string() && said["refusal"]["help"].is_string());
        let passes = forwarded(Credential::Client);
        harness.plane.say(Token::Known(token), passes);
        let answer = ask().await;
        assert_eq!(answer.text.contains(token.as_str()), is_shown);
    }
}

#[tokio::test]
async fn where_a_custom_provider_is_is_told_to_readers_of_the_account() {
    let harness = Harness::new().await;
    let Outcome::Forwarded(mut to) = forwarded(Credential::ProviderHeaders) else {
        panic!("it goes on");
    };
    to.is_custom = true;
    to.destination.target = "/secret-base/x".to_owned();
    to.headers.set[0].name = "x-sealed".to_owned();
    harness.plane.say(Token::Absent, Outcome::Forwarded(to));
    let whole = api([Permission::AiGatewayRead]);
    let mut narrow = whole.clone();
    narrow.gateways = Scope::only(["default".to_owned()]);
    for (caller, is_told) in [(whole, true), (narrow, false)] {
        let (_, caller) = harness.token(caller).await;
        let asked = Some(question());
        let answer = harness.call_as(&caller, Method::POST, &path(), asked).await;
        let said = answer.result();
        assert_eq!(said["verdict"], "forwarded");
        assert_eq!(said["headers_set"], 1);
        for field in ["destination", "headers"] {
            assert_eq!(said[field].is_object(), is_told, "{field}");
        }
        for told in ["secret-base", "x-sealed"] {
            assert_eq!(answer.text.contains(told), is_told, "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn other_accounts_and_other_gateways_are_nobodys_to_ask_about() {
    let harness = Harness::new().await;
    let elsewhere = json!({"method": "GET", "target": target(THEIRS, "default")});
    harness.post(&path(), elsewhere).await.refused(404, 7003);
    let nowhere = AccountId::from_bytes([0xCC; 16]);
    let nowhere = json!({"method": "GET", "target": target(nowhere, "default")});
    harness.post(&path(), nowhere).await.refused(404, 7003);

    let mut narrowed = Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRead]));
    narrowed.gateways = Scope::only(["other".to_owned()]);
    let (_, narrowed) = harness.token(narrowed).await;
    let ask = async |gateway: &str| {
        let asked = json!({"method": "GET", "target": target(OURS, gateway)});
        harness
            .call_as(&narrowed, Method::POST, &path(), Some(asked))
            .await
    };
    harness.plane.take_asked();
    ask("default").await.refused(403, 10000);
    // Nothing was decided for who may not ask.
    assert!(harness.plane.take_asked().is_none());
    assert_eq!(ask("other").await.result()["verdict"], "refused");
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_not_repeated() {
    let harness = Harness::new().await;
    let secret = format!("sk-{CANARY}");
    let with = |field: &str, value: Value| crate::support::with(question(), field, value);
    for (body, path) in [
        (json!({"target": "/v1"}), json!(["body", "method"])),
        (with("method", json!("GET ")), json!(["body", "method"])),
        (with("method", json!(1)), json!(["body", "method"])),
        (json!({"method": "GET"}), json!(["body", "target"])),
        (with("target", json!(secret)), json!(["body", "target"])),
        (with("target", json!(["/v1"])), json!(["body", "target"])),
        (
            with("target", json!(format!("/v1 {secret}"))),
            json!(["body", "target"]),
        ),
        (with("headers", json!(secret)), json!(["body", "headers"])),
        (
            with("headers", json!([["a", "b"], [secret]])),
            json!(["body", "headers", 1]),
        ),
        (
            with("headers", json!([[format!("a {secret}"), "b"]])),
            json!(["body", "headers", 0]),
        ),
        (
            with(
                "headers",
                json!([["a", format!("{secret}\n")], ["a", format!("b\n{secret}")]]),
            ),
            json!(["body", "headers", 1]),
        ),
        (with("source", json!("here")), json!(["body", "source"])),
    ] {
        harness.post(&self::path(), body).await.invalid(&path);
        assert!(harness.plane.take_asked().is_none());
    }
}

#[tokio::test]
async fn where_no_data_plane_is_joined_there_is_no_such_route() {
    let harness = Harness::new().await;
    let control = Control::new(
        std::sync::Arc::clone(&harness.registry),
        Config::loopback("http://127.0.0.1:8787", "0"),
    );
    let asked = request(
        &harness.admin,
        Method::POST,
        &path(),
        Body::from(question().to_string()),
    );
    let answer = control.router().oneshot(asked).await.unwrap();
    assert_eq!(answer.status(), 404);
}
