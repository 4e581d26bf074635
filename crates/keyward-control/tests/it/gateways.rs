use http::Method;
use keyward_auth::{Grant, Permission, Scope};
use serde_json::{Value, json};

use crate::support::{Harness, OURS, gateways, new_gateway, with, without};

#[tokio::test]
async fn a_gateway_is_made_shown_listed_and_deleted() {
    let harness = Harness::new().await;
    let made = harness.post(&gateways(OURS), new_gateway("prod")).await;
    let made = made.result();
    for (field, expected) in [
        ("id", json!("prod")),
        ("account_id", json!(OURS.to_string())),
        ("account_tag", json!(OURS.to_string())),
        ("authentication", json!(true)),
        ("byok_only", json!(false)),
        ("stored_keys_only", json!(false)),
        ("stored_key_refused", json!("explain")),
        ("cache_invalidate_on_update", json!(true)),
        ("cache_ttl", json!(0)),
        ("collect_logs", json!(true)),
        ("is_default", json!(false)),
        ("log_management", Value::Null),
        ("rate_limiting_interval", json!(0)),
        ("rate_limiting_limit", json!(0)),
        ("rate_limiting_technique", Value::Null),
        ("retry_max_attempts", Value::Null),
        ("guardrails", Value::Null),
        ("zdr", json!(false)),
    ] {
        assert_eq!(made.get(field), Some(&expected), "{field}");
    }
    for field in ["created_at", "modified_at"] {
        let text = made[field].as_str().unwrap();
        assert!(text.parse::<jiff::Timestamp>().is_ok(), "{text}");
    }
    let path = format!("{}/prod", gateways(OURS));
    assert_eq!(harness.get(&path).await.result(), made);
    let list = harness.get(&gateways(OURS)).await;
    assert_eq!(list.result()[1], *made);
    assert_eq!(list.result()[0]["is_default"], true);
    assert_eq!(harness.delete(&path).await.result(), made);
    harness.get(&path).await.refused(404, 7002);
    harness.delete(&path).await.refused(404, 7002);
}

#[tokio::test]
async fn settings_are_kept_and_given_back() {
    let harness = Harness::new().await;
    let body = json!({
        "id": "all", "authentication": false, "byok_only": true, "stored_keys_only": true,
        "cache_invalidate_on_update": false, "cache_ttl": 60, "collect_logs": false, "log_management": 10_000,
        "log_management_strategy": "DELETE_OLDEST", "rate_limiting_interval": 60, "rate_limiting_limit": null,
        "rate_limiting_technique": "sliding", "retry_max_attempts": 5, "retry_delay": 60_000,
        "retry_backoff": "exponential", "store_id": "store", "stored_key_refused": "passthrough", "workers_ai_billing_mode": "postpaid",
    });
    let made = harness.post(&gateways(OURS), body.clone()).await;
    let expected = with(body, "rate_limiting_limit", json!(0));
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&made.result()[field], value, "{field}");
    }
}

/// Two who read the same and change it one after the other: the second is told, and takes nothing back.
#[tokio::test]
async fn a_change_of_what_was_changed_meanwhile_is_refused() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    let path = format!("{}/prod", gateways(OURS));
    let read = harness.get(&path).await.result().clone();
    let revision = read["revision"].as_str().unwrap();
    let late = format!("{path}?if_revision={revision}");
    let put = async |path: &str, field: &str, value: Value| {
        let body = with(read.clone(), field, value);
        harness.call(Method::PUT, path, Some(body)).await
    };
    let first = put(&late, "cache_ttl", json!(60)).await;
    assert_ne!(first.result()["revision"], revision);
    let second = put(&late, "collect_logs", json!(false)).await;
    let told = second.refused(412, 7001);
    assert!(told.contains("read it again"), "{told}");
    assert_eq!(
        second.json["errors"][0]["path"],
        json!(["query", "if_revision"])
    );
    let now = harness.get(&path).await.result().clone();
    assert_eq!(
        (&now["cache_ttl"], &now["collect_logs"]),
        (&json!(60), &json!(true))
    );
    // Read again, it is taken; and without a condition as ever.
    let again = format!("{path}?if_revision={}", now["revision"].as_str().unwrap());
    put(&again, "collect_logs", json!(false)).await.result();
    let back = put(&path, "collect_logs", json!(true)).await;
    assert_eq!(back.result()["revision"], revision);
}

#[tokio::test]
async fn lists_come_in_pages_and_end_with_an_empty_one() {
    let harness = Harness::new().await;
    for id in ["a", "b", "ab"] {
        harness.gateway(id).await;
    }
    let ids = async |query: &str| {
        let answer = harness.get(&format!("{}{query}", gateways(OURS))).await;
        let ids: Vec<_> = answer
            .result()
            .as_array()
            .unwrap()
            .iter()
            .map(|gateway| gateway["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, answer.json["result_info"].clone())
    };
    assert_eq!(ids("").await.0, ["a", "ab", "b", "default"]);
    let (page, info) = ids("?page=2&per_page=3").await;
    assert_eq!(page, ["default"]);
    assert_eq!(
        info,
        json!({"page": 2, "per_page": 3, "count": 1, "total_count": 4, "total_pages": 2})
    );
    assert!(ids("?page=3&per_page=3").await.0.is_empty());
    assert!(
        ids("?page=9007199254740991&per_page=100")
            .await
            .0
            .is_empty()
    );
    assert_eq!(ids("?search=a&order=x").await.0, ["a", "ab", "default"]);
    for (query, field) in [
        ("?page=0", "page"),
        ("?page=9007199254740992", "page"),
        ("?page=-1", "page"),
        ("?page=x", "page"),
        ("?per_page=0", "per_page"),
        ("?per_page=101", "per_page"),
    ] {
        let answer = harness.get(&format!("{}{query}", gateways(OURS))).await;
        answer.invalid(&json!(["query", field]));
    }
}

#[tokio::test]
async fn required_fields_are_required() {
    let harness = Harness::new().await;
    for field in new_gateway("x").as_object().unwrap().keys() {
        let answer = harness
            .post(&gateways(OURS), without(new_gateway("x"), field))
            .await;
        assert!(answer.invalid(&json!(["body", field])).contains("required"));
    }
}

#[tokio::test]
async fn values_out_of_range_are_refused_by_name() {
    let harness = Harness::new().await;
    for (field, value) in [
        ("id", json!("")),
        ("id", json!("A")),
        ("id", json!("a_b")),
        ("id", json!("a".repeat(65))),
        ("id", json!(1)),
        ("cache_invalidate_on_update", json!("yes")),
        ("cache_ttl", json!(-1)),
        ("cache_ttl", json!(1.5)),
        ("cache_ttl", json!("1")),
        ("collect_logs", json!(2)),
        ("log_management", json!(9_999)),
        ("log_management", json!(10_000_001)),
        ("log_management_strategy", json!("delete_oldest")),
        ("rate_limiting_technique", json!("leaky")),
        ("retry_max_attempts", json!(0)),
        ("retry_max_attempts", json!(6)),
        ("retry_max_attempts", json!(256)),
        ("retry_delay", json!(60_001)),
        ("retry_backoff", json!("random")),
        ("store_id", json!(["x"])),
        ("store_id", json!("a\nb")),
        ("authentication", json!("false")),
        ("workers_ai_billing_mode", json!("unified")),
        ("no_such_field", json!(null)),
    ] {
        let body = with(new_gateway("x"), field, value);
        harness
            .post(&gateways(OURS), body)
            .await
            .invalid(&json!(["body", field]));
    }
}

#[tokio::test]
async fn a_rate_limit_is_kept_and_has_a_window() {
    let harness = Harness::new().await;
    let limited = with(new_gateway("limited"), "rate_limiting_limit", json!(10));
    for interval in [json!(null), json!(0), json!(31_622_401)] {
        let body = with(limited.clone(), "rate_limiting_interval", interval);
        let answer = harness.post(&gateways(OURS), body).await;
        let message = answer.invalid(&json!(["body", "rate_limiting_interval"]));
        assert!(message.contains("rate_limiting_limit"), "{message}");
    }
    let body = with(limited, "rate_limiting_interval", json!(31_622_400));
    let made = harness.post(&gateways(OURS), body).await;
    assert_eq!(made.result()["rate_limiting_limit"], 10);
    assert_eq!(made.result()["rate_limiting_interval"], 31_622_400);
}

#[tokio::test]
async fn settings_that_protect_and_do_nothing_yet_are_refused_when_on() {
    let harness = Harness::new().await;
    for (field, value) in [
        (
            "guardrails",
            json!({"prompt": {"S1": "BLOCK"}, "response": {}}),
        ),
        (
            "dlp",
            json!({"action": "BLOCK", "enabled": true, "profiles": []}),
        ),
        ("zdr", json!(true)),
        (
            "otel",
            json!([{"url": "https://example.com", "headers": {}}]),
        ),
        ("logpush", json!(true)),
        ("logpush_public_key", json!("key")),
        ("log_classification", json!(true)),
        ("stripe", json!({"authorization": "x", "usage_events": []})),
        ("policies", json!([{"id": "x"}])),
    ] {
        let answer = harness
            .post(&gateways(OURS), with(new_gateway("x"), field, value))
            .await;
        let message = answer.invalid(&json!(["body", field]));
        assert!(
            message.contains(field) && message.contains("not enforced yet"),
            "{message}"
        );
    }
    let mut off = new_gateway("off");
    for (field, value) in [
        ("guardrails", json!({"prompt": {}, "response": {}})),
        ("dlp", json!({"enabled": false, "profiles": ["x"]})),
        ("zdr", json!(false)),
        ("otel", json!([])),
        ("logpush", json!(null)),
        ("log_classification", json!(false)),
        ("stripe", json!(null)),
        ("policies", json!([])),
    ] {
        off = with(off, field, value);
    }
    harness.post(&gateways(OURS), off).await.result();
}

#[tokio::test]
async fn a_name_is_taken_once_and_default_is_never_made_by_a_request() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    let twice = harness.post(&gateways(OURS), new_gateway("prod")).await;
    assert!(
        twice
            .invalid(&json!(["body", "id"]))
            .contains("already exists")
    );
    let default = harness.post(&gateways(OURS), new_gateway("default")).await;
    assert!(
        default
            .invalid(&json!(["body", "id"]))
            .contains("already exists")
    );
    harness
        .delete(&format!("{}/default", gateways(OURS)))
        .await
        .result();
    let default = harness.post(&gateways(OURS), new_gateway("default")).await;
    assert!(
        default
            .invalid(&json!(["body", "id"]))
            .contains("vault init")
    );
}

#[tokio::test]
async fn the_url_of_a_provider_is_a_text() {
    let harness = Harness::new().await;
    let answer = harness
        .get(&format!("{}/default/url/openai", gateways(OURS)))
        .await;
    assert_eq!(
        *answer.result(),
        json!(format!("http://127.0.0.1:8787/v1/{OURS}/default/openai"))
    );
    harness
        .get(&format!("{}/default/url/nobody", gateways(OURS)))
        .await
        .refused(400, 7001);
    harness
        .get(&format!("{}/absent/url/openai", gateways(OURS)))
        .await
        .refused(404, 7002);
}

#[tokio::test]
async fn a_store_that_fails_is_our_fault_and_tells_no_details() {
    let harness = Harness::new().await;
    harness.break_store();
    let answer = harness
        .call(Method::POST, &gateways(OURS), Some(new_gateway("prod")))
        .await;
    answer.refused(503, 10001);
    assert!(!answer.text.contains("canary-path"), "{}", answer.text);
}

#[tokio::test]
async fn an_update_replaces_what_saves_or_records_and_keeps_what_protects() {
    let harness = Harness::new().await;
    let rest = json!({
        "authentication": false, "byok_only": true, "stored_keys_only": true, "store_id": "store",
        "stored_key_refused": "passthrough", "retry_max_attempts": 5, "log_management": 10_000,
    });
    let mut body = new_gateway("prod");
    let fields = body.as_object_mut().unwrap();
    fields.extend(rest.as_object().unwrap().clone());
    let made = harness.post(&gateways(OURS), body).await;
    let path = format!("{}/prod", gateways(OURS));
    let update = with(without(new_gateway("prod"), "id"), "cache_ttl", json!(300));
    let updated = harness.call(Method::PUT, &path, Some(update.clone())).await;
    let updated = updated.result();
    for (field, expected) in [
        ("id", json!("prod")),
        ("cache_ttl", json!(300)),
        ("retry_max_attempts", Value::Null),
        ("log_management", Value::Null),
        ("authentication", json!(false)),
        ("byok_only", json!(true)),
        ("stored_keys_only", json!(true)),
        ("store_id", json!("store")),
        ("stored_key_refused", json!("passthrough")),
        ("created_at", made.result()["created_at"].clone()),
    ] {
        assert_eq!(updated[field], expected, "{field}");
    }
    assert_eq!(harness.get(&path).await.result(), updated);
    // What an answer says can be sent back.
    let back = harness
        .call(Method::PUT, &path, Some(updated.clone()))
        .await;
    assert_eq!(back.result()["cache_ttl"], 300);
    let null = with(update.clone(), "store_id", Value::Null);
    let null = harness.call(Method::PUT, &path, Some(null)).await;
    assert_eq!(null.result()["store_id"], Value::Null);
    for field in update.as_object().unwrap().keys() {
        let answer = harness
            .call(Method::PUT, &path, Some(without(update.clone(), field)))
            .await;
        assert!(answer.invalid(&json!(["body", field])).contains("required"));
    }
    for (field, value) in [
        ("id", json!("other")),
        // Above 0, it has a window.
        ("rate_limiting_limit", json!(1_000_000_000_001_u64)),
        (
            "guardrails",
            json!({"prompt": {"P1": "BLOCK"}, "response": {}}),
        ),
        ("dlp", json!({"enabled": true})),
        ("zdr", json!(true)),
        ("otel", json!([{"url": "https://x"}])),
        ("logpush", json!(true)),
        ("policies", json!([{}])),
        ("stripe", json!({"authorization": "x"})),
        ("unheard_of", json!(1)),
    ] {
        let answer = harness
            .call(Method::PUT, &path, Some(with(update.clone(), field, value)))
            .await;
        answer.invalid(&json!(["body", field]));
    }
    let absent = format!("{}/absent", gateways(OURS));
    harness
        .call(Method::PUT, &absent, Some(update))
        .await
        .refused(404, 7002);
}

/// Who may change gateways and not their keys weakens nothing that protects the keys.
#[tokio::test]
async fn weakening_a_gateway_needs_the_right_to_its_keys_too() {
    let harness = Harness::new().await;
    let mut body = new_gateway("prod");
    body["stored_keys_only"] = json!(true);
    body["byok_only"] = json!(true);
    body["store_id"] = json!("store");
    harness.post(&gateways(OURS), body).await.result();
    let path = format!("{}/prod", gateways(OURS));
    let editor = harness
        .token_with(OURS, &[Permission::AiGatewayWrite])
        .await;
    let both = [Permission::AiGatewayWrite, Permission::SecretsStoreWrite];
    let keeper = harness.token_with(OURS, &both).await;
    // The right to the keys of another gateway is none to these.
    let mut elsewhere = Grant::new(OURS, both.into_iter().collect());
    elsewhere.gateways = Scope::only(["default"]);
    let (_, elsewhere) = harness.token(elsewhere).await;
    let update = || without(new_gateway("prod"), "id");
    let weaker = [
        ("authentication", json!(false)),
        ("stored_keys_only", json!(false)),
        ("byok_only", json!(false)),
        ("store_id", Value::Null),
        ("store_id", json!("another")),
    ];
    let put = async |token: &str, body: Value| {
        harness.call_as(token, Method::PUT, &path, Some(body)).await
    };
    let before = harness.get(&path).await.result().clone();
    for (field, value) in &weaker {
        let answer = put(&editor, with(update(), field, value.clone())).await;
        let message = answer.refused(403, 10000);
        assert!(message.contains(field) && message.contains("Secrets Store Write"));
        assert_eq!(answer.json["errors"][0]["path"], json!(["body", field]));
        put(&elsewhere, with(update(), field, value.clone()))
            .await
            .refused(403, 10000);
    }
    assert_eq!(*harness.get(&path).await.result(), before);
    put(&editor, update()).await.result();
    for (field, value) in &weaker {
        put(&keeper, with(update(), field, value.clone()))
            .await
            .result();
    }
    // Strengthening needs no more than the route does.
    for field in ["authentication", "stored_keys_only", "byok_only"] {
        let body = with(update(), field, json!(true));
        assert_eq!(put(&editor, body).await.result()[field], true);
    }
    // Nor is it a way around to make the gateway anew.
    let open = with(new_gateway("open"), "authentication", json!(false));
    let answer = harness
        .call_as(&editor, Method::POST, &gateways(OURS), Some(open.clone()))
        .await;
    answer.refused(403, 10000);
    harness
        .call_as(&keeper, Method::POST, &gateways(OURS), Some(open))
        .await
        .result();
}
