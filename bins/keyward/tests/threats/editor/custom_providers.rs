//! An editor may change a custom provider, delete it and make it anew. What was stored for the old one stays with it.

use std::sync::Arc;

use keyward_forward::{SystemDial, TlsConfig};
use keyward_testing::{
    Canary, FakeProvider, Placement, TestCa,
    client::{RawAnswer, send_raw},
};
use serde_json::{Value, json};

use super::{Editor, store};
use crate::world::{ACCOUNT, CHAT, Limits, World};

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
