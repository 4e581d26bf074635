//! Nothing a client sends causes a 5xx or a panic.

use axum::body::Body;
use http::Method;
use keyward_control::Control;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Harness, OURS, request};

const NAMES: &[&str] = &[
    "id",
    "alias",
    "provider_slug",
    "secret",
    "secret_id",
    "scopes",
    "value",
    "comment",
    "name",
    "policies",
    "effect",
    "resources",
    "permission_groups",
    "condition",
    "request_ip",
    "in",
    "expires_on",
    "not_before",
    "enabled",
    "cache_ttl",
    "collect_logs",
    "cache_invalidate_on_update",
    "rate_limiting_limit",
    "rate_limiting_interval",
    "spend_limits",
];

/// JSON made of the names that the routes know, so that it gets past the first checks.
fn values() -> impl Strategy<Value = Value> {
    let account = format!("com.cloudflare.api.account.{OURS}");
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop::sample::select(vec![
            "allow",
            "openai",
            "default",
            "*",
            "AI Gateway Run",
            "2099-01-01T00:00:00Z"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        let mut names = NAMES.to_vec();
        let account: &'static str = String::leak(account.clone());
        names.push(account);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(names), inner), 0..6).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        values().prop_map(|value| value.to_string().into_bytes()),
        (values(), any::<prop::sample::Index>()).prop_map(|(value, at)| {
            let text = value.to_string().into_bytes();
            text[..at.index(text.len())].to_vec()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_body_causes_a_server_error(bodies in prop::collection::vec(bodies(), 8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let harness = Harness::new().await;
            let key = harness.key("default").await;
            for route in Control::routes().filter(|route| route.method != Method::GET && route.method != Method::DELETE) {
                let path = route.path.replace("{account}", &OURS.to_string());
                let path = path.replace("{gateway}", "default").replace("{id}", &key)
                    .replace("{store}", &keyward_vault::SecretsStoreId::first_of(OURS).to_string());
                for body in &bodies {
                    let body = Body::from(body.clone());
                    let answer = harness.send(request(&harness.admin, route.method.clone(), &path, body)).await;
                    assert!(answer.status < 500, "{path}: {}", answer.text);
                }
            }
        });
    }

    #[test]
    fn no_path_and_no_header_causes_a_server_error(path in "[!-~&&[^#]]{0,60}", header in "[ -~]{0,60}", id in "[!-~&&[^#?]]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let harness = Harness::new().await;
            for path in [format!("/{path}"), format!("/client/v4/accounts/{OURS}/ai-gateway/gateways/{id}?{path}")] {
                for method in [Method::GET, Method::DELETE, Method::POST, Method::HEAD] {
                    let Ok(uri) = path.parse::<http::Uri>() else { continue };
                    let mut sent = request(&harness.admin, method.clone(), "/", Body::empty());
                    *sent.uri_mut() = uri;
                    if let Ok(header) = header.parse() {
                        sent.headers_mut().insert("sec-fetch-site", header);
                    }
                    let router = harness.control.router();
                    let status = tower::ServiceExt::oneshot(router, sent).await.unwrap().status().as_u16();
                    assert!(status < 500, "{method} {path}: {status}");
                }
            }
        });
    }
}

#[tokio::test]
async fn deep_and_repeated_json_is_refused() {
    let harness = Harness::new().await;
    let path = format!("/client/v4/accounts/{OURS}/tokens");
    let deep = format!(
        "{{\"policies\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let answer = harness
        .send(request(
            &harness.admin,
            Method::POST,
            &path,
            Body::from(deep),
        ))
        .await;
    answer.invalid(&json!(["body"]));
    let many: Vec<Value> = (0..2000).map(|_| json!({})).collect();
    harness
        .post(&path, json!({"name": "x", "policies": many}))
        .await
        .invalid(&json!(["body", "policies"]));
}
