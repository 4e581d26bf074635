use http::Method;
use keyward_auth::{Grant, Permission, Permissions, Scope};
use serde_json::{Value, json};

use crate::support::{Answer, CANARY, Harness, OURS, keys, rfc3339, secret, with, without};

/// What cloudflare-python sends (wire-spec §8.1).
fn new_key() -> Value {
    json!({"alias": "default", "default_config": true, "provider_slug": "openai", "secret": secret()})
}

fn path(id: &str) -> String {
    format!("{}/{id}", keys(OURS, "default"))
}

#[tokio::test]
async fn a_key_is_stored_listed_and_deleted() {
    let harness = Harness::new().await;
    let body = with(new_key(), "description", json!("team a"));
    let made = harness.post(&keys(OURS, "default"), body).await;
    let made = made.result();
    for (field, expected) in [
        ("gateway_id", json!("default")),
        ("account_id", json!(OURS.to_string())),
        ("account_tag", json!(OURS.to_string())),
        ("alias", json!("default")),
        ("provider_slug", json!("openai")),
        ("default_config", json!(true)),
        ("secret_preview", json!("••••wxyz")),
        ("rate_limit", Value::Null),
        ("rate_limit_period", Value::Null),
        ("spend_limits", Value::Null),
        ("description", json!("team a")),
        ("status", json!("active")),
        ("status_reason", Value::Null),
        ("status_since", Value::Null),
        ("enabled", json!(true)),
        ("disabled_at", Value::Null),
        ("expires_on", Value::Null),
        ("expires_action", json!("stop")),
        ("status_code", Value::Null),
        ("last_used_at", Value::Null),
        ("version", json!(1)),
        ("destination", json!(["https://api.openai.com"])),
    ] {
        assert_eq!(made.get(field), Some(&expected), "{field}");
    }
    for field in ["id", "secret_id"] {
        assert_eq!(made[field].as_str().unwrap().len(), 32);
    }
    assert!(made.get("secret").is_none());
    let list = harness.get(&keys(OURS, "default")).await;
    assert_eq!(*list.result(), json!([made]));
    assert_eq!(list.json["result_info"]["total_count"], 1);
    assert_eq!(
        *harness
            .get(&format!("{}?page=2", keys(OURS, "default")))
            .await
            .result(),
        json!([])
    );
    let path = path(made["id"].as_str().unwrap());
    let deleted = harness.delete(&path).await;
    assert_eq!(
        *deleted.result(),
        with(made.clone(), "requests_open", json!(0))
    );
    harness.delete(&path).await.refused(404, 7002);
    assert_eq!(
        *harness.get(&keys(OURS, "default")).await.result(),
        json!([])
    );
}

#[tokio::test]
async fn alias_and_default_config_may_be_left_out() {
    let harness = Harness::new().await;
    let body = json!({"provider_slug": "openai", "secret": secret()});
    let made = harness.post(&keys(OURS, "default"), body).await;
    assert_eq!(made.result()["alias"], "default");
    assert_eq!(made.result()["default_config"], true);
}

#[tokio::test]
async fn a_missing_gateway_lists_nothing_and_takes_nothing() {
    let harness = Harness::new().await;
    assert_eq!(
        *harness.get(&keys(OURS, "absent")).await.result(),
        json!([])
    );
    harness
        .post(&keys(OURS, "absent"), new_key())
        .await
        .refused(404, 7002);
    harness
        .post(&keys(OURS, "Not_A_Name"), new_key())
        .await
        .refused(404, 7002);
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_by_field() {
    let harness = Harness::new().await;
    let refused = async |body: Value, field: &str| {
        let answer = harness.post(&keys(OURS, "default"), body).await;
        answer.invalid(&json!(["body", field])).to_owned()
    };
    let body = new_key();
    refused(without(body.clone(), "provider_slug"), "provider_slug").await;
    assert!(
        refused(without(body.clone(), "secret"), "secret")
            .await
            .contains("secret_id")
    );
    refused(
        with(body.clone(), "secret_id", json!("0".repeat(32))),
        "secret_id",
    )
    .await;
    refused(with(body.clone(), "secret", json!(7)), "secret").await;
    refused(with(body.clone(), "secret", json!([secret()])), "secret").await;
    refused(with(body.clone(), "secret", json!("")), "secret").await;
    refused(with(body.clone(), "secret", json!("kw_gw_abc")), "secret").await;
    let blank = refused(
        with(body.clone(), "secret", json!(format!("sk {CANARY}"))),
        "secret",
    )
    .await;
    assert!(
        blank.contains("character 3 of") && blank.contains("a blank"),
        "{blank}"
    );
    refused(with(body.clone(), "alias", json!("a b")), "alias").await;
    refused(
        with(body.clone(), "provider_slug", json!("nobody")),
        "provider_slug",
    )
    .await;
    refused(
        with(body.clone(), "provider_slug", json!("Open AI")),
        "provider_slug",
    )
    .await;
    refused(
        with(body.clone(), "default_config", json!("yes")),
        "default_config",
    )
    .await;
    refused(
        with(body.clone(), "description", json!("x".repeat(1025))),
        "description",
    )
    .await;
    refused(
        with(body.clone(), "description", json!("\u{1b}[31m")),
        "description",
    )
    .await;
    refused(
        with(body.clone(), "expires_on", json!("tomorrow")),
        "expires_on",
    )
    .await;
    refused(
        with(body.clone(), "expires_on", json!(rfc3339(-10))),
        "expires_on",
    )
    .await;
    refused(with(body.clone(), "value", json!(secret())), "value").await;
    let absent = with(without(body, "secret"), "secret_id", json!("0".repeat(32)));
    assert!(refused(absent, "secret_id").await.contains("was not found"));
}

#[tokio::test]
async fn one_key_per_provider_and_alias() {
    let harness = Harness::new().await;
    harness.key("default").await;
    let twice = harness.post(&keys(OURS, "default"), new_key()).await;
    assert!(
        twice
            .invalid(&json!(["body", "alias"]))
            .contains("already exists")
    );
    harness.key("other").await;
}

#[tokio::test]
async fn a_secret_is_bound_only_where_it_may_go() {
    let harness = Harness::new().await;
    let made = harness.post(&keys(OURS, "default"), new_key()).await;
    let secret_id = made.result()["secret_id"].clone();
    let same = json!({"alias": "second", "provider_slug": "openai", "secret_id": secret_id});
    assert_eq!(
        harness.post(&keys(OURS, "default"), same).await.result()["secret_id"],
        secret_id
    );
    let other = json!({"provider_slug": "anthropic", "secret_id": secret_id});
    let answer = harness.post(&keys(OURS, "default"), other).await;
    let message = answer.refused(409, 7001);
    assert!(
        message.contains("https://api.openai.com") && message.contains("https://api.anthropic.com"),
        "{message}"
    );
}

#[tokio::test]
async fn put_rotates_and_keeps_the_id() {
    let harness = Harness::new().await;
    let id = harness.key("default").await;
    let body = json!({"secret": format!("sk-{CANARY}-9876")});
    let answer = harness.call(Method::PUT, &path(&id), Some(body)).await;
    let rotated = answer.result();
    assert_eq!(rotated["id"], *id);
    assert_eq!(rotated["version"], 2);
    assert_eq!(rotated["secret_preview"], "••••9876");
    for (body, field) in [
        (json!({}), json!(["body", "secret"])),
        (json!({"secret": null}), json!(["body", "secret"])),
    ] {
        harness
            .call(Method::PUT, &path(&id), Some(body))
            .await
            .invalid(&field);
    }
    let absent = path(&"0".repeat(32));
    harness
        .call(Method::PUT, &absent, Some(json!({"secret": secret()})))
        .await
        .refused(404, 7002);
    let not_an_id = path("x");
    harness
        .call(Method::PUT, &not_an_id, Some(json!({"secret": secret()})))
        .await
        .refused(404, 7002);
}

#[tokio::test]
async fn a_key_is_reached_through_its_own_gateway_only() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    let id = harness.key("default").await;
    let elsewhere = format!("{}/{id}", keys(OURS, "prod"));
    harness.delete(&elsewhere).await.refused(404, 7002);
    harness
        .call(Method::PUT, &elsewhere, Some(json!({"secret": secret()})))
        .await
        .refused(404, 7002);
}

#[tokio::test]
async fn a_limit_is_set_changed_and_taken_away() {
    let harness = Harness::new().await;
    let id = harness.key("default").await;
    let patch = async |body: Value| harness.call(Method::PATCH, &path(&id), Some(body)).await;
    let limited = patch(json!({"rate_limit": 500})).await;
    let limit_of = |answer: &Answer| {
        let key = answer.result();
        (key["rate_limit"].clone(), key["rate_limit_period"].clone())
    };
    assert_eq!(limit_of(&limited), (json!(500), json!(60)));
    let limited = patch(json!({"rate_limit_period": 3600})).await;
    assert_eq!(limit_of(&limited), (json!(500), json!(3600)));
    let limited = patch(json!({"rate_limit": 100})).await;
    assert_eq!(limit_of(&limited), (json!(100), json!(3600)));
    let kept = patch(json!({"description": "as it was"})).await;
    assert_eq!(limit_of(&kept), (json!(100), json!(3600)));
    for off in [json!(null), json!(0)] {
        patch(json!({"rate_limit": 7, "rate_limit_period": 1})).await;
        let free = patch(json!({"rate_limit": off})).await;
        assert_eq!(limit_of(&free), (Value::Null, Value::Null));
    }
    patch(json!({"rate_limit_period": 10}))
        .await
        .invalid(&json!(["body", "rate_limit"]));
    for limit in [
        json!(-1),
        json!(1.5),
        json!("10"),
        json!(1_000_000_000_001_u64),
    ] {
        patch(json!({"rate_limit": limit}))
            .await
            .invalid(&json!(["body", "rate_limit"]));
    }
    for period in [json!(0), json!(31_622_401)] {
        patch(json!({"rate_limit": 10, "rate_limit_period": period}))
            .await
            .invalid(&json!(["body", "rate_limit_period"]));
    }
    let new = json!({
        "alias": "limited", "default_config": false, "provider_slug": "openai", "secret": secret(),
        "rate_limit": 5,
    });
    let made = harness
        .call(Method::POST, &keys(OURS, "default"), Some(new))
        .await;
    assert_eq!(limit_of(&made), (json!(5), json!(60)));
}

#[tokio::test]
async fn spend_limits_are_set_changed_and_taken_away() {
    let harness = Harness::new().await;
    let id = harness.key("default").await;
    let patch = async |body: Value| harness.call(Method::PATCH, &path(&id), Some(body)).await;
    let limits = |rule: Value| json!({"spend_limits": {"rules": [rule]}});
    let rule =
        json!({"limitType": "cost", "limit": 2.5, "window": 60, "model": {"mode": "partition"}});
    let limited = patch(limits(rule.clone())).await;
    let told = limited.result()["spend_limits"].clone();
    assert_eq!(told["enabled"], true);
    assert_eq!(told["rules"][0]["id"], "rule-1");
    assert_eq!(told["rules"][0]["model"], json!({"mode": "partition"}));
    let kept = patch(json!({"description": "as it was"})).await;
    assert_eq!(kept.result()["spend_limits"], told);
    // What an answer says can be sent back.
    let back = patch(json!({"spend_limits": told})).await;
    assert_eq!(back.result()["spend_limits"], told);
    for (name, value) in [
        ("provider", json!({"mode": "partition"})),
        ("provider", json!({"mode": "filter", "values": ["openai"]})),
        ("limit", json!(0)),
    ] {
        let mut wrong = rule.clone();
        wrong[name] = value;
        let refused = patch(limits(wrong)).await;
        refused.invalid(&json!(["body", "spend_limits", "rules", 0, name]));
    }
    let gone = patch(json!({"spend_limits": null})).await;
    assert_eq!(gone.result()["spend_limits"], Value::Null);
    let new = json!({
        "alias": "limited", "default_config": false, "provider_slug": "openai", "secret": secret(),
        "spend_limits": {"rules": [rule]},
    });
    let made = harness
        .call(Method::POST, &keys(OURS, "default"), Some(new))
        .await;
    assert_eq!(made.result()["spend_limits"], told);
}

#[tokio::test]
async fn patch_switches_describes_and_dates() {
    let harness = Harness::new().await;
    let id = harness.key("default").await;
    let patch = async |body: Value| harness.call(Method::PATCH, &path(&id), Some(body)).await;
    let off = patch(json!({"enabled": false, "description": "old"})).await;
    assert_eq!(off.result()["enabled"], false);
    assert!(off.result()["disabled_at"].is_string());
    assert_eq!(off.result()["description"], "old");
    assert_eq!(
        patch(json!({"enabled": true})).await.result()["disabled_at"],
        Value::Null
    );
    let end = rfc3339(3600);
    let dated = patch(json!({"expires_on": end})).await;
    assert_eq!(
        dated.result()["expires_on"].as_str().unwrap()[..19],
        end[..19]
    );
    assert_eq!(dated.result()["description"], "old");
    assert_eq!(
        patch(json!({"expires_on": null})).await.result()["expires_on"],
        Value::Null
    );
    let warned = patch(json!({"expires_action": "warn"})).await;
    assert_eq!(warned.result()["expires_action"], "warn");
    let kept = patch(json!({"description": "old"})).await;
    assert_eq!(kept.result()["expires_action"], "warn");
    patch(json!({"expires_action": "never"}))
        .await
        .invalid(&json!(["body", "expires_action"]));
    patch(json!({})).await.invalid(&json!(["body"]));
    patch(json!({"enabled": "no"}))
        .await
        .invalid(&json!(["body", "enabled"]));
    patch(json!({"expires_on": rfc3339(-1)}))
        .await
        .invalid(&json!(["body", "expires_on"]));
    patch(json!({"alias": "x"}))
        .await
        .invalid(&json!(["body", "alias"]));
    patch(json!({"secret": secret()}))
        .await
        .invalid(&json!(["body", "secret"]));
}

#[tokio::test]
async fn a_narrowed_token_manages_what_lies_inside_its_scopes_only() {
    let harness = Harness::new().await;
    let permissions =
        Permissions::from_iter([Permission::SecretsStoreWrite, Permission::AiGatewayRead]);
    let mut grant = Grant::new(OURS, permissions);
    grant.gateways = Scope::only(["default"]);
    grant.providers = Scope::only(["openai"]);
    grant.aliases = Scope::only(["mine"]);
    let (_, token) = harness.token(grant).await;
    let post = async |body: Value| {
        harness
            .call_as(&token, Method::POST, &keys(OURS, "default"), Some(body))
            .await
    };
    post(new_key()).await.refused(403, 10000);
    let mine = with(new_key(), "alias", json!("mine"));
    post(with(mine.clone(), "provider_slug", json!("anthropic")))
        .await
        .refused(403, 10000);
    let made = post(mine.clone()).await;
    let made = path(made.result()["id"].as_str().unwrap());
    harness.gateway("prod").await;
    let elsewhere = harness
        .call_as(&token, Method::POST, &keys(OURS, "prod"), Some(mine))
        .await;
    elsewhere.refused(403, 10000);
    let others = path(&harness.key("default").await);
    let value = || Some(json!({"secret": secret()}));
    harness
        .call_as(&token, Method::PUT, &others, value())
        .await
        .refused(403, 10000);
    harness
        .call_as(&token, Method::PUT, &path(&"0".repeat(32)), value())
        .await
        .refused(403, 10000);
    harness
        .call_as(&token, Method::DELETE, &others, None)
        .await
        .refused(403, 10000);
    harness
        .call_as(&token, Method::PUT, &made, value())
        .await
        .result();
    harness
        .call_as(&token, Method::DELETE, &made, None)
        .await
        .result();
}
