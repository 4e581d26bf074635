//! `keyward status` against a running server.

use std::fs;

use keyward_testing::register_named_canary;

use crate::support::{Dev, keyward, run, run_with, until};

/// A token with these permissions, in a file; what `status` says with it.
fn with_permission(dev: &Dev, name: &str) -> crate::support::Done {
    dev.make_api_token("narrow", name);
    let text = fs::read_to_string(dev.path().join("narrow")).unwrap();
    register_named_canary("narrow token", text.trim());
    let done = run_with(dev.command_with("narrow", &["status", "--json"]), "");
    fs::remove_file(dev.path().join("narrow")).unwrap();
    done
}

#[test]
fn a_key_that_expired_is_what_needs_attention_first() {
    let dev = Dev::start();
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let add = [
        "keys",
        "add",
        "openai",
        "--alias",
        "old",
        "--expires-on",
        &soon.to_string(),
    ];
    dev.run_with(&add, "sk-proj-0123456789abcdefghij").ok();
    until("the key expires", || {
        dev.run(&["keys", "show", "openai", "--alias", "old"])
            .ok()
            .out
            .contains("expired")
    });
    let status = dev.run(&["status", "--json"]).ok().json();
    assert_eq!(status["keys"]["default"]["expired"], 1);
    assert_eq!(status["keys"]["default"]["active"], 1);
    assert_eq!(status["server"]["url"], dev.text("control_url"));
    assert_eq!(status["version_skew"], false);
    assert_eq!(
        status["token"]["id"],
        dev.text("api_token").split('_').nth(2).unwrap()
    );
    assert_eq!(status["token"]["from"], "./.keyward/dev.json");
    let told = dev.run(&["status"]).ok().out;
    let key = "openai --gateway default --alias old";
    let next =
        format!("next\tkeyward keys rotate {key} && keyward keys update {key} --expires-on DATE\n");
    assert!(told.ends_with(&next), "{told}");
    dev.stop();
}

#[test]
fn a_token_learns_what_it_may_without_a_permission_for_it() {
    let dev = Dev::start();
    let done = with_permission(&dev, "Account Settings Read").ok();
    let status = done.json();
    assert_eq!(
        status["token"]["allows"],
        "every gateway; Account Settings Read"
    );
    // It may not see the gateways, which is no failure.
    assert!(status["keys"].is_null());
    let done = with_permission(&dev, "AI Gateway Read").ok();
    assert_eq!(done.json()["keys"]["default"]["active"], 1);
    dev.stop();
}

#[test]
fn a_server_that_stopped_ends_with_3_and_an_unknown_token_with_4() {
    let dev = Dev::start();
    fs::write(dev.path().join("other"), "kw_api_AAAAAAAAAAAA_nothing").unwrap();
    let mut command = keyward(dev.path(), &["status"]);
    command
        .env("KEYWARD_API_TOKEN_FILE", "other")
        .env("KEYWARD_CONTROL_URL", dev.text("control_url"));
    let done = run_with(command, "");
    done.failed(
        4,
        &["does not accept the API token", "KEYWARD_API_TOKEN_FILE"],
    );
    // What is known without a token is told all the same.
    assert!(
        done.out.contains("version\t") && done.out.contains("sealed\tno"),
        "{done:?}"
    );
    let directory = dev.stop();
    let done = run(directory.path(), &["status", "--json"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    let error: serde_json::Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!(error["exit_code"], 3);
    assert!(
        error["error"]["help"]
            .as_str()
            .unwrap()
            .contains("keyward dev")
    );
}
