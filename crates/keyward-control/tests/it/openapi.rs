//! The description of the API, which clients are made from: it is what the table of routes says, it is what the
//! repository shows, and it names the fields that requests may carry.

use std::{collections::BTreeSet, path::Path};

use axum::body::Body;
use http::{Method, Request};
use keyward_control::Control;
use keyward_vault::SecretsStoreId;
use serde_json::{Value, json};

use crate::support::{Harness, OURS, tokens};

async fn described(harness: &Harness) -> Value {
    // Without a token.
    let request = Request::get("/client/v4/openapi.json").header("host", "localhost");
    let answer = harness
        .send_plain(request.body(Body::empty()).unwrap())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/json");
    answer.json
}

#[tokio::test]
async fn the_repository_shows_what_is_served() {
    let served = described(&Harness::new().await).await;
    let mut served = serde_json::to_string_pretty(&served).unwrap();
    served.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("KEYWARD_BLESS").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == served,
        "docs/openapi.json is not what is served: KEYWARD_BLESS=1 writes it anew"
    );
}

#[tokio::test]
async fn every_route_is_described_with_its_permission() {
    let description = described(&Harness::new().await).await;
    assert_eq!(description["openapi"], "3.1.0");
    let mut routes = 0;
    for route in Control::routes() {
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = &description["paths"][route.path][&method];
        let permission = route.permission.map(|permission| permission.name());
        assert_eq!(
            operation["x-permission"].as_str(),
            permission,
            "{} {}",
            route.method,
            route.path
        );
        assert_eq!(operation["security"], json!([{"api_token": []}]));
        routes += 1;
    }
    let open = ["/healthz", "/readyz", "/metrics", "/client/v4/openapi.json"];
    let operations = description["paths"].as_object().unwrap().values();
    let operations: usize = operations.map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(operations, routes + open.len());
    for path in open {
        assert_eq!(
            description["paths"][path]["get"]["security"],
            json!([]),
            "{path}"
        );
    }
}

/// Other reads are of memory.
#[tokio::test]
async fn the_reads_that_ask_the_store_may_find_it_silent() {
    let description = described(&Harness::new().await).await;
    let may_be_silent =
        |path: &&str| description["paths"][*path]["get"]["responses"]["503"].is_object();
    let found: Vec<_> = Control::routes()
        .filter(|route| route.method == Method::GET)
        .map(|route| route.path)
        .filter(may_be_silent)
        .collect();
    let expected = [
        "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/versions",
        "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes",
        "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes/{id}",
        "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes/{id}/versions",
        "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes/{id}/versions/{version}",
        "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes/{id}/deployments",
        "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs",
        "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs/{id}",
        "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs/{id}/request",
        "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs/{id}/response",
        "/client/v4/accounts/{account}/keyward/gateways/{gateway}/logs",
        "/client/v4/accounts/{account}/keyward/gateways/{gateway}/logs/sums",
        "/client/v4/accounts/{account}/secrets_store/stores/{store}/secrets",
        "/client/v4/accounts/{account}/secrets_store/stores/{store}/secrets/{id}",
        "/client/v4/accounts/{account}/logs/audit",
        "/client/v4/accounts/{account}/keyward/traffic",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn every_reference_leads_to_a_component() {
    let description = described(&Harness::new().await).await;
    let mut references = BTreeSet::new();
    collect(&description, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect<'a>(value: &'a Value, references: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members
                .values()
                .for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

/// A body with a field that is not known is answered with the names of those that are: the description must
/// name the same.
#[tokio::test]
async fn the_described_fields_are_those_that_are_read() {
    let harness = Harness::new().await;
    let description = described(&harness).await;
    let key = harness.key("default").await;
    let token = harness.get(&tokens(OURS)).await;
    let token = token.result()[0]["id"].as_str().unwrap().to_owned();
    let custom = format!("/client/v4/accounts/{OURS}/ai-gateway/custom-providers");
    let ours = json!({"name": "Ours", "slug": "ours", "base_url": "https://llm.example.com"});
    let custom = harness.post(&custom, ours).await.result()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let made = harness.route("first").await;
    let route_id = made["id"].as_str().unwrap();
    let mut bodies = 0;
    for route in Control::routes() {
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = &description["paths"][route.path][&method];
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        let id = if route.path.contains("/tokens/") {
            &token
        } else if route.path.contains("/custom-providers/") {
            &custom
        } else if route.path.contains("/routes/") {
            route_id
        } else {
            &key
        };
        let path = route
            .path
            .replace("{account}", &OURS.to_string())
            .replace("{gateway}", "default")
            .replace("{store}", &SecretsStoreId::first_of(OURS).to_string())
            .replace("{id}", id);
        let is_list = schema["type"] == "array";
        let item = if is_list { &schema["items"] } else { schema };
        let described = fields(&description, item);
        let unknown = json!({"Not A Field": 1});
        let unknown = if is_list { json!([unknown]) } else { unknown };
        let answer = harness
            .call(route.method.clone(), &path, Some(unknown))
            .await;
        let is_secret = route.path.contains("/secrets_store/");
        let message = answer.refused(400, if is_secret { 1001 } else { 7001 });
        let known = message
            .split_once("known are ")
            .unwrap_or_else(|| panic!("{path}: {message}"))
            .1;
        let known: BTreeSet<String> = known.split(", ").map(str::to_owned).collect();
        assert_eq!(described, known, "{} {}", route.method, route.path);
        bodies += 1;
    }
    assert!(bodies >= 5, "{bodies}");
}

/// The fields that an object has by its description, which names all of them.
fn fields(description: &Value, schema: &Value) -> BTreeSet<String> {
    let reference = schema["$ref"].as_str().unwrap();
    let schema = description
        .pointer(reference.strip_prefix('#').unwrap())
        .unwrap();
    assert_eq!(schema["additionalProperties"], false, "{reference}");
    schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

#[tokio::test]
async fn no_other_method_is_answered_where_the_description_is() {
    let harness = Harness::new().await;
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = harness.call(method, "/client/v4/openapi.json", None).await;
        answer.refused(405, 7000);
    }
}
