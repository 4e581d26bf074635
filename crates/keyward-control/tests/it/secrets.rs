//! Secrets by the API: stored, listed, changed, deleted.

mod binding;

use std::sync::atomic::Ordering;

use axum::body::Body;
use http::Method;
use keyward_secret::{Origin, SecretBytes};
use keyward_vault::{RecordId, SecretId, VaultStore};
use serde_json::{Value, json};

use crate::support::{Answer, Harness, OURS, request, secret, secrets, stores, with};

const OPENAI: &str = "https://api.openai.com";

fn new_secret(name: &str, scopes: &[&str]) -> Value {
    json!({"name": name, "value": secret(), "scopes": scopes})
}

fn path(id: &str) -> String {
    format!("{}/{id}", secrets(OURS))
}

/// What is stored of a secret, opened for an origin; none where it may not go there.
async fn opened(harness: &Harness, id: &str, origin: &str) -> Option<SecretBytes> {
    let id = SecretId::parse(id).unwrap();
    let (_, version) = harness.store.find_secret(OURS, id).await.unwrap()?;
    let version = version?;
    let record = RecordId {
        account: OURS,
        secret: id,
        version: version.number,
    };
    let origin = Origin::parse(origin).unwrap();
    let opened = harness
        .registry
        .vault()
        .open(&version.sealed?, &record, &origin);
    opened.ok().map(|opened| opened.value)
}

async fn patch(harness: &Harness, id: &str, body: Value) -> Answer {
    harness.call(Method::PATCH, &path(id), Some(body)).await
}

#[tokio::test]
async fn secrets_are_stored_shown_changed_and_deleted() {
    let harness = Harness::new().await;
    let body = json!([with(
        new_secret("default_openai_default", &["ai_gateway", "workers"]),
        "comment",
        json!("team a")
    )]);
    let made = harness.post(&secrets(OURS), body).await;
    let made = made.result()[0].clone();
    let expected = [
        ("name", json!("default_openai_default")),
        ("comment", json!("team a")),
        ("scopes", json!(["ai_gateway", "workers"])),
        ("status", json!("active")),
        ("destination", json!([OPENAI])),
        ("used_by", json!([])),
    ];
    for (field, expected) in expected {
        assert_eq!(made[field], expected, "{field}");
    }
    assert!(made.get("value").is_none());
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        (id.len(), made["store_id"].as_str().unwrap().len()),
        (32, 32)
    );
    assert_eq!(harness.get(&path(id)).await.result(), &made);

    let changed = patch(&harness, id, json!({"comment": null, "scopes": ["dex"]})).await;
    assert_eq!(changed.result()["comment"], Value::Null);
    assert_eq!(changed.result()["scopes"], json!(["dex"]));
    assert_eq!(changed.result()["destination"], json!([OPENAI]));

    let deleted = harness.delete(&path(id)).await;
    assert_eq!(deleted.result()["id"], id);
    assert_eq!(deleted.result()["status"], "deleted");
    for method in [Method::GET, Method::DELETE] {
        let gone = harness.call(method, &path(id), None).await;
        assert!(gone.refused(404, 1001).contains("secret_not_found"));
    }
}

#[tokio::test]
async fn json_is_read_whatever_the_content_type_says() {
    let harness = Harness::new().await;
    let body = json!([new_secret("plain", &["workers"])]).to_string();
    let mut sent = request(
        &harness.admin,
        Method::POST,
        &secrets(OURS),
        Body::from(body),
    );
    let plain = "text/plain;charset=UTF-8".parse().unwrap();
    sent.headers_mut().insert("content-type", plain);
    assert_eq!(harness.send(sent).await.result()[0]["name"], "plain");
}

/// What one field of a new secret may not be, and what the refusal says.
fn bad_fields() -> Vec<(&'static str, Value, &'static str)> {
    let long = |length| json!("v".repeat(length));
    vec![
        ("name", json!(""), "secret_name_empty"),
        ("name", json!("a b"), "secret_name_invalid"),
        ("name", json!("a.b"), "secret_name_invalid"),
        ("name", json!("é"), "secret_name_invalid"),
        ("name", long(256), "secret_name_invalid"),
        ("name", Value::Null, "is required"),
        ("scopes", json!([]), "secret_scopes_empty"),
        ("scopes", Value::Null, "is required"),
        ("scopes", json!(["Workers"]), "secret_scope_invalid"),
        ("value", Value::Null, "is required"),
        ("value", json!(""), "empty"),
        ("value", long(65_537), "65537 bytes"),
        ("value", json!({"a": 1}), "must be a text"),
        ("comment", long(1025), "1024"),
        ("secret", json!(secret()), "not a known field"),
    ]
}

#[tokio::test]
async fn several_are_stored_together_or_not_at_all() {
    let harness = Harness::new().await;
    let refused = async |second: Value, status: u16, code: u64, field: &str, says: &str| {
        let body = json!([new_secret("first", &["workers"]), second]);
        let answer = harness.post(&secrets(OURS), body).await;
        let message = answer.refused(status, code);
        assert!(message.contains(says), "{message}");
        let path = answer.json["errors"][0]["path"].as_array().unwrap();
        assert_eq!(path[..3], [json!("body"), json!(1), json!(field)]);
        assert_eq!(*harness.get(&secrets(OURS)).await.result(), json!([]));
    };
    let good = new_secret("second", &["workers"]);
    for (field, value, says) in bad_fields() {
        refused(with(good.clone(), field, value), 400, 1001, field, says).await;
    }
    let twice = with(good.clone(), "name", json!("first"));
    refused(twice, 409, 1003, "name", "secret_name_already_exists").await;
    // The name of a key for OpenAI, and what can be none.
    let bound = new_secret("default_openai_default", &["ai_gateway"]);
    for (value, says) in [("sk a b", "a blank"), ("kw_gw_abc", "own")] {
        let bound = with(bound.clone(), "value", json!(value));
        refused(bound, 400, 1001, "value", says).await;
    }
    let largest = with(good, "value", json!("v".repeat(65_536)));
    harness
        .post(&secrets(OURS), json!([largest]))
        .await
        .result();
}

#[tokio::test]
async fn the_body_is_a_list_of_bounded_length() {
    let harness = Harness::new().await;
    for body in [
        json!(new_secret("x", &["workers"])),
        json!([]),
        json!([7]),
        json!("x"),
    ] {
        harness.post(&secrets(OURS), body).await.refused(400, 1001);
    }
    let cut = Body::from("[{\"name\":");
    let answer = harness
        .send(request(&harness.admin, Method::POST, &secrets(OURS), cut))
        .await;
    assert!(answer.refused(400, 1001).contains("invalid_json_body"));
    let many = |count: usize| {
        let one = |index| json!({"name": format!("s{index}"), "value": "v", "scopes": ["workers"]});
        Value::from((0..count).map(one).collect::<Vec<_>>())
    };
    let answer = harness.post(&secrets(OURS), many(101)).await;
    assert!(answer.refused(400, 1001).contains("at most 100"));
    let stored = harness.post(&secrets(OURS), many(100)).await;
    assert_eq!(stored.result().as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_list_is_searched_ordered_and_cut() {
    let harness = Harness::new().await;
    for (name, scopes, comment) in [
        ("beta", vec!["workers"], "for Alpha"),
        ("alpha", vec!["workers", "ai_gateway"], "z"),
        ("gamma", vec!["ai_gateway"], ""),
    ] {
        let body = with(new_secret(name, &scopes), "comment", json!(comment));
        harness.post(&secrets(OURS), json!([body])).await.result();
    }
    let check = async |query: &str, expected: &[&str]| {
        let list = harness.get(&format!("{}?{query}", secrets(OURS))).await;
        let items = list.result().as_array().unwrap();
        let names: Vec<_> = items
            .iter()
            .map(|item| item["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{query}");
        assert_eq!(list.json["result_info"]["count"], expected.len());
    };
    check("", &["alpha", "beta", "gamma"]).await;
    check("order=name&direction=desc", &["gamma", "beta", "alpha"]).await;
    check("order=comment", &["gamma", "beta", "alpha"]).await;
    check("search=ALPHA", &["alpha", "beta"]).await;
    check("search=gam", &["gamma"]).await;
    check("search=nothing", &[]).await;
    check("scopes=workers", &["alpha", "beta"]).await;
    check(
        "scopes=workers&scopes=ai_gateway",
        &["alpha", "beta", "gamma"],
    )
    .await;
    check("scopes=dex", &[]).await;
    check("scopes=workers,ai_gateway", &["alpha"]).await;
    check("per_page=2", &["alpha", "beta"]).await;
    check("per_page=2&page=2", &["gamma"]).await;
    check("page=3", &[]).await;
    for order in ["created", "modified", "status"] {
        let list = harness
            .get(&format!("{}?order={order}", secrets(OURS)))
            .await;
        assert_eq!(list.result().as_array().unwrap().len(), 3);
    }
    for query in [
        "order=value",
        "direction=up",
        "scopes=x",
        "per_page=0",
        "page=x",
    ] {
        harness
            .get(&format!("{}?{query}", secrets(OURS)))
            .await
            .refused(400, 1001);
    }
}

/// Where a value may go is sealed with it, so a secret is shown from the store.
#[tokio::test]
async fn a_store_that_does_not_answer_is_asked_again_later() {
    let harness = Harness::new().await;
    let id = harness.secret("one", &["workers"]).await;
    harness.store.is_silent.store(true, Ordering::Relaxed);
    for shown in [secrets(OURS), path(&id)] {
        let answer = harness.get(&shown).await;
        answer.refused(503, 10001);
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(!answer.text.contains("canary-path"), "{}", answer.text);
    }
}

/// However many there are on a page.
#[tokio::test]
async fn a_page_of_secrets_reads_the_store_once() {
    let harness = Harness::new().await;
    for number in 0..30 {
        harness.secret(&format!("s{number}"), &["workers"]).await;
    }
    let lookups = || harness.store.lookups.swap(0, Ordering::Relaxed);
    lookups();
    let page = harness.get(&secrets(OURS)).await;
    assert_eq!(page.result().as_array().unwrap().len(), 20);
    assert_eq!(lookups(), 1);
}

#[tokio::test]
async fn only_what_is_sent_is_changed_and_the_name_never_is() {
    let harness = Harness::new().await;
    let id = harness
        .secret("default_openai_default", &["ai_gateway"])
        .await;
    for (body, says) in [
        (json!({}), "nothing to change"),
        (json!({"name": "other"}), "cannot be changed"),
        (json!({"scopes": []}), "secret_scopes_empty"),
        (json!({"value": ""}), "empty"),
        (json!({"value": "a b"}), "a blank"),
        (json!({"destination_": "x"}), "not a known field"),
    ] {
        let answer = patch(&harness, &id, body).await;
        let message = answer.refused(400, 1001);
        assert!(message.contains(says), "{message}");
    }
    let before = harness.get(&path(&id)).await;
    let kept = patch(&harness, &id, json!({"comment": "x"})).await;
    for field in ["name", "scopes", "destination", "created"] {
        assert_eq!(kept.result()[field], before.result()[field], "{field}");
    }
    let value = opened(&harness, &id, OPENAI).await.unwrap();
    assert_eq!(value.expose(), secret().as_bytes());
}

#[tokio::test]
async fn bulk_deletion_wants_ids_and_deletes_all_or_none() {
    let harness = Harness::new().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(harness.secret(name, &["workers"]).await);
    }
    let bulk = async |body: Option<Value>| harness.call(Method::DELETE, &secrets(OURS), body).await;
    let absent = "0".repeat(32);
    for (body, status) in [
        (None, 400),
        (Some(json!([])), 400),
        (Some(json!({})), 400),
        (Some(json!(null)), 400),
        (Some(json!([{}])), 400),
        (Some(json!([ids[0], 7])), 400),
        (Some(json!([{"id": ids[0], "force": true}])), 400),
        (Some(json!([ids[0], "x"])), 400),
        (Some(json!([ids[0], absent])), 404),
    ] {
        bulk(body.clone()).await.refused(status, 1001);
        let left = harness.get(&secrets(OURS)).await;
        assert_eq!(left.result().as_array().unwrap().len(), 3, "{body:?}");
    }
    let deleted = bulk(Some(json!([{"id": ids[0]}, ids[1], ids[1]]))).await;
    assert_eq!(deleted.result().as_array().unwrap().len(), 2);
    let left = harness.get(&secrets(OURS)).await;
    assert_eq!(left.result()[0]["id"], ids[2]);
}

#[tokio::test]
async fn a_secret_is_reached_through_its_own_store_only() {
    let harness = Harness::new().await;
    let id = harness.secret("one", &["workers"]).await;
    let other = harness.post(&stores(OURS), json!({"name": "other"})).await;
    let other = format!(
        "{}/{}/secrets",
        stores(OURS),
        other.result()["id"].as_str().unwrap()
    );
    let elsewhere = format!("{other}/{id}");
    let copy = Some(json!({"name": "x", "scopes": ["workers"]}));
    for (method, path, body) in [
        (Method::GET, elsewhere.clone(), None),
        (Method::DELETE, elsewhere.clone(), None),
        (
            Method::PATCH,
            elsewhere.clone(),
            Some(json!({"comment": "x"})),
        ),
        (Method::POST, format!("{elsewhere}/duplicate"), copy),
        (Method::DELETE, other.clone(), Some(json!([id]))),
    ] {
        harness.call(method, &path, body).await.refused(404, 1001);
    }
    // The same name in another store is another secret.
    let body = json!([new_secret("one", &["workers"])]);
    harness.post(&other, body).await.result();
    harness.get(&path(&id)).await.result();
}
