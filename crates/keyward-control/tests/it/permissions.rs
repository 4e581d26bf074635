//! Every route, asked by tokens that lack one thing each.

use http::Method;
use keyward_auth::{Grant, Network, Networks, Permission, Permissions, Role, TokenId};
use keyward_control::{Control, RouteDescription};
use keyward_secret::AccountId;
use keyward_vault::SecretsStoreId;
use serde_json::{Value, json};

use crate::support::{Harness, OURS, THEIRS, new_gateway, secret};

/// The path of a route in `account`, with the ids of rows that exist in the account `OURS`.
fn fill(route: &RouteDescription, account: AccountId, key: &str, token: &str) -> String {
    let id = if route.path.contains("provider_configs") {
        key
    } else if route.path.contains("/secrets_store/") {
        SECRET
    } else if route.path.contains("/url/") {
        "openai"
    } else {
        token
    };
    let path = route.path.replace("{account}", &account.to_string());
    // Every account begins with a store; that of OURS holds a secret.
    let store = SecretsStoreId::first_of(account).to_string();
    let path = path.replace("{store}", &store);
    // Nothing stands in the way of deleting it.
    let force = route.method == Method::DELETE && route.path.ends_with("{store}");
    let path = path + if force { "?force=true" } else { "" };
    path.replace("{gateway}", "default").replace("{id}", id)
}

/// Stands for the secret that [`prepared`] stored.
const SECRET: &str = "{secret}";

/// A control plane in which OURS has what the routes name, and how to name it.
async fn prepared() -> (Harness, String, TokenId, String) {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let (target, _) = harness
        .token(Grant::new(OURS, Role::Reporter.permissions()))
        .await;
    let secret = harness.secret("for_the_walk", &["workers"]).await;
    (harness, key, target, secret)
}

fn body(route: &RouteDescription) -> Option<Value> {
    match (&route.method, route.path.rsplit('/').next()) {
        (&Method::POST, Some("gateways")) => Some(new_gateway("new")),
        (&Method::POST, Some("provider_configs")) => {
            Some(json!({"provider_slug": "anthropic", "secret": secret()}))
        }
        (&Method::POST, Some("tokens")) => Some(json!({
            "name": "new",
            "policies": [{
                "effect": "allow",
                "resources": {format!("com.cloudflare.api.account.{OURS}"): "*"},
                "permission_groups": [{"name": "AI Gateway Run"}],
            }],
        })),
        (&Method::POST, Some("stores")) => Some(json!({"name": "new"})),
        (&Method::POST, Some("secrets")) => {
            Some(json!([{"name": "new", "value": secret(), "scopes": ["workers"]}]))
        }
        (&Method::POST, Some("duplicate")) => Some(json!({"name": "new", "scopes": ["workers"]})),
        (&Method::DELETE, Some("secrets")) => Some(json!([SECRET])),
        (&Method::PATCH, _) if route.path.contains("/secrets_store/") => {
            Some(json!({"comment": "new"}))
        }
        (&Method::PUT, _) => Some(json!({"secret": secret()})),
        (&Method::PATCH, _) => Some(json!({"enabled": false})),
        _ => None,
    }
}

/// Every permission but `without`, and the Write that would include it.
fn all_but(without: Permission) -> Permissions {
    let include = |write| Permissions::from_iter([write]).covers(without);
    Role::Admin
        .permissions()
        .iter()
        .filter(|permission| !include(*permission))
        .collect()
}

/// The routes and what they need, written down a second time: a change of either is a change of the contract.
#[test]
fn the_table_of_routes_is_the_contract() {
    let gateways = "/client/v4/accounts/{account}/ai-gateway/gateways";
    let tokens = "/client/v4/accounts/{account}/tokens";
    let stores = "/client/v4/accounts/{account}/secrets_store/stores";
    let expected = [
        format!("GET {gateways}: AI Gateway Read"),
        format!("POST {gateways}: AI Gateway Write"),
        format!("GET {gateways}/{{gateway}}: AI Gateway Read"),
        format!("DELETE {gateways}/{{gateway}}: AI Gateway Write"),
        format!("GET {gateways}/{{gateway}}/url/{{id}}: AI Gateway Read"),
        format!("GET {gateways}/{{gateway}}/provider_configs: AI Gateway Read"),
        format!("POST {gateways}/{{gateway}}/provider_configs: Secrets Store Write"),
        format!("PUT {gateways}/{{gateway}}/provider_configs/{{id}}: Secrets Store Write"),
        format!("PATCH {gateways}/{{gateway}}/provider_configs/{{id}}: Secrets Store Write"),
        format!("DELETE {gateways}/{{gateway}}/provider_configs/{{id}}: Secrets Store Write"),
        format!("GET {stores}: Secrets Store Read"),
        format!("POST {stores}: Secrets Store Write"),
        format!("GET {stores}/{{store}}: Secrets Store Read"),
        format!("DELETE {stores}/{{store}}: Secrets Store Write"),
        format!("GET {stores}/{{store}}/secrets: Secrets Store Read"),
        format!("POST {stores}/{{store}}/secrets: Secrets Store Write"),
        format!("DELETE {stores}/{{store}}/secrets: Secrets Store Write"),
        format!("GET {stores}/{{store}}/secrets/{{id}}: Secrets Store Read"),
        format!("PATCH {stores}/{{store}}/secrets/{{id}}: Secrets Store Write"),
        format!("DELETE {stores}/{{store}}/secrets/{{id}}: Secrets Store Write"),
        format!("POST {stores}/{{store}}/secrets/{{id}}/duplicate: Secrets Store Write"),
        "GET /client/v4/accounts/{account}/secrets_store/quota: Secrets Store Read".to_owned(),
        format!("GET {tokens}: Account API Tokens Read"),
        format!("POST {tokens}: Account API Tokens Write"),
        format!("GET {tokens}/{{id}}: Account API Tokens Read"),
        format!("DELETE {tokens}/{{id}}: Account API Tokens Write"),
        format!("GET {tokens}/permission_groups: Account API Tokens Read"),
        format!("GET {tokens}/verify: any"),
        "GET /client/v4/user/tokens/verify: any".to_owned(),
        "GET /client/v4/keyward/token: any".to_owned(),
        "GET /client/v4/user: any".to_owned(),
        "GET /client/v4/accounts: any".to_owned(),
        "GET /client/v4/accounts/{account}: any".to_owned(),
        "GET /client/v4/memberships: any".to_owned(),
    ];
    let describe = |route: RouteDescription| {
        let permission = route.permission.map_or("any", Permission::name);
        format!("{} {}: {permission}", route.method, route.path)
    };
    assert_eq!(
        Control::routes().map(describe).collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test]
async fn every_route_refuses_a_token_that_lacks_exactly_its_permission() {
    let mut seen = 0;
    for route in Control::routes() {
        let Some(permission) = route.permission else {
            continue;
        };
        let (harness, key, target, secret) = prepared().await;
        let named = |text: String| text.replace(SECRET, &secret);
        let path = named(fill(&route, OURS, &key, target.as_str()));
        let body = |route: &RouteDescription| {
            body(route).map(|body| named(body.to_string()).parse::<Value>().unwrap())
        };
        let (_, lacking) = harness.token(Grant::new(OURS, all_but(permission))).await;
        let answer = harness
            .call_as(&lacking, route.method.clone(), &path, body(&route))
            .await;
        answer.refused(403, 10000);
        // A token with this permission alone is enough; one that makes tokens may hand out Run.
        let enough = harness.token_with(OURS, &[permission]).await;
        let answer = harness
            .call_as(&enough, route.method.clone(), &path, body(&route))
            .await;
        assert_eq!(
            answer.status, 200,
            "{} {path}: {}",
            route.method, answer.text
        );
        seen += 1;
    }
    assert!(seen >= 15);
}

#[tokio::test]
async fn no_route_answers_without_a_good_token() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let gateway_token = harness.token_with(OURS, &[Permission::AiGatewayRun]).await;
    let mut elsewhere = Grant::new(OURS, Role::Admin.permissions());
    elsewhere.networks = Networks {
        allow: vec![Network::parse("192.0.2.0/24").unwrap()],
        deny: vec![],
    };
    let (target, elsewhere) = harness.token(elsewhere).await;
    let mistyped = format!("{}x", harness.admin);
    let mut bodies = std::collections::HashSet::new();
    for route in Control::routes() {
        let path = fill(&route, OURS, &key, target.as_str());
        for token in [
            "",
            "x",
            gateway_token.as_str(),
            elsewhere.as_str(),
            mistyped.as_str(),
        ] {
            let answer = harness
                .call_as(token, route.method.clone(), &path, body(&route))
                .await;
            answer.refused(401, 10000);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            bodies.insert(answer.text);
        }
    }
    assert_eq!(bodies.len(), 1, "refusals can be told apart: {bodies:?}");
}

#[tokio::test]
async fn a_token_of_one_account_sees_nothing_of_another() {
    let (harness, key, target, secret) = prepared().await;
    let fill = |route: &RouteDescription, account, key: &str, token: &str| {
        fill(route, account, key, token).replace(SECRET, &secret)
    };
    let stranger = harness
        .token(Grant::new(THEIRS, Role::Admin.permissions()))
        .await
        .1;
    let absent = AccountId::from_bytes([0xCC; 16]);
    for route in Control::routes() {
        if !route.path.contains("{account}") {
            continue;
        }
        let theirs = fill(&route, OURS, &key, target.as_str());
        let answer = harness
            .call_as(&stranger, route.method.clone(), &theirs, body(&route))
            .await;
        answer.refused(404, 7003);
        let nobodys = fill(&route, absent, &key, target.as_str());
        let other = harness
            .call_as(&stranger, route.method.clone(), &nobodys, body(&route))
            .await;
        assert_eq!(
            other.text, answer.text,
            "another's account and none at all can be told apart"
        );
        // In its own account the stranger finds neither the key nor the token.
        let own = fill(&route, THEIRS, &key, target.as_str());
        if own.contains(&secret) {
            let answer = harness
                .call_as(&stranger, route.method.clone(), &own, body(&route))
                .await;
            answer.refused(404, 1001);
        }
        if own.contains(&key) || own.ends_with(target.as_str()) {
            let answer = harness
                .call_as(&stranger, route.method.clone(), &own, body(&route))
                .await;
            answer.refused(404, 7002);
        }
    }
    let list = harness
        .call_as(&stranger, Method::GET, "/client/v4/accounts", None)
        .await;
    assert_eq!(list.result().as_array().unwrap().len(), 1);
    assert_eq!(list.result()[0]["id"], THEIRS.to_string());
}
