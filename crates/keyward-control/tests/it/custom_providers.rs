//! Custom providers by the API: fields, errors, masks, and what a token may.

use http::Method;
use keyward_auth::{Grant, Permission, Role, Scope};
use serde_json::{Value, json};

use crate::support::{CANARY, Harness, OURS, THEIRS, gateways, keys, secret, with, without};

fn providers(account: keyward_secret::AccountId) -> String {
    format!("/client/v4/accounts/{account}/ai-gateway/custom-providers")
}

/// What the SDKs send (wire-spec §8.2).
fn new_provider(slug: &str) -> Value {
    json!({
        "name": "Our models",
        "slug": slug,
        "base_url": "https://llm.example.com/openai/v1",
        "headers": json!({"X-Org": secret(), "X-Short": "abc"}).to_string(),
    })
}

impl Harness {
    async fn provider(&self, slug: &str) -> String {
        let made = self.post(&providers(OURS), new_provider(slug)).await;
        made.result()["id"].as_str().unwrap().to_owned()
    }

    async fn patch(&self, id: &str, body: Value) -> crate::support::Answer {
        let path = format!("{}/{id}", providers(OURS));
        self.call(Method::PATCH, &path, Some(body)).await
    }
}

#[tokio::test]
async fn a_provider_is_added_shown_changed_and_deleted() {
    let harness = Harness::new().await;
    let made = harness.post(&providers(OURS), new_provider("mine")).await;
    let made = made.result().clone();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["account_id"], OURS.to_string());
    assert_eq!(
        (&made["slug"], &made["provider_slug"]),
        (&json!("mine"), &json!("custom-mine"))
    );
    assert_eq!(made["base_url"], "https://llm.example.com/openai/v1");
    assert_eq!(
        (&made["enable"], &made["beta"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(made["credential_header"], "Authorization: Bearer");
    let shown: Value = serde_json::from_str(made["headers"].as_str().unwrap()).unwrap();
    assert_eq!(shown, json!({"x-org": "••••wxyz", "x-short": "••••"}));
    assert_eq!(
        made["headers_destination"],
        json!(["https://llm.example.com"])
    );

    let path = format!("{}/{id}", providers(OURS));
    assert_eq!(harness.get(&path).await.result(), &made);
    let edit = json!({
        "enable": true, "beta": 1, "description": "two\nlines", "link": "https://example.com/docs",
        "logo": "PHN2Zy8+", "curl_example": "curl \\\n  -H x", "js_example": "fetch()", "position": 3,
        "credential_header": "x-api-key", "name": "<script>alert(1)</script>",
    });
    let edited = harness.patch(id, edit.clone()).await;
    let edited = edited.result();
    for (field, value) in edit.as_object().unwrap() {
        match field.as_str() {
            "beta" => assert_eq!(edited[field], true),
            "credential_header" => assert_eq!(edited[field], "X-Api-Key"),
            _ => assert_eq!(&edited[field], value),
        }
    }
    // What an answer holds may be sent back whole: nothing changes by it.
    let again = harness.patch(id, edited.clone()).await;
    let again = without(again.result().clone(), "requests_open");
    assert_eq!(
        without(again, "modified_at"),
        without(edited.clone(), "modified_at")
    );
    let cleared =
        json!({"description": null, "link": null, "logo": null, "position": null, "headers": null});
    let cleared = harness.patch(id, cleared).await;
    for field in [
        "description",
        "link",
        "logo",
        "position",
        "headers",
        "headers_destination",
    ] {
        assert_eq!(cleared.result()[field], Value::Null, "{field}");
    }
    let deleted = harness.delete(&path).await;
    assert_eq!(deleted.result()["id"], id);
    assert_eq!(deleted.result()["provider_keys_deleted"], 0);
    harness.get(&path).await.refused(404, 1004);
    harness.delete(&path).await.refused(404, 1004);
    harness.patch(id, json!({})).await.refused(404, 1004);
}

fn bad_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("slug", json!("openai")),
        ("slug", json!("xai")),
        ("slug", json!("custom-mine")),
        ("slug", json!("Mine")),
        ("slug", json!("a_b")),
        ("slug", json!("a".repeat(58))),
        ("name", json!("")),
        ("name", json!("a\nb")),
        ("name", json!("a".repeat(257))),
        ("link", json!("javascript:alert(1)")),
        ("link", json!("https://a.example/\"><script>")),
        ("logo", json!("<svg onload=alert(1)>")),
        ("logo", json!("A".repeat(90_000))),
        ("description", json!("a\u{7}")),
        ("curl_example", json!("a".repeat(8193))),
        ("credential_header", json!("Cookie")),
        ("credential_header", json!("Host")),
        ("position", json!(-1)),
        ("enable", json!("yes")),
        ("headers", json!({"X-Org": "a"})),
        ("headers", json!("[]")),
        ("headers", json!(r#"{"Authorization":"Bearer x"}"#)),
        ("headers", json!(r#"{"cf-aig-metadata":"x"}"#)),
        ("headers", json!(r#"{"Content-Length":"1"}"#)),
        ("headers", json!("{\"X-A\":\"a\\r\\nX-Api-Key: b\"}")),
        ("headers", json!(r#"{"X-A":"••••wxyz"}"#)),
    ]
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_field() {
    let harness = Harness::new().await;
    let id = harness.provider("mine").await;
    let path = providers(OURS);
    let again = harness.post(&path, new_provider("mine")).await;
    let message = again.refused(409, 1003);
    assert_eq!(message, "A custom provider with this slug already exists");
    assert_eq!(again.json["errors"][0]["path"], json!(["body", "slug"]));
    for url in [
        json!("http://llm.example.com"),
        json!("llm.example.com"),
        json!("https://user:pw@llm.example.com"),
        json!("https://llm.example.com/?a=b"),
        json!("https://llm.example.com/a/../b"),
        json!(format!("https://llm.example.com/{}", "a".repeat(2000))),
    ] {
        let answers = [
            harness
                .post(&path, with(new_provider("new"), "base_url", url.clone()))
                .await,
            harness.patch(&id, json!({"base_url": url})).await,
        ];
        for answer in answers {
            let message = answer.refused(400, 1002);
            let expected = "base_url must be a valid HTTPS URL starting with https://";
            assert!(message.starts_with(expected), "{message}");
            assert_eq!(
                answer.json["errors"][0]["path"],
                json!(["body", "base_url"])
            );
        }
    }
    for (field, value) in bad_fields() {
        let told = format!("{field} {value}");
        let answer = harness
            .post(&path, with(new_provider("new"), field, value.clone()))
            .await;
        assert_eq!(answer.status, 400, "{told}: {}", answer.text);
        answer.invalid(&json!(["body", field]));
        if field != "slug" {
            harness
                .patch(&id, json!({field: value}))
                .await
                .invalid(&json!(["body", field]));
        }
    }
    for field in ["name", "slug", "base_url"] {
        let answer = harness
            .post(&path, without(new_provider("new"), field))
            .await;
        answer.invalid(&json!(["body", field]));
    }
    harness
        .patch(&id, json!({"slug": "other"}))
        .await
        .invalid(&json!(["body", "slug"]));
    harness.patch(&id, json!({"slug": "mine"})).await.result();
    for query in [
        "order_by=evil",
        "order_by=name%20UP",
        "enable=2",
        "beta=x",
        "page=0",
        "per_page=101",
    ] {
        let name = query.split('=').next().unwrap();
        let answer = harness.get(&format!("{path}?{query}")).await;
        answer.invalid(&json!(["query", name]));
    }
}

#[tokio::test]
async fn lists_are_filtered_ordered_and_cut() {
    let harness = Harness::new().await;
    let path = providers(OURS);
    for (slug, name, enable) in [
        ("a", "Zeta", true),
        ("b", "alpha", false),
        ("c", "Beta", true),
    ] {
        let body = with(new_provider(slug), "name", json!(name));
        harness
            .post(&path, with(body, "enable", json!(enable)))
            .await
            .result();
    }
    for (query, expected) in [
        ("", &["c", "a", "b"][..]),
        ("?order_by=name%20DESC", &["b", "a", "c"]),
        ("?order_by=slug", &["a", "b", "c"]),
        ("?enable=true", &["c", "a"]),
        ("?enable=false", &["b"]),
        ("?beta=true", &[]),
        ("?search=ETA", &["c", "a"]),
        ("?per_page=2&page=2", &["b"]),
        ("?page=9", &[]),
    ] {
        let answer = harness.get(&format!("{path}{query}")).await;
        let slugs: Vec<_> = answer
            .result()
            .as_array()
            .unwrap()
            .iter()
            .map(|provider| provider["slug"].clone())
            .collect();
        assert_eq!(slugs, expected, "{query}");
    }
    let info = harness.get(&path).await.json["result_info"].clone();
    assert_eq!(info["total_count"], 3);
    let url = harness
        .get(&format!("{}/default/url/a", gateways(OURS)))
        .await;
    assert!(
        url.result()
            .as_str()
            .unwrap()
            .ends_with("/default/custom-a")
    );
}

/// The destination of what was entered stays what it was, whatever an editor changes.
#[tokio::test]
async fn an_editor_moves_nothing_that_is_sealed() {
    let harness = Harness::new().await;
    let id = harness.provider("mine").await;
    let key = json!({"alias": "default", "provider_slug": "mine", "secret": secret()});
    let key = harness
        .post(&keys(OURS, "default"), key)
        .await
        .result()
        .clone();
    assert_eq!(key["provider_slug"], "custom-mine");
    assert_eq!(key["destination"], json!(["https://llm.example.com"]));

    let moved = harness
        .patch(&id, json!({"base_url": "https://evil.example"}))
        .await;
    assert_eq!(
        moved.result()["headers_destination"],
        json!(["https://llm.example.com"])
    );
    let stored = harness.get(&keys(OURS, "default")).await.result()[0].clone();
    assert_eq!(stored["destination"], json!(["https://llm.example.com"]));
    // Not by a mask beside something new, by a mask of another header, or by binding the secret again.
    for headers in [
        json!({"X-Org": "••••wxyz", "X-New": "a"}),
        json!({"X-Org": "••••wxyz"}),
    ] {
        let answer = harness
            .patch(&id, json!({"headers": headers.to_string()}))
            .await;
        answer.refused(409, 7001);
        assert_eq!(answer.json["errors"][0]["path"], json!(["body", "headers"]));
    }
    let bind =
        json!({"alias": "again", "provider_slug": "custom-mine", "secret_id": key["secret_id"]});
    harness
        .post(&keys(OURS, "default"), bind)
        .await
        .refused(409, 7001);
    // Nor by a provider made anew: its keys went with the one before.
    let path = format!("{}/{id}", providers(OURS));
    assert_eq!(
        harness.delete(&path).await.result()["provider_keys_deleted"],
        1
    );
    let evil = with(
        new_provider("mine"),
        "base_url",
        json!("https://evil.example"),
    );
    harness.post(&providers(OURS), evil).await.result();
    assert_eq!(
        harness.get(&keys(OURS, "default")).await.result(),
        &json!([])
    );
    // Who enters the values says by it where they may go.
    let entered = json!({"headers": json!({"X-Org": secret()}).to_string()});
    let list = harness.get(&providers(OURS)).await;
    let new_id = list.result()[0]["id"].as_str().unwrap().to_owned();
    let entered = harness.patch(&new_id, entered).await;
    assert_eq!(
        entered.result()["headers_destination"],
        json!(["https://evil.example"])
    );
    assert!(!format!("{:?}", harness.registry.snapshot()).contains(CANARY));
}

#[tokio::test]
async fn the_whole_account_must_be_in_a_tokens_reach() {
    let harness = Harness::new().await;
    let id = harness.provider("mine").await;
    let (list, item) = (providers(OURS), format!("{}/{id}", providers(OURS)));
    let all = [
        (Method::GET, &list, None),
        (Method::POST, &list, Some(new_provider("new"))),
        (Method::GET, &item, None),
        (Method::PATCH, &item, Some(json!({"enable": true}))),
        (Method::DELETE, &item, None),
    ];
    let mut narrow = Grant::new(OURS, Role::Admin.permissions());
    narrow.gateways = Scope::only(["default"]);
    let mut other = Grant::new(OURS, Role::Admin.permissions());
    other.providers = Scope::only(["custom-mine"]);
    let refused = [
        harness.token(narrow).await.1,
        harness.token(other).await.1,
        harness
            .token_with(OURS, &[Permission::SecretsStoreWrite])
            .await,
        harness
            .token_with(OURS, &[Permission::AccountApiTokensWrite])
            .await,
    ];
    for (method, path, body) in &all {
        for token in &refused {
            let answer = harness
                .call_as(token, method.clone(), path, body.clone())
                .await;
            answer.refused(403, 10000);
        }
        let theirs = harness
            .token(Grant::new(THEIRS, Role::Admin.permissions()))
            .await
            .1;
        let answer = harness
            .call_as(&theirs, method.clone(), path, body.clone())
            .await;
        assert_eq!(answer.status, 404, "{}", answer.text);
        let read = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
        if *method == Method::GET {
            harness
                .call_as(&read, method.clone(), path, None)
                .await
                .result();
        } else {
            harness
                .call_as(&read, method.clone(), path, body.clone())
                .await
                .refused(403, 10000);
        }
    }
    // By its id, another account's is not there either.
    let theirs = harness
        .token(Grant::new(THEIRS, Role::Admin.permissions()))
        .await
        .1;
    let path = format!("{}/{id}", providers(THEIRS));
    harness
        .call_as(&theirs, Method::GET, &path, None)
        .await
        .refused(404, 1004);
    assert_eq!(harness.get(&item).await.result()["enable"], false);
}
