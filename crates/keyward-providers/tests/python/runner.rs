use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Runs `corpus/check.py` with these arguments; what it says, and what it ends with.
fn check(args: &[&str]) -> (String, Option<i32>) {
    let python = env::var_os("KEYWARD_TEST_PYTHON").expect(
        "KEYWARD_TEST_PYTHON is not set: run the tests by `cargo xtask test`, or set it to any Python 3.9 or later",
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/check.py");
    let output = Command::new(python)
        .arg(script)
        .args(args)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code())
}

/// The example that speaks the runner's protocol, built as the tests were.
fn classifier() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--offline",
            "--workspace",
            "--all-features",
        ])
        .args(["--example", "classify"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .status()
        .unwrap();
    assert!(built.success());
    // This program is `target/PROFILE/deps/NAME`.
    let here = env::current_exe().unwrap();
    here.ancestors().nth(2).unwrap().join("examples/classify")
}

#[test]
fn the_runner_finds_our_classifier_right() {
    let classifier = classifier();
    let (said, code) = check(&["--", classifier.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.ends_with(" 0 unknown, 0 wrong, 0 false convictions\n"),
        "{said}"
    );
}

#[test]
fn the_runner_tells_what_is_wrong() {
    let python = env::var("KEYWARD_TEST_PYTHON").unwrap();
    let always = |class: &str| format!("import sys\nfor line in sys.stdin: print('{class}')");
    let program = always("credential_rejected");
    let (said, code) = check(&["--provider", "elevenlabs", "--", &python, "-c", &program]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("elevenlabs/missing-permission: credential_rejected, not model_not_allowed"),
        "{said}"
    );
    assert!(said.contains("3 false convictions"), "{said}");

    let program = always("unknown");
    let (said, code) = check(&["--unknown-is-right", "--", &python, "-c", &program]);
    assert_eq!(code, Some(0), "{said}");

    let (said, code) = check(&["--", &python, "-c", "print('unknown')"]);
    assert_eq!(code, Some(2), "{said}");
}
