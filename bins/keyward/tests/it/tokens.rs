//! `keyward tokens …` against a running server.

use std::{fs, os::unix::fs::MetadataExt};

use keyward_testing::register_named_canary;

use crate::support::{Dev, keyward, run_with};

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
    let create = [
        "tokens",
        "create",
        "reader",
        "--api",
        "--permission",
        "AI Gateway Read",
        "--out",
        "reader",
    ];
    dev.run(&create).ok();
    let with = |args: &[&str], file: &str| {
        let mut command = keyward(dev.path(), args);
        command
            .env("KEYWARD_CONTROL_URL", dev.text("control_url"))
            .env("KEYWARD_API_TOKEN_FILE", file);
        run_with(command, "sk-abcdefghijklmnop")
    };
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
