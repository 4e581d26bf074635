//! Which way a request would take through a route: of what is deployed, of another version, of a draft.

use http::Method;
use keyward_auth::Permission;
use serde_json::{Value, json};

use crate::support::{Answer, CANARY, Harness, OURS, elements, routes};

/// A condition on all that a request has, and a tenth that tries the large model.
fn branching() -> Value {
    let to = |element: &str| json!({"elementId": element});
    let model = |id: &str, model: &str| {
        json!({"id": id, "type": "model", "properties": {"provider": "openai", "model": model},
               "outputs": {"success": to("end")}})
    };
    json!([
        {"id": "start", "type": "start", "outputs": {"next": to("team")}},
        {"id": "team", "type": "conditional",
         "properties": {"conditions": {"$or": [
             {"headers.x-team": "search"}, {"metadata.plan": "paid"}, {"body.max_tokens": {"$gt": 1000}},
         ]}},
         "outputs": {"true": to("large"), "false": to("split")}},
        {"id": "split", "type": "percentage",
         "outputs": {"10%": to("large"), "else": to("small")}},
        model("large", "gpt-5"),
        model("small", "gpt-5-mini"),
        {"id": "end", "type": "end", "outputs": {}},
    ])
}

struct Asked<'h> {
    harness: &'h Harness,
    path: String,
    made: Value,
}

impl<'h> Asked<'h> {
    async fn new(harness: &'h Harness) -> Self {
        let body = json!({"name": "support", "elements": branching()});
        let made = harness.post(&routes(OURS, "default"), body).await;
        let made = made.result().clone();
        let id = made["id"].as_str().unwrap();
        Self {
            harness,
            path: format!("{}/{id}/explain", routes(OURS, "default")),
            made,
        }
    }

    async fn ask(&self, question: Value) -> Answer {
        self.harness.post(&self.path, question).await
    }
}

/// The elements on the way.
fn way(answer: &Answer) -> Vec<&str> {
    let way = answer.result()["way"].as_array().unwrap();
    way.iter()
        .map(|visit| visit["element"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn headers_metadata_and_body_lead_the_way() {
    let harness = Harness::new().await;
    let asked = Asked::new(&harness).await;
    let large = ["start", "team", "large", "end"];
    for question in [
        json!({"headers": {"X-Team": "search"}}),
        json!({"metadata": {"plan": "paid"}}),
        json!({"headers": {"cf-aig-metadata": r#"{"plan":"paid"}"#}}),
        json!({"body": {"max_tokens": 1001}}),
    ] {
        let answer = asked.ask(question).await;
        assert_eq!(way(&answer), large, "{}", answer.text);
        let result = answer.result();
        assert_eq!(result["version_id"], asked.made["version"]["version_id"]);
        assert_eq!(result["number"], 1);
        assert_eq!(result["way"][2]["model"], "gpt-5");
        assert_eq!(result["way"][1]["outputs"][0]["name"], "true");
    }
    // Chance decides, or where it falls is said.
    let all = asked.ask(json!({})).await;
    assert_eq!(
        way(&all),
        ["start", "team", "split", "large", "end", "small"]
    );
    assert_eq!(all.result()["way"][2]["outputs"][0]["chance"], "10%");
    for (draw, model) in [
        (json!(0), "large"),
        (json!(0.0999), "large"),
        (json!(0.1001), "small"),
        (json!(0.9999), "small"),
    ] {
        let answer = asked
            .ask(json!({"metadata": {"plan": "free"}, "draw": draw}))
            .await;
        assert_eq!(way(&answer), ["start", "team", "split", model, "end"]);
    }
    // As in the data plane: one nested value, and none of the metadata counts.
    let answer = asked
        .ask(json!({"metadata": {"plan": "paid", "a": []}, "draw": 0}))
        .await;
    assert_eq!(way(&answer)[2], "split");
}

#[tokio::test]
async fn another_version_and_a_draft_are_explained_before_they_are_deployed() {
    let harness = Harness::new().await;
    let asked = Asked::new(&harness).await;
    let versions = asked.path.replace("/explain", "/versions");
    let saved = harness
        .post(&versions, json!({"elements": elements("gpt-6")}))
        .await;
    let saved = saved.result()["version_id"].clone();
    let answer = asked.ask(json!({"version_id": saved})).await;
    assert_eq!(answer.result()["version_id"], saved);
    assert_eq!(answer.result()["number"], 2);
    assert_eq!(answer.result()["way"][1]["model"], "gpt-6");

    let revision = harness.store.revision();
    let draft = asked.ask(json!({"elements": elements("gpt-7")})).await;
    assert_eq!(draft.result()["version_id"], Value::Null);
    assert_eq!(draft.result()["way"][1]["model"], "gpt-7");
    let message = draft.json["messages"][0]["message"].as_str().unwrap();
    assert!(message.contains("no key of openai"), "{message}");
    let mut faulty = elements("gpt-7");
    faulty[1]["properties"]["retries"] = json!(50);
    let refused = asked.ask(json!({"elements": faulty})).await;
    refused.invalid(&json!(["body", "elements", 1, "properties", "retries"]));
    // Nothing is kept.
    assert_eq!(harness.store.revision(), revision);
    let list = harness.get(&versions).await;
    assert_eq!(list.json["result_info"]["total_count"], 2);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_its_field() {
    let harness = Harness::new().await;
    let asked = Asked::new(&harness).await;
    let version = &asked.made["version"]["version_id"];
    for (question, field) in [
        (
            json!({"version_id": version, "elements": branching()}),
            "version_id",
        ),
        (json!({"version_id": 1}), "version_id"),
        (
            json!({"metadata": {}, "headers": {"CF-AIG-Metadata": "{}"}}),
            "metadata",
        ),
        (json!({"metadata": "{}"}), "metadata"),
        (json!({"body": []}), "body"),
        (json!({"headers": []}), "headers"),
        (json!({"headers": {"x": 1}}), "headers"),
        (json!({"draw": 1}), "draw"),
        (json!({"draw": -0.1}), "draw"),
        (json!({"draw": "0.5"}), "draw"),
    ] {
        let answer = asked.ask(question).await;
        answer.invalid(&json!(["body", field]));
    }
    let answer = asked.ask(json!({"headers": {"a b": CANARY}})).await;
    answer.invalid(&json!(["body", "headers", 0]));
    let answer = asked
        .ask(json!({"headers": {"a": format!("{CANARY}\n{CANARY}")}}))
        .await;
    answer.invalid(&json!(["body", "headers", 0]));
    let absent = json!({"version_id": "0123456789abcdef0123456789abcdef"});
    asked.ask(absent).await.refused(404, 7005);
}

/// The harness looks for the canary in every answer: here it stands where conditions read it.
#[tokio::test]
async fn no_value_of_a_header_is_told() {
    let harness = Harness::new().await;
    let asked = Asked::new(&harness).await;
    let question = json!({"headers": {
        "x-team": CANARY, "authorization": format!("Bearer {CANARY}"), "x-api-key": CANARY, "cookie": CANARY,
    }});
    let answer = asked.ask(question).await;
    assert!(answer.text.contains("headers.x-team"), "{}", answer.text);
}

#[tokio::test]
async fn who_may_read_may_ask_and_nothing_is_written_down() {
    let harness = Harness::new().await;
    let asked = Asked::new(&harness).await;
    let reader = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
    let revision = harness.store.revision();
    let question = Some(json!({"metadata": {"plan": "paid"}}));
    let answer = harness
        .call_as(&reader, Method::POST, &asked.path, question.clone())
        .await;
    assert_eq!(way(&answer), ["start", "team", "large", "end"]);
    assert_eq!(harness.store.revision(), revision);
    harness.gateway("prod").await;
    let elsewhere = asked.path.replace("/default/", "/prod/");
    let answer = harness.call(Method::POST, &elsewhere, question).await;
    answer.refused(404, 7005);
}
