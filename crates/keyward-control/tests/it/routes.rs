//! Dynamic routes by the API, in the shapes of wire-spec §4.4.

mod access;
mod elements;
mod explain;
mod versions;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Harness, OURS, elements, routes};

/// A route that was made, by its paths.
struct Made {
    path: String,
    versions: String,
    deployments: String,
    /// Its first version.
    first: Value,
    answer: Value,
}

impl Made {
    async fn new(harness: &Harness, name: &str) -> Self {
        let answer = harness.route(name).await;
        let path = format!(
            "{}/{}",
            routes(OURS, "default"),
            answer["id"].as_str().unwrap()
        );
        Self {
            versions: format!("{path}/versions"),
            deployments: format!("{path}/deployments"),
            first: answer["version"]["version_id"].clone(),
            path,
            answer,
        }
    }

    /// Saves a version, and returns its id.
    async fn save(&self, harness: &Harness, model: &str) -> Value {
        let saved = harness
            .post(&self.versions, json!({"elements": elements(model)}))
            .await;
        saved.result()["version_id"].clone()
    }

    async fn deploy(&self, harness: &Harness, version: &Value) -> Answer {
        harness
            .post(&self.deployments, json!({"version_id": version}))
            .await
    }
}

fn model(answer: &Value) -> &Value {
    &answer["elements"][1]["properties"]["model"]
}

#[tokio::test]
async fn a_route_is_made_with_its_first_version_deployed() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let answer = &made.answer;
    assert_eq!(answer["name"], "support");
    assert_eq!(answer["gateway_id"], "default");
    assert_eq!(answer["account_tag"], OURS.to_string());
    assert!(answer["created_at"].is_string() && answer["modified_at"].is_string());
    let version = &answer["version"];
    assert_eq!(version["active"], "true");
    assert_eq!(version["is_valid"], true);
    assert_eq!(version["number"], 1);
    assert_eq!(version["data"], elements("gpt-5").to_string());
    let deployment = &answer["deployment"];
    assert_eq!(deployment["version_id"], version["version_id"]);
    assert!(deployment["deployment_id"].is_string() && deployment["created_at"].is_string());
    // In the API's one spelling, which the SDKs declare, with what was left out.
    assert_eq!(model(answer), "gpt-5");
    assert_eq!(answer["elements"][1]["properties"]["retries"], 0);

    let shown = harness.get(&made.path).await;
    assert_eq!(shown.result(), answer);
}

#[tokio::test]
async fn lists_stand_in_data_and_are_cut_into_pages() {
    let harness = Harness::new().await;
    let path = routes(OURS, "default");
    let mut made = Vec::new();
    for name in ["b", "c", "a"] {
        made.push(harness.route(name).await);
    }
    let list = harness.get(&path).await;
    assert_eq!(list.status, 200, "{}", list.text);
    let data = &list.json["data"];
    let names: Vec<_> = data["routes"].as_array().unwrap().iter().collect();
    assert_eq!(names, [&made[2], &made[0], &made[1]]);
    assert_eq!(
        (&data["order_by"], &data["order_by_direction"]),
        (&json!("name"), &json!("asc"))
    );
    assert_eq!((&data["page"], &data["per_page"]), (&json!(1), &json!(20)));
    assert_eq!(list.json["result_info"]["total_count"], 3);
    let second = harness.get(&format!("{path}?page=2&per_page=2")).await;
    assert_eq!(second.json["data"]["routes"], json!([made[1]]));
    assert_eq!(second.json["data"]["page"], 2);
    let past = harness.get(&format!("{path}?page=3&per_page=2")).await;
    assert_eq!(past.json["data"]["routes"], json!([]));
    harness
        .get(&format!("{path}?page=0"))
        .await
        .refused(400, 7001);
}

#[tokio::test]
async fn a_route_is_renamed_and_the_answer_stands_in_route() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    harness.route("other").await;
    let rename = async |name: &str| {
        let body = Some(json!({"name": name}));
        harness.call(Method::PATCH, &made.path, body).await
    };
    let renamed = rename("Support_2.0").await;
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    let route = &renamed.json["route"];
    assert_eq!(route["name"], "Support_2.0");
    for field in ["id", "account_tag", "deployment", "version", "elements"] {
        assert_eq!(route[field], made.answer[field], "{field}");
    }
    // An answer may be sent back whole, but for what cannot be changed here.
    assert_eq!(rename("Support_2.0").await.status, 200);
    let taken = rename("other").await;
    assert!(taken.refused(400, 7005).contains("already exists"));
    assert_eq!(taken.json["errors"][0]["path"], json!(["body", "name"]));
    rename("a b").await.invalid(&json!(["body", "name"]));
    let body = Some(json!({"name": "x", "elements": []}));
    let answer = harness.call(Method::PATCH, &made.path, body).await;
    answer.invalid(&json!(["body", "elements"]));
}

#[tokio::test]
async fn a_deleted_route_is_shown_once_more_and_is_gone() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let deleted = harness.delete(&made.path).await;
    for field in [
        "id",
        "name",
        "gateway_id",
        "created_at",
        "modified_at",
        "elements",
    ] {
        assert_eq!(deleted.result()[field], made.answer[field], "{field}");
    }
    for path in [&made.path, &made.versions, &made.deployments] {
        harness.get(path).await.refused(404, 7005);
    }
    harness.delete(&made.path).await.refused(404, 7005);
    // The name is free.
    harness.route("support").await;
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_as_such() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    harness.break_store();
    let new = json!({"name": "new", "elements": elements("gpt-5")});
    let answer = harness.post(&routes(OURS, "default"), new).await;
    answer.refused(503, 10001);
    let saves = json!({"elements": elements("gpt-5")});
    harness
        .post(&made.versions, saves)
        .await
        .refused(503, 10001);
    made.deploy(&harness, &made.first).await.refused(503, 10001);
    harness.delete(&made.path).await.refused(503, 10001);
    assert_eq!(harness.get(&made.path).await.result(), &made.answer);
}
