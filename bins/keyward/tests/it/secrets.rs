//! `keyward secrets …`, and the official two-step way from the REST API to the provider.

use std::fs;

use keyward_testing::{Canary, FakeProvider, Placement, TestCa};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Dev, send};

/// Asks the control plane of `dev`, below its account.
fn rest(dev: &Dev, method: &str, path: &str, body: &Value) -> Answer {
    let url = format!(
        "{}/client/v4/accounts/{}{path}",
        dev.text("control_url"),
        dev.text("account_id")
    );
    let bearer = format!("Bearer {}", dev.text("api_token"));
    send(
        method,
        &url,
        &[("authorization", &bearer)],
        &body.to_string(),
    )
}

#[track_caller]
fn result(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["result"].clone()
}

fn chat(dev: &Dev, provider: &str, path: &str) -> Answer {
    let url = format!(
        "{}/v1/{}/default/{provider}/{path}",
        dev.text("gateway_url"),
        dev.text("account_id")
    );
    let bearer = format!("Bearer {}", dev.text("gateway_token"));
    let headers = [("cf-aig-authorization", bearer.as_str())];
    send("POST", &url, &headers, r#"{"messages":[]}"#)
}

#[test]
fn a_secret_is_stored_listed_changed_and_deleted() {
    let dev = Dev::start();
    let (old, new) = (Canary::new("cli secret"), Canary::new("cli secret again"));
    let name = "default_echo_team";
    let made = dev.run_with(&["secrets", "create", name], &format!("{}\n", old.text()));
    let made = made.ok().out;
    assert!(made.contains("sealed for http://echo.localhost"), "{made}");
    dev.run_with(&["secrets", "create", name], old.text())
        .failed(1, &["secret_name_already_exists", "[1003]"]);

    let listed = dev.run(&["secrets", "list"]).ok().out;
    let line = listed.lines().find(|line| line.starts_with(name)).unwrap();
    let cells: Vec<_> = line.split('\t').collect();
    assert_eq!(cells[..2], [name, "ai_gateway"]);
    assert_eq!((cells.len(), cells[3]), (6, ""));
    let filtered = ["secrets", "list", "--scope", "workers", "--json"];
    assert_eq!(dev.run(&filtered).ok().json(), json!([]));
    let searched = ["secrets", "list", "--search", "TEAM", "--json"];
    assert_eq!(dev.run(&searched).ok().json()[0]["name"], name);

    // A provider config without a value takes it by its name.
    let config = json!({"alias": "team", "default_config": false, "provider_slug": "echo"});
    result(&rest(
        &dev,
        "POST",
        "/ai-gateway/gateways/default/provider_configs",
        &config,
    ));
    let bearer = format!("Bearer {}", dev.text("gateway_token"));
    let team = [
        ("cf-aig-authorization", bearer.as_str()),
        ("cf-aig-byok-alias", "team"),
    ];
    assert_eq!(dev.chat("default", &team).status, 200);
    let shown = dev.run(&["secrets", "show", name]).ok().out;
    assert!(
        shown.contains("used by\tkey echo/team in gateway default\n"),
        "{shown}"
    );

    let file = dev.path().join("new-value");
    fs::write(&file, new.text()).unwrap();
    let file = file.to_str().unwrap();
    let update = [
        "secrets",
        "update",
        name,
        "--from-file",
        file,
        "--comment",
        "x",
    ];
    let updated = dev.run(&[&update[..], &["--json"]].concat()).ok().json();
    assert_eq!(
        (&updated["comment"], &updated["requests_open"]),
        (&json!("x"), &json!(0))
    );
    assert_eq!(dev.chat("default", &team).status, 200);
    dev.run(&["secrets", "update", name, "--scope", "workers"])
        .ok();
    assert_eq!(dev.chat("default", &team).refusal(), (424, 9013));
    dev.run(&["secrets", "update", name, "--scope", "ai_gateway"])
        .ok();
    assert_eq!(dev.chat("default", &team).status, 200);

    dev.run(&["secrets", "delete", name]).failed(
        2,
        &[name, "stops key echo/team in gateway default", "--yes"],
    );
    dev.run(&["secrets", "delete", name, "--yes"]).ok();
    assert_eq!(dev.chat("default", &team).refusal(), (424, 9013));
    dev.run(&["secrets", "show", name])
        .failed(1, &["there is no secret"]);
    dev.stop();
}

#[test]
fn what_is_asked_for_wrongly_ends_with_2_and_repeats_no_value() {
    let dev = Dev::start();
    dev.run(&["secrets", "create", "a b"])
        .failed(2, &["secret_name_invalid"]);
    dev.run(&["secrets", "create", "x", "--scope", "all"])
        .failed(2, &["secret_scope_invalid"]);
    dev.run(&["secrets", "update", "x"])
        .failed(2, &["nothing to change"]);
    let pasted = Canary::new("cli pasted secret");
    dev.run(&["secrets", "create", "x", pasted.text()])
        .failed(2, &["never an argument"]);
    dev.run_with(&["secrets", "create", "x", "--store", "none"], "v")
        .failed(1, &["no such secrets store", "default_secrets_store"]);
    dev.stop();
}

#[test]
fn the_official_way_brings_a_key_to_its_provider_and_to_no_other() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let key = Canary::new("two steps");
    let ca = TestCa::new();
    let start = |placement| runtime.block_on(FakeProvider::start_tls(placement, [key.text()], &ca));
    let (openai, anthropic) = (start(Placement::bearer()), start(Placement::x_api_key()));
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("ca.pem"), ca.ca_pem()).unwrap();
    let config = format!(
        "[tls]\nextra_ca_files = [\"ca.pem\"]\n[providers.openai]\nbase_url = \"{}\"\n[providers.anthropic]\nbase_url = \"{}\"\n",
        openai.origin(),
        anthropic.origin()
    );
    let dev = Dev::start_with(directory, &config);
    let configs = "/ai-gateway/gateways/default/provider_configs";

    // The secret first, then the config of the same gateway, provider and alias.
    let stores = result(&rest(&dev, "GET", "/secrets_store/stores", &Value::Null));
    assert_eq!(stores[0]["name"], "default_secrets_store");
    let secrets = format!(
        "/secrets_store/stores/{}/secrets",
        stores[0]["id"].as_str().unwrap()
    );
    let new =
        json!([{"name": "default_openai_default", "value": key.text(), "scopes": ["ai_gateway"]}]);
    let secret = result(&rest(&dev, "POST", &secrets, &new));
    let id = secret[0]["id"].as_str().unwrap();
    let config = |provider: &str| json!({"alias": "default", "default_config": true, "provider_slug": provider});
    result(&rest(&dev, "POST", configs, &config("openai")));
    assert_eq!(chat(&dev, "openai", "chat/completions").status, 200);
    assert_eq!(openai.count(), 1);

    // A copy whose name says another provider, and a binding by id: neither brings it there.
    let copy = json!({"name": "default_anthropic_default", "scopes": ["ai_gateway"]});
    result(&rest(
        &dev,
        "POST",
        &format!("{secrets}/{id}/duplicate"),
        &copy,
    ));
    let named = rest(&dev, "POST", configs, &config("anthropic"));
    let mut by_id = config("anthropic");
    by_id["secret_id"] = json!(id);
    let by_id = rest(&dev, "POST", configs, &by_id);
    for refused in [named, by_id] {
        assert_eq!(refused.status, 409, "{refused:?}");
        assert!(
            refused.body.contains(&anthropic.origin()) && refused.body.contains(&openai.origin())
        );
    }
    assert_eq!(
        chat(&dev, "anthropic", "v1/messages").refusal(),
        (400, 2044)
    );
    assert_eq!(anthropic.count(), 0);

    // Deleted, it serves no request that starts afterwards.
    result(&rest(
        &dev,
        "DELETE",
        &format!("{secrets}/{id}"),
        &Value::Null,
    ));
    assert_eq!(
        chat(&dev, "openai", "chat/completions").refusal(),
        (424, 9013)
    );
    assert_eq!(openai.count(), 1);
    dev.stop();
    runtime.block_on(openai.stop());
    runtime.block_on(anthropic.stop());
}
