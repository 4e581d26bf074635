//! What a collector gets of a server, decoded.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Instant};

use keyward_testing::{Canary, Collector, Posted};
use memchr::memmem;
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Answer, DEADLINE, Dev, send, until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A chat with echo, which answers with what was said.
fn say(dev: &Dev, text: &str, more: &[(&str, &str)]) -> Answer {
    let url = format!(
        "{}/v1/{}/default/echo/chat/completions",
        dev.text("gateway_url"),
        dev.text("account_id")
    );
    let token = format!("Bearer {}", dev.text("gateway_token"));
    let mut headers = vec![
        ("cf-aig-authorization", token.as_str()),
        ("content-type", "application/json"),
    ];
    headers.extend(more);
    let body = json!({"model": "echo", "messages": [{"role": "user", "content": text}]});
    send("POST", &url, &headers, &body.to_string())
}

fn spans(posted: &[Posted]) -> Vec<Span> {
    let of_spans = posted
        .iter()
        .filter(|posted| posted.head.contains(" /v1/traces "));
    let resources = of_spans.flat_map(|posted| {
        let request = ExportTraceServiceRequest::decode(posted.body.as_slice());
        request.unwrap().resource_spans
    });
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Prompts and answers, credentials and tokens are in no byte that the collector gets; the headers it asks for are.
#[test]
fn a_collector_gets_spans_and_metrics_and_nothing_that_people_write() {
    let collector = Collector::start();
    let directory = TempDir::new().unwrap();
    let header = Canary::new("header of a collector");
    let file = directory.path().join("headers");
    fs::write(&file, format!("x-key: {}\n", header.text())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let config = format!(
        "[otel]\nendpoint = \"{}\"\nheaders_file = \"headers\"\ninterval_secs = 1\nservice_name = \"gate\"\n",
        collector.origin()
    );
    let dev = Dev::start_with(directory, &config);
    // No canaries: echo answers with what was said, and answers are swept for those.
    let (prompt, refused) = ("zebras-cross-at-7391", "zebras-wait-at-2846");
    let said = [
        ("cf-aig-otel-trace-id", TRACE),
        ("cf-aig-otel-parent-span-id", PARENT),
        ("cf-aig-metadata", r#"{"team":"blue"}"#),
    ];
    let answer = say(&dev, prompt, &said);
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(prompt), "{}", answer.body);
    let untold = [("cf-aig-collect-log", "false")];
    assert_eq!(say(&dev, prompt, &untold).status, 200);
    dev.run_line(
        "gateways update default --set rate_limiting_limit=1 --set rate_limiting_interval=31536000",
    )
    .ok();
    until("the limit is reached", || {
        say(&dev, refused, &[]).status == 429
    });
    let directory = dev.stop();

    let posted = collector.posted();
    let spans = spans(&posted);
    assert!(spans.len() >= 2, "{}", spans.len());
    let first = &spans[0];
    assert_eq!(
        (first.name.as_str(), hex(&first.trace_id).as_str()),
        ("chat echo", TRACE)
    );
    assert_eq!(hex(&first.parent_span_id), PARENT);
    let of_trace = spans.iter().filter(|span| hex(&span.trace_id) == TRACE);
    assert_eq!(of_trace.count(), 1);
    let mut metrics = posted
        .iter()
        .filter(|posted| posted.head.contains(" /v1/metrics "));
    let metrics = metrics
        .next_back()
        .expect("metrics are sent at the end at the latest");
    let metrics = ExportMetricsServiceRequest::decode(metrics.body.as_slice()).unwrap();
    let metrics = &metrics.resource_metrics[0].scope_metrics[0].metrics;
    assert_eq!(metrics.len(), 2);

    let token = fs::read_to_string(directory.path().join(".keyward/dev.json")).unwrap();
    let token: serde_json::Value = serde_json::from_str(&token).unwrap();
    let token = token["gateway_token"].as_str().unwrap();
    for posted in &posted {
        assert!(posted.head.contains(header.text()), "{}", posted.head);
        for secret in [prompt, refused, token] {
            for bytes in [posted.head.as_bytes(), &posted.body] {
                assert!(memmem::find(bytes, secret.as_bytes()).is_none());
            }
        }
    }
    // What is looked for would be found: the metadata is there.
    assert!(
        posted
            .iter()
            .any(|posted| memmem::find(&posted.body, b"blue").is_some())
    );
}

#[test]
fn a_collector_that_is_away_slows_nothing_down_and_is_counted() {
    let config = "[otel]\nendpoint = \"http://127.0.0.1:9\"\ninterval_secs = 1\n";
    let dev = Dev::start_with(TempDir::new().unwrap(), config);
    for _ in 0..20 {
        assert_eq!(say(&dev, "hello", &[]).status, 200);
    }
    let url = format!("{}/metrics", dev.text("control_url"));
    until("what is lost is counted", || {
        let metrics = send("GET", &url, &[], "").body;
        metrics.contains("keyward_otel_lost_total{signal=\"spans\",why=\"refused\"} ")
            || metrics.contains("keyward_otel_lost_total{signal=\"metrics\",why=\"refused\"} ")
    });
    let begun = Instant::now();
    dev.stop();
    assert!(begun.elapsed() < DEADLINE / 2, "{:?}", begun.elapsed());
}
