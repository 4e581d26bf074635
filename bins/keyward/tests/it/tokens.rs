//! `keyward tokens …` against a running server.

use std::{fs, os::unix::fs::MetadataExt};

use keyward_testing::register_named_canary;

use crate::support::{Dev, run_with};

#[test]
fn a_token_works_until_it_is_revoked() {
    let dev = Dev::start();
    let made = dev.run(&["tokens", "create", "app", "--json"]).ok().json();
    let (id, text) = (
        made["id"].as_str().unwrap(),
        made["value"].as_str().unwrap(),
    );
    assert_eq!(dev.chat_with(text).status, 200);
    let listed = dev.run(&["tokens", "list"]).ok().out;
    assert!(
        listed
            .lines()
            .any(|line| line.starts_with(&format!("{id}\tapp\tgateway\tactive\t")))
    );
    assert!(!listed.contains(text));
    dev.run(&["tokens", "revoke", id])
        .failed(2, &["`app`", "help: add --yes"]);
    dev.run(&["tokens", "revoke", id, "--yes"]).ok();
    assert_eq!(dev.chat_with(text).refusal(), (401, 2009));
    dev.run(&["tokens", "revoke", id, "--yes"])
        .failed(1, &["was not found", "[7002]"]);
    dev.stop();
}

#[test]
fn a_rolled_token_has_a_new_text_in_every_worker_at_once() {
    let dev = Dev::start();
    let made = dev.run(&["tokens", "create", "app", "--json"]).ok().json();
    let (id, old) = (
        made["id"].as_str().unwrap(),
        made["value"].as_str().unwrap(),
    );
    let overlap = [
        "tokens",
        "roll",
        id,
        "--overlap",
        "1h",
        "--out",
        "rolled",
        "--json",
    ];
    let rolled = dev.run(&overlap).ok().json();
    assert_eq!(rolled["id"], id);
    let new = fs::read_to_string(dev.path().join("rolled")).unwrap();
    let new = new.trim_end();
    register_named_canary("rolled token", new);
    for text in [old, new] {
        assert_eq!(dev.chat_with(text).status, 200);
    }
    dev.run(&["tokens", "roll", id])
        .failed(2, &["`app`", "help: add --yes"]);
    assert_eq!(dev.chat_with(new).status, 200);
    let roll = ["tokens", "roll", id, "--yes", "--out", "app-token"];
    dev.run(&roll).ok();
    let newest = fs::read_to_string(dev.path().join("app-token")).unwrap();
    register_named_canary("token rolled into a file", newest.trim_end());
    // Each request is a connection of its own, so that they reach every worker.
    for _ in 0..8 {
        assert_eq!(dev.chat_with(old).refusal(), (401, 2009));
        assert_eq!(dev.chat_with(new).refusal(), (401, 2009));
        assert_eq!(dev.chat_with(newest.trim_end()).status, 200);
    }
    let shown = dev.run(&["tokens", "show", id]).ok().out;
    assert!(shown.contains("name\tapp\n") && shown.contains("status\tactive\n"));
    dev.run(&["tokens", "roll", "000000000000", "--yes"])
        .failed(1, &["was not found", "[7002]"]);
    dev.run(&["tokens", "roll", id, "--overlap", "2d"])
        .failed(1, &["overlap_seconds"]);
    dev.stop();
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let dev = Dev::start();
    let create = ["tokens", "create", "app", "--provider", "echo", "--json"];
    let made = dev.run(&create).ok().json();
    let (id, text) = (
        made["id"].as_str().unwrap(),
        made["value"].as_str().unwrap(),
    );
    let update = |options: &[&str]| {
        let args = [&["tokens", "update", id, "--json"], options].concat();
        dev.run(&args).ok().json()
    };
    let updated = update(&["--name", "billing", "--expires-in", "1h"]);
    assert_eq!(updated["name"], "billing");
    assert!(updated["expires_on"].is_string());
    assert_eq!(updated["policies"], made["policies"]);
    assert_eq!(dev.chat_with(text).status, 200);
    update(&["--from", "10.0.0.0/8"]);
    assert_eq!(dev.chat_with(text).refusal(), (401, 2009));
    update(&["--from", "127.0.0.0/8", "--never-expires"]);
    assert_eq!(dev.chat_with(text).status, 200);
    assert_eq!(update(&["--disable"])["status"], "disabled");
    assert_eq!(dev.chat_with(text).refusal(), (401, 2009));
    assert_eq!(update(&["--enable"])["status"], "active");
    assert_eq!(dev.chat_with(text).status, 200);
    dev.run(&["tokens", "update", id])
        .failed(2, &["required arguments were not provided"]);
    dev.stop();
}

#[test]
fn a_gateways_settings_are_shown_and_changed_one_by_one() {
    let dev = Dev::start();
    let update = |sets: &[&str]| {
        let mut args = vec!["gateways", "update", "default"];
        args.extend(sets.iter().flat_map(|set| ["--set", set]));
        dev.run(&args)
    };
    let changed = update(&["cache_ttl=300", "log_management_strategy=DELETE_OLDEST"]).ok();
    assert_eq!(
        changed.out.trim_end(),
        "changed cache_ttl, log_management_strategy of gateway default"
    );
    update(&["stored_keys_only=true"]).ok();
    let shown = dev.run(&["gateways", "show", "default"]).ok().out;
    for line in [
        "cache_ttl\t300\n",
        "log_management_strategy\tDELETE_OLDEST\n",
        "stored_keys_only\ttrue\n",
        "authentication\ttrue\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    update(&["zdr=true"]).failed(1, &["zdr", "not enforced"]);
    update(&["nonsense=1"]).failed(1, &["nonsense"]);
    update(&["cache_ttl"]).failed(2, &["cache_ttl=300"]);
    dev.stop();
}

#[test]
fn a_narrowed_token_is_good_for_what_it_says_and_nothing_else() {
    let dev = Dev::start();
    dev.run(&["gateways", "create", "other"]).ok();
    let create = |options: &[&str]| {
        let args = [&["tokens", "create", "narrow", "--json"], options].concat();
        dev.run(&args).ok().json()["value"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let fits = create(&[
        "--gateway",
        "default",
        "--provider",
        "echo",
        "--alias",
        "default",
        "--class",
        "inference",
        "--from",
        "127.0.0.0/8",
        "--expires-in",
        "1h",
    ]);
    assert_eq!(dev.chat_with(&fits).status, 200);
    for options in [
        ["--gateway", "other"],
        ["--provider", "openai"],
        ["--alias", "other"],
        ["--class", "embeddings"],
        ["--from", "10.0.0.0/8"],
    ] {
        assert_eq!(
            dev.chat_with(&create(&options)).refusal(),
            (401, 2009),
            "{options:?}"
        );
    }
    dev.stop();
}

#[test]
fn the_text_can_go_to_a_new_private_file_alone() {
    let dev = Dev::start();
    let made = dev
        .run(&["tokens", "create", "app", "--out", "token", "--json"])
        .ok();
    let file = dev.path().join("token");
    let text = fs::read_to_string(&file).unwrap();
    register_named_canary("token in a file", text.trim_end());
    assert!(!made.out.contains(text.trim_end()) && !made.err.contains(text.trim_end()));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(dev.chat_with(text.trim_end()).status, 200);
    let again = dev.run(&["tokens", "create", "app", "--out", "token"]);
    again.failed(1, &["--out wants a file that does not exist yet"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    // A refused request leaves no file behind.
    let refused = ["tokens", "create", "", "--out", "refused"];
    dev.run(&refused).failed(1, &["NAME is empty"]);
    assert!(!dev.path().join("refused").exists());
    dev.stop();
}

#[test]
fn a_token_without_the_permission_ends_with_4() {
    let dev = Dev::start();
    dev.make_api_token("reader", "AI Gateway Read");
    let with =
        |args: &[&str], file: &str| run_with(dev.command_with(file, args), "sk-abcdefghijklmnop");
    assert_eq!(
        with(&["keys", "list"], "reader").ok().out.lines().count(),
        1
    );
    let refused = with(&["keys", "add", "openai"], "reader");
    refused.failed(4, &["may not do this", "[10000]"]);
    fs::write(dev.path().join("wrong"), "kw_api_nonsense").unwrap();
    with(&["keys", "list"], "wrong").failed(4, &["does not accept the API token"]);
    // A gateway token is for applications.
    fs::write(dev.path().join("gateway"), dev.text("gateway_token")).unwrap();
    with(&["keys", "list"], "gateway").failed(4, &["does not accept the API token"]);
    with(&["keys", "list"], "missing")
        .failed(1, &["cannot open missing", "KEYWARD_API_TOKEN_FILE"]);
    dev.stop();
}
