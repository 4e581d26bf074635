//! Elements: kept as they were written, and every fault with its place.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use super::Made;
use crate::support::{Answer, Harness, OURS, elements, request, routes};

impl Harness {
    async fn post_text(&self, path: &str, body: &str) -> Answer {
        let body = Body::from(body.to_owned());
        self.send(request(&self.admin, Method::POST, path, body))
            .await
    }
}

/// What is kept and shown as `data` is what came, to the byte.
#[tokio::test]
async fn elements_are_kept_as_they_were_written() {
    let harness = Harness::new().await;
    let text = r#"[ {"id":"s\u0074art","type":"start","outputs":{"next":{"elementId":"l"}}},
      {"type":"rate_limit","id":"l","properties":{"limitType":"count","limit":1e2,"interval":60.0},
       "outputs":{"success":{"elementId":"end"}}},
      {"id":"end","type":"end"} ]"#;
    let body = format!(r#"{{"name":"kept","elements": {text} }}"#);
    let made = harness.post_text(&routes(OURS, "default"), &body).await;
    let made = made.result();
    assert_eq!(made["version"]["data"], text);
    let rate = &made["elements"][1];
    assert_eq!(rate["type"], "rate");
    assert_eq!(rate["properties"]["limit"], 100);
    assert_eq!(rate["properties"]["window"], 60);
    assert_eq!(made["elements"][2]["outputs"], json!({}));
}

#[tokio::test]
async fn what_two_readers_could_take_differently_is_refused() {
    let harness = Harness::new().await;
    let path = routes(OURS, "default");
    let whole = elements("gpt-5").to_string();
    let twice = whole.replace(
        r#""model":"gpt-5""#,
        r#""model":"gpt-5","model":"gpt-5-mini""#,
    );
    assert_ne!(twice, whole);
    let answer = harness
        .post_text(&path, &format!(r#"{{"name":"a","elements":{twice}}}"#))
        .await;
    let message = answer.invalid(&json!(["body", "elements"]));
    assert!(message.contains("twice"), "{message}");
    let answer = harness
        .post_text(
            &path,
            &format!(r#"{{"name":"a","elements":{whole},"elements":{whole}}}"#),
        )
        .await;
    let message = answer.invalid(&json!(["body", "elements"]));
    assert!(message.contains("twice"), "{message}");
    let answer = harness
        .post_text(
            &path,
            &format!(r#"{{"name":"a","name":"b","elements":{whole}}}"#),
        )
        .await;
    answer.invalid(&json!(["body", "name"]));
}

/// Each fault is an entry of its own, which names the element and the field.
#[tokio::test]
async fn every_fault_of_the_elements_is_told_with_its_place() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let mut faulty = elements("gpt-5");
    faulty[1]["properties"]["retries"] = json!(50);
    faulty[1]["properties"]["provider"] = json!("nobody");
    faulty[1]["outputs"]["success"]["elementId"] = json!("edn");
    let refused = [
        harness
            .post(
                &routes(OURS, "default"),
                json!({"name": "new", "elements": faulty}),
            )
            .await,
        harness
            .post(&made.versions, json!({"elements": faulty}))
            .await,
    ];
    for answer in &refused {
        let message = answer.refused(400, 7001);
        assert!(message.contains(r#"(element "model")"#), "{message}");
        let told = answer.json["errors"].as_array().unwrap();
        let places: BTreeSet<_> = told.iter().map(|fault| fault["path"].to_string()).collect();
        for place in [
            json!(["body", "elements", 1, "properties", "retries"]),
            json!(["body", "elements", 1, "properties", "provider"]),
            json!(["body", "elements", 1, "outputs", "success", "elementId"]),
        ] {
            assert!(places.contains(&place.to_string()), "{place} of {places:?}");
        }
        assert!(told.iter().all(|fault| fault["code"] == 7001));
    }
    // A graph as a whole, what is none, and what is not there.
    for (elements, reason) in [
        (json!([]), "start"),
        (json!({}), "array"),
        (json!("[]"), "array"),
        (Value::Null, "is required"),
    ] {
        let body = json!({"name": "new", "elements": elements});
        let answer = harness.post(&routes(OURS, "default"), body).await;
        let message = answer.refused(400, 7001);
        assert!(message.contains(reason), "{message}");
    }
    let count = harness.get(&routes(OURS, "default")).await;
    assert_eq!(
        count.json["result_info"]["total_count"], 1,
        "nothing was stored"
    );
}

#[tokio::test]
async fn what_is_allowed_and_looks_odd_is_a_message() {
    let harness = Harness::new().await;
    let body = json!({"name": "odd", "elements": elements("gpt-5")});
    let made = harness.post(&routes(OURS, "default"), body).await;
    made.result();
    let message = made.json["messages"][0]["message"].as_str().unwrap();
    assert!(message.contains("no key of openai is stored"), "{message}");
    assert_eq!(made.json["messages"][0]["code"], 7005);
    harness.key("default").await;
    let body = json!({"name": "plain", "elements": elements("gpt-5")});
    let made = harness.post(&routes(OURS, "default"), body).await;
    assert_eq!(made.json["messages"], json!([]), "{}", made.text);
}

#[tokio::test]
async fn bodies_elements_and_comments_are_bounded() {
    let harness = Harness::new().await;
    let path = routes(OURS, "default");
    let long = format!(
        r#"{{"name":"a","elements":[{}]}}"#,
        " ".repeat(64 * 1024 + 1)
    );
    let answer = harness.post_text(&path, &long).await;
    assert!(
        answer.refused(400, 7001).contains("65536"),
        "{}",
        answer.text
    );
    let larger = " ".repeat(1024 * 1024 + 1);
    harness.post_text(&path, &larger).await.refused(413, 7001);
    let deep = format!(
        r#"{{"name":"a","elements":{}{}}}"#,
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    harness.post_text(&path, &deep).await.refused(400, 7001);
    let comment =
        |comment: String| json!({"name": "a", "elements": elements("x"), "comment": comment});
    let answer = harness.post(&path, comment("ä".repeat(513))).await;
    answer.invalid(&json!(["body", "comment"]));
    let kept = harness.post(&path, comment("ä\n".repeat(300))).await;
    assert_eq!(kept.result()["version"]["comment"], "ä\n".repeat(300));
}
