use http::Method;
use keyward_auth::Permission;
use keyward_control::Config;
use keyward_registry::{Actor, SecretLimits};
use keyward_vault::SecretsStoreId;
use serde_json::{Value, json};

use crate::support::{Harness, OURS, THEIRS, keys, now, secret, secrets, stores};

fn first() -> String {
    SecretsStoreId::first_of(OURS).to_string()
}

fn quota() -> String {
    format!("/client/v4/accounts/{OURS}/secrets_store/quota")
}

fn names(list: &Value) -> Vec<&str> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_account_begins_with_a_store() {
    let harness = Harness::new().await;
    let list = harness.get(&stores(OURS)).await;
    let [store] = list.result().as_array().unwrap().as_slice() else {
        panic!("{}", list.text);
    };
    assert_eq!(store["name"], "default_secrets_store");
    assert_eq!(store["id"], first());
    assert_eq!(store["account_id"], OURS.to_string());
    assert!(store["created"].is_string() && store["modified"].is_string());
    let shown = harness.get(&format!("{}/{}", stores(OURS), first())).await;
    assert_eq!(shown.result(), store);
    // What a gateway was given by itself stands there too.
    harness.key("default").await;
    let listed = harness.get(&secrets(OURS)).await;
    assert_eq!(names(listed.result()), ["default_openai_default"]);
}

#[tokio::test]
async fn an_object_makes_a_store_and_a_list_makes_a_list() {
    let harness = Harness::new().await;
    let one = harness.post(&stores(OURS), json!({"name": "one"})).await;
    assert_eq!(one.result()["name"], "one");
    assert_eq!(one.result()["id"].as_str().unwrap().len(), 32);
    let list = harness.post(&stores(OURS), json!([{"name": "two"}])).await;
    assert_eq!(names(list.result()), ["two"]);
    let by_name = harness
        .get(&format!("{}?order=name&direction=desc", stores(OURS)))
        .await;
    assert_eq!(
        names(by_name.result()),
        ["two", "one", "default_secrets_store"]
    );
    let past = harness.get(&format!("{}?page=2", stores(OURS))).await;
    assert_eq!(*past.result(), json!([]));
}

#[tokio::test]
async fn there_are_no_more_stores_than_the_setting_says() {
    let harness = Harness::new().await;
    let two = json!([{"name": "one"}, {"name": "two"}]);
    harness.post(&stores(OURS), two).await.result();
    let message = harness.post(&stores(OURS), json!({"name": "three"})).await;
    let message = message.refused(409, 1003).to_owned();
    assert!(message.contains("maximum_stores_exceeded"), "{message}");
    assert_eq!(SecretLimits::default().stores, 1);
}

#[tokio::test]
async fn names_of_stores_are_unique_in_the_account_and_none_is_made_beside_a_bad_one() {
    let harness = Harness::new().await;
    let taken = json!({"name": "default_secrets_store"});
    let answer = harness.post(&stores(OURS), taken).await;
    assert!(answer.refused(409, 1003).contains("already_exists"));
    let twice = json!([{"name": "x"}, {"name": "x"}]);
    harness.post(&stores(OURS), twice).await.refused(409, 1003);
    let bad = json!([{"name": "good"}, {"name": " "}]);
    let answer = harness.post(&stores(OURS), bad).await;
    answer.refused(400, 1001);
    assert_eq!(answer.json["errors"][0]["path"], json!(["body", 1, "name"]));
    for body in [
        json!([]),
        json!({}),
        json!({"name": 7}),
        json!("x"),
        json!(null),
    ] {
        harness.post(&stores(OURS), body).await.refused(400, 1001);
    }
    let listed = harness.get(&stores(OURS)).await;
    assert_eq!(names(listed.result()), ["default_secrets_store"]);
    // Another account's names are its own.
    let theirs = harness
        .token_with(THEIRS, &[Permission::SecretsStoreWrite])
        .await;
    let body = Some(json!({"name": "good"}));
    harness
        .post(&stores(OURS), json!({"name": "good"}))
        .await
        .result();
    let answer = harness
        .call_as(&theirs, Method::POST, &stores(THEIRS), body)
        .await;
    answer.result();
}

#[tokio::test]
async fn a_store_with_secrets_goes_by_force_alone_and_stops_the_keys_that_use_them() {
    let harness = Harness::new().await;
    harness.key("default").await;
    let path = format!("{}/{}", stores(OURS), first());
    let answer = harness.delete(&path).await;
    let message = answer.refused(409, 1003);
    assert!(
        message.contains("1 secrets") && message.contains("1 provider keys"),
        "{message}"
    );
    harness
        .delete(&format!("{path}?force=maybe"))
        .await
        .refused(400, 1001);
    assert_eq!(
        harness.get(&keys(OURS, "default")).await.result()[0]["status"],
        "active"
    );

    let deleted = harness.delete(&format!("{path}?force=true")).await;
    assert_eq!(deleted.result()["secrets_deleted"], 1);
    assert_eq!(deleted.result()["used_by"][0]["alias"], "default");
    assert_eq!(deleted.result()["requests_open"], 0);
    harness.get(&path).await.refused(404, 1001);
    harness.get(&secrets(OURS)).await.refused(404, 1001);
    let key = harness.get(&keys(OURS, "default")).await;
    let key = &key.result()[0];
    assert_eq!(key["status"], "invalid");
    assert_eq!(key["version"], Value::Null);
    let snapshot = harness.registry.snapshot();
    assert!(
        snapshot
            .gateway(OURS, "default")
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .current
            .is_none()
    );
    // A key's own value makes the account its store again.
    let body = json!({"alias": "other", "provider_slug": "openai", "secret": secret()});
    harness.post(&keys(OURS, "default"), body).await.result();
    assert_eq!(harness.get(&stores(OURS)).await.result()[0]["id"], first());
}

#[tokio::test]
async fn an_empty_store_is_deleted_and_the_first_comes_back_when_the_server_starts() {
    let harness = Harness::new().await;
    let path = format!("{}/{}", stores(OURS), first());
    assert_eq!(harness.delete(&path).await.result()["id"], first());
    harness.delete(&path).await.refused(404, 1001);
    assert_eq!(*harness.get(&stores(OURS)).await.result(), json!([]));
    let start = harness
        .registry
        .make_first_secrets_stores(Actor::Command("test"), now());
    start.await.unwrap();
    assert_eq!(
        harness.get(&path).await.result()["name"],
        "default_secrets_store"
    );
}

#[tokio::test]
async fn a_store_of_another_account_is_not_found() {
    let harness = Harness::new().await;
    let theirs = SecretsStoreId::first_of(THEIRS);
    for path in [
        format!("{}/{theirs}", stores(OURS)),
        format!("{}/{theirs}/secrets", stores(OURS)),
        format!("{}/x", stores(OURS)),
        format!("{}/{}", stores(OURS), "0".repeat(64)),
    ] {
        let answer = harness.get(&path).await;
        assert!(answer.refused(404, 1001).contains("store_not_found"));
    }
    let delete = format!("{}/{theirs}?force=true", stores(OURS));
    harness.delete(&delete).await.refused(404, 1001);
}

#[tokio::test]
async fn the_quota_is_a_setting_and_a_number() {
    let harness = Harness::new().await;
    harness.key("default").await;
    harness.secret("one", &["workers"]).await;
    let unlimited = harness.get(&quota()).await;
    let expected = json!({"secrets": {"quota": 9_007_199_254_740_991_u64, "usage": 2}});
    assert_eq!(*unlimited.result(), expected);

    let limits = SecretLimits {
        stores: 1,
        secrets: Some(2),
    };
    let config = Config::loopback("http://127.0.0.1:8787", env!("CARGO_PKG_VERSION"));
    let harness = Harness::with_limits(config, limits).await;
    let id = harness.secret("one", &["workers"]).await;
    let two = json!([
        {"name": "two", "value": "x", "scopes": ["workers"]},
        {"name": "three", "value": "x", "scopes": ["workers"]},
    ]);
    let answer = harness.post(&secrets(OURS), two).await;
    assert!(
        answer
            .refused(409, 1003)
            .contains("maximum_secrets_exceeded")
    );
    harness.key("default").await;
    let full = harness.get(&quota()).await;
    assert_eq!(*full.result(), json!({"secrets": {"quota": 2, "usage": 2}}));
    // Nothing makes one more.
    let copy = json!({"name": "copy", "scopes": ["workers"]});
    let path = format!("{}/{id}/duplicate", secrets(OURS));
    harness.post(&path, copy).await.refused(409, 1003);
    let body = json!({"alias": "other", "provider_slug": "openai", "secret": secret()});
    harness
        .post(&keys(OURS, "default"), body)
        .await
        .refused(409, 1003);
}
