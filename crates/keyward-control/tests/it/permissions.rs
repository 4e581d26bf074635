//! The route walk: every route, asked by tokens that lack one thing each.

use axum::body::Body;
use http::{HeaderValue, Method, Request};
use keyward_auth::{
    Grant, Kind, Network, Networks, NewToken, Permission, Permissions, Role, TokenId,
};
use keyward_control::{Control, RouteDescription};
use keyward_secret::AccountId;
use keyward_vault::SecretsStoreId;
use serde_json::{Value, json};

use crate::support::{Harness, OURS, THEIRS, ago, elements, new_gateway, request, secret, without};

/// Rows in the account `OURS` that the walk sends requests to.
struct Rows {
    key: String,
    /// A key whose rotation overlaps.
    rotated: String,
    /// A token that every holder of Account API Tokens Write may change.
    token: TokenId,
    secret: String,
    custom: String,
    /// A route's id, and its version's.
    route: [String; 2],
    /// A request of which the log has everything.
    log: String,
}

impl Rows {
    async fn make(harness: &Harness) -> Self {
        let run = Permissions::from_iter([Permission::AiGatewayRun]);
        Self {
            key: harness.key("default").await,
            rotated: harness.rotating("rotated").await,
            token: harness.token(Grant::new(OURS, run)).await.0,
            secret: harness.secret("for_the_walk", &["workers"]).await,
            custom: Self::custom(harness).await,
            route: {
                let route = harness.route("first").await;
                let id = |id: &Value| id.as_str().unwrap().to_owned();
                [id(&route["id"]), id(&route["version"]["version_id"])]
            },
            log: harness.kept_log().await,
        }
    }
}

impl Rows {
    /// A custom provider, by its id.
    async fn custom(harness: &Harness) -> String {
        let path = format!("/client/v4/accounts/{OURS}/ai-gateway/custom-providers");
        let made = harness.post(&path, new_custom("first")).await;
        made.result()["id"].as_str().unwrap().to_owned()
    }
}

fn new_custom(slug: &str) -> Value {
    json!({"name": "Ours", "slug": slug, "base_url": "https://llm.example.com"})
}

fn new_token() -> Value {
    json!({
        "name": "new",
        "policies": [{
            "effect": "allow",
            "resources": {format!("com.cloudflare.api.account.{OURS}"): "*"},
            "permission_groups": [{"name": "AI Gateway Run"}],
        }],
    })
}

/// What would become of a request? And what becomes of a message for a model?
fn of_ours(place: &str) -> Value {
    match place {
        "/keyward/explain" => {
            json!({"method": "POST", "target": format!("/v1/{OURS}/default/openai/x")})
        }
        "/keyward/try" => {
            json!({"gateway": "default", "provider": "openai", "message": "hello"})
        }
        _ => panic!("the walk does not know how to ask POST {place}"),
    }
}

/// What the walk sends to one route: the id that stands in the path, and a body that is accepted.
struct Stop {
    path: String,
    body: Option<Value>,
    /// What a stranger to the row is told in an account of its own: nothing is there.
    names_a_row: bool,
}

const STORE: &str = "/secrets_store/stores/{store}";
const ROUTES: &str = "/ai-gateway/gateways/{gateway}/routes";
const LOGS: &str = "/ai-gateway/gateways/{gateway}/logs";
const KEYS: &str = "/ai-gateway/gateways/{gateway}/provider_configs";

/// The request for a route. A route that is not listed here fails the walk: nobody has said how it is asked.
fn stop(route: &RouteDescription, account: AccountId, rows: &Rows) -> Stop {
    const IN_ACCOUNT: &str = "/client/v4/accounts/{account}";
    let token = rows.token.as_str();
    let place = route.path.strip_prefix(IN_ACCOUNT).unwrap_or(route.path);
    let (id, body) = match (route.method.as_str(), place) {
        ("POST", "/ai-gateway/gateways") => ("", Some(new_gateway("new"))),
        ("PUT", "/ai-gateway/gateways/{gateway}") => ("", Some(without(new_gateway("x"), "id"))),
        ("GET", "/ai-gateway/gateways/{gateway}/url/{id}") => ("openai", None),
        (method, place) if place.starts_with(KEYS) => {
            of_a_key(method, place.strip_prefix(KEYS).unwrap(), rows)
        }
        (method, place) if place.starts_with(ROUTES) => {
            let body = of_a_route(method, place.strip_prefix(ROUTES).unwrap(), &rows.route);
            let is_one = place.contains("{id}");
            (if is_one { rows.route[0].as_str() } else { "" }, body)
        }
        (method, place) if place.starts_with(LOGS) => {
            let is_one = place.contains("{id}");
            let body = (method == "PATCH").then(|| json!({"feedback": 1}));
            (if is_one { rows.log.as_str() } else { "" }, body)
        }
        ("POST", "/ai-gateway/custom-providers") => ("", Some(new_custom("new"))),
        ("PATCH", "/ai-gateway/custom-providers/{id}") => {
            (rows.custom.as_str(), Some(json!({"enable": true})))
        }
        ("GET" | "DELETE", "/ai-gateway/custom-providers/{id}") => (rows.custom.as_str(), None),
        ("POST", "/secrets_store/stores") => ("", Some(json!({"name": "new"}))),
        (method, place) if place.starts_with(STORE) => {
            in_store(method, place.strip_prefix(STORE).unwrap(), &rows.secret)
        }
        ("POST", "/tokens") => ("", Some(new_token())),
        ("PUT", "/tokens/{id}") => (token, Some(new_token())),
        ("POST", place) if place.starts_with("/keyward/") => ("", Some(of_ours(place))),
        ("PUT", "/tokens/{id}/value") | ("GET" | "DELETE", "/tokens/{id}") => (token, None),
        ("GET" | "DELETE", "/ai-gateway/gateways/{gateway}")
        | ("POST", "/logs/audit/verify")
        | (
            "GET",
            ""
            | "/ai-gateway/gateways"
            | "/ai-gateway/custom-providers"
            | "/ai-gateway/provider_configs"
            | "/tokens"
            | "/tokens/permission_groups"
            | "/tokens/verify"
            | "/secrets_store/stores"
            | "/secrets_store/quota"
            | "/logs/audit"
            | "/logs/audit/state"
            | "/keyward/traffic"
            | "/keyward/gateways/{gateway}/logs"
            | "/keyward/gateways/{gateway}/logs/sums"
            | "/client/v4/user"
            | "/client/v4/keyward/token"
            | "/client/v4/keyward/settings"
            | "/client/v4/accounts"
            | "/client/v4/memberships"
            | "/client/v4/user/tokens/verify",
        ) => ("", None),
        (method, _) => panic!("the walk does not know how to ask {method} {}", route.path),
    };
    let path = route.path.replace("{account}", &account.to_string());
    // Every account begins with a store; that of OURS holds a secret.
    let store = SecretsStoreId::first_of(account).to_string();
    let path = path
        .replace("{gateway}", "default")
        .replace("{store}", &store)
        .replace("{version}", &rows.route[1])
        .replace("{id}", id);
    // Nothing stands in the way of deleting it.
    let force = route.method == Method::DELETE && route.path.ends_with("{store}");
    let path = path + if force { "?force=true" } else { "" };
    assert!(!path.contains('{'), "an open part is not filled: {path}");
    Stop {
        path,
        body,
        names_a_row: !id.is_empty() && id != "openai",
    }
}

/// The id and the body for a provider key, or what belongs to one.
fn of_a_key<'a>(method: &str, place: &str, rows: &'a Rows) -> (&'a str, Option<Value>) {
    let key = rows.key.as_str();
    match (method, place) {
        ("GET", "") => ("", None),
        ("POST", "") => {
            let body = json!({"provider_slug": "anthropic", "secret": secret()});
            ("", Some(body))
        }
        ("PUT", "/{id}") => (key, Some(json!({"secret": secret()}))),
        ("PATCH", "/{id}") => (key, Some(json!({"enabled": false}))),
        ("POST", "/{id}/rotations") => {
            (key, Some(json!({"secret": secret(), "request_id": "walk"})))
        }
        (
            "GET" | "POST",
            "/{id}/rotation" | "/{id}/rotation/roll_back" | "/{id}/rotation/destroy_old",
        ) => (rows.rotated.as_str(), None),
        ("GET" | "DELETE", "/{id}") | ("GET", "/{id}/versions") | ("POST", "/{id}/verify") => {
            (key, None)
        }
        (method, _) => panic!("the walk does not know how to ask {method} {place} of a key"),
    }
}

/// The body for a route, or what belongs to one.
fn of_a_route(method: &str, place: &str, [_, version]: &[String; 2]) -> Option<Value> {
    match (method, place) {
        ("GET", _) | ("DELETE", "/{id}") => None,
        ("POST", "") => Some(json!({"name": "new", "elements": elements("gpt-5")})),
        ("PATCH", "/{id}") => Some(json!({"name": "renamed"})),
        ("POST", "/{id}/versions") => Some(json!({"elements": elements("gpt-5-mini")})),
        ("POST", "/{id}/explain") => Some(json!({"metadata": {"plan": "free"}})),
        ("POST", "/{id}/deployments") => Some(json!({"version_id": version})),
        (method, _) => panic!("the walk does not know how to ask {method} {place} of a route"),
    }
}

/// The same for what lies in a secrets store: the id and the body.
fn in_store<'a>(method: &str, place: &str, stored: &'a str) -> (&'a str, Option<Value>) {
    match (method, place) {
        ("GET" | "DELETE", "") | ("GET", "/secrets") => ("", None),
        ("POST", "/secrets") => (
            "",
            Some(json!([{"name": "new", "value": secret(), "scopes": ["workers"]}])),
        ),
        ("DELETE", "/secrets") => ("", Some(json!([stored]))),
        ("GET" | "DELETE", "/secrets/{id}") => (stored, None),
        ("PATCH", "/secrets/{id}") => (stored, Some(json!({"comment": "new"}))),
        ("POST", "/secrets/{id}/duplicate") => {
            (stored, Some(json!({"name": "new", "scopes": ["workers"]})))
        }
        (method, _) => panic!("the walk does not know how to ask {method} {place} in a store"),
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
    let custom = "/client/v4/accounts/{account}/ai-gateway/custom-providers";
    let tokens = "/client/v4/accounts/{account}/tokens";
    let stores = "/client/v4/accounts/{account}/secrets_store/stores";
    let gateways_and_keys = [
        format!("GET {gateways}: AI Gateway Read"),
        format!("POST {gateways}: AI Gateway Write"),
        format!("GET {gateways}/{{gateway}}: AI Gateway Read"),
        format!("PUT {gateways}/{{gateway}}: AI Gateway Write"),
        format!("DELETE {gateways}/{{gateway}}: AI Gateway Write"),
        format!("GET {gateways}/{{gateway}}/url/{{id}}: AI Gateway Read"),
        format!("GET {gateways}/{{gateway}}/provider_configs: AI Gateway Read"),
        "GET /client/v4/accounts/{account}/ai-gateway/provider_configs: AI Gateway Read".to_owned(),
        format!("GET {gateways}/{{gateway}}/provider_configs/{{id}}: AI Gateway Read"),
        format!("GET {gateways}/{{gateway}}/provider_configs/{{id}}/versions: AI Gateway Read"),
        format!("POST {gateways}/{{gateway}}/provider_configs: Secrets Store Write"),
        format!("POST {gateways}/{{gateway}}/provider_configs/{{id}}/verify: Secrets Store Write"),
        format!("PUT {gateways}/{{gateway}}/provider_configs/{{id}}: Secrets Store Write"),
        format!(
            "POST {gateways}/{{gateway}}/provider_configs/{{id}}/rotations: Secrets Store Write"
        ),
        format!("GET {gateways}/{{gateway}}/provider_configs/{{id}}/rotation: AI Gateway Read"),
        format!(
            "POST {gateways}/{{gateway}}/provider_configs/{{id}}/rotation/roll_back: Secrets Store Write"
        ),
        format!(
            "POST {gateways}/{{gateway}}/provider_configs/{{id}}/rotation/destroy_old: Secrets Store Write"
        ),
        format!("PATCH {gateways}/{{gateway}}/provider_configs/{{id}}: Secrets Store Write"),
        format!("DELETE {gateways}/{{gateway}}/provider_configs/{{id}}: Secrets Store Write"),
    ];
    let others = [
        format!("GET {custom}: AI Gateway Read"),
        format!("POST {custom}: AI Gateway Write"),
        format!("GET {custom}/{{id}}: AI Gateway Read"),
        format!("PATCH {custom}/{{id}}: AI Gateway Write"),
        format!("DELETE {custom}/{{id}}: AI Gateway Write"),
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
        format!("PUT {tokens}/{{id}}: Account API Tokens Write"),
        format!("PUT {tokens}/{{id}}/value: Account API Tokens Write"),
        format!("DELETE {tokens}/{{id}}: Account API Tokens Write"),
        format!("GET {tokens}/permission_groups: Account API Tokens Read"),
        "GET /client/v4/accounts/{account}/logs/audit: Keyward Audit Log Read".to_owned(),
        "GET /client/v4/accounts/{account}/logs/audit/state: Keyward Audit Log Read".to_owned(),
        "POST /client/v4/accounts/{account}/logs/audit/verify: Keyward Audit Log Read".to_owned(),
        format!("GET {tokens}/verify: any"),
        "GET /client/v4/user/tokens/verify: any".to_owned(),
        "GET /client/v4/keyward/token: any".to_owned(),
        "GET /client/v4/keyward/settings: Keyward Vault Read".to_owned(),
        "POST /client/v4/accounts/{account}/keyward/explain: AI Gateway Read".to_owned(),
        "POST /client/v4/accounts/{account}/keyward/try: Account API Tokens Write".to_owned(),
        "GET /client/v4/accounts/{account}/keyward/traffic: AI Gateway Read".to_owned(),
        "GET /client/v4/user: any".to_owned(),
        "GET /client/v4/accounts: any".to_owned(),
        "GET /client/v4/accounts/{account}: any".to_owned(),
        "GET /client/v4/memberships: any".to_owned(),
    ];
    let expected = [&gateways_and_keys[..], &of_routes(), &of_logs(), &others].concat();
    let describe = |route: RouteDescription| {
        let permission = route.permission.map_or("any", Permission::name);
        format!("{} {}: {permission}", route.method, route.path)
    };
    assert_eq!(
        Control::routes().map(describe).collect::<Vec<_>>(),
        expected
    );
}

/// Those of dynamic routes.
fn of_routes() -> [String; 11] {
    let routes = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes";
    [
        format!("GET {routes}: AI Gateway Read"),
        format!("POST {routes}: AI Gateway Write"),
        format!("GET {routes}/{{id}}: AI Gateway Read"),
        format!("PATCH {routes}/{{id}}: AI Gateway Write"),
        format!("DELETE {routes}/{{id}}: AI Gateway Write"),
        format!("GET {routes}/{{id}}/versions: AI Gateway Read"),
        format!("POST {routes}/{{id}}/versions: AI Gateway Write"),
        format!("GET {routes}/{{id}}/versions/{{version}}: AI Gateway Read"),
        format!("GET {routes}/{{id}}/deployments: AI Gateway Read"),
        format!("POST {routes}/{{id}}/deployments: AI Gateway Write"),
        format!("POST {routes}/{{id}}/explain: AI Gateway Read"),
    ]
}

/// Those of the log of requests.
fn of_logs() -> [String; 8] {
    let logs = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs";
    let ours = "/client/v4/accounts/{account}/keyward/gateways/{gateway}/logs";
    [
        format!("GET {logs}: AI Gateway Read"),
        format!("DELETE {logs}: AI Gateway Write"),
        format!("GET {logs}/{{id}}: AI Gateway Read"),
        format!("PATCH {logs}/{{id}}: AI Gateway Write"),
        format!("GET {logs}/{{id}}/request: AI Gateway Read"),
        format!("GET {logs}/{{id}}/response: AI Gateway Read"),
        format!("GET {ours}: AI Gateway Read"),
        format!("GET {ours}/sums: AI Gateway Read"),
    ]
}

/// Every route of the table, in every way that must not work; one line tells how many.
#[tokio::test]
async fn the_route_walk() {
    let routes = Control::routes().count();
    let lacking = every_route_refuses_a_token_that_lacks_exactly_its_permission().await;
    assert_eq!(no_route_answers_without_a_good_token().await, routes);
    let strangers = a_token_of_one_account_sees_nothing_of_another().await;
    assert_eq!(a_page_gets_nothing_from_any_route().await, routes);
    println!(
        "route walk: {routes} routes, each refuses no token, a cookie only, a mistyped token, a gateway token, one that is \
         expired, disabled or of another network (401), and a foreign page; {lacking} refuse a token without their \
         permission (403); {strangers} name an account and are not found for a token of another (404); the other {} \
         tell a token of its own account alone",
        routes - strangers
    );
}

/// Returns how many routes need a permission.
async fn every_route_refuses_a_token_that_lacks_exactly_its_permission() -> usize {
    let mut seen = 0;
    for route in Control::routes() {
        let Some(permission) = route.permission else {
            continue;
        };
        let harness = Harness::new().await;
        let stop = stop(&route, OURS, &Rows::make(&harness).await);
        let ask = async |token: &str| {
            harness
                .call_as(token, route.method.clone(), &stop.path, stop.body.clone())
                .await
        };
        let (_, lacking) = harness.token(Grant::new(OURS, all_but(permission))).await;
        ask(&lacking).await.refused(403, 10000);
        // A token with this permission alone is enough; one that makes tokens may hand out Run.
        let enough = harness.token_with(OURS, &[permission]).await;
        let answer = ask(&enough).await;
        assert_eq!(
            answer.status, 200,
            "{} {}: {}",
            route.method, stop.path, answer.text
        );
        seen += 1;
    }
    assert!(seen >= 15);
    seen
}

/// Returns how many routes were asked.
async fn no_route_answers_without_a_good_token() -> usize {
    let mut seen = 0;
    let harness = Harness::new().await;
    let rows = Rows::make(&harness).await;
    let gateway_token = harness.token_with(OURS, &[Permission::AiGatewayRun]).await;
    let admin = || Grant::new(OURS, Role::Admin.permissions());
    let mut elsewhere = admin();
    elsewhere.networks = Networks {
        allow: vec![Network::parse("192.0.2.0/24").unwrap()],
        deny: vec![],
    };
    let (_, elsewhere) = harness.token(elsewhere).await;
    let mut expired = admin();
    expired.expires_at = Some(ago(10));
    let (_, expired) = harness.token(expired).await;
    let mut disabled = admin();
    disabled.disabled = true;
    let (_, disabled) = harness.token(disabled).await;
    let mistyped = format!("{}x", harness.admin);
    let mut bodies = std::collections::HashSet::new();
    for route in Control::routes() {
        let stop = stop(&route, OURS, &rows);
        // Who asks whether a token is good is told that it has expired.
        let tells_why = route.path.ends_with("/tokens/verify");
        for (token, in_force) in [
            ("", true),
            ("x", true),
            (gateway_token.as_str(), true),
            (elsewhere.as_str(), true),
            (mistyped.as_str(), true),
            (expired.as_str(), false),
            (disabled.as_str(), false),
        ] {
            let answer = harness
                .call_as(token, route.method.clone(), &stop.path, stop.body.clone())
                .await;
            if tells_why && !in_force {
                assert_ne!(answer.result()["status"], "active");
                continue;
            }
            answer.refused(401, 10000);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            bodies.insert(answer.text);
        }
        // Without a token, also where a cookie holds a good one.
        for cookie in [None, Some(cookies(&harness))] {
            let mut without = bare(&route, &stop);
            if let Some(cookie) = cookie {
                without.headers_mut().insert("cookie", cookie);
            }
            let answer = harness.send(without).await;
            answer.refused(401, 10000);
            bodies.insert(answer.text);
        }
        seen += 1;
    }
    assert_eq!(bodies.len(), 1, "refusals can be told apart: {bodies:?}");
    seen
}

/// The administrator's token under every name that a cookie of it could have.
fn cookies(harness: &Harness) -> HeaderValue {
    let token = &harness.admin;
    let names = [
        "token",
        "Authorization",
        "CF_Authorization",
        "api_token",
        "session",
    ];
    let pairs = names.map(|name| format!("{name}={token}"));
    HeaderValue::from_str(&pairs.join("; ")).unwrap()
}

/// A request with all that a good one has but the token.
fn bare(route: &RouteDescription, stop: &Stop) -> Request<Body> {
    let body = stop.body.as_ref().map(Value::to_string);
    let body = body.map_or_else(Body::empty, Body::from);
    let mut request = request("x", route.method.clone(), &stop.path, body);
    request.headers_mut().remove("authorization");
    request
}

/// A foreign page has neither the token, which no browser adds by itself, nor an answer that says it may read; and
/// where it has a token, it changes nothing all the same. Returns how many routes were asked.
async fn a_page_gets_nothing_from_any_route() -> usize {
    let harness = Harness::new().await;
    let rows = Rows::make(&harness).await;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", harness.admin)).unwrap();
    let revision = harness.store.revision();
    let mut seen = 0;
    for route in Control::routes() {
        let stop = stop(&route, OURS, &rows);
        let from_a_page = |with_token: bool| {
            let mut request = bare(&route, &stop);
            let headers = request.headers_mut();
            headers.insert("origin", HeaderValue::from_static("https://page.example"));
            headers.insert("cookie", cookies(&harness));
            if with_token {
                headers.insert("authorization", bearer.clone());
            }
            request
        };
        let reads = route.method == Method::GET;
        let answer = harness.send(from_a_page(false)).await;
        answer.refused(if reads { 401 } else { 403 }, 10000);
        let with_token = harness.send(from_a_page(true)).await;
        if reads {
            with_token.result();
        } else {
            with_token.refused(403, 10000);
        }
        // A preflight is told nothing either.
        let mut preflight = from_a_page(true);
        *preflight.method_mut() = Method::OPTIONS;
        let method = HeaderValue::from_str(route.method.as_str()).unwrap();
        preflight
            .headers_mut()
            .insert("access-control-request-method", method);
        let preflight = harness.send(preflight).await;
        assert!(preflight.status >= 400, "{}", preflight.text);
        for answer in [&answer, &with_token, &preflight] {
            let mut names = answer.headers.keys();
            assert!(!names.any(|name| name.as_str().starts_with("access-control-")));
        }
        seen += 1;
    }
    assert_eq!(
        harness.store.revision(),
        revision,
        "a page changed something"
    );
    seen
}

/// Returns how many routes name an account.
async fn a_token_of_one_account_sees_nothing_of_another() -> usize {
    let mut seen = 0;
    let harness = Harness::new().await;
    let rows = Rows::make(&harness).await;
    let stranger = harness
        .token(Grant::new(THEIRS, Role::Admin.permissions()))
        .await
        .1;
    let ask = async |route: &RouteDescription, stop: &Stop| {
        harness
            .call_as(
                &stranger,
                route.method.clone(),
                &stop.path,
                stop.body.clone(),
            )
            .await
    };
    let absent = AccountId::from_bytes([0xCC; 16]);
    for route in Control::routes() {
        if !route.path.contains("{account}") {
            continue;
        }
        let answer = ask(&route, &stop(&route, OURS, &rows)).await;
        answer.refused(404, 7003);
        let nobodys = ask(&route, &stop(&route, absent, &rows)).await;
        assert_eq!(
            nobodys.text, answer.text,
            "another's account and none at all can be told apart"
        );
        // In its own account the stranger does not find the row.
        let own = stop(&route, THEIRS, &rows);
        if own.names_a_row {
            let answer = ask(&route, &own).await;
            // A body that names our account is refused before the row is looked for.
            assert!(matches!(answer.status, 400 | 404), "{}", answer.text);
            assert!(answer.status == 404 || answer.text.contains("must be"));
        }
        seen += 1;
    }
    let list = harness
        .call_as(&stranger, Method::GET, "/client/v4/accounts", None)
        .await;
    assert_eq!(list.result().as_array().unwrap().len(), 1);
    assert_eq!(list.result()[0]["id"], THEIRS.to_string());
    seen
}

/// A guesser is told the same from the first try to the last, and takes nothing from who holds a good token behind
/// the same address.
#[tokio::test]
async fn many_failed_authentications_change_no_answer_and_refuse_no_good_token() {
    let harness = Harness::new().await;
    let unknown = NewToken::generate(Kind::Api).unwrap();
    let unknown = std::str::from_utf8(unknown.text.expose()).unwrap();
    let mut bodies = std::collections::HashSet::new();
    for _ in 0..200 {
        let answer = harness
            .call_as(unknown, Method::GET, "/client/v4/accounts", None)
            .await;
        answer.refused(401, 10000);
        bodies.insert(format!("{:?} {}", answer.headers, answer.text));
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    harness.get("/client/v4/accounts").await.result();
}
