//! `keyward keys …` against a running server.

use std::fs;

use keyward_testing::Canary;
use serde_json::Value;

use crate::support::Dev;

const TOKEN: &str = "cf-aig-authorization";

fn bearer(dev: &Dev) -> String {
    format!("Bearer {}", dev.text("gateway_token"))
}

#[test]
fn a_key_is_stored_used_rotated_switched_and_deleted() {
    let dev = Dev::start();
    let (old, new) = (Canary::new("cli old"), Canary::new("cli new"));
    let bearer = bearer(&dev);
    let chat = || {
        dev.chat(
            "default",
            &[(TOKEN, &bearer), ("cf-aig-byok-alias", "team")],
        )
    };
    assert_eq!(chat().refusal(), (400, 2040));

    let added = dev.run_with(&["keys", "add", "echo", "--alias", "team"], old.text());
    let added = added.ok().out;
    assert!(
        added.contains("sealed for http://echo.localhost"),
        "{added}"
    );
    assert_eq!(chat().status, 200);

    let file = dev.path().join("new-key");
    fs::write(&file, format!("{}\n", new.text())).unwrap();
    let file = file.to_str().unwrap();
    let rotated = dev.run(&[
        "keys",
        "rotate",
        "echo",
        "--alias",
        "team",
        "--from-file",
        file,
    ]);
    assert!(rotated.ok().out.contains("version 2"));
    assert_eq!(chat().status, 200);

    dev.run(&["keys", "disable", "echo", "--alias", "team"])
        .ok();
    assert_eq!(chat().refusal(), (424, 9010));
    dev.run(&["keys", "enable", "echo", "--alias", "team"]).ok();
    assert_eq!(chat().status, 200);

    dev.run(&["keys", "delete", "echo", "--alias", "team", "--yes"])
        .ok();
    assert_eq!(chat().refusal(), (400, 2040));
    dev.stop();
}

#[test]
fn piped_lists_are_one_record_per_line_and_json_is_an_array() {
    let dev = Dev::start();
    let piped = dev.run(&["keys", "list"]).ok().out;
    let lines: Vec<_> = piped.lines().collect();
    assert_eq!(lines.len(), 1, "{piped}");
    let cells: Vec<_> = lines[0].split('\t').collect();
    assert_eq!(cells[..4], ["default", "echo", "default", "active"]);
    assert_eq!(cells.len(), 8);
    assert!(!piped.contains('\u{1b}'), "{piped:?}");

    let json = dev.run(&["keys", "list", "--json"]).ok().json();
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert_eq!(json[0]["provider_slug"], "echo");
    let none = ["keys", "list", "--provider", "openai"];
    assert_eq!(dev.run(&none).ok().out, "");
    let none = dev.run(&[&none[..], &["--json"]].concat()).ok().json();
    assert_eq!(none, Value::Array(Vec::new()));

    let shown = dev.run(&["keys", "show", "echo"]).ok().out;
    assert!(
        shown.contains("sealed for\thttp://echo.localhost\n"),
        "{shown}"
    );
    dev.stop();
}

#[test]
fn a_pasted_key_is_trimmed_and_said_so_or_refused_with_the_position() {
    let dev = Dev::start();
    let key = Canary::new("cli pasted");
    let add = ["keys", "add", "openai"];
    let inside = format!("{}x y", key.text());
    let refused = dev.run_with(&add, &inside);
    let position = format!(
        "character {} of {} is a blank",
        key.text().len() + 2,
        inside.len()
    );
    refused.failed(1, &[&position]);
    dev.run_with(&add, "sk\u{0}-abc")
        .failed(1, &["a control character"]);
    dev.run_with(&add, " \n").failed(1, &["empty"]);
    dev.run_with(&add, dev.text("gateway_token"))
        .failed(1, &["token of Keyward's own"]);
    assert_eq!(
        dev.run(&["keys", "list", "--provider", "openai"]).ok().out,
        ""
    );

    let pasted = format!("  {}\t\n", key.text());
    let added = dev.run_with(&add, &pasted).ok();
    assert!(added.err.contains("4 characters"), "{added:?}");
    dev.run_with(&add, key.text())
        .failed(1, &["already exists", "[7001]"]);
    dev.stop();
}

#[test]
fn deleting_names_what_will_be_hit_and_wants_yes() {
    let dev = Dev::start();
    let asked = dev.run(&["keys", "delete", "echo"]);
    asked.failed(
        2,
        &[
            "key echo/default in gateway default",
            "never used",
            "help: add --yes",
        ],
    );
    dev.run(&["gateways", "create", "staging"]).ok();
    let key = Canary::new("cli staging");
    dev.run_with(
        &["keys", "add", "openai", "--gateway", "staging"],
        key.text(),
    )
    .ok();
    let asked = dev.run(&["gateways", "delete", "staging"]);
    asked.failed(2, &["gateway staging and its provider key"]);
    dev.run(&["gateways", "delete", "staging", "--yes"]).ok();
    assert_eq!(dev.run(&["gateways", "list"]).ok().out.lines().count(), 1);
    let missing = dev.run(&["keys", "delete", "openai", "--yes"]);
    missing.failed(1, &["there is no key openai/default", "keyward keys list"]);
    dev.stop();
}

#[test]
fn a_gateway_may_do_without_tokens_but_not_with_stored_keys() {
    let dev = Dev::start();
    dev.run(&["gateways", "create", "open", "--no-authentication"])
        .ok();
    let key = Canary::new("cli open");
    dev.run_with(&["keys", "add", "echo", "--gateway", "open"], key.text())
        .ok();
    let answer = dev.chat("open", &[]);
    assert_ne!(answer.status, 200, "{answer:?}");
    assert_eq!(dev.chat("open", &[(TOKEN, &bearer(&dev))]).status, 200);
    dev.stop();
}
