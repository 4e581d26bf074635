//! Whether a provider takes a key: asked about a stored one, and before one is stored.

use std::{sync::Arc, time::Duration};

use http::Method;
use keyward_auth::{Grant, Permission, Permissions, Scope};
use keyward_control::verify::{About, Answered};
use keyward_providers::{ErrorClass, ProbeOutcome};
use keyward_secret::Origin;
use serde_json::{Value, json};

use crate::support::{Answer, Harness, OURS, keys, secret};

const REFUSED: ProbeOutcome = ProbeOutcome::Dead(ErrorClass::CredentialRejected);
const FAILING: ProbeOutcome = ProbeOutcome::Unclear(ErrorClass::ProviderFault);

fn answered(outcome: ProbeOutcome, status: u16) -> Answered {
    let class = match outcome {
        ProbeOutcome::Dead(class) | ProbeOutcome::Unclear(class) => Some(class),
        ProbeOutcome::Live => None,
    };
    Answered {
        outcome,
        class,
        status: Some(status),
        problem: None,
    }
}

fn path(key: &str) -> String {
    format!("{}/{key}/verify", keys(OURS, "default"))
}

async fn verify(harness: &Harness, key: &str) -> Value {
    let answer = harness.call(Method::POST, &path(key), None).await;
    answer.result().clone()
}

fn new(provider: &str) -> Value {
    json!({"provider_slug": provider, "secret": secret(), "verify": true})
}

async fn add(harness: &Harness, body: Value) -> Answer {
    harness.post(&keys(OURS, "default"), body).await
}

async fn stored(harness: &Harness) -> usize {
    let listed = harness.get(&keys(OURS, "default")).await;
    listed.result().as_array().unwrap().len()
}

/// How many lines of the audit log tell of a verification.
async fn lines(harness: &Harness) -> usize {
    let path = format!("/client/v4/accounts/{OURS}/logs/audit?limit=1000");
    let answer = harness.get(&path).await;
    let lines = answer.result().as_array().unwrap().iter();
    lines
        .filter(|line| line.to_string().contains("provider_key.verify"))
        .count()
}

#[tokio::test]
async fn a_stored_key_is_asked_about_and_the_audit_log_tells() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let before = lines(&harness).await;
    let told = verify(&harness, &key).await;
    assert_eq!(told["outcome"], "works");
    assert_eq!((&told["id"], &told["version"]), (&json!(key), &json!(1)));
    assert_eq!(told["status_code"], 200);
    assert_eq!(told["class"], Value::Null);
    assert!(told["asked_at"].is_string() && told["duration_ms"].is_u64());
    let asked = harness.plane.take_verified();
    let [About::Stored(stored)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(stored.record.id.to_string(), key);
    assert_eq!(lines(&harness).await, before + 1);
}

#[tokio::test]
async fn an_answer_is_told_with_its_reason() {
    for (outcome, status, expected, reason) in [
        (REFUSED, 401, "refused", "wrong key"),
        (
            ProbeOutcome::Dead(ErrorClass::Expired),
            401,
            "refused",
            "expired",
        ),
        (FAILING, 503, "unclear", "failing"),
        (
            ProbeOutcome::Unclear(ErrorClass::Region),
            403,
            "unclear",
            "wrong region",
        ),
    ] {
        let harness = Harness::new().await;
        let key = harness.key("default").await;
        harness.plane.judge(answered(outcome, status));
        let told = verify(&harness, &key).await;
        assert_eq!(told["outcome"], expected);
        assert!(told["reason"].as_str().unwrap().contains(reason), "{told}");
        assert_eq!(told["status_code"], status);
        assert!(told["class"].is_string());
    }
}

#[tokio::test]
async fn where_nothing_proves_a_key_nobody_is_asked() {
    let harness = Harness::new().await;
    let body = json!({"provider_slug": "cohere", "secret": secret()});
    let key = add(&harness, body).await.result()["id"].clone();
    let told = verify(&harness, key.as_str().unwrap()).await;
    assert_eq!(told["outcome"], "no_probe");
    assert_eq!(told["asked_at"], Value::Null);
    assert!(harness.plane.take_verified().is_empty());
}

#[tokio::test]
async fn who_asks_at_the_same_time_gets_the_same_answer() {
    let harness = Arc::new(Harness::new().await);
    let key = harness.key("default").await;
    let gate = harness.plane.hold_verdicts();
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let (harness, key) = (Arc::clone(&harness), key.clone());
            tokio::spawn(async move { verify(&harness, &key).await })
        })
        .collect();
    gate.add_permits(1);
    for asking in asking {
        let asked = tokio::time::timeout(Duration::from_secs(20), asking).await;
        assert_eq!(asked.unwrap().unwrap()["outcome"], "works");
    }
    assert_eq!(harness.plane.take_verified().len(), 1);
}

#[tokio::test]
async fn a_new_value_is_asked_about_anew() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    verify(&harness, &key).await;
    let place = format!("{}/{key}", keys(OURS, "default"));
    let body = Some(json!({"secret": secret()}));
    harness.call(Method::PUT, &place, body).await.result();
    assert_eq!(verify(&harness, &key).await["version"], 2);
    assert_eq!(harness.plane.take_verified().len(), 2);
}

#[tokio::test]
async fn a_value_that_the_provider_takes_is_stored_and_bound_to_its_own_origin() {
    let harness = Harness::new().await;
    let answer = add(&harness, new("openai")).await;
    assert_eq!(answer.result()["provider_slug"], "openai");
    let message = answer.json["messages"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("verified: the provider accepts"),
        "{message}"
    );
    let asked = harness.plane.take_verified();
    let [
        About::Value {
            provider,
            credential,
        },
    ] = asked.as_slice()
    else {
        panic!("{asked:?}");
    };
    assert_eq!(provider.slug(), "openai");
    let origin = |text: &str| Origin::parse(text).unwrap();
    assert!(credential.may_go_to(&origin("https://api.openai.com")));
    assert!(!credential.may_go_to(&origin("https://api.example.com")));
    assert!(!format!("{asked:?}").contains(crate::support::CANARY));
}

#[tokio::test]
async fn a_value_that_the_provider_refuses_is_not_stored() {
    let harness = Harness::new().await;
    harness.plane.judge(answered(REFUSED, 401));
    let answer = add(&harness, new("openai")).await;
    let message = answer.refused(400, 10003);
    assert_eq!(answer.json["errors"][0]["path"], json!(["body", "secret"]));
    assert!(message.contains("wrong key") && message.contains("nothing was stored"));
    assert_eq!(stored(&harness).await, 0);
    assert_eq!(lines(&harness).await, 1);
}

#[tokio::test]
async fn where_the_provider_says_nothing_certain_nothing_is_stored_and_the_way_on_is_told() {
    let harness = Harness::new().await;
    harness.plane.judge(answered(FAILING, 503));
    let answer = add(&harness, new("openai")).await;
    let message = answer.refused(424, 10003);
    assert!(
        message.contains("failing") && message.contains("without `verify`"),
        "{message}"
    );
    assert_eq!(stored(&harness).await, 0);
    let mut body = new("openai");
    body["verify"] = json!(false);
    add(&harness, body).await.result();
    assert_eq!(stored(&harness).await, 1);
}

#[tokio::test]
async fn where_nothing_proves_a_key_it_is_stored_and_a_message_says_so() {
    let harness = Harness::new().await;
    let answer = add(&harness, new("cohere")).await;
    answer.result();
    let message = answer.json["messages"][0]["message"].as_str().unwrap();
    assert!(message.contains("could not be verified"), "{message}");
    assert!(harness.plane.take_verified().is_empty());
    assert_eq!(stored(&harness).await, 1);
}

#[tokio::test]
async fn nobody_is_asked_about_what_cannot_be_stored_anyway() {
    let harness = Harness::new().await;
    harness.key("default").await;
    let taken = add(&harness, new("openai")).await;
    assert!(
        taken
            .invalid(&json!(["body", "alias"]))
            .contains("already exists")
    );
    let bound = json!({"provider_slug": "openai", "secret_id": "0".repeat(32), "verify": true});
    add(&harness, bound)
        .await
        .invalid(&json!(["body", "verify"]));
    add(&harness, new("nobody")).await.refused(400, 7001);
    let elsewhere = keys(OURS, "nowhere");
    harness
        .post(&elsewhere, new("openai"))
        .await
        .refused(404, 7002);
    assert!(harness.plane.take_verified().is_empty());
}

#[tokio::test]
async fn values_cannot_be_tried_at_speed() {
    let harness = Harness::new().await;
    let key = harness.key("stored").await;
    harness.plane.judge(answered(REFUSED, 401));
    for _ in 0..10 {
        add(&harness, new("openai")).await.refused(400, 10003);
    }
    let answer = add(&harness, new("openai")).await;
    let message = answer.refused(429, 10002);
    assert!(message.contains("try again in"), "{message}");
    let wait: u64 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(harness.plane.take_verified().len(), 10);
    assert_eq!(stored(&harness).await, 1);
    // What is stored may be asked about all the same, and other tokens have a count of their own.
    assert_eq!(verify(&harness, &key).await["outcome"], "refused");
    let other = [Permission::SecretsStoreWrite];
    let other = harness.token_with(OURS, &other).await;
    let path = keys(OURS, "default");
    let answer = harness.call_as(&other, Method::POST, &path, Some(new("openai")));
    answer.await.refused(400, 10003);
}

#[tokio::test]
async fn who_may_not_change_a_key_may_not_have_it_tried() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let reader = [Permission::AiGatewayRead, Permission::SecretsStoreRead];
    let reader = harness.token_with(OURS, &reader).await;
    let elsewhere = Grant {
        aliases: Scope::only(["team-b"]),
        ..Grant::new(
            OURS,
            Permissions::from_iter([Permission::SecretsStoreWrite]),
        )
    };
    let elsewhere = harness.token(elsewhere).await.1;
    for token in [reader, elsewhere] {
        let answer = harness
            .call_as(&token, Method::POST, &path(&key), None)
            .await;
        answer.refused(403, 10000);
        let place = keys(OURS, "default");
        let answer = harness.call_as(&token, Method::POST, &place, Some(new("groq")));
        answer.await.refused(403, 10000);
    }
    assert!(harness.plane.take_verified().is_empty());
}
