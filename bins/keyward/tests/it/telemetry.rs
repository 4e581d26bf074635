//! What a server tells an OpenTelemetry collector, and what it does not.

#[cfg(feature = "otel")]
mod collector;

use std::fs;

use tempfile::TempDir;

use crate::support::run;

#[test]
fn what_a_build_cannot_do_is_told_before_a_start() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("keyward.toml");
    fs::write(&file, "[otel]\nendpoint = \"http://127.0.0.1:4318\"\n").unwrap();
    let done = run(directory.path(), &["config", "check", "keyward.toml"]);
    if cfg!(feature = "otel") {
        done.ok();
    } else {
        assert_eq!(done.code, Some(5), "{done:?}");
        assert!(done.err.contains("[otel] endpoint"), "{}", done.err);
        assert!(done.err.contains("--features otel"), "{}", done.err);
    }
    fs::write(&file, "[otel]\nservice_name = \"x\"\n").unwrap();
    let done = run(directory.path(), &["config", "check", "keyward.toml"]);
    assert_eq!(done.code, Some(5), "{done:?}");
    assert!(done.err.contains("[otel] service_name"), "{}", done.err);
}
