//! An editor holds an API token that may write, and may not read a key. Each of his ways to a stored key is tried
//! here by REST and by the data plane: refused, and nothing but the key's own provider ever sees it.

use std::sync::Arc;

use keyward_auth::{Permission, Permissions};
use keyward_forward::{SystemDial, TlsConfig};
use keyward_testing::{
    Canary, FakeProvider, Placement, TestCa,
    client::{RawAnswer, send_raw},
};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, CHAT, Limits, World, mint};

struct Editor<'a> {
    world: &'a World,
    token: String,
}

impl<'a> Editor<'a> {
    async fn with(world: &'a World, permissions: &[Permission]) -> Self {
        let permissions: Permissions = permissions.iter().copied().collect();
        let (token, _) = mint(&world.registry, permissions).await;
        Self {
            world,
            token: token.text().to_owned(),
        }
    }

    /// Everything that an editor can be given.
    async fn full(world: &'a World) -> Self {
        let permissions = [
            Permission::AiGatewayWrite,
            Permission::SecretsStoreWrite,
            Permission::AccountApiTokensWrite,
        ];
        Self::with(world, &permissions).await
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> RawAnswer {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let request = format!(
            "{method} /client/v4/accounts/{ACCOUNT}/{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-length: {}\r\n\r\n{body}",
            self.world.control,
            self.token,
            body.len()
        );
        let answer = send_raw(self.world.control, request.as_bytes()).await;
        let answer = answer.unwrap();
        assert!(
            !answer.text().contains(self.world.key.text()),
            "an answer holds the key"
        );
        answer
    }

    /// A call that must be refused.
    async fn refused(&self, status: u16, method: &str, path: &str, body: &Value) -> String {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        answer.text()
    }

    /// The first key of the gateway `prod` for OpenAI.
    async fn key(&self) -> Value {
        let path = "ai-gateway/gateways/prod/provider_configs";
        let list = self.call("GET", path, &Value::Null).await.json();
        let keys = list["result"].as_array().unwrap();
        let openai = keys.iter().find(|key| key["provider_slug"] == "openai");
        openai.unwrap().clone()
    }
}

/// A chat through the data plane, without a token.
async fn bare_chat(world: &World, gateway: &str) -> RawAnswer {
    let mut request = format!(
        "POST /v1/{ACCOUNT}/{gateway}/openai/chat/completions HTTP/1.1\r\nhost: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        world.data,
        CHAT.len()
    )
    .into_bytes();
    request.extend_from_slice(CHAT);
    send_raw(world.data, &request).await.unwrap()
}

/// What must hold after each attempt: nobody but the provider was spoken to, and the provider was asked by nobody.
fn nothing_went_out(world: &World) {
    assert!(world.attacker.received().is_empty());
    assert!(world.provider.recorded().is_empty());
    world.stop();
}

#[tokio::test]
async fn a_value_is_not_bound_to_another_provider_by_its_secrets_id() {
    let world = World::start(Limits::Usual).await;
    let editor = Editor::full(&world).await;
    let secret = editor.key().await["secret_id"].clone();
    for provider in ["anthropic", "mistral", "groq"] {
        let body = json!({"provider_slug": provider, "secret_id": secret, "alias": "taken"});
        let path = "ai-gateway/gateways/prod/provider_configs";
        let told = editor.refused(409, "POST", path, &body).await;
        assert!(told.contains("sealed for"), "{told}");
        // Nor through a gateway of his own.
        let path = "ai-gateway/gateways/open/provider_configs";
        editor.refused(409, "POST", path, &body).await;
    }
    nothing_went_out(&world);
}

#[tokio::test]
async fn a_key_has_no_field_that_moves_it() {
    let world = World::start(Limits::Usual).await;
    let editor = Editor::full(&world).await;
    let key = editor.key().await;
    let path = format!(
        "ai-gateway/gateways/prod/provider_configs/{}",
        key["id"].as_str().unwrap()
    );
    let attacker = format!("https://{}", world.attacker.addr());
    for (field, value) in [
        ("base_url", json!(attacker)),
        ("destination", json!([attacker])),
        ("provider_slug", json!("anthropic")),
        ("gateway_id", json!("open")),
        ("secret_id", json!("00000000000000000000000000000000")),
        ("headers", json!({"x": "y"})),
    ] {
        let body = json!({"enabled": true, field: value});
        editor.refused(400, "PATCH", &path, &body).await;
        let body = json!({"secret": "sk-of-the-editors-own", field: value});
        editor.refused(400, "PUT", &path, &body).await;
    }
    assert_eq!(editor.key().await["destination"], key["destination"]);
    nothing_went_out(&world);
}

#[tokio::test]
async fn a_deleted_key_leaves_no_value_to_bind_again() {
    let world = World::start(Limits::Usual).await;
    let editor = Editor::full(&world).await;
    let key = editor.key().await;
    let keys = "ai-gateway/gateways/prod/provider_configs";
    let path = format!("{keys}/{}", key["id"].as_str().unwrap());
    let deleted = editor.call("DELETE", &path, &Value::Null).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    let body = json!({"provider_slug": "openai", "secret_id": key["secret_id"]});
    editor.refused(400, "POST", keys, &body).await;
    nothing_went_out(&world);
}

/// The store that every account begins with, as a path.
async fn store(editor: &Editor<'_>) -> String {
    let list = editor
        .call("GET", "secrets_store/stores", &Value::Null)
        .await;
    let id = list.json()["result"][0]["id"].clone();
    format!("secrets_store/stores/{}/secrets", id.as_str().unwrap())
}

#[tokio::test]
async fn neither_a_copy_nor_a_scope_nor_a_name_moves_a_value() {
    let world = World::start(Limits::Usual).await;
    let editor = Editor::full(&world).await;
    let key = editor.key().await;
    let secrets = store(&editor).await;
    let secret = format!("{secrets}/{}", key["secret_id"].as_str().unwrap());
    let keys = "ai-gateway/gateways/prod/provider_configs";
    // A copy under the name that another provider's key would be found by: still sealed for the first.
    let copy = json!({"name": "prod_anthropic_default", "scopes": ["ai_gateway"]});
    let copied = editor
        .call("POST", &format!("{secret}/duplicate"), &copy)
        .await;
    assert_eq!(copied.status, 200, "{}", copied.text());
    let by_name = json!({"provider_slug": "anthropic"});
    editor.refused(409, "POST", keys, &by_name).await;
    let by_id = json!({"provider_slug": "anthropic", "secret_id": copied.json()["result"]["id"]});
    editor.refused(409, "POST", keys, &by_id).await;
    // Taking the scope away and giving it back reads the name no second time.
    for scopes in [json!(["workers"]), json!(["ai_gateway"])] {
        let path = format!(
            "{secrets}/{}",
            copied.json()["result"]["id"].as_str().unwrap()
        );
        let edited = editor
            .call("PATCH", &path, &json!({"scopes": scopes}))
            .await;
        assert_eq!(edited.status, 200, "{}", edited.text());
    }
    editor.refused(409, "POST", keys, &by_name).await;
    // A secret cannot be renamed, and has no destination that could be set: what answers carry is skipped.
    let before = editor.call("GET", &secret, &Value::Null).await.json();
    for field in ["name", "destination", "base_url"] {
        let body = json!({"comment": "x", field: "prod_anthropic_other"});
        let answer = editor.call("PATCH", &secret, &body).await;
        assert!(matches!(answer.status, 200 | 400), "{}", answer.text());
    }
    let after = editor.call("GET", &secret, &Value::Null).await.json();
    for field in ["name", "destination"] {
        assert_eq!(after["result"][field], before["result"][field]);
    }
    nothing_went_out(&world);
}

/// A value that said nothing of where it may go when it came is bound by no later step.
#[tokio::test]
async fn a_value_that_came_without_a_destination_is_never_injected() {
    let world = World::start(Limits::Usual).await;
    let editor = Editor::full(&world).await;
    let secrets = store(&editor).await;
    let value = "sk-of-somebody-0123456789";
    let body = json!([{"name": "prod_groq_default", "value": value, "scopes": ["workers"]}]);
    let made = editor.call("POST", &secrets, &body).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let id = made.json()["result"][0]["id"].clone();
    let path = format!("{secrets}/{}", id.as_str().unwrap());
    let scoped = editor
        .call("PATCH", &path, &json!({"scopes": ["ai_gateway"]}))
        .await;
    assert_eq!(scoped.status, 200, "{}", scoped.text());
    for body in [
        json!({"provider_slug": "groq"}),
        json!({"provider_slug": "groq", "secret_id": id}),
    ] {
        editor
            .refused(
                409,
                "POST",
                "ai-gateway/gateways/prod/provider_configs",
                &body,
            )
            .await;
    }
    nothing_went_out(&world);
}

#[tokio::test]
async fn a_gateway_without_authentication_spends_no_stored_key() {
    let world = World::start(Limits::Usual).await;
    let settings = |authentication: bool| {
        json!({
            "authentication": authentication, "cache_invalidate_on_update": false, "cache_ttl": 0,
            "collect_logs": true, "rate_limiting_interval": 0, "rate_limiting_limit": 0,
        })
    };
    // Who edits gateways alone does not open one, neither this nor a new one.
    let weak = Editor::with(&world, &[Permission::AiGatewayWrite]).await;
    let path = "ai-gateway/gateways/prod";
    let told = weak.refused(403, "PUT", path, &settings(false)).await;
    assert!(told.contains("authentication"), "{told}");
    let mut new = settings(false);
    new["id"] = json!("mine");
    weak.refused(403, "POST", "ai-gateway/gateways", &new).await;
    // Who governs the keys too may open it, and still no request without a token gets a stored key.
    let full = Editor::full(&world).await;
    let opened = full.call("PUT", path, &settings(false)).await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    for gateway in ["prod", "open"] {
        assert_eq!(bare_chat(&world, gateway).await.status, 401, "{gateway}");
    }
    nothing_went_out(&world);
}

#[tokio::test]
async fn an_editor_gives_himself_nothing_that_he_does_not_have() {
    let world = World::start(Limits::Usual).await;
    let editor = Editor::full(&world).await;
    let policy = |names: &[&str]| {
        let groups: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!([{
            "effect": "allow",
            "resources": {format!("com.cloudflare.api.account.{ACCOUNT}"): "*"},
            "permission_groups": groups,
        }])
    };
    let body = |names: &[&str]| json!({"name": "mine", "policies": policy(names)});
    for names in [
        &["Keyward Vault Write"][..],
        &["Keyward Audit Log Read"],
        &["Account Settings Write", "AI Gateway Write"],
    ] {
        editor.refused(403, "POST", "tokens", &body(names)).await;
    }
    // Rolling or changing the administrator's token would be taking it over.
    let list = editor
        .call("GET", "tokens?per_page=100", &Value::Null)
        .await;
    let list = list.json();
    let admin = list["result"].as_array().unwrap().iter().find(|token| {
        let groups = token["policies"][0]["permission_groups"]
            .as_array()
            .unwrap();
        groups
            .iter()
            .any(|group| group["name"] == "Keyward Vault Write")
    });
    let admin = admin.unwrap()["id"].as_str().unwrap();
    let value = format!("tokens/{admin}/value");
    editor.refused(403, "PUT", &value, &Value::Null).await;
    let change = body(&["AI Gateway Read"]);
    let path = format!("tokens/{admin}");
    editor.refused(403, "PUT", &path, &change).await;
    nothing_went_out(&world);
}

/// Paths of the account, as [`Editor::call`] takes them.
const CUSTOM: &str = "ai-gateway/custom-providers";
const KEYS: &str = "ai-gateway/gateways/prod/provider_configs";

/// A custom provider `mine` that an administrator set up at `world.provider`: with headers, a stored key, and a
/// secret under the name by which a second key would be found. The editor has a provider of his own.
struct Custom {
    world: World,
    evil: FakeProvider,
    header: Canary,
    waiting: Canary,
}

impl Custom {
    async fn set_up() -> Self {
        let ca = TestCa::new();
        let tls = TlsConfig {
            extra_ca_pem: vec![ca.ca_pem().as_bytes().to_vec()],
        };
        let dial = Arc::new(SystemDial::build(tls).unwrap());
        let world = World::with(Limits::Usual, &ca, dial, None).await;
        let evil = FakeProvider::start_tls(Placement::bearer(), ["own"], &ca).await;
        world.provider.accept_keys([world.key.text(), "own"]);
        let custom = Self {
            evil,
            header: Canary::new("custom-header"),
            waiting: Canary::new("waiting"),
            world,
        };
        let admin = custom.administrator();
        let headers = json!({"X-Org": custom.header.text()}).to_string();
        let provider = json!({
            "name": "Mine", "slug": "mine", "base_url": custom.good_url(), "enable": true, "headers": headers,
        });
        admin.done("POST", CUSTOM, &provider).await;
        let key = json!({"provider_slug": "custom-mine", "secret": custom.world.key.text()});
        admin.done("POST", KEYS, &key).await;
        let waiting = json!([{
            "name": "prod_mine_second", "value": custom.waiting.text(), "scopes": ["ai_gateway"],
        }]);
        admin.done("POST", &store(&admin).await, &waiting).await;
        custom.works().await;
        custom
    }

    fn administrator(&self) -> Editor<'_> {
        Editor {
            world: &self.world,
            token: self.world.admin.text().to_owned(),
        }
    }

    fn good_url(&self) -> String {
        format!("{}/openai/v1", self.world.provider.origin())
    }

    fn evil_url(&self) -> String {
        format!("{}/openai/v1", self.evil.origin())
    }

    /// A chat as an application sends it, with its gateway token.
    async fn chat(&self, more: &str) -> RawAnswer {
        let mut request = format!(
            "POST /v1/{ACCOUNT}/prod/custom-mine/chat/completions HTTP/1.1\r\nhost: {}\r\n\
             cf-aig-authorization: Bearer {}\r\n{more}content-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            self.world.data,
            self.world.token.text(),
            CHAT.len()
        )
        .into_bytes();
        request.extend_from_slice(CHAT);
        send_raw(self.world.data, &request).await.unwrap()
    }

    /// What is stored reaches the provider that it was entered for.
    async fn works(&self) {
        let answer = self.chat("").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = self.world.provider.take_recorded();
        assert_eq!(seen.len(), 1);
        let bearer = format!("Bearer {}", self.world.key.text());
        assert_eq!(seen[0].header("authorization"), Some(bearer.as_str()));
        assert_eq!(seen[0].header("x-org"), Some(self.header.text()));
    }

    /// Every request that an application can send, with a stored key or its own: whatever is answered, nothing that
    /// is stored comes to the editor's provider. Returns the status of each.
    async fn nothing_leaks(&self) -> Vec<u16> {
        let mut statuses = Vec::new();
        for more in [
            "",
            "cf-aig-byok-alias: second\r\n",
            "authorization: Bearer own\r\n",
        ] {
            statuses.push(self.chat(more).await.status);
        }
        let seen = format!("{:?}", self.evil.recorded());
        for kept in [&self.header, &self.waiting, &self.world.key] {
            // Bytes of values are printed as numbers.
            let bytes = format!("{:?}", kept.text().as_bytes());
            let bytes = bytes.trim_matches(['[', ']']);
            assert!(!seen.contains(bytes) && !seen.contains(kept.text()));
        }
        statuses
    }

    /// Every way of a key to the provider that stands there now: the secrets that there are, and copies of them.
    async fn no_secret_can_be_bound(&self, editor: &Editor<'_>) {
        let secrets = store(editor).await;
        let list = editor.call("GET", &secrets, &Value::Null).await.json();
        let stored = list["result"].as_array().unwrap().clone();
        assert!(
            stored
                .iter()
                .any(|secret| secret["name"] == "prod_mine_second")
        );
        for (at, secret) in stored.iter().enumerate() {
            let id = secret["id"].as_str().unwrap();
            let binds =
                |id: &str| json!({"provider_slug": "custom-mine", "secret_id": id, "alias": "x"});
            editor.refused(409, "POST", KEYS, &binds(id)).await;
            let name = format!("prod_custom-mine_copy{at}");
            let copy = json!({"name": name, "scopes": ["ai_gateway"]});
            let path = format!("{secrets}/{id}/duplicate");
            let copied = editor.done("POST", &path, &copy).await;
            let copied = copied["id"].as_str().unwrap();
            editor.refused(409, "POST", KEYS, &binds(copied)).await;
            let named = json!({"provider_slug": "custom-mine", "alias": format!("copy{at}")});
            editor.refused(409, "POST", KEYS, &named).await;
            let path = format!("{secrets}/{copied}");
            editor.done("DELETE", &path, &Value::Null).await;
        }
    }

    async fn id(&self, editor: &Editor<'_>) -> String {
        let list = editor.done("GET", CUSTOM, &Value::Null).await;
        let id = list[0]["id"].as_str().unwrap();
        format!("{CUSTOM}/{id}")
    }

    fn end(self) {
        assert!(self.world.attacker.received().is_empty());
        self.world.stop();
    }
}

impl Editor<'_> {
    /// A call that an editor may make; its result.
    async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()["result"].clone()
    }
}

#[tokio::test]
async fn a_custom_provider_that_is_made_anew_inherits_nothing() {
    let custom = Custom::set_up().await;
    let editor = Editor::full(&custom.world).await;
    let path = custom.id(&editor).await;
    let before = editor.done("GET", &path, &Value::Null).await;
    let list = editor.done("GET", KEYS, &Value::Null).await;
    let keys = list.as_array().unwrap().iter();
    let key = keys
        .clone()
        .find(|key| key["provider_slug"] == "custom-mine");
    let key = key.unwrap().clone();
    let deleted = editor.done("DELETE", &path, &Value::Null).await;
    assert_eq!(deleted["provider_keys_deleted"], 1);

    let mut again = json!({
        "name": "Mine", "slug": "mine", "base_url": custom.evil_url(), "enable": true,
    });
    // Neither the old masks nor the old id make it the old one.
    let mut masked = again.clone();
    masked["headers"] = before["headers"].clone();
    editor.refused(400, "POST", CUSTOM, &masked).await;
    again["id"] = before["id"].clone();
    let made = editor.done("POST", CUSTOM, &again).await;
    assert_ne!(made["id"], before["id"]);
    assert_eq!(made["headers"], Value::Null);

    // There is no key for it, and what the client brings itself is all that goes out.
    assert_eq!(custom.nothing_leaks().await, [400, 400, 200]);
    custom.no_secret_can_be_bound(&editor).await;
    let by_name = json!({"provider_slug": "custom-mine", "alias": "second"});
    editor.refused(409, "POST", KEYS, &by_name).await;
    let body = json!({"provider_slug": "custom-mine", "secret_id": key["secret_id"]});
    editor.refused(400, "POST", KEYS, &body).await;
    let old = format!("{KEYS}/{}", key["id"].as_str().unwrap());
    let enabled = json!({"enabled": true});
    editor.refused(404, "PATCH", &old, &enabled).await;
    let path = custom.id(&editor).await;
    let masked = json!({"headers": before["headers"]});
    editor.refused(400, "PATCH", &path, &masked).await;
    assert_eq!(custom.nothing_leaks().await, [400, 400, 200]);

    // A key of the editor's own goes there alone; the value that waits is still for where it was entered.
    let own = json!({"provider_slug": "custom-mine", "secret": "sk-of-the-editors-own"});
    editor.done("POST", KEYS, &own).await;
    assert_eq!(custom.nothing_leaks().await, [401, 400, 200]);
    assert!(custom.world.provider.recorded().is_empty());
    custom.end();
}

#[tokio::test]
async fn a_custom_provider_that_is_moved_takes_nothing_along() {
    let custom = Custom::set_up().await;
    let editor = Editor::full(&custom.world).await;
    let path = custom.id(&editor).await;
    let masks = editor.done("GET", &path, &Value::Null).await["headers"].clone();
    // Bound while the provider was where the value was entered for.
    let second = json!({"provider_slug": "custom-mine", "alias": "second"});
    editor.done("POST", KEYS, &second).await;
    let patch = async |body: Value| editor.done("PATCH", &path, &body).await;

    patch(json!({"base_url": custom.evil_url()})).await;
    assert_eq!(custom.nothing_leaks().await, [424; 3]);
    for (enable, expected) in [(false, [400; 3]), (true, [424; 3])] {
        patch(json!({"enable": enable})).await;
        assert_eq!(custom.nothing_leaks().await, expected);
    }
    let keys = editor.done("GET", KEYS, &Value::Null).await;
    for key in keys.as_array().unwrap() {
        let key = format!("{KEYS}/{}", key["id"].as_str().unwrap());
        for enabled in [false, true] {
            let body = json!({"enabled": enabled});
            editor.done("PATCH", &key, &body).await;
        }
    }
    assert_eq!(custom.nothing_leaks().await, [424; 3]);

    // Masks keep what is stored where it is, and are no values.
    patch(json!({"base_url": custom.evil_url(), "headers": masks})).await;
    assert_eq!(custom.nothing_leaks().await, [424; 3]);
    let shown: Value = serde_json::from_str(masks.as_str().unwrap()).unwrap();
    let mut more = shown.clone();
    more["x-new"] = json!("new");
    let more = json!({"headers": more.to_string()});
    editor.refused(409, "PATCH", &path, &more).await;
    let renamed = json!({"x-other": shown["x-org"]}).to_string();
    let renamed = json!({"headers": renamed});
    editor.refused(409, "PATCH", &path, &renamed).await;
    custom.no_secret_can_be_bound(&editor).await;
    assert_eq!(custom.nothing_leaks().await, [424; 3]);

    // A new value of the secret may go where the old one might.
    let secrets = store(&editor).await;
    let list = editor.done("GET", &secrets, &Value::Null).await;
    let mut secrets_of_mine = list.as_array().unwrap().iter();
    let waiting = secrets_of_mine.find(|secret| secret["name"] == "prod_mine_second");
    let waiting = format!("{secrets}/{}", waiting.unwrap()["id"].as_str().unwrap());
    let value = json!({"value": custom.waiting.text(), "comment": "again"});
    editor.done("PATCH", &waiting, &value).await;
    assert_eq!(custom.nothing_leaks().await, [424; 3]);

    // Without the headers the client's own key goes out, and no stored one.
    patch(json!({"headers": null})).await;
    assert_eq!(custom.nothing_leaks().await, [424, 424, 200]);
    assert!(custom.world.provider.recorded().is_empty());
    // Back where it was entered for, the key is good again.
    patch(json!({"base_url": custom.good_url()})).await;
    assert_eq!(custom.chat("").await.status, 200);
    custom.end();
}
