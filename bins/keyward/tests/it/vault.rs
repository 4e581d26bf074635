//! `keyward vault …`.

use std::{fs, os::unix::fs::MetadataExt};

use keyward_testing::register_named_canary;
use tempfile::TempDir;

use crate::support::{Dev, keyward, run, run_with};

const INIT: &[&str] = &["vault", "init", "--data-dir", "data", "--key-file", "key"];

#[test]
fn init_makes_a_vault_and_writes_the_token_to_a_new_private_file() {
    let directory = TempDir::new().unwrap();
    let args = [INIT, &["--token-out", "token", "--json"]].concat();
    let made = run(directory.path(), &args).ok();
    assert_eq!(made.json()["gateway_id"], "default");
    let token = fs::read_to_string(directory.path().join("token")).unwrap();
    assert!(token.starts_with("kw_api_"));
    register_named_canary("token of vault init", token.trim_end());
    assert!(!made.out.contains(token.trim_end()));
    for name in ["token", "key", "data/keyward.db"] {
        let mode = fs::metadata(directory.path().join(name)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }

    let args = ["vault", "status", "--data-dir", "data", "--json"];
    let status = run(directory.path(), &args).ok().json();
    assert_eq!(
        status["slots"],
        serde_json::json!([{ "id": 1, "kind": "key file" }])
    );
    assert!(status["schema"].as_u64().is_some_and(|schema| schema >= 1));
    assert_eq!(status["sealed"], true);

    let args = [INIT, &["--token-out", "second"]].concat();
    run(directory.path(), &args).failed(1, &["there is a vault", "nothing was changed"]);
    assert!(!directory.path().join("second").exists());
}

#[test]
fn init_writes_the_token_over_nothing_and_into_no_pipe() {
    let directory = TempDir::new().unwrap();
    run(directory.path(), INIT).failed(2, &["--token-out FILE"]);
    fs::write(directory.path().join("token"), "mine").unwrap();
    let args = [INIT, &["--token-out", "token"]].concat();
    run(directory.path(), &args).failed(1, &["does not exist yet"]);
    assert_eq!(
        fs::read_to_string(directory.path().join("token")).unwrap(),
        "mine"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn init_wants_to_know_what_opens_the_vault() {
    let directory = TempDir::new().unwrap();
    let base = [
        "vault",
        "init",
        "--data-dir",
        "data",
        "--token-out",
        "token",
    ];
    let ways = ["--key-file PATH", "`[seal] command`", "--passphrase"];
    run(directory.path(), &base).failed(2, &ways);
    let beside = [&base[..], &["--key-file", "data/key"]].concat();
    run(directory.path(), &beside).failed(1, &["lies in the data directory"]);
    let passphrase = [&base[..], &["--passphrase"]].concat();
    run(directory.path(), &passphrase).failed(2, &["KEYWARD_PASSPHRASE_FILE"]);
    let mut short = keyward(directory.path(), &passphrase);
    fs::write(directory.path().join("short"), "secret").unwrap();
    short.env("KEYWARD_PASSPHRASE_FILE", "short");
    run_with(short, "").failed(1, &["shorter than 12 bytes"]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn status_says_so_while_the_server_runs() {
    let dev = Dev::start();
    let status = ["vault", "status", "--data-dir", ".keyward"];
    dev.run(&status)
        .failed(1, &["another process uses it", "/readyz"]);
    let directory = dev.stop();
    let shown = run(directory.path(), &status).ok().out;
    assert!(shown.contains("slots\t1 key file\n"), "{shown}");
    assert!(shown.contains("key file\topens it\n"), "{shown}");
    let missing = run(
        directory.path(),
        &["vault", "status", "--data-dir", "elsewhere"],
    );
    missing.failed(
        1,
        &[
            "there is no vault at elsewhere/keyward.db",
            "keyward vault init",
        ],
    );
    assert!(!directory.path().join("elsewhere").exists());
}
