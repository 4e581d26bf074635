//! What stands in the store while pages are looked at.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::World;
use crate::support::{foreign, run_with, send, until};

/// What people call things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// As a company has them.
    Plain,
    /// Markup with a script in it, wherever any text may stand.
    Hostile,
}

impl Names {
    /// The text itself, or markup in its place with the text behind it.
    fn of(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Hostile => {
                format!("\"'><img src=x onerror=pwned=1><script>pwned=1</script>{text}")
            }
        }
    }
}

/// Some of everything.
pub(super) fn fill(world: &World, names: Names) {
    for id in ["production", "staging"] {
        let body = json!({
            "id": id, "cache_invalidate_on_update": false, "cache_ttl": 0, "collect_logs": true,
            "rate_limiting_interval": 0, "rate_limiting_limit": 0,
        });
        world.post("ai-gateway/gateways", &body);
    }
    provider(world, names);
    for (gateway, provider, alias, description) in [
        (
            "default",
            "openai",
            "default",
            "The team's key for experiments",
        ),
        (
            "production",
            "openai",
            "default",
            "Billing account 4471, owner: platform team",
        ),
        ("production", "openai", "batch", "Nightly evaluation runs"),
        ("production", "anthropic", "default", ""),
        (
            "production",
            "google-ai-studio",
            "default",
            "Search summaries",
        ),
        ("staging", "anthropic", "default", "Ends with the trial"),
        ("staging", "mistral", "eu", "Kept in the EU"),
        (
            "production",
            "custom-llm",
            "default",
            "The cluster in the cellar",
        ),
    ] {
        let mut body = json!({
            "alias": alias, "provider_slug": provider, "description": names.of(description),
            "secret": world.canary(),
        });
        if gateway == "default" {
            // The one that the provider takes.
            body["secret"] = json!(world.first.text());
        }
        if gateway == "staging" {
            body["expires_on"] = json!(in_six_weeks());
        }
        let made = world.post(
            &format!("ai-gateway/gateways/{gateway}/provider_configs"),
            &body,
        );
        if alias == "batch" {
            let id = made["id"].as_str().unwrap();
            let path = format!("ai-gateway/gateways/{gateway}/provider_configs/{id}");
            world.rest("PATCH", &path, &json!({"enabled": false}));
        }
    }
    routes(world, names);
    tokens(world, names);
    stores(world, names);
    request(world, names);
}

/// A request of an application, once it is in the log.
fn request(world: &World, names: Names) {
    let url = format!(
        "{}/v1/{}/default/openai/chat/completions",
        world.dev.text("gateway_url"),
        world.dev.text("account_id")
    );
    let bearer = format!("Bearer {}", world.dev.text("gateway_token"));
    let (event, agent) = (names.of("order-4471"), names.of("shop/2.0"));
    let metadata = json!({"team": names.of("checkout")}).to_string();
    let fields = [
        ("cf-aig-authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("cf-aig-event-id", &event),
        ("cf-aig-metadata", &metadata),
        ("user-agent", &agent),
    ];
    let body = json!({"model": names.of("gpt-5-mini"), "messages": []}).to_string();
    assert_eq!(send("POST", &url, &fields, &body).status, 200);
    until("the log has it", || !world.logged().is_empty());
    // Others count what the provider got.
    assert_eq!(world.provider.take_recorded().len(), 1);
}

/// A route of each gateway with a version that is not deployed yet.
fn routes(world: &World, names: Names) {
    // An id has at most 64 bytes.
    let [large, small] = ["large", "small"].map(|id| names.of(id));
    let elements = |chance: u32| {
        json!([
            {"id": "start", "type": "start", "outputs": {"next": {"elementId": "plan"}}},
            {"id": "plan", "type": "conditional",
             "properties": {"conditions": {"metadata.plan": {"$eq": names.of("free")}}},
             "outputs": {"true": {"elementId": "limit"}, "false": {"elementId": &large}}},
            {"id": "limit", "type": "rate",
             "properties": {"limitType": "count", "key": "metadata.user_id", "limit": 20, "window": 60},
             "outputs": {"success": {"elementId": "split"}, "fallback": {"elementId": &small}}},
            {"id": "split", "type": "percentage",
             "outputs": {format!("{chance}%"): {"elementId": &large}, "else": {"elementId": &small}}},
            {"id": &large, "type": "model", "properties": {"provider": "openai", "model": "gpt-5", "timeout": 20_000, "retries": 1},
             "outputs": {"success": {"elementId": "end"}, "fallback": {"elementId": &small}}},
            {"id": &small, "type": "model", "properties": {"provider": "custom-llm", "model": names.of("llama")},
             "outputs": {"success": {"elementId": "end"}}},
            {"id": "end", "type": "end", "outputs": {}},
        ])
    };
    for gateway in ["default", "production", "staging"] {
        let routes = format!("ai-gateway/gateways/{gateway}/routes");
        let body = json!({"name": "support", "elements": elements(10), "comment": names.of("free plans first")});
        let made = world.post(&routes, &body);
        let id = made["id"].as_str().unwrap();
        let body =
            json!({"elements": elements(25), "comment": names.of("more of the large model")});
        world.post(&format!("{routes}/{id}/versions"), &body);
    }
}

fn in_six_weeks() -> String {
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 45);
    end.round(jiff::Unit::Second).unwrap().to_string()
}

fn provider(world: &World, names: Names) {
    let body = json!({
        "name": names.of("Our own models"), "slug": "llm", "base_url": "https://llm.example.com/v1",
        "description": names.of("Inference cluster, room 4"),
        "link": if names == Names::Plain { "https://llm.example.com/docs" } else { "https://example.com/?q=javascript:pwned=1//%22%3E%3Cscript%3E" },
        // A picture that runs a script where it is not kept from it.
        "logo": BASE64.encode(b"<svg xmlns='http://www.w3.org/2000/svg' onload='pwned=1'/>"), "enable": true,
        "headers": json!({"X-Org": world.canary()}).to_string(),
        "curl_example": names.of("curl"), "js_example": names.of("fetch()"),
    });
    world.post("ai-gateway/custom-providers", &body);
}

fn tokens(world: &World, names: Names) {
    let account = format!(
        "com.cloudflare.api.account.{}",
        world.dev.text("account_id")
    );
    let gateway = format!("{account}.ai-gateway.production");
    let limits = json!({"providers": ["openai"], "classes": ["inference", "embeddings"]});
    for (name, group, resources) in [
        (
            "billing-service",
            "AI Gateway Run",
            json!({gateway: limits}),
        ),
        ("search", "AI Gateway Run", json!({&account: "*"})),
        ("terraform", "AI Gateway Write", json!({&account: "*"})),
        (
            "on-call, reads alone",
            "AI Gateway Read",
            json!({&account: "*"}),
        ),
    ] {
        let policy = json!({"effect": "allow", "resources": resources, "permission_groups": [{"name": group}]});
        world.post(
            "tokens",
            &json!({"name": names.of(name), "policies": [policy]}),
        );
    }
}

fn stores(world: &World, names: Names) {
    let stores = world.rest("GET", "secrets_store/stores", &json!(null));
    let store = stores[0]["id"].as_str().unwrap().to_owned();
    let secrets = format!("secrets_store/stores/{store}/secrets");
    for (name, comment) in [
        ("staging_openai_spare", "For the next rotation"),
        ("smtp_password", ""),
    ] {
        let secret = json!({"name": name, "value": world.canary(), "scopes": ["ai_gateway"], "comment": names.of(comment)});
        world.post(&secrets, &json!([secret]));
    }
}

/// A day of requests, as the store would have them by now.
pub(super) fn a_day_of_requests(world: &World) {
    let keys = world.rest(
        "GET",
        "ai-gateway/provider_configs?per_page=100",
        &json!(null),
    );
    let keys = keys.as_array().unwrap().iter();
    let busy = keys.filter(|key| key["gateway_id"] == "production" && key["alias"] == "default");
    let text = |key: &Value, field: &str| key[field].as_str().unwrap().to_owned();
    let series = busy.map(|key| {
        ["gateway_id", "provider_slug", "id"]
            .map(|field| text(key, field))
            .join("/")
    });
    let mut python = foreign("python3", world.dev.path());
    python
        .args(["-c", include_str!("a_day.py"), ".keyward/keyward.db"])
        .arg(world.dev.text("account_id"))
        .args(series);
    run_with(python, "").ok();
}

/// One gateway with this many keys of a few providers, and no other.
pub(super) fn fill_with_keys(world: &World, count: usize) {
    const PROVIDERS: [&str; 5] = ["anthropic", "cohere", "mistral", "groq", "openai"];
    for number in 0..count {
        let provider = PROVIDERS[number * PROVIDERS.len() / count];
        let body = json!({
            "alias": format!("team-{number:05}"), "provider_slug": provider,
            "description": format!("Cost centre {}", 4_000 + number / 7), "secret": format!("sk-none-{number:032}"),
        });
        world.post("ai-gateway/gateways/default/provider_configs", &body);
    }
}

impl World {
    pub(super) fn post(&self, path: &str, body: &Value) -> Value {
        self.rest("POST", path, body)
    }

    /// Calls the REST API as the operator, and expects it to work.
    #[track_caller]
    pub(super) fn rest(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = self.url(&format!(
            "/client/v4/accounts/{}/{path}",
            self.dev.text("account_id")
        ));
        let bearer = format!("Bearer {}", self.dev.text("api_token"));
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = send(method, &url, &[("authorization", &bearer)], &body);
        assert_eq!(answer.status, 200, "{method} {path} {body}: {answer:?}");
        answer.json()["result"].take()
    }
}
