//! Which provider key may use which secret, and where the value goes: whatever is done to it, where it was entered for.

use http::Method;
use keyward_auth::{Grant, Permission, Permissions, Scope};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{OPENAI, new_secret, opened, patch, path};
use crate::support::{Answer, CANARY, Harness, OURS, keys, secret, secrets, stores, with};

async fn bind(harness: &Harness, body: Value) -> Answer {
    harness.post(&keys(OURS, "default"), body).await
}

#[tokio::test]
async fn the_official_way_stores_the_secret_first_and_names_it_by_the_contract() {
    let harness = Harness::new().await;
    let body = json!({"alias": "default", "default_config": true, "provider_slug": "openai"});
    let early = bind(&harness, body.clone()).await;
    let message = early.invalid(&json!(["body", "secret"]));
    assert!(
        message.contains("`default_openai_default` was not found"),
        "{message}"
    );
    let id = harness
        .secret("default_openai_default", &["ai_gateway"])
        .await;
    let bound = bind(&harness, body).await;
    assert_eq!(bound.result()["secret_id"], id);
    assert_eq!(bound.result()["destination"], json!([OPENAI]));
    assert_eq!(bound.result()["secret_preview"], "••••wxyz");
    let used = harness.get(&path(&id)).await;
    assert_eq!(used.result()["used_by"][0]["provider_slug"], "openai");

    // The key goes, and what was stored by itself stays.
    let key = format!(
        "{}/{}",
        keys(OURS, "default"),
        bound.result()["id"].as_str().unwrap()
    );
    harness.delete(&key).await.result();
    assert_eq!(harness.get(&path(&id)).await.result()["used_by"], json!([]));
}

#[tokio::test]
async fn the_secret_of_a_name_is_looked_for_in_the_store_that_the_gateway_names() {
    let harness = Harness::new().await;
    let made = harness.post(&stores(OURS), json!({"name": "other"})).await;
    let store = made.result()["id"].as_str().unwrap().to_owned();
    let body = with(crate::support::new_gateway("gw"), "store_id", json!(store));
    harness
        .post(&crate::support::gateways(OURS), body)
        .await
        .result();
    harness.secret("gw_openai_default", &["ai_gateway"]).await;
    let body = json!({"provider_slug": "openai"});
    harness
        .post(&keys(OURS, "gw"), body.clone())
        .await
        .refused(400, 7001);
    let there = format!("{}/{store}/secrets", stores(OURS));
    let stored = harness
        .post(
            &there,
            json!([new_secret("gw_openai_default", &["ai_gateway"])]),
        )
        .await;
    let bound = harness.post(&keys(OURS, "gw"), body).await;
    assert_eq!(bound.result()["secret_id"], stored.result()[0]["id"]);
    // A value that comes with the key goes there as well.
    let body = json!({"provider_slug": "anthropic", "secret": secret()});
    harness.post(&keys(OURS, "gw"), body).await.result();
    let listed = harness.get(&format!("{there}?search=anthropic")).await;
    assert_eq!(listed.result()[0]["name"], "gw_anthropic_default");
}

#[tokio::test]
async fn a_name_that_is_taken_is_not_given_to_the_value_of_a_key() {
    let harness = Harness::new().await;
    harness.secret("default_openai_default", &["workers"]).await;
    let body = json!({"provider_slug": "openai", "secret": secret()});
    let answer = bind(&harness, body).await;
    assert!(
        answer
            .invalid(&json!(["body", "secret"]))
            .contains("already exists")
    );
}

/// Names that say nothing here, and secrets that are for no gateway.
#[tokio::test]
async fn what_has_no_place_is_stored_and_goes_nowhere() {
    let harness = Harness::new().await;
    for (name, scopes) in [
        ("openai", vec!["ai_gateway"]),
        ("absent_openai_default", vec!["ai_gateway"]),
        ("default_nobody_default", vec!["ai_gateway"]),
        ("default_aws-bedrock_default", vec!["ai_gateway"]),
        ("default_openai_default", vec!["workers"]),
    ] {
        let id = harness.secret(name, &scopes).await;
        let shown = harness.get(&path(&id)).await;
        assert_eq!(shown.result()["destination"], Value::Null, "{name}");
        assert!(opened(&harness, &id, OPENAI).await.is_none(), "{name}");
        let body = json!({"alias": "x", "provider_slug": "openai", "secret_id": id});
        let answer = bind(&harness, body).await;
        let status = if scopes == ["ai_gateway"] { 409 } else { 400 };
        answer.refused(status, 7001);
    }
    // A value that no header could carry is no fault where none will.
    let text = "{\"a\": \"line\\n\"} \u{fc}";
    let body = json!([{"name": "json", "value": text, "scopes": ["workers"]}]);
    harness.post(&secrets(OURS), body).await.result();
}

/// Gateway and provider come into being after the secret: the reading of its name was frozen without them.
#[tokio::test]
async fn a_gateway_that_is_made_later_gives_an_old_name_no_meaning() {
    let harness = Harness::new().await;
    let id = harness
        .secret("later_openai_default", &["ai_gateway"])
        .await;
    harness.gateway("later").await;
    let named = harness
        .post(&keys(OURS, "later"), json!({"provider_slug": "openai"}))
        .await;
    let message = named.refused(409, 7001);
    assert!(
        message.contains("no destination") && message.contains(OPENAI),
        "{message}"
    );
    // Nor does a new value.
    patch(&harness, &id, json!({"value": secret()}))
        .await
        .result();
    harness
        .post(&keys(OURS, "later"), json!({"provider_slug": "openai"}))
        .await
        .refused(409, 7001);
    assert!(opened(&harness, &id, OPENAI).await.is_none());
}

#[tokio::test]
async fn attack_rebinding_by_secret_id_is_refused_naming_both_origins() {
    let harness = Harness::new().await;
    let id = harness
        .secret("default_openai_default", &["ai_gateway"])
        .await;
    let body = json!({"provider_slug": "anthropic", "secret_id": id});
    let answer = bind(&harness, body).await;
    let message = answer.refused(409, 7001);
    assert!(
        message.contains(OPENAI) && message.contains("https://api.anthropic.com"),
        "{message}"
    );
}

#[tokio::test]
async fn attack_a_copy_under_another_name_goes_where_the_value_goes() {
    let harness = Harness::new().await;
    let id = harness
        .secret("default_openai_default", &["ai_gateway"])
        .await;
    let duplicate = format!("{}/duplicate", path(&id));
    let body =
        json!({"name": "default_anthropic_default", "scopes": ["ai_gateway"], "comment": ""});
    let copy = harness.post(&duplicate, body.clone()).await;
    let copy = copy.result();
    assert_ne!(copy["id"], id);
    assert_eq!(copy["destination"], json!([OPENAI]));
    let answer = bind(&harness, json!({"provider_slug": "anthropic"})).await;
    let message = answer.refused(409, 7001);
    assert!(message.contains(OPENAI), "{message}");
    let copy = copy["id"].as_str().unwrap();
    assert!(
        opened(&harness, copy, "https://api.anthropic.com")
            .await
            .is_none()
    );
    let value = opened(&harness, copy, OPENAI).await.unwrap();
    assert_eq!(value.expose(), secret().as_bytes());

    // The original and its copy are two: one goes, the other stays.
    harness.delete(&path(&id)).await.result();
    assert!(opened(&harness, copy, OPENAI).await.is_some());
    harness.post(&duplicate, body).await.refused(404, 1001);
    // A copy of what goes nowhere goes nowhere, under any name.
    let unbound = harness.secret("unbound", &["workers"]).await;
    let body = json!({"name": "default_openai_default", "scopes": ["ai_gateway"]});
    let copy = harness
        .post(&format!("{}/duplicate", path(&unbound)), body)
        .await;
    assert_eq!(copy.result()["destination"], Value::Null);
    bind(&harness, json!({"provider_slug": "openai"}))
        .await
        .refused(409, 7001);
    let taken = json!({"name": "unbound", "scopes": ["workers"]});
    harness
        .post(&format!("{}/duplicate", path(&unbound)), taken)
        .await
        .refused(409, 1003);
}

#[tokio::test]
async fn attack_a_scope_that_is_added_later_opens_no_destination() {
    let harness = Harness::new().await;
    let id = harness.secret("default_openai_default", &["workers"]).await;
    let scoped = patch(&harness, &id, json!({"scopes": ["ai_gateway"]})).await;
    assert_eq!(scoped.result()["destination"], Value::Null);
    bind(&harness, json!({"provider_slug": "openai"}))
        .await
        .refused(409, 7001);
    let body = json!({"provider_slug": "openai", "secret_id": id});
    bind(&harness, body).await.refused(409, 7001);
    assert!(opened(&harness, &id, OPENAI).await.is_none());
}

#[tokio::test]
async fn attack_a_name_that_another_provider_answers_to_is_the_same_provider() {
    let harness = Harness::new().await;
    // `xai` is another name of `grok`: the key of one is found under the other, at the same origin.
    let id = harness.secret("default_xai_default", &["ai_gateway"]).await;
    let bound = bind(&harness, json!({"provider_slug": "grok"})).await;
    assert_eq!(bound.result()["secret_id"], id);
    assert_eq!(bound.result()["destination"], json!(["https://api.x.ai"]));
}

#[tokio::test]
async fn a_new_value_goes_where_the_old_one_went_at_once_for_every_key() {
    let harness = Harness::new().await;
    let id = harness
        .secret("default_openai_default", &["ai_gateway"])
        .await;
    for alias in ["default", "second"] {
        let body = json!({"alias": alias, "provider_slug": "openai", "secret_id": id});
        bind(&harness, body).await.result();
    }
    let new = format!("sk-{CANARY}-9876");
    let rotated = patch(&harness, &id, json!({"value": new})).await;
    assert_eq!(rotated.result()["destination"], json!([OPENAI]));
    assert_eq!(rotated.result()["requests_open"], 0);
    let listed = harness.get(&keys(OURS, "default")).await;
    for key in listed.result().as_array().unwrap() {
        assert_eq!(
            (&key["version"], &key["secret_preview"]),
            (&json!(2), &json!("••••9876"))
        );
    }
    let value = opened(&harness, &id, OPENAI).await.unwrap();
    assert_eq!(value.expose(), new.as_bytes());
    let cut = harness
        .call(
            Method::PATCH,
            &format!("{}?now=true", path(&id)),
            Some(json!({"value": secret()})),
        )
        .await;
    assert_eq!(cut.result()["requests_cut"], 0);
}

#[tokio::test]
async fn without_its_scope_a_secret_is_used_by_no_key() {
    let harness = Harness::new().await;
    let id = harness
        .secret("default_openai_default", &["ai_gateway"])
        .await;
    bind(&harness, json!({"provider_slug": "openai"}))
        .await
        .result();
    let usable = || {
        let snapshot = harness.registry.snapshot();
        snapshot
            .gateway(OURS, "default")
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .current
            .is_some()
    };
    assert!(usable());
    patch(&harness, &id, json!({"scopes": ["workers"]}))
        .await
        .result();
    assert!(!usable());
    let listed = harness.get(&keys(OURS, "default")).await;
    let reason = listed.result()[0]["status_reason"].as_str().unwrap();
    assert!(reason.contains("ai_gateway"), "{reason}");
    let again = json!({"alias": "second", "provider_slug": "openai", "secret_id": id});
    assert!(
        bind(&harness, again)
            .await
            .refused(400, 7001)
            .contains("ai_gateway")
    );
    // The destination was sealed with the value: with the scope the key is as it was.
    patch(&harness, &id, json!({"scopes": ["workers", "ai_gateway"]}))
        .await
        .result();
    assert!(usable());
}

#[tokio::test]
async fn a_deleted_secret_stops_its_keys_and_its_name_takes_them_up_again() {
    let harness = Harness::new().await;
    let id = harness
        .secret("default_openai_default", &["ai_gateway"])
        .await;
    let key = bind(&harness, json!({"provider_slug": "openai"})).await;
    let key = key.result()["id"].as_str().unwrap().to_owned();
    let deleted = harness.delete(&path(&id)).await;
    assert_eq!(deleted.result()["used_by"][0]["id"], key);
    assert_eq!(deleted.result()["requests_open"], 0);
    let shown = async || harness.get(&keys(OURS, "default")).await.result()[0].clone();
    let stopped = shown().await;
    assert_eq!(
        (&stopped["id"], &stopped["status"]),
        (&json!(key), &json!("invalid"))
    );
    assert!(
        stopped["status_reason"]
            .as_str()
            .unwrap()
            .contains("deleted")
    );

    // As the reference finds a value by its name alone, a key whose secret is gone takes the next of that name.
    let next = harness
        .secret("default_openai_default", &["ai_gateway"])
        .await;
    let taken_up = shown().await;
    assert_eq!(
        (&taken_up["id"], &taken_up["status"]),
        (&json!(key), &json!("active"))
    );
    assert_eq!(taken_up["secret_id"], next);

    // Or its value is entered again.
    harness.delete(&path(&next)).await.result();
    let rotate = format!("{}/{key}", keys(OURS, "default"));
    let renewed = harness
        .call(Method::PUT, &rotate, Some(json!({"secret": secret()})))
        .await;
    assert_eq!(renewed.result()["status"], "active");
    assert_eq!(renewed.result()["destination"], json!([OPENAI]));
}

#[tokio::test]
async fn a_token_for_a_part_of_the_account_reaches_no_secret_of_the_account() {
    let harness = Harness::new().await;
    harness.gateway("mine").await;
    let others = harness.key("default").await;
    let listed = harness.get(&keys(OURS, "default")).await;
    let secret_id = listed.result()[0]["secret_id"].as_str().unwrap().to_owned();
    let permissions =
        Permissions::from_iter([Permission::SecretsStoreWrite, Permission::AiGatewayRead]);
    let mut grant = Grant::new(OURS, permissions);
    grant.gateways = Scope::only(["mine"]);
    let (_, token) = harness.token(grant).await;
    let call = async |method: Method, path: &str, body: Option<Value>| {
        harness.call_as(&token, method, path, body).await
    };
    for (method, path, body) in [
        (Method::GET, stores(OURS), None),
        (Method::GET, secrets(OURS), None),
        (Method::GET, path(&secret_id), None),
        (
            Method::POST,
            secrets(OURS),
            Some(json!([new_secret("x", &["workers"])])),
        ),
        (
            Method::PATCH,
            path(&secret_id),
            Some(json!({"value": secret()})),
        ),
        (Method::DELETE, path(&secret_id), None),
    ] {
        call(method, &path, body).await.refused(403, 10000);
    }
    // Nor does it spend the key of another gateway through its own.
    let bind = json!({"provider_slug": "openai", "secret_id": secret_id});
    call(Method::POST, &keys(OURS, "mine"), Some(bind.clone()))
        .await
        .refused(403, 10000);
    let absent = with(bind.clone(), "secret_id", json!("0".repeat(32)));
    call(Method::POST, &keys(OURS, "mine"), Some(absent))
        .await
        .refused(403, 10000);

    // What the account's operator shared with it, it may bind again, and not replace for the other.
    harness
        .post(&keys(OURS, "mine"), bind.clone())
        .await
        .result();
    let second = with(bind, "alias", json!("second"));
    let bound = call(Method::POST, &keys(OURS, "mine"), Some(second)).await;
    let shared = format!(
        "{}/{}",
        keys(OURS, "mine"),
        bound.result()["id"].as_str().unwrap()
    );
    let value = || Some(json!({"secret": secret()}));
    call(Method::PUT, &shared, value())
        .await
        .refused(403, 10000);
    let other = format!("{}/{others}", keys(OURS, "default"));
    harness.call(Method::PUT, &other, value()).await.result();
    // By the contract's name it binds what was stored for its own gateway.
    harness
        .secret("mine_anthropic_default", &["ai_gateway"])
        .await;
    let named = json!({"provider_slug": "anthropic"});
    call(Method::POST, &keys(OURS, "mine"), Some(named))
        .await
        .result();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is done to a stored value, it opens for the origin that its first name said and for no other.
    #[test]
    fn no_order_of_changes_moves_a_value(steps in prop::collection::vec(0_usize..6, 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let harness = Harness::new().await;
            let mut id = harness.secret("default_openai_default", &["ai_gateway"]).await;
            for (count, step) in steps.into_iter().enumerate() {
                match step {
                    0 => drop(patch(&harness, &id, json!({"value": secret()})).await),
                    1 => drop(patch(&harness, &id, json!({"scopes": ["workers"]})).await),
                    2 => drop(patch(&harness, &id, json!({"scopes": ["ai_gateway"]})).await),
                    3 => {
                        let body = json!({"name": format!("default_anthropic_a{count}"), "scopes": ["ai_gateway"]});
                        let copy = harness.post(&format!("{}/duplicate", path(&id)), body).await;
                        id = copy.result()["id"].as_str().unwrap().to_owned();
                    }
                    4 => {
                        let body = json!({"alias": format!("a{count}"), "provider_slug": "anthropic", "secret_id": id});
                        bind(&harness, body).await.refused(if harness.get(&path(&id)).await.result()["scopes"] == json!(["workers"]) { 400 } else { 409 }, 7001);
                    }
                    _ => drop(bind(&harness, json!({"alias": format!("a{count}"), "provider_slug": "openai", "secret_id": id})).await),
                }
                assert!(opened(&harness, &id, OPENAI).await.is_some());
                assert!(opened(&harness, &id, "https://api.anthropic.com").await.is_none());
            }
        });
    }
}
