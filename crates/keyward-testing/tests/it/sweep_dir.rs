//! What a process leaves in the sweep directory: this binary runs itself with the variable set.

use std::{env, fs, process::Command};

use keyward_testing::{
    CANARY_LIST, Canary, FakeProvider, Form, LogCapture, Placement, RawRecorder, Sweeper, TestCa,
    client::{Client, send_raw},
    outputs, register_canary, register_named_canary, sweep_dir,
};

const CHILD: &str = "KEYWARD_TESTING_CHILD";

#[test]
fn leaks_of_a_process_are_found_and_a_clean_one_has_none() {
    let clean = run_child("clean");
    assert_eq!(clean.hits, Vec::<String>::new());
    assert!(clean.logs.contains("a clean line") && clean.logs.contains(" rustls::"));

    let leaky = run_child("leaky");
    for expected in [
        "logs- logged raw text",
        "out- written base64",
        "out- registered-0 raw text",
    ] {
        assert!(
            leaky.hits.contains(&expected.to_owned()),
            "{expected}: {:?}",
            leaky.hits
        );
    }
    assert_eq!(leaky.hits.len(), 3, "{:?}", leaky.hits);
}

struct Left {
    hits: Vec<String>,
    logs: String,
}

fn run_child(mode: &str) -> Left {
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "sweep_dir::child", "--nocapture"])
        .env("KEYWARD_SWEEP_DIR", dir.path().join("made"))
        .env(CHILD, mode)
        .output()
        .unwrap();
    assert!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
    let dir = dir.path().join("made");
    let canaries = Canary::read_list(&dir).unwrap();
    assert_eq!(canaries.len(), 3);
    let hits = Sweeper::new(&canaries)
        .scan_dir(&dir, &[CANARY_LIST])
        .unwrap();
    let hits = hits
        .into_iter()
        .map(|hit| {
            let (kind, _) = hit.label.split_once('-').unwrap();
            format!("{kind}- {} {}", hit.canary, hit.form)
        })
        .collect();
    let logs = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    Left { hits, logs }
}

/// What the test above runs in a process of its own; by itself it does nothing.
#[tokio::test]
async fn child() {
    let Ok(mode) = env::var(CHILD) else { return };
    let capture = LogCapture::install();
    let logged = Canary::new("logged");
    let written = register_named_canary("written", "kw_gw_id_0123456789abcdefghijklmnopqrstuvwxyz");
    let answered = register_canary("answered-value-without-a-mark");
    tracing::info!("a clean line");
    // rustls writes to `log`, not to `tracing`.
    let ca = TestCa::new();
    let provider = FakeProvider::start_tls(Placement::bearer(), ["unused"], &ca).await;
    Client::connect_tls(provider.addr(), "localhost", &ca)
        .await
        .unwrap();
    assert!(capture.contents().contains("a clean line"));
    assert_eq!(LogCapture::install().contents(), capture.contents());
    let body = if mode == "leaky" {
        tracing::trace!(target: "hyper::proto", value = logged.text(), "leaked");
        outputs("cli", &Form::Base64.encode(written.text().as_bytes()));
        answered.text()
    } else {
        outputs("cli", b"nothing to see");
        "a clean answer, kept for the sweep"
    };
    let recorder = RawRecorder::start(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    send_raw(recorder.addr(), b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    assert!(fs::read_dir(sweep_dir()).unwrap().count() >= 4);
}
