//! `keyward run`: which token a program gets, and what it does not get. What it does with it: `snippets.rs`.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::support::{Dev, foreign, keyward, run_with};

/// `keyward run … -- env` beside a server, with the `PATH` that finds `env`.
fn environment_of(dev: &Dev, options: &[&str]) -> Command {
    let args = [&["run"][..], options, &["--", "env"]].concat();
    let mut command = keyward(dev.path(), &args);
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command
}

#[test]
fn the_token_in_dev_json_goes_to_no_other_server() {
    let dev = Dev::start();
    let profile = "current = \"other\"\n\n[profile.other]\ncontrol_url = \"https://keys.example.com\"\n\
        token_file = \"other-token\"\naccount = \"0123456789abcdef0123456789abcdef\"\n";
    fs::write(dev.path().join("other-token"), "kw_api_of_the_other").unwrap();
    fs::create_dir_all(dev.path().join(".config/keyward")).unwrap();
    let file = dev.path().join(".config/keyward/profiles.toml");
    fs::write(&file, profile).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    // The profile is in use without being named; refused before anything is asked.
    let mut command = environment_of(&dev, &[]);
    command.env("HOME", dev.path());
    let refused = run_with(command, "");
    refused.failed(4, &["no gateway token is known", "--token-file"]);
    // Nor where the URL is another on this machine.
    let refused = run_with(
        environment_of(&dev, &["--control-url", "http://127.0.0.1:1"]),
        "",
    );
    refused.failed(4, &["in dev.json is for", "not sent to http://127.0.0.1:1"]);
    run_with(environment_of(&dev, &[]), "").ok();
    dev.stop();
}

#[test]
fn a_program_learns_nothing_of_the_operators_secrets() {
    let dev = Dev::start();
    fs::write(dev.path().join("admin"), dev.text("api_token")).unwrap();
    fs::write(dev.path().join("app"), dev.text("gateway_token")).unwrap();
    let mut command = environment_of(&dev, &[]);
    command
        .env("KEYWARD_API_TOKEN_FILE", "admin")
        .env("KEYWARD_GATEWAY_TOKEN_FILE", "app")
        .env("KEYWARD_PASSPHRASE_FILE", "phrase")
        .env("KEYWARD_RECOVERY_KEY_FD", "9");
    let environment = run_with(command, "").ok().out;
    let token = dev.text("gateway_token");
    assert!(environment.contains(&format!("KEYWARD_TOKEN={token}\n")));
    for end in ["_FILE=", "_FD="] {
        assert!(!environment.contains(end), "{environment}");
    }
    fs::remove_file(dev.path().join("admin")).unwrap();
    fs::remove_file(dev.path().join("app")).unwrap();
    dev.stop();
}

#[test]
fn the_descriptor_of_a_token_ends_with_the_command() {
    let dev = Dev::start();
    fs::write(dev.path().join("app"), dev.text("gateway_token")).unwrap();
    fs::write(dev.path().join("admin"), dev.text("api_token")).unwrap();
    let script = format!(
        "exec 7<app 8<admin 9</dev/null; '{}' run -- sh -c 'for fd in 7 8 9; do \
            if [ -e /dev/fd/$fd ]; then echo $fd open; else echo $fd closed; fi; done'",
        env!("CARGO_BIN_EXE_keyward")
    );
    let mut shell = foreign("sh", dev.path());
    shell.args(["-c", &script]);
    shell
        .env("KEYWARD_GATEWAY_TOKEN_FD", "7")
        .env("KEYWARD_API_TOKEN_FD", "8");
    shell.env("KEYWARD_CONTROL_URL", dev.text("control_url"));
    let done = run_with(shell, "").ok();
    assert_eq!(done.out, "7 closed\n8 closed\n9 open\n");
    fs::remove_file(dev.path().join("admin")).unwrap();
    fs::remove_file(dev.path().join("app")).unwrap();
    dev.stop();
}

#[test]
fn the_gateway_is_the_one_that_the_environment_names() {
    let dev = Dev::start();
    dev.run(&["gateways", "create", "production"]).ok();
    let mut command = environment_of(&dev, &[]);
    command.env("KEYWARD_GATEWAY_ID", "production");
    let environment = run_with(command, "").ok().out;
    assert!(
        environment.contains("/production/openai\n"),
        "{environment}"
    );
    dev.stop();
}

#[test]
fn an_api_token_is_given_to_no_program() {
    let dev = Dev::start();
    fs::write(dev.path().join("admin"), dev.text("api_token")).unwrap();
    let done = run_with(environment_of(&dev, &["--token-file", "admin"]), "");
    done.failed(2, &["gateway tokens begin with `kw_gw_`"]);
    assert!(!done.err.contains(dev.text("api_token")));
    fs::remove_file(dev.path().join("admin")).unwrap();
    dev.stop();
}
