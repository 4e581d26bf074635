//! An editor holds an API token that may write, and may not read a key. Each of his ways to a stored key is tried
//! here by REST and by the data plane: refused, and nothing but the key's own provider ever sees it.

#[cfg(test)]
mod custom_providers;

use keyward_auth::{Permission, Permissions};
use keyward_testing::client::{RawAnswer, send_raw};
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

    /// A call that an editor may make; its result.
    async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()["result"].clone()
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
