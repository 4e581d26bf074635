//! A message that the control plane sends by way of the data plane: decided, rewritten and forwarded like every other.

use std::collections::BTreeMap;

use keyward_testing::{Canary, FakeProvider, Placement};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{Answer, Dev, send};

fn ask(dev: &Dev, method: &str, path: &str, body: &Value) -> Answer {
    let url = format!(
        "{}/client/v4/accounts/{}/{path}",
        dev.text("control_url"),
        dev.text("account_id")
    );
    let bearer = format!("Bearer {}", dev.text("api_token"));
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    send(method, &url, &[("authorization", &bearer)], &body)
}

fn attempt(dev: &Dev, provider: &str) -> Answer {
    let body = json!({"gateway": "default", "provider": provider, "message": "say it back"});
    ask(dev, "POST", "keyward/try", &body)
}

#[test]
fn a_message_to_echo_comes_back_without_any_network() {
    let dev = Dev::start();
    let answer = attempt(&dev, "echo");
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = &answer.json()["result"];
    assert_eq!(said["answer"]["from"], "provider", "{said}");
    assert_eq!(said["answer"]["status"], 200);
    assert!(
        said["answer"]["body"]
            .as_str()
            .unwrap()
            .contains("say it back")
    );
    assert_eq!(said["explanation"]["verdict"], "forwarded");
    assert_eq!(
        said["explanation"]["credential"]["key"]["provider_slug"],
        "echo"
    );
    let headers = said["request"]["headers"].as_array().unwrap();
    let authorization = headers
        .iter()
        .find(|header| header["name"] == "authorization");
    assert_eq!(authorization.unwrap()["value"], Value::Null);
    assert!(
        !headers
            .iter()
            .any(|header| header["name"] == "cf-aig-authorization")
    );
    // The key was used; the gateway token was not, which somebody else holds.
    let key = dev.run(&["keys", "show", "echo", "--json"]).ok().json();
    assert!(key["last_used_at"].is_string(), "{key}");
    let id = dev.text("gateway_token").split('_').nth(2).unwrap();
    let token = dev.run(&["tokens", "show", id, "--json"]).ok().json();
    assert!(token["last_used_on"].is_null(), "{token}");
    dev.stop();
}

#[test]
fn a_provider_gets_the_stored_key_and_nobody_else_sees_it() {
    let runtime = Runtime::new().unwrap();
    let key = Canary::new("key of the playground");
    let provider = runtime.block_on(FakeProvider::start(Placement::bearer(), [key.text()]));
    let config = format!("[providers.openai]\nbase_url = \"{}\"\n", provider.origin());
    let dev = Dev::start_with(TempDir::new().unwrap(), &config);
    // Without a key the gateway answers by itself, and nothing is sent.
    let said = attempt(&dev, "openai").json();
    assert_eq!(said["result"]["answer"]["from"], "gateway", "{said}");
    assert_eq!(said["result"]["explanation"]["refusal"]["code"], 2044);
    assert_eq!(said["result"]["request"], Value::Null);
    assert_eq!(provider.take_recorded().len(), 0);

    dev.run_with(&["keys", "add", "openai"], key.text()).ok();
    let answer = attempt(&dev, "openai");
    assert!(!answer.body.contains(key.random_part()), "{answer:?}");
    let said = &answer.json()["result"];
    assert_eq!(said["answer"]["status"], 200, "{said}");
    assert_eq!(said["answer"]["from"], "provider");
    assert!(
        said["request"]["url"]
            .as_str()
            .unwrap()
            .starts_with(&provider.origin().to_string())
    );
    let [recorded]: [_; 1] = provider.take_recorded().try_into().unwrap();
    let got: BTreeMap<String, String> = recorded
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_lowercase(),
                String::from_utf8(value.clone()).unwrap(),
            )
        })
        .collect();
    assert_eq!(got["authorization"], format!("Bearer {}", key.text()));
    // What is told of the request is what the provider got, and all of it.
    let told = said["request"]["headers"].as_array().unwrap();
    assert_eq!(told.len(), got.len(), "{said} {:?}", got.keys());
    for header in told {
        let name = header["name"].as_str().unwrap();
        match header["value"].as_str() {
            Some(value) => assert_eq!(
                got.get(name).map(String::as_str),
                Some(value),
                "{name}: {got:?} {said}"
            ),
            None => assert_eq!(name, "authorization"),
        }
    }
    assert_eq!(
        said["request"]["body"].as_str().unwrap().as_bytes(),
        &recorded.body[..]
    );

    let id = said["explanation"]["credential"]["key"]["id"]
        .as_str()
        .unwrap();
    let path = format!("ai-gateway/gateways/default/provider_configs/{id}");
    assert_eq!(
        ask(&dev, "PATCH", &path, &json!({"enabled": false})).status,
        200
    );
    let said = attempt(&dev, "openai").json();
    assert_eq!(said["result"]["answer"]["from"], "gateway", "{said}");
    assert_eq!(provider.take_recorded().len(), 0);
    dev.stop();
    runtime.block_on(provider.stop());
}
