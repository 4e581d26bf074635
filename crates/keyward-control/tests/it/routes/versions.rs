//! Versions of a route, and their deployments.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Made, model};
use crate::support::{Answer, Harness, elements};

#[tokio::test]
async fn versions_are_saved_deployed_and_rolled_back() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let body = json!({"elements": elements("gpt-5-mini"), "comment": "smaller"});
    let saved = harness.post(&made.versions, body).await;
    let saved = saved.result();
    assert_eq!(saved["id"], made.answer["id"]);
    assert_eq!(
        (&saved["name"], &saved["gateway_id"]),
        (&json!("support"), &json!("default"))
    );
    assert_eq!(
        (&saved["active"], &saved["comment"]),
        (&json!("false"), &json!("smaller"))
    );
    assert_eq!(model(saved), "gpt-5-mini");
    let second = saved["version_id"].clone();
    let path = format!("{}/{}", made.versions, second.as_str().unwrap());
    assert_eq!(harness.get(&path).await.result(), saved);
    // Nothing is deployed by it.
    assert_eq!(harness.get(&made.path).await.result(), &made.answer);

    let list = harness.get(&made.versions).await;
    let data = &list.json["data"];
    let told = |list: &Value, of: &str, field: &str| -> Vec<Value> {
        let items = list["data"][of].as_array().unwrap();
        items.iter().map(|item| item[field].clone()).collect()
    };
    assert_eq!(
        told(&list.json, "versions", "version_id"),
        [second.clone(), made.first.clone()]
    );
    assert_eq!(told(&list.json, "versions", "active"), ["false", "true"]);
    assert_eq!(
        data["versions"][0]["data"],
        elements("gpt-5-mini").to_string()
    );
    assert_eq!(data["order_by_direction"], "desc");
    assert_eq!(list.json["result_info"]["total_count"], 2);
    let page = harness
        .get(&format!("{}?per_page=1&page=2", made.versions))
        .await;
    assert_eq!(
        told(&page.json, "versions", "version_id"),
        vec![made.first.clone()]
    );

    let body = json!({"version_id": second, "comment": "on Friday"});
    let deployed = harness.post(&made.deployments, body).await;
    let deployed = deployed.result();
    assert_eq!(model(deployed), "gpt-5-mini");
    assert_eq!(deployed["version"]["version_id"], second);
    assert_eq!(deployed["deployment"]["comment"], "on Friday");
    assert_eq!(harness.get(&made.path).await.result(), deployed);
    let list = harness.get(&made.versions).await;
    assert_eq!(told(&list.json, "versions", "active"), ["true", "false"]);

    let back = made.deploy(&harness, &made.first).await;
    assert_eq!(model(back.result()), "gpt-5");
    let list = harness.get(&made.deployments).await;
    assert_eq!(
        told(&list.json, "deployments", "version_id"),
        [made.first.clone(), second, made.first.clone()]
    );
    let newest = &list.json["data"]["deployments"][0];
    assert_eq!(newest, &back.result()["deployment"]);
    assert_eq!(list.json["result_info"]["total_count"], 3);
}

#[tokio::test]
async fn the_newest_hundred_versions_are_kept_and_counted() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let mut second = Value::Null;
    for number in 2..=103 {
        let saved = made.save(&harness, "gpt-5").await;
        if number == 2 {
            second = saved;
        }
    }
    let count = async |path: &str| {
        let list = harness.get(&format!("{path}?per_page=100")).await;
        let rest = harness.get(&format!("{path}?per_page=100&page=2")).await;
        let count = |list: &Answer| list.json["data"]["versions"].as_array().unwrap().len();
        let found = count(&list) + count(&rest);
        assert_eq!(list.json["result_info"]["total_count"], found);
        found
    };
    // The deployed one, which is older than all that are kept, and those.
    assert_eq!(count(&made.versions).await, 101);
    let gone = made.deploy(&harness, &second).await;
    assert!(gone.refused(404, 7005).contains("version"));
    let newest = made.save(&harness, "gpt-5").await;
    made.deploy(&harness, &newest).await.result();
    assert_eq!(count(&made.versions).await, 100);
}

/// Each deployment has its number, the newest is in force, and no answer mixes two.
#[tokio::test]
async fn deployments_at_the_same_time_are_in_one_order() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let second = made.save(&harness, "gpt-5-mini").await;
    let deploy = async |at: usize| {
        let version = if at.is_multiple_of(2) {
            &made.first
        } else {
            &second
        };
        let answer = made.deploy(&harness, version).await;
        let answer = answer.result().clone();
        assert_eq!(
            answer["version"]["version_id"],
            answer["deployment"]["version_id"]
        );
        answer
    };
    let answers = join_all((0..20).map(deploy)).await;
    assert_eq!(answers.len(), 20);
    let list = harness.get(&made.deployments).await;
    let deployments = list.json["data"]["deployments"].as_array().unwrap();
    let numbers: Vec<_> = deployments
        .iter()
        .map(|item| item["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (2..=21).rev().collect::<Vec<_>>());
    let shown = harness.get(&made.path).await;
    assert_eq!(shown.result()["deployment"], deployments[0]);
    assert_eq!(
        shown.result()["version"]["version_id"],
        deployments[0]["version_id"]
    );
}
