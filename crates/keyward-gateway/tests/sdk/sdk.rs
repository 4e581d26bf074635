//! Each script makes real calls through the gateway to the fake provider, over TLS from there on.

use std::{path::PathBuf, process::Stdio, time::Duration};

use keyward_testing::{Placement, Recorded, outputs};
use tokio::process::Command;

use crate::support::{CHAT, Running, Setup, code};

/// Where the token stands: where the provider's key would, or in the header that is for it.
const MODES: [&str; 2] = ["slot", "header"];

pub(crate) fn program(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: run the tests by `cargo xtask test`, which installs the SDKs"
        )
    });
    PathBuf::from(value)
}

pub(crate) fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sdk")
        .join(name)
}

pub(crate) async fn run(
    mut command: Command,
    running: &Running,
    provider: &str,
    mode: &str,
) -> serde_json::Value {
    let base = format!("http://{}{}", running.addr, running.path(provider));
    command
        .env("KEYWARD_BASE", base)
        .env("KEYWARD_TOKEN", running.token.text())
        .env("KEYWARD_MODE", mode)
        .env_remove("OPENAI_API_KEY")
        .env_remove("ANTHROPIC_API_KEY")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(120), command.output());
    let output = output
        .await
        .expect("the script ends")
        .expect("the script starts");
    outputs("sdk-stdout", &output.stdout);
    outputs("sdk-stderr", &output.stderr);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{provider}, token in {mode}: {told}"
    );
    serde_json::from_slice(&output.stdout).expect("one JSON line")
}

/// Runs a script of Node's. It looks for packages beside the script, so that is run from where they are.
pub(crate) async fn run_node(
    name: &str,
    running: &Running,
    (provider, mode): (&str, &str),
    variables: &[(&str, &str)],
) -> serde_json::Value {
    let packages = program("KEYWARD_TEST_NODE_DIR");
    let copy = packages.join(format!("{}-{mode}-{name}", std::process::id()));
    std::fs::copy(script(name), &copy).unwrap();
    let mut node = Command::new("node");
    node.arg(&copy).current_dir(&packages);
    node.envs(variables.iter().copied());
    let result = run(node, running, provider, mode).await;
    std::fs::remove_file(&copy).unwrap();
    result
}

/// The stored key exactly once, in its place; nothing of ours.
pub(crate) fn check_requests(requests: &[Recorded], header: &str, value: &str, key: &str) {
    for request in requests {
        assert_eq!(
            request.header_all(header),
            [value.as_bytes()],
            "{request:?}"
        );
        let carrying = request
            .headers
            .iter()
            .filter(|(_, value)| String::from_utf8_lossy(value).contains(key))
            .count();
        assert_eq!(carrying, 1, "{request:?}");
        for (name, value) in &request.headers {
            assert!(
                !name.to_ascii_lowercase().starts_with("cf-aig-"),
                "{request:?}"
            );
            assert!(
                !String::from_utf8_lossy(value).contains("kw_"),
                "{request:?}"
            );
        }
        assert!(
            !request.target.contains("kw_") && !request.target.contains(key),
            "{request:?}"
        );
    }
}

fn check_openai(result: &serde_json::Value, requests: &[Recorded], key: &str) {
    assert!(!result["chat"].as_str().unwrap().is_empty());
    assert!(result["stream_chunks"].as_u64().unwrap() > 1);
    assert_eq!(result["streamed"], result["chat"]);
    assert!(result["embedding_length"].as_u64().unwrap() > 0);
    assert_eq!(result["upload_bytes"], 300_000);
    assert_eq!(requests.len(), 4);
    check_requests(requests, "authorization", &format!("Bearer {key}"), key);
    let upload = requests
        .iter()
        .find(|request| request.path().ends_with("/files"))
        .unwrap();
    assert!(
        upload
            .header("content-type")
            .unwrap()
            .starts_with("multipart/form-data")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_sdk_for_python_works() {
    let running = Running::start(Setup::default()).await;
    let (key, _) = running.store_key("openai", "default").await;
    for mode in MODES {
        let mut python = Command::new(program("KEYWARD_TEST_PYTHON"));
        python.arg(script("openai_python.py"));
        let result = run(python, &running, "openai", mode).await;
        check_openai(&result, &running.provider.take_recorded(), key.text());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_sdk_for_node_works() {
    let running = Running::start(Setup::default()).await;
    let (key, _) = running.store_key("openai", "default").await;
    for mode in MODES {
        let result = run_node("openai_node.mjs", &running, ("openai", mode), &[]).await;
        check_openai(&result, &running.provider.take_recorded(), key.text());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anthropic_sdk_for_python_works() {
    let running = Running::start(Setup {
        slugs: &["anthropic"],
        placement: Placement::x_api_key(),
        ..Setup::default()
    })
    .await;
    let (key, _) = running.store_key("anthropic", "default").await;
    for mode in MODES {
        let mut python = Command::new(program("KEYWARD_TEST_PYTHON"));
        python.arg(script("anthropic_python.py"));
        let result = run(python, &running, "anthropic", mode).await;
        assert!(!result["message"].as_str().unwrap().is_empty());
        assert_eq!(result["streamed"], result["message"]);
        let requests = running.provider.take_recorded();
        assert_eq!(requests.len(), 2);
        check_requests(&requests, "x-api-key", key.text(), key.text());
        assert!(
            requests
                .iter()
                .all(|request| request.header("authorization").is_none())
        );
    }
    running.stop().await;
}

/// A refused stored key is told once: the SDKs, with the retries that they come with, do not ask again.
#[track_caller]
fn check_refused(result: &serde_json::Value) {
    assert!(result["retries"].as_u64().unwrap() >= 2, "{result}");
    assert_eq!(result["sent"], 2, "{result}");
    let told = result["told"].as_array().unwrap();
    assert_eq!(told.len(), 2, "{result}");
    for told in told {
        assert_eq!(told["status"], 424, "{result}");
        let message = told["message"].as_str().unwrap();
        assert!(message.contains("keyward keys rotate"), "{result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_do_not_repeat_a_request_whose_stored_key_is_refused() {
    let setups = [
        ("openai", Placement::bearer()),
        ("anthropic", Placement::x_api_key()),
    ];
    for (slug, placement) in setups {
        let mut running = Running::start(Setup {
            slugs: match slug {
                "openai" => &["openai"],
                _ => &["anthropic"],
            },
            placement,
            relay: true,
            ..Setup::default()
        })
        .await;
        running.keep();
        let (_key, _) = running.store_key(slug, "default").await;
        running.provider.accept_keys(["sk-another"]);
        let mut python = Command::new(program("KEYWARD_TEST_PYTHON"));
        python.arg(script("refused_python.py"));
        python.env("KEYWARD_SDK", slug);
        check_refused(&run(python, &running, slug, "slot").await);
        if slug == "openai" {
            check_refused(&run_node("refused_node.mjs", &running, (slug, "slot"), &[]).await);
        }
        running.stop().await;
    }
}

/// The two requests of Cloudflare's page "Bring your own keys", as curl sends them: with an `Authorization` of
/// the client's own, and without any.
#[tokio::test(flavor = "multi_thread")]
async fn the_curl_examples_of_the_byok_page_work() {
    let running = Running::start(Setup::default()).await;
    let (stored, _) = running.store_key("openai", "default").await;
    let own = keyward_testing::register_named_canary(
        "own key",
        "sk-own-Qm2vXc9Lr4Tz8Kd1Wb6Ny3Hp5Gs0Jf7Ea",
    );
    running.provider.accept_keys([stored.text(), own.text()]);
    let url = format!(
        "http://{}{}",
        running.addr,
        running.path("openai/chat/completions")
    );
    let body = String::from_utf8(CHAT.to_vec()).unwrap();
    for (extra, expected) in [
        (
            Some(format!("Authorization: Bearer {}", own.text())),
            own.text(),
        ),
        (None, stored.text()),
    ] {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--fail-with-body",
            "-X",
            "POST",
            &url,
        ]);
        curl.args([
            "--header",
            &format!("cf-aig-authorization: Bearer {}", running.token.text()),
        ]);
        curl.args(extra.iter().flat_map(|header| ["--header", header]));
        curl.args([
            "--header",
            "Content-Type: application/json",
            "--data",
            &body,
        ]);
        let output = curl.output().await.expect("curl is installed");
        outputs("curl", &output.stdout);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        let requests = running.provider.take_recorded();
        assert_eq!(requests.len(), 1);
        check_requests(
            &requests,
            "authorization",
            &format!("Bearer {expected}"),
            expected,
        );
    }
    let without = running.chat("openai", &[]).await;
    assert_eq!((without.status, code(&without)), (401, 2009));
    running.stop().await;
}
