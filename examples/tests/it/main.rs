//! Every example runs, prints what its page says, and nothing of the key it was given.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use keyward_testing::{Canary, outputs};

/// Runs the example and compares its output with the file beside it. `KEYWARD_WRITE_OUTPUT=1` writes that file.
#[track_caller]
fn check(name: &str, program: &str) {
    let directory = tempfile::tempdir().unwrap();
    let key = Canary::new(name);
    let key_file = directory.path().join("key");
    fs::write(&key_file, key.text()).unwrap();
    let output = Command::new(program)
        .env("EXAMPLE_KEY_FILE", &key_file)
        .env("TMPDIR", directory.path())
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    outputs(
        &format!("example-{name}"),
        format!("{stdout}{stderr}").as_bytes(),
    );
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(stderr, "");
    assert!(!stdout.contains(key.random_part()));

    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.txt"));
    if env::var_os("KEYWARD_WRITE_OUTPUT").is_some() {
        fs::write(&expected, &stdout).unwrap();
    }
    assert_eq!(stdout, fs::read_to_string(expected).unwrap());
}

#[test]
fn the_vault_alone() {
    check("vault", env!("CARGO_BIN_EXE_vault"));
}

#[test]
fn tokens_alone() {
    check("auth", env!("CARGO_BIN_EXE_auth"));
}

#[test]
fn a_store_of_ones_own() {
    check("own_store", env!("CARGO_BIN_EXE_own_store"));
}

#[test]
fn the_forwarder_as_a_function() {
    check("forward_function", env!("CARGO_BIN_EXE_forward_function"));
}

#[test]
fn the_forwarder_as_a_service() {
    check("forward_service", env!("CARGO_BIN_EXE_forward_service"));
}

#[test]
fn a_credential_as_a_layer() {
    check("forward_layer", env!("CARGO_BIN_EXE_forward_layer"));
}

#[test]
fn a_gateway_within_an_axum_service() {
    check("mounted_gateway", env!("CARGO_BIN_EXE_mounted_gateway"));
}

/// The page quotes the programs that were run, not others.
#[test]
fn what_the_page_quotes_stands_in_the_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/embedding.md")).unwrap();
    let mut quoted = 0;
    for part in page.split("<!-- ").skip(1) {
        let (name, rest) = part.split_once(" -->\n```rust\n").unwrap();
        let (code, _) = rest.split_once("```").unwrap();
        let example = fs::read_to_string(root.join(name)).unwrap();
        assert!(example.contains(code), "{name} does not hold:\n{code}");
        quoted += 1;
    }
    assert_eq!(quoted, 7);
}
