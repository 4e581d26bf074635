//! Cloudflare's official SDKs against the control plane: every method they have for what is served, with the answers
//! parsed as the types they are declared to be.

use std::{fs, path::Path, process::Command, time::Duration};

use serde_json::{Value, json};

use crate::support::{Dev, foreign, logs::with_logs, prepared, run_within};

const DEADLINE: Duration = Duration::from_secs(300);

const PARTS: [&str; 10] = [
    "whoami",
    "gateways",
    "gateway_settings",
    "provider_configs",
    "custom_providers",
    "dynamic_routing",
    "logs",
    "secrets",
    "tokens",
    "token_changes",
];

/// Nothing is left out silently: what the SDK has is called, or is of what docs/compatibility.md says is not served.
#[track_caller]
fn every_method_was_called(told: &Value) {
    assert_eq!(told["not_called"], json!([]), "{told}");
    let count = |field: &str| told[field].as_array().unwrap().len();
    let (called, not_served) = (count("called"), count("not_served"));
    assert!(called > 30 && not_served > 15, "{told}");
    println!(
        "sdk: {called} methods called, none left out, {not_served} of resources that are not served"
    );
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sdk")
        .join(name)
}

fn run(dev: &Dev, mut command: Command) -> Value {
    command
        .args(PARTS)
        .env(
            "KEYWARD_BASE",
            format!("{}/client/v4", dev.text("control_url")),
        )
        .env("KEYWARD_TOKEN", dev.text("api_token"))
        .env("KEYWARD_ACCOUNT", dev.text("account_id"))
        .env("KEYWARD_SECRET", "sk-given-by-a-provider-4711");
    let done = run_within(DEADLINE, command, "").ok();
    println!("{}", done.out);
    done.json()
}

#[test]
fn the_sdk_for_python_parses_every_answer() {
    let dev = with_logs();
    let mut python = foreign(prepared("KEYWARD_TEST_PYTHON"), dev.path());
    python.arg(script("cloudflare_python.py"));
    every_method_was_called(&run(&dev, python));
    dev.stop();
}

#[test]
fn the_sdk_for_typescript_gets_what_it_declares() {
    let dev = with_logs();
    // Node looks for packages beside the script, so it is run from where they are.
    let packages = prepared("KEYWARD_TEST_NODE_DIR");
    let copy = packages.join(format!("cloudflare_node-{}.mjs", std::process::id()));
    fs::copy(script("cloudflare_node.mjs"), &copy).unwrap();
    let mut node = foreign("node", &packages);
    node.arg(&copy);
    let told = run(&dev, node);
    fs::remove_file(&copy).unwrap();
    every_method_was_called(&told);
    dev.stop();
}
