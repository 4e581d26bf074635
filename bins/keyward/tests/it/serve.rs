//! `keyward serve` over vaults that `dev` and `vault init` made.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Dev, Server, keyward, run, run_with, send, until};

const LISTEN: &str = "[gateway]\nlisten = \"127.0.0.1:0\"\nworkers = 1\n[control]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n";

fn configure(directory: &Path, more: &str) {
    fs::write(
        directory.join("keyward.toml"),
        format!("data_dir = \".keyward\"\n{more}\n{LISTEN}"),
    )
    .unwrap();
}

/// Starts `serve` and waits for its start lines; the data plane's URL is among them.
pub(crate) fn serve(directory: &Path, environment: &[(&str, &str)]) -> (Server, String) {
    let mut command = keyward(directory, &["serve", "--config", "keyward.toml"]);
    command.envs(environment.iter().copied());
    let server = Server::spawn(command, directory.join("serve-log"));
    until("serve says what runs", || {
        let logged = server.logged();
        assert!(!logged.contains("error: "), "{logged}");
        logged.ends_with('\n') && logged.contains("\"roots\"")
    });
    let lines: Vec<Value> = server
        .logged()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["level"] == "INFO")
        .collect();
    // Whether memory could be locked depends on who runs the suite (`hardening.rs`).
    let told: Vec<_> = lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .filter(|message| *message != "memory may be swapped")
        .collect();
    assert_eq!(
        told,
        [
            "data plane",
            "control plane",
            "store",
            "memory",
            "seal",
            "roots"
        ]
    );
    let memory = lines.iter().find(|line| line["message"] == "memory");
    let memory = memory.unwrap();
    // What dev made: a token, and no provider key.
    assert_eq!(memory["keys_and_tokens"], "1 MiB");
    assert!(memory["connections"].as_u64() > Some(0), "{memory}");
    let url = lines.iter().find_map(|line| line["url"].as_str());
    let url = url.unwrap().to_owned();
    (server, url)
}

#[test]
fn serve_opens_what_dev_made_and_then_is_silent() {
    let dev = Dev::start();
    let ready = dev.ready.clone();
    let directory = dev.stop();
    configure(
        directory.path(),
        "[seal]\nkey_file = \".keyward/key\"\ndanger_key_beside_data = true",
    );
    let (server, url) = serve(directory.path(), &[]);
    let said = server.logged();
    let text = |name: &str| ready[name].as_str().unwrap();
    let chat = format!(
        "{url}/v1/{}/default/echo/chat/completions",
        text("account_id")
    );
    let bearer = format!("Bearer {}", text("gateway_token"));
    let answer = send(
        "POST",
        &chat,
        &[("cf-aig-authorization", &bearer)],
        r#"{"messages":[]}"#,
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.logged(), said);
    server.stop();
}

#[test]
fn a_key_file_in_the_data_directory_is_refused() {
    let directory = Dev::start().stop();
    std::os::unix::fs::symlink(".keyward/key", directory.path().join("linked")).unwrap();
    for key_file in [".keyward/key", "./x/../.keyward/key", "linked"] {
        fs::create_dir_all(directory.path().join("x")).unwrap();
        configure(
            directory.path(),
            &format!("[seal]\nkey_file = \"{key_file}\""),
        );
        let done = run(directory.path(), &["serve", "--config", "keyward.toml"]);
        done.failed(1, &["lies in the data directory", "danger_key_beside_data"]);
    }
}

#[test]
fn listening_in_clear_beyond_loopback_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("keyward.toml");
    for section in ["gateway", "control"] {
        fs::write(&file, format!("[{section}]\nlisten = \"0.0.0.0:0\"")).unwrap();
        let done = run(directory.path(), &["serve", "--config", "keyward.toml"]);
        done.failed(1, &["without TLS", "danger_plain_http_listen"]);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn the_wrong_key_file_leaves_the_vault_sealed() {
    let directory = Dev::start().stop();
    let other = Dev::start().stop();
    let key = other.path().join(".keyward/key");
    configure(
        directory.path(),
        &format!("[seal]\nkey_file = \"{}\"", key.display()),
    );
    let serve = ["serve", "--config", "keyward.toml"];
    run(directory.path(), &serve)
        .failed(3, &["stays sealed", "not the one", "keyward vault status"]);
    fs::write(&key, "nonsense").unwrap();
    run(directory.path(), &serve).failed(3, &["stays sealed", "not a key file"]);
    fs::remove_file(&key).unwrap();
    run(directory.path(), &serve).failed(3, &["cannot read the key file", "No such file"]);
    configure(directory.path(), "");
    run(directory.path(), &serve).failed(3, &["nothing that opens it is named", "key_file"]);
}

#[test]
fn a_passphrase_opens_the_vault_and_a_wrong_one_does_not() {
    let directory = TempDir::new().unwrap();
    configure(directory.path(), "");
    fs::write(directory.path().join("right"), "correct horse battery\n").unwrap();
    fs::write(directory.path().join("wrong"), "correct horse batterie\n").unwrap();
    let with = |args: &[&str], file: &str| {
        let mut command = keyward(directory.path(), args);
        command.env("KEYWARD_PASSPHRASE_FILE", file);
        run_with(command, "")
    };
    let init = [
        "vault",
        "init",
        "--config",
        "keyward.toml",
        "--passphrase",
        "--token-out",
        "token",
    ];
    with(&init, "right").ok();
    let serve_args = ["serve", "--config", "keyward.toml"];
    with(&serve_args, "wrong").failed(3, &["stays sealed", "passphrase"]);
    let ways = ["KEYWARD_PASSPHRASE_FILE", "`[seal] key_file`"];
    run(directory.path(), &serve_args).failed(3, &ways);
    let (server, _url) = serve(directory.path(), &[("KEYWARD_PASSPHRASE_FILE", "right")]);
    server.stop();
}

#[test]
fn the_token_of_vault_init_works_and_a_stored_key_serves() {
    let directory = TempDir::new().unwrap();
    configure(directory.path(), "[seal]\nkey_file = \"key\"");
    let init = [
        "vault",
        "init",
        "--config",
        "keyward.toml",
        "--token-out",
        "token",
    ];
    run(directory.path(), &init).ok();
    let (server, url) = serve(directory.path(), &[]);
    let lines = server.logged();
    let control: Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    let with = |args: &[&str], input: &str| {
        let mut command = keyward(directory.path(), args);
        command
            .env("KEYWARD_CONTROL_URL", control["url"].as_str().unwrap())
            .env("KEYWARD_API_TOKEN_FILE", "token");
        run_with(command, input).ok()
    };
    let key = keyward_testing::Canary::new("cli served");
    let stored = with(&["keys", "add", "echo", "--json"], key.text()).json();
    let token = with(&["tokens", "create", "app"], "").out;
    let account = stored["account_id"].as_str().unwrap();
    let chat = format!("{url}/v1/{account}/default/echo/chat/completions");
    let bearer = format!("Bearer {}", token.trim_end());
    let answer = send(
        "POST",
        &chat,
        &[("cf-aig-authorization", &bearer)],
        r#"{"messages":[]}"#,
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    server.stop();
}
