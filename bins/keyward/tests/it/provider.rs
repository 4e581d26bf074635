//! A provider over TLS, found and trusted by way of the configuration alone.

use std::fs;

use keyward_testing::{Canary, FakeProvider, Placement, TestCa};
use tempfile::TempDir;

use crate::support::{Dev, keyward, run_with, send};

#[test]
fn a_configured_provider_gets_the_stored_key_over_tls() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let key = Canary::new("cli provider");
    let ca = TestCa::new();
    let provider = runtime.block_on(FakeProvider::start_tls(
        Placement::bearer(),
        [key.text()],
        &ca,
    ));
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("ca.pem"), ca.ca_pem()).unwrap();
    let config = format!(
        "[tls]\nextra_ca_files = [\"ca.pem\"]\n[providers.openai]\nbase_url = \"{}\"\n",
        provider.origin()
    );
    let dev = Dev::start_with(directory, &config);

    let added = dev
        .run_with(&["keys", "add", "openai"], key.text())
        .ok()
        .out;
    assert!(added.contains(&provider.origin()), "{added}");
    let url = format!(
        "{}/v1/{}/default/openai/chat/completions",
        dev.text("gateway_url"),
        dev.text("account_id")
    );
    let bearer = format!("Bearer {}", dev.text("gateway_token"));
    let chat = || {
        send(
            "POST",
            &url,
            &[("authorization", &bearer)],
            r#"{"messages":[]}"#,
        )
    };
    assert_eq!(chat().status, 200);
    assert_eq!(provider.count(), 1);

    // Sealed for the provider's own origin, a key does not follow the configuration elsewhere.
    let other = Canary::new("cli elsewhere");
    let moved = Dev::start_in(dev.stop());
    let refused = send(
        "POST",
        &url.replace(
            url.split('/').nth(2).unwrap(),
            moved.text("gateway_url").split('/').nth(2).unwrap(),
        ),
        &[("authorization", &bearer)],
        r#"{"messages":[]}"#,
    );
    assert_eq!(refused.refusal(), (424, 9012));
    let rotate = keyward(moved.path(), &["keys", "rotate", "openai", "--now"]);
    run_with(rotate, other.text()).ok();
    let shown = moved.run(&["keys", "show", "openai"]).ok().out;
    assert!(
        shown.contains("sealed for\thttps://api.openai.com\n"),
        "{shown}"
    );
    assert_eq!(provider.count(), 1);
    moved.stop();
    runtime.block_on(provider.stop());
}
