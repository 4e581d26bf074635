//! Records that pages show, and the pages' paths with them.

use keyward_auth::{Grant, Permission, Permissions};
use serde_json::{Value, json};

use crate::support::{Harness, OURS, secret, stores};

/// One record of each kind that a page's path can name.
pub(crate) struct Records {
    pub(crate) key: String,
    pub(crate) token: String,
    /// Of an API token.
    pub(crate) api: String,
    pub(crate) provider: String,
    pub(crate) store: String,
    pub(crate) secret: String,
    /// A dynamic route, and its version that is deployed.
    pub(crate) route: String,
    pub(crate) version: String,
    /// A request of which the log has everything.
    pub(crate) log: String,
}

/// The custom provider's slug.
pub(crate) const SLUG: &str = "ours";

/// What the secrets store and the secret are called.
const STORE: &str = "team-a";
const SECRET: &str = "default_openai_other";

/// What the dynamic route is called.
pub(crate) const ROUTE: &str = "support";

impl Records {
    pub(crate) async fn make(harness: &Harness) -> Self {
        let run = Permissions::from_iter([Permission::AiGatewayRun]);
        let (token, _) = harness.token(Grant::new(OURS, run)).await;
        let (store, secret) = secret_of(harness, "of the team").await;
        let (route, version) = route_of(harness, "small", "of the team").await;
        Self {
            key: harness.key("default").await,
            token: token.to_string(),
            api: harness.admin_id(),
            provider: provider(harness, json!({})).await,
            store,
            secret,
            route,
            version,
            log: harness.kept_log().await,
        }
    }

    /// A page's path, its open parts filled in.
    pub(crate) fn fill(&self, path: &str) -> String {
        let id = match path.split('/').nth(1).unwrap_or_default() {
            "tokens" => &self.token,
            "api-tokens" => &self.api,
            "providers" => &self.provider,
            "secrets" => &self.secret,
            "gateways" if path.contains("/logs/") => &self.log,
            "gateways" => &self.route,
            _ => &self.key,
        };
        let path = path.replace("{gateway}", "default").replace("{id}", id);
        let path = path.replace("{version}", &self.version);
        path.replace("{store}", &self.store).replace("{code}", "x")
    }

    /// What is to be typed on the page that deletes.
    pub(crate) fn typed(&self, path: &str) -> &str {
        match path.split('/').nth(1).unwrap_or_default() {
            "tokens" => &self.token,
            "api-tokens" => &self.api,
            "providers" => SLUG,
            "secrets" if path.split('/').count() == 4 => STORE,
            "secrets" => SECRET,
            "gateways" if path.contains("/routes/") => ROUTE,
            "gateways" => "default",
            _ => "openai/default",
        }
    }
}

/// Adds a custom provider with `fields` beside the usual ones, and returns its id.
pub(crate) async fn provider(harness: &Harness, fields: Value) -> String {
    let mut body = json!({"name": "Ours", "slug": SLUG, "base_url": "https://llm.example.com/v1",
        "enable": true, "headers": json!({"X-Org": secret()}).to_string()});
    for (name, value) in fields.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let path = format!("/client/v4/accounts/{OURS}/ai-gateway/custom-providers");
    let answer = harness.post(&path, body).await;
    answer.result()["id"].as_str().unwrap().to_owned()
}

/// The elements of a route: one model, an element with the id `id`, which answers or ends the route.
pub(crate) fn elements_with(id: &str) -> Value {
    json!([
        {"id": "start", "type": "start", "outputs": {"next": {"elementId": id}}},
        {"id": id, "type": "model", "properties": {"provider": "openai", "model": "gpt-5-mini"},
         "outputs": {"success": {"elementId": "end"}}},
        {"id": "end", "type": "end", "outputs": {}},
    ])
}

/// Makes a dynamic route with an element that has the id `id`, and returns its id and its version's.
pub(crate) async fn route_of(harness: &Harness, id: &str, comment: &str) -> (String, String) {
    let body = json!({"name": ROUTE, "elements": elements_with(id), "comment": comment});
    let path = format!("/client/v4/accounts/{OURS}/ai-gateway/gateways/default/routes");
    let made = harness.post(&path, body).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let route = made.result();
    (text(&route["id"]), text(&route["version"]["version_id"]))
}

/// Makes a store with a secret in it that has `comment`, and returns the ids of both.
pub(crate) async fn secret_of(harness: &Harness, comment: &str) -> (String, String) {
    let made = harness.post(&stores(OURS), json!({"name": STORE})).await;
    let store = made.result()["id"].as_str().unwrap().to_owned();
    let path = format!("{}/{store}/secrets", stores(OURS));
    let body =
        json!([{"name": SECRET, "value": secret(), "scopes": ["ai_gateway"], "comment": comment}]);
    let stored = harness.post(&path, body).await;
    let secret = stored.result()[0]["id"].as_str().unwrap().to_owned();
    (store, secret)
}
