//! Spend limits of gateways by REST.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Harness, OURS, gateways, new_gateway, with, without};

fn rule() -> Value {
    json!({"limitType": "cost", "limit": 2.5, "window": 60})
}

fn limits(rules: &Value) -> Value {
    with(
        new_gateway("prod"),
        "spend_limits",
        json!({"enabled": true, "rules": rules}),
    )
}

#[tokio::test]
async fn rules_are_kept_and_told_whole() {
    let harness = Harness::new().await;
    let rules = json!([
        {"id": "all", "limitType": "cost", "limit": 500, "calendar": "month"},
        {
            "id": "per-user", "enabled": false, "limitType": "cost", "limit": 0.000000001, "window": 31_622_400,
            "technique": "sliding", "provider": {"mode": "filter", "values": ["openai"]},
            "model": {"mode": "partition"}, "metadata": {"user": {"mode": "partition"}, "team": {"mode": "filter", "values": ["a"]}}
        },
    ]);
    let made = harness.post(&gateways(OURS), limits(&rules)).await;
    let told = &made.result()["spend_limits"];
    assert_eq!(told["enabled"], true);
    let all = json!({"id": "all", "enabled": true, "limitType": "cost", "limit": 500.0, "calendar": "month"});
    assert_eq!(told["rules"][0], all);
    let user = &told["rules"][1];
    assert_eq!(user["enabled"], false);
    assert_eq!(user["limit"], 1e-9);
    assert_eq!(user["window"], 31_622_400);
    assert_eq!(user["technique"], "sliding");
    assert_eq!(user["model"], json!({"mode": "partition"}));
    assert_eq!(
        user["metadata"]["team"],
        json!({"mode": "filter", "values": ["a"]})
    );

    // What an answer says can be sent back, and what is left out stays.
    let path = format!("{}/prod", gateways(OURS));
    let back = harness
        .call(Method::PUT, &path, Some(made.result().clone()))
        .await;
    assert_eq!(&back.result()["spend_limits"], told);
    let silent = without(new_gateway("prod"), "id");
    let kept = harness.call(Method::PUT, &path, Some(silent.clone())).await;
    assert_eq!(&kept.result()["spend_limits"], told);
    let gone = with(silent, "spend_limits", Value::Null);
    let gone = harness.call(Method::PUT, &path, Some(gone)).await;
    assert_eq!(gone.result()["spend_limits"], Value::Null);
}

#[tokio::test]
async fn a_rule_without_an_id_is_called_by_its_place() {
    let harness = Harness::new().await;
    let named = with(rule(), "id", json!("rule-1"));
    let body = limits(&json!([rule(), named, rule()]));
    let made = harness.post(&gateways(OURS), body).await;
    let rules = made.result()["spend_limits"]["rules"].as_array().unwrap();
    let ids: Vec<_> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["rule-2", "rule-1", "rule-3"]);
}

#[tokio::test]
async fn limits_that_are_off_or_empty_are_none_that_count() {
    let harness = Harness::new().await;
    for (number, off) in [
        json!({}),
        json!({"enabled": false}),
        json!({"rules": []}),
        json!({"rules": null}),
    ]
    .into_iter()
    .enumerate()
    {
        let body = with(new_gateway(&format!("g{number}")), "spend_limits", off);
        let made = harness.post(&gateways(OURS), body).await;
        assert_eq!(made.result()["spend_limits"]["rules"], json!([]));
    }
}

#[tokio::test]
async fn what_is_no_rule_is_refused_with_its_place() {
    let harness = Harness::new().await;
    let filter = |values: Value| json!({"mode": "filter", "values": values});
    let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    let names: serde_json::Map<_, _> = (0..6)
        .map(|number| (number.to_string(), json!({"mode": "partition"})))
        .collect();
    for (field, value, place) in [
        ("id", json!("a b"), "id"),
        ("id", json!(""), "id"),
        ("enabled", json!("yes"), "enabled"),
        ("limitType", json!("count"), "limitType"),
        ("limitType", Value::Null, "limitType"),
        ("limit", json!(0), "limit"),
        ("limit", json!(-1), "limit"),
        ("limit", json!(1_000_000.1), "limit"),
        ("limit", json!("1"), "limit"),
        ("limit", json!(0.000_000_000_1), "limit"),
        ("window", json!(0), "window"),
        ("window", json!(1.5), "window"),
        ("window", json!(31_622_401), "window"),
        ("window", Value::Null, ""),
        ("calendar", json!("month"), ""),
        ("technique", json!("leaky"), "technique"),
        ("provider", json!({"mode": "other"}), "provider.mode"),
        ("provider", json!({}), "provider.mode"),
        ("provider", json!("openai"), "provider"),
        ("provider", filter(json!([])), "provider.values"),
        ("model", filter(json!(many)), ""),
        ("model", filter(json!([""])), ""),
        (
            "model",
            json!({"mode": "partition", "values": ["a"]}),
            "model.values",
        ),
        ("metadata", Value::Object(names), ""),
        (
            "metadata",
            json!({"user": {"mode": "each"}}),
            "metadata.user.mode",
        ),
        ("more", json!(1), "more"),
    ] {
        let body = limits(&json!([rule(), with(rule(), field, value.clone())]));
        let answer = harness.post(&gateways(OURS), body).await;
        let mut path = vec![
            json!("body"),
            json!("spend_limits"),
            json!("rules"),
            json!(1),
        ];
        path.extend(
            place
                .split('.')
                .filter(|part| !part.is_empty())
                .map(|part| json!(part)),
        );
        let told = answer.invalid(&json!(path));
        assert!(!told.is_empty(), "{field} {value}");
    }
    let monthly = with(without(rule(), "window"), "calendar", json!("month"));
    let body = limits(&json!([with(monthly, "technique", json!("fixed"))]));
    let answer = harness.post(&gateways(OURS), body).await;
    answer.invalid(&json!(["body", "spend_limits", "rules", 0, "technique"]));

    let rules = json!(["body", "spend_limits", "rules"]);
    let twice = with(rule(), "id", json!("same"));
    for wrong in [json!([twice, twice]), json!(vec![rule(); 21])] {
        harness
            .post(&gateways(OURS), limits(&wrong))
            .await
            .invalid(&rules);
    }
    let more = with(new_gateway("prod"), "spend_limits", json!({"limit": 1}));
    let answer = harness.post(&gateways(OURS), more).await;
    answer.invalid(&json!(["body", "spend_limits", "limit"]));
    harness
        .post(&gateways(OURS), limits(&json!(vec![rule(); 20])))
        .await
        .result();
}
