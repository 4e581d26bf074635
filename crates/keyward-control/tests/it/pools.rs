//! Pools of a gateway by the API.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Harness, OURS, gateways, keys, new_gateway, secret, with};

fn members(aliases: &[&str]) -> Value {
    let member = |alias: &&str| json!({"alias": alias});
    aliases.iter().map(member).collect()
}

fn pool(provider: &str, aliases: &[&str]) -> Value {
    json!({"provider": provider, "members": members(aliases)})
}

#[tokio::test]
async fn pools_are_kept_and_shown_with_how_each_key_stands() {
    let harness = Harness::new().await;
    let body = with(
        new_gateway("prod"),
        "pools",
        json!([
            {"provider": "openai", "strategy": "ordered", "members": [{"alias": "a", "weight": 7}, {"alias": "b"}]},
            pool("anthropic", &["one", "two"]),
        ]),
    );
    let body = with(body, "session_header", json!("X-Session"));
    let made = harness.post(&gateways(OURS), body).await;
    let made = made.result();
    assert_eq!(made["session_header"], "x-session");
    let missing = |alias: &str, weight: u16| json!({"alias": alias, "weight": weight, "key_id": null, "status": "missing"});
    assert_eq!(
        made["pools"],
        json!([
            {"provider": "openai", "strategy": "ordered", "members": [missing("a", 7), missing("b", 1)]},
            {"provider": "anthropic", "strategy": "weighted", "members": [missing("one", 1), missing("two", 1)]},
        ])
    );

    let key = json!({"alias": "b", "provider_slug": "openai", "secret": secret()});
    let key = harness.post(&keys(OURS, "prod"), key).await;
    let id = key.result()["id"].clone();
    let path = format!("{}/prod", gateways(OURS));
    let shown = harness.get(&path).await.result().clone();
    assert_eq!(
        shown["pools"][0]["members"][1],
        json!({"alias": "b", "weight": 1, "key_id": id, "status": "active"})
    );

    // What was read can be sent back, and is the same.
    let back = harness.call(Method::PUT, &path, Some(shown.clone())).await;
    assert_eq!(back.result()["revision"], shown["revision"]);
    assert_eq!(back.result()["pools"], shown["pools"]);
}

#[tokio::test]
async fn a_change_that_is_silent_about_pools_leaves_them() {
    let harness = Harness::new().await;
    let body = with(
        new_gateway("prod"),
        "pools",
        json!([pool("openai", &["a", "b"])]),
    );
    let body = with(body, "session_header", json!("x-session"));
    harness.post(&gateways(OURS), body).await.result();
    let path = format!("{}/prod", gateways(OURS));
    let put = async |body: Value| {
        let answer = harness.call(Method::PUT, &path, Some(body)).await;
        let result = answer.result();
        let pools = result["pools"].as_array().unwrap().len();
        (pools, result["session_header"].clone())
    };
    assert_eq!(put(new_gateway("prod")).await, (1, json!("x-session")));
    let none = with(new_gateway("prod"), "session_header", Value::Null);
    assert_eq!(put(none).await, (1, Value::Null));
    let usual = with(
        new_gateway("prod"),
        "session_header",
        json!("cf-aig-session-id"),
    );
    assert_eq!(put(usual).await, (1, Value::Null));
    for nothing in [json!([]), Value::Null] {
        let pooled = with(
            new_gateway("prod"),
            "pools",
            json!([pool("openai", &["a", "b"])]),
        );
        assert_eq!(put(pooled).await.0, 1);
        assert_eq!(put(with(new_gateway("prod"), "pools", nothing)).await.0, 0);
    }
}

#[tokio::test]
async fn what_is_no_pool_is_refused_by_its_place() {
    let harness = Harness::new().await;
    let seventeen: Vec<_> = (0..17).map(|number| format!("k{number}")).collect();
    let seventeen: Vec<_> = seventeen.iter().map(String::as_str).collect();
    let weight = |weight: Value| json!([{"provider": "openai", "members": [{"alias": "a", "weight": weight}, {"alias": "b"}]}]);
    let at = |path: Value| {
        let mut place = vec![json!("body"), json!("pools")];
        place.extend(path.as_array().unwrap().clone());
        Value::from(place)
    };
    for (pools, place) in [
        (json!("openai"), json!([])),
        (json!(["openai"]), json!([0])),
        (
            json!([{"members": members(&["a", "b"])}]),
            json!([0, "provider"]),
        ),
        (
            json!([pool("Open AI", &["a", "b"])]),
            json!([0, "provider"]),
        ),
        (json!([pool("nobody", &["a", "b"])]), json!([0, "provider"])),
        (json!([{"provider": "openai"}]), json!([0, "members"])),
        (json!([pool("openai", &[])]), json!([0, "members"])),
        (json!([pool("openai", &["a"])]), json!([0, "members"])),
        (json!([pool("openai", &["a", "a"])]), json!([0, "members"])),
        (json!([pool("openai", &seventeen)]), json!([0, "members"])),
        (
            json!([pool("openai", &["a", "b b"])]),
            json!([0, "members", 1, "alias"]),
        ),
        (weight(json!(0)), json!([0, "members", 0, "weight"])),
        (weight(json!(1001)), json!([0, "members", 0, "weight"])),
        (weight(json!("3")), json!([0, "members", 0, "weight"])),
        (
            json!([with(
                pool("openai", &["a", "b"]),
                "strategy",
                json!("random")
            )]),
            json!([0, "strategy"]),
        ),
        (
            json!([with(pool("openai", &["a", "b"]), "more", json!(1))]),
            json!([0, "more"]),
        ),
        (
            json!([pool("openai", &["a", "b"]), pool("openai", &["c", "d"])]),
            json!([]),
        ),
    ] {
        let body = with(new_gateway("prod"), "pools", pools.clone());
        let answer = harness.post(&gateways(OURS), body).await;
        println!("{pools}");
        answer.invalid(&at(place));
    }
    for header in [
        json!("authorization"),
        json!("x_api_key"),
        json!("cookie"),
        json!("cf-aig-authorization"),
        json!("a b"),
        json!(""),
        json!(1),
    ] {
        let body = with(new_gateway("prod"), "session_header", header);
        let answer = harness.post(&gateways(OURS), body).await;
        answer.invalid(&json!(["body", "session_header"]));
    }
}

/// A pool that outlives its custom provider stands in nobody's way.
#[tokio::test]
async fn a_pool_whose_provider_went_may_stay() {
    let harness = Harness::new().await;
    let custom = format!("/client/v4/accounts/{OURS}/ai-gateway/custom-providers");
    let ours = json!({"name": "Ours", "slug": "ours", "base_url": "https://llm.example.com"});
    let made = harness.post(&custom, ours).await;
    let id = made.result()["id"].as_str().unwrap().to_owned();
    let bare = with(
        new_gateway("prod"),
        "pools",
        json!([pool("ours", &["a", "b"])]),
    );
    let told = harness.post(&gateways(OURS), bare).await;
    let place = json!(["body", "pools", 0, "provider"]);
    assert!(told.invalid(&place).contains("custom-ours"));
    let body = with(
        new_gateway("prod"),
        "pools",
        json!([pool("custom-ours", &["a", "b"])]),
    );
    harness.post(&gateways(OURS), body.clone()).await.result();
    harness.delete(&format!("{custom}/{id}")).await.result();
    let path = format!("{}/prod", gateways(OURS));
    let again = harness.call(Method::PUT, &path, Some(body)).await;
    assert_eq!(again.result()["pools"][0]["provider"], "custom-ours");
}
