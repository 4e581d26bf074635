//! A control plane over a store in memory, and requests to it.

mod plane;
mod store;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use keyward_auth::{Grant, Kind, Permission, Permissions, Role, TokenId, TokenText};
use keyward_control::{Config, Control, Peer};
use keyward_providers::Catalogue;
use keyward_registry::{
    AccountRecord, Actor, GatewayId, GatewaySettings, NewTokenRequest, Registry, SecretLimits,
};
use keyward_secret::AccountId;
use keyward_vault::{SecretsStoreId, Vault};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) use self::plane::FakePlane;
use self::store::FakeStore;

/// The random part of every provider key in these tests: no answer may hold it.
pub(crate) const CANARY: &str = "c4narYc4narYc4narYc4narY";

pub(crate) const OURS: AccountId = AccountId::from_bytes([0xAA; 16]);
pub(crate) const THEIRS: AccountId = AccountId::from_bytes([0xBB; 16]);

pub(crate) struct Harness {
    pub(crate) control: Control,
    pub(crate) registry: Arc<Registry>,
    /// An API token of the role Admin in the account `OURS`.
    pub(crate) admin: String,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) plane: Arc<FakePlane>,
    router: Router,
}

/// One answer, checked for what every answer must have.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Harness {
    pub(crate) async fn new() -> Self {
        Self::with(Config::loopback(
            "http://127.0.0.1:8787",
            env!("CARGO_PKG_VERSION"),
        ))
        .await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let limits = SecretLimits {
            stores: 3,
            secrets: None,
        };
        Self::with_limits(config, limits).await
    }

    pub(crate) async fn with_limits(config: Config, limits: SecretLimits) -> Self {
        let store = Arc::new(FakeStore::default());
        let (vault, _root) = Vault::create().unwrap();
        let catalogue = Catalogue::built_in().unwrap();
        let registry = Registry::open(
            Arc::clone(&store) as _,
            Arc::new(vault),
            Arc::new(catalogue),
        );
        let registry = Arc::new(registry.await.unwrap().with_secret_limits(limits));
        for (id, name) in [(OURS, "ours"), (THEIRS, "theirs")] {
            let account = AccountRecord {
                id,
                name: name.into(),
                created_at: now(),
            };
            registry
                .create_account(account, Actor::Command("test"))
                .await
                .unwrap();
            let gateway = GatewayId::parse("default").unwrap();
            let settings = GatewaySettings::default();
            let made =
                registry.create_gateway(id, gateway, settings, Actor::Command("test"), now());
            made.await.unwrap();
        }
        let plane = Arc::new(FakePlane::default());
        let config = Config {
            explain: Some(Arc::clone(&plane) as _),
            trial: Some(Arc::clone(&plane) as _),
            verify: Some(Arc::clone(&plane) as _),
            ..config
        };
        let control = Control::new(Arc::clone(&registry), config);
        let mut harness = Self {
            router: control.router(),
            control,
            registry,
            admin: String::new(),
            store,
            plane,
        };
        harness.admin = harness
            .token(Grant::new(OURS, Role::Admin.permissions()))
            .await
            .1;
        harness
    }

    /// The id of the token `admin`.
    pub(crate) fn admin_id(&self) -> String {
        let text = TokenText::parse(self.admin.as_bytes()).unwrap();
        text.id().to_string()
    }

    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Makes a token as a command on the machine would.
    pub(crate) async fn token(&self, grant: Grant) -> (TokenId, String) {
        let request = NewTokenRequest {
            name: "test".into(),
            kind: Kind::of(&grant.permissions).unwrap(),
            grant,
            spend_limits: None,
        };
        let minted = self
            .registry
            .create_token(request, None, Actor::Command("test"), now())
            .await
            .unwrap();
        (
            minted.record.id,
            String::from_utf8(minted.text.expose().to_vec()).unwrap(),
        )
    }

    pub(crate) async fn token_with(
        &self,
        account: AccountId,
        permissions: &[Permission],
    ) -> String {
        let permissions: Permissions = permissions.iter().copied().collect();
        self.token(Grant::new(account, permissions)).await.1
    }

    /// Lets every write fail from now on.
    pub(crate) fn break_store(&self) {
        self.break_store_after(0);
    }

    /// The same, but for so many writes.
    pub(crate) fn break_store_after(&self, writes: u64) {
        let from = self.store.revision() + writes;
        self.store.down_from.set(from).unwrap();
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let path = request.uri().path();
        // Bodies of the log come without the envelope, and deleting from it has no result (wire-spec §4.2).
        let is_body =
            path.contains("/logs/") && (path.ends_with("/request") || path.ends_with("/response"));
        let has_result = request.method() != Method::DELETE || !path.ends_with("/logs");
        let is_open = !path.starts_with("/client/v4");
        let answer = self.send_plain(request).await;
        let is_enveloped = !is_open && (!is_body || answer.status != 200);
        if is_enveloped {
            let Answer {
                status,
                headers,
                text,
                json,
            } = &answer;
            let is_success = (200..300).contains(status);
            assert_eq!(headers["content-type"], "application/json");
            assert_eq!(json["success"], is_success, "{text}");
            for field in ["errors", "messages"] {
                assert!(json[field].is_array(), "{text}");
            }
            // Lists of routes, and a route that was renamed, stand elsewhere (wire-spec §4.4).
            let places = ["result", "data", "route"];
            let places = places.iter().filter(|place| json.get(place).is_some());
            let has_result = has_result || !is_success;
            assert_eq!(places.count(), usize::from(has_result), "{text}");
            assert_eq!(json["errors"].as_array().unwrap().is_empty(), is_success);
        }
        answer
    }

    /// The answer to a request outside the envelope.
    pub(crate) async fn send_plain(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert!(!text.contains(CANARY), "an answer holds a secret: {text}");
        assert_eq!(parts.headers["cache-control"], "no-store");
        assert_eq!(parts.headers["x-content-type-options"], "nosniff");
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
            json,
        }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_as(&self.admin, method, path, body).await
    }

    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request(token, method, path, body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Makes a gateway by way of the API.
    pub(crate) async fn gateway(&self, id: &str) {
        self.post(&gateways(OURS), new_gateway(id)).await.result();
    }

    /// Stores a secret in the first store, and returns its id.
    pub(crate) async fn secret(&self, name: &str, scopes: &[&str]) -> String {
        let body = json!([{"name": name, "value": secret(), "scopes": scopes}]);
        let answer = self.post(&secrets(OURS), body).await;
        answer.result()[0]["id"].as_str().unwrap().to_owned()
    }

    /// Stores a key for OpenAI in the gateway `default`, and returns its id.
    pub(crate) async fn key(&self, alias: &str) -> String {
        let body = json!({"alias": alias, "default_config": false, "provider_slug": "openai", "secret": secret()});
        let answer = self.post(&keys(OURS, "default"), body).await;
        answer.result()["id"].as_str().unwrap().to_owned()
    }
}

impl Harness {
    /// Makes a route of the gateway `default`; what is answered.
    pub(crate) async fn route(&self, name: &str) -> Value {
        let body = json!({"name": name, "elements": elements("gpt-5")});
        let made = self.post(&routes(OURS, "default"), body).await;
        made.result().clone()
    }

    /// Stores a key and begins a rotation of it that overlaps; the key's id.
    pub(crate) async fn rotating(&self, alias: &str) -> String {
        let key = self.key(alias).await;
        let path = format!("{}/{key}/rotations", keys(OURS, "default"));
        let body = json!({"secret": format!("{}-new", secret()), "verify": false});
        let begun = self.post(&path, body).await;
        assert_eq!(begun.result()["phase"], "overlapping");
        key
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn result(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.text);
        &self.json["result"]
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: u64) -> &str {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.json["errors"][0]["code"], code, "{}", self.text);
        assert_eq!(self.json["result"], Value::Null);
        self.json["errors"][0]["message"].as_str().unwrap()
    }

    /// A 400 that names a field.
    #[track_caller]
    pub(crate) fn invalid(&self, path: &Value) -> &str {
        let message = self.refused(400, 7001);
        assert_eq!(&self.json["errors"][0]["path"], path, "{}", self.text);
        message
    }
}

pub(crate) fn request(token: &str, method: Method, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:8788")
        .header("authorization", format!("Bearer {token}"))
        .extension(Peer(peer()))
        .body(body)
        .unwrap()
}

pub(crate) fn peer() -> SocketAddr {
    "127.0.0.1:50000".parse().unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the control plane under test reads the same clock"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn rfc3339(offset: i64) -> String {
    let now = jiff::Timestamp::try_from(now()).unwrap();
    (now + jiff::SignedDuration::from_secs(offset)).to_string()
}

pub(crate) fn ago(seconds: u64) -> SystemTime {
    now() - Duration::from_secs(seconds)
}

pub(crate) fn secret() -> String {
    format!("sk-{CANARY}-wxyz")
}

pub(crate) fn gateways(account: AccountId) -> String {
    format!("/client/v4/accounts/{account}/ai-gateway/gateways")
}

pub(crate) fn keys(account: AccountId, gateway: &str) -> String {
    format!("{}/{gateway}/provider_configs", gateways(account))
}

pub(crate) fn routes(account: AccountId, gateway: &str) -> String {
    format!("{}/{gateway}/routes", gateways(account))
}

/// A route whose one model is OpenAI's of this name.
pub(crate) fn elements(model: &str) -> Value {
    json!([
        {"id": "start", "type": "start", "outputs": {"next": {"elementId": "model"}}},
        {"id": "model", "type": "model", "properties": {"provider": "openai", "model": model},
         "outputs": {"success": {"elementId": "end"}}},
        {"id": "end", "type": "end", "outputs": {}},
    ])
}

pub(crate) fn stores(account: AccountId) -> String {
    format!("/client/v4/accounts/{account}/secrets_store/stores")
}

/// The secrets of the store that the account begins with.
pub(crate) fn secrets(account: AccountId) -> String {
    let store = SecretsStoreId::first_of(account);
    format!("{}/{store}/secrets", stores(account))
}

pub(crate) fn tokens(account: AccountId) -> String {
    format!("/client/v4/accounts/{account}/tokens")
}

/// What cloudflare-python sends (wire-spec §8.1), without the spend limits.
pub(crate) fn new_gateway(id: &str) -> Value {
    json!({
        "id": id,
        "cache_invalidate_on_update": true,
        "cache_ttl": null,
        "collect_logs": true,
        "rate_limiting_interval": 0,
        "rate_limiting_limit": 0,
    })
}

/// `body` with one field replaced.
pub(crate) fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

/// `body` with one field taken out.
pub(crate) fn without(mut body: Value, field: &str) -> Value {
    body.as_object_mut().unwrap().remove(field);
    body
}
