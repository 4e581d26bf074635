//! Counts of requests: kept over a stop, and told before something is deleted.

use crate::support::{Dev, send};

#[test]
fn counts_outlive_a_stop_and_are_told_before_a_delete() {
    let dev = Dev::start();
    let delete = ["keys", "delete", "echo", "--dry-run"];
    let told = dev.run(&delete).ok().out;
    assert!(told.contains("(never used)"), "{told}");
    for _ in 0..3 {
        assert_eq!(dev.chat_with(dev.text("gateway_token")).status, 200);
    }
    // A clean stop keeps what was counted since the last save.
    let dev = Dev::start_in(dev.stop());
    let told = dev.run(&delete).ok().out;
    assert!(told.contains("(last used 20"), "{told}");
    assert!(told.contains(", 3 requests in the last hour)"), "{told}");
    let gateway = dev.run(&["gateways", "delete", "default", "--dry-run"]);
    let told = gateway.ok().out;
    assert!(told.contains(", 3 requests in the last hour"), "{told}");

    let path = format!(
        "{}/client/v4/accounts/{}/keyward/traffic",
        dev.text("control_url"),
        dev.text("account_id")
    );
    let bearer = format!("Bearer {}", dev.text("api_token"));
    let answer = send("GET", &path, &[("authorization", &bearer)], "");
    let total = &answer.json()["result"]["total"];
    assert_eq!(total["classes"]["success"], 3, "{total}");
    assert!(total["latency_ms"]["p99"].as_f64() > Some(0.0), "{total}");
    dev.stop();
}
