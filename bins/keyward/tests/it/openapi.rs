//! The REST API against its own description, by schemathesis: good requests and bad ones to every operation, and
//! chains of them. No answer is a fault of ours, or one that the description does not tell.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;

use crate::support::{Dev, foreign, prepared, run_within, send};

/// How many generated requests every operation gets in the suite, beside those that cover its limits.
const CASES: &str = "3";
const SEED: &str = "20261126";

/// Far longer than the suite's share takes; a larger run takes minutes.
const DEADLINE: Duration = Duration::from_secs(3600);

#[test]
fn schemathesis_finds_no_answer_outside_the_description() {
    let dev = Dev::start();
    let directory = dev.path().join("schemathesis");
    fs::create_dir(&directory).unwrap();
    let given = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi");
    let control = dev.text("control_url");
    let bearer = format!("Bearer {}", dev.text("api_token"));
    let get = |path: &str| {
        send(
            "GET",
            &format!("{control}{path}"),
            &[("authorization", &bearer)],
            "",
        )
    };
    let token = get("/client/v4/user/tokens/verify").json();
    // Given as a file: schemathesis would not try the path where it found the description.
    let description = get("/client/v4/openapi.json").body;
    let served = directory.join("openapi.json");
    fs::write(&served, &description).unwrap();
    let report = directory.join("report.json");
    let cases = std::env::var("KEYWARD_SCHEMATHESIS_CASES").unwrap_or_else(|_| CASES.to_owned());

    let python = prepared("KEYWARD_TEST_PYTHON");
    let mut command = foreign(python.with_file_name("st"), &directory);
    command
        .arg("--config-file")
        .arg(given.join("schemathesis.toml"))
        .arg("run")
        .arg(&served)
        .args(["--url", control])
        .args(["--seed", SEED, "--max-examples", &cases, "--report", "json"])
        .arg("--report-json-path")
        .arg(&report)
        .env("KEYWARD_ACCOUNT", dev.text("account_id"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("KEYWARD_HOOKS", given.join("hooks.py"))
        .env("KEYWARD_TOKEN", dev.text("api_token"))
        .env("KEYWARD_TOKEN_ID", token["result"]["id"].as_str().unwrap());
    let done = run_within(DEADLINE, command, "");

    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    let report: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(report["complete"], true, "{report}");
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{report}");
    let operations = report["operations"]["tested"].as_u64().unwrap();
    let generated = report["test_cases"]["generated"].as_u64().unwrap();
    assert_eq!(
        operations,
        described(&get("/client/v4/openapi.json").json())
    );
    assert!(generated > 20 * operations, "{report}");
    // Else everything after its loss was refused with 401, as described.
    assert_eq!(
        get("/client/v4/user/tokens/verify").status,
        200,
        "the token is lost"
    );
    println!(
        "schemathesis: {operations} operations, {generated} cases, 0 server errors, 0 answers outside the description, {:.0} s",
        report["running_time"].as_f64().unwrap()
    );
    dev.stop();
}

fn described(description: &Value) -> u64 {
    let paths = description["paths"].as_object().unwrap();
    let operations: usize = paths
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    u64::try_from(operations).unwrap()
}
