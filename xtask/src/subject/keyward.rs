//! Starts Keyward as a subject: the one place that knows its command line.

use std::{fs, path::Path, process::Command};

use crate::{
    process::{self, Running},
    subject::{Subject, SubjectError, Upstream},
};

/// Starts `keyward dev` with one worker in `directory`, its provider `openai` pointed at `upstream`, and stores the
/// upstream's key.
///
/// `dev` runs `program`, wrapped and placed as the measurement wants. `settings` are further lines of the
/// configuration file: fields of the top level, and other sections than `[providers.openai]` and `[tls]`.
pub(crate) fn start_keyward(
    mut dev: Command,
    program: &Path,
    upstream: &Upstream,
    directory: &Path,
    settings: &str,
) -> Result<Subject, SubjectError> {
    let data = directory.join("data");
    let config = directory.join("keyward.toml");
    let text = format!("{settings}\n{}", configuration(upstream));
    fs::write(&config, text).map_err(SubjectError::Directory)?;

    dev.arg("dev")
        .arg("--data-dir")
        .arg(&data)
        .arg("--config")
        .arg(&config);
    dev.args([
        "--listen",
        "127.0.0.1:0",
        "--control-listen",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--json",
    ]);
    let process = Running::start(&mut dev)?;

    // The control plane is found by the data directory's `dev.json`; the key goes in by standard input.
    let mut add = Command::new(program);
    add.args(["keys", "add", "openai", "--data-dir"]).arg(&data);
    process::output_with_input(&mut add, format!("{}\n", upstream.key()).as_bytes())?;

    let gateway_url = process.ready_text("gateway_url")?;
    let authority = gateway_url.strip_prefix("http://").unwrap_or(&gateway_url);
    let authority = authority
        .split_once('/')
        .map_or(authority, |(authority, _)| authority);
    let path = format!(
        "/v1/{}/{}/openai/chat/completions",
        process.ready_text("account_id")?,
        process.ready_text("gateway_id")?
    );
    let headers = vec![format!(
        "cf-aig-authorization: Bearer {}",
        process.ready_text("gateway_token")?
    )];
    Subject::new("keyward", authority, path, headers, process)
}

fn configuration(upstream: &Upstream) -> String {
    let scheme = if upstream.ca_file().is_some() {
        "https"
    } else {
        "http"
    };
    let mut text = format!(
        "[providers.openai]\nbase_url = \"{scheme}://{}/v1\"\n",
        upstream.address()
    );
    if let Some(path) = upstream.ca_file() {
        text.push_str(&format!(
            "\n[tls]\nextra_ca_files = [{:?}]\n",
            path.to_string_lossy()
        ));
    }
    text
}
