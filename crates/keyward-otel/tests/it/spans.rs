//! The span of a request.

use std::collections::BTreeSet;

use keyward_otel::ATTRIBUTES;
use keyward_testing::Collector;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

use crate::support::{AT, Running, entry, finished, parent, resource_spans, spans, texts};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// The spans of these requests, each told by what `change` makes of it.
async fn told(
    ratio: f64,
    times: usize,
    change: impl Fn(usize, &mut keyward_registry::LogEntry),
) -> Vec<Span> {
    let collector = Collector::start();
    let running = Running::start(&collector, ratio);
    for number in 0..times {
        let mut entry = entry();
        change(number, &mut entry);
        running.tell(&finished(&entry));
    }
    running.stop().await;
    spans(&collector.posted())
}

#[tokio::test]
async fn a_span_says_what_the_table_says_and_belongs_where_its_sender_wants_it() {
    let collector = Collector::start();
    let running = Running::start(&collector, 1.0);
    let entry = entry();
    let mut request = finished(&entry);
    request.parent = parent(TRACE, PARENT);
    running.tell(&request);
    running.stop().await;
    let spans = spans(&collector.posted());
    assert_eq!(spans.len(), 1);
    let span = &spans[0];
    assert_eq!(span.name, "chat gpt-5");
    assert_eq!(span.kind, i32::from(SpanKind::Client));
    assert_eq!(span.trace_id, TraceId::bytes(TRACE));
    assert_eq!(span.parent_span_id, TraceId::bytes(PARENT));
    assert_eq!(span.span_id.len(), 8);
    assert_eq!(span.start_time_unix_nano, AT * 1_000_000_000);
    assert_eq!(span.end_time_unix_nano, AT * 1_000_000_000 + 1_500_000_000);
    assert_eq!(
        span.status.as_ref().unwrap().code,
        i32::from(StatusCode::Unset)
    );
    let attributes = texts(&span.attributes);
    let told: Vec<_> = attributes.iter().map(|(a, b)| format!("{a}={b}")).collect();
    assert_eq!(
        told,
        [
            "gen_ai.model.provider=openai",
            "gen_ai.operation.name=chat",
            "gen_ai.provider.name=openai",
            "gen_ai.request.model=gpt-5",
            "gen_ai.response.model=gpt-5-2025-08-07",
            // What the client called so in its metadata is left out.
            "gen_ai.usage.cache_read.input_tokens=400",
            "gen_ai.usage.cost=0.0125",
            "gen_ai.usage.input_tokens=1000",
            "gen_ai.usage.output_tokens=200",
            "gen_ai.usage.reasoning.output_tokens=150",
            "http.response.status_code=200",
            "keyward.account.id=01010101010101010101010101010101",
            "keyward.event.id=turn-7",
            "keyward.gateway.id=prod",
            &format!("keyward.log.id={}", entry.id),
            "keyward.provider_key.id=07070707070707070707070707070707",
            "keyward.step=2",
            "seats=3",
            "team=blue",
            "trial=true",
        ]
    );
    assert_eq!(
        span.attributes.len(),
        attributes.len(),
        "no name stands there twice"
    );
    let table: BTreeSet<_> = ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
    let metadata = ["seats", "team", "trial"];
    for name in attributes.keys() {
        assert!(
            table.contains(&**name) || metadata.contains(&&**name),
            "{name}"
        );
    }
}

#[tokio::test]
async fn data_says_who_sends_it() {
    let collector = Collector::start();
    let running = Running::start(&collector, 1.0);
    running.tell(&finished(&entry()));
    running.stop().await;
    let posted = collector.posted();
    let first = &posted[0].head.to_ascii_lowercase();
    for line in [
        "content-type: application/x-protobuf",
        "api-key: abc",
        "user-agent: keyward-otel/",
    ] {
        assert!(first.contains(line), "{first}");
    }

    let all = resource_spans(&posted);
    let resource = texts(&all[0].resource.as_ref().unwrap().attributes);
    let resource: Vec<_> = resource.iter().map(|(a, b)| format!("{a}={b}")).collect();
    assert_eq!(
        resource,
        [
            "deployment.environment.name=test",
            "service.name=gate",
            "service.version=1.2.3"
        ]
    );
    let scope = &all[0].scope_spans[0];
    assert_eq!(scope.scope.as_ref().unwrap().name, "keyward");
    assert_eq!(scope.schema_url, "https://opentelemetry.io/schemas/1.41.0");
}

/// Numbers in hexadecimal.
struct TraceId;

impl TraceId {
    fn bytes(digits: &str) -> Vec<u8> {
        let pairs = (0..digits.len()).step_by(2);
        pairs
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn without_a_parent_each_request_is_a_trace_of_its_own() {
    let spans = told(1.0, 600, |_, _| ()).await;
    assert_eq!(spans.len(), 600, "more than one message takes");
    let traces: BTreeSet<_> = spans.iter().map(|span| span.trace_id.clone()).collect();
    assert_eq!(traces.len(), 600);
    assert!(spans.iter().all(|span| span.parent_span_id.is_empty()));
}

#[tokio::test]
async fn what_went_wrong_is_told_in_a_word() {
    for (status, success, word) in [
        (Some(429), false, Some("429")),
        (Some(200), false, Some("cut")),
        (None, false, Some("canceled")),
        (Some(200), true, None),
    ] {
        let spans = told(1.0, 1, |_, entry| {
            (entry.status, entry.success) = (status, success);
        })
        .await;
        let attributes = texts(&spans[0].attributes);
        assert_eq!(attributes.get("error.type").map(String::as_str), word);
        let code = spans[0].status.as_ref().unwrap().code;
        assert_eq!(code == i32::from(StatusCode::Error), word.is_some());
    }
}

#[tokio::test]
async fn a_part_of_all_traces_is_sent_and_the_same_part_each_time() {
    assert!(told(0.0, 50, |_, _| ()).await.is_empty());
    let some = told(0.5, 400, |_, _| ()).await.len();
    assert!((100..300).contains(&some), "{some} of 400");
    // All requests of one trace, or none.
    let collector = Collector::start();
    let running = Running::start(&collector, 0.5);
    let entry = entry();
    for number in (1..=253_u8).step_by(4) {
        for _request in 0..3 {
            let mut request = finished(&entry);
            request.parent = parent(&format!("{number:02x}").repeat(16), PARENT);
            running.tell(&request);
        }
    }
    running.stop().await;
    let spans = spans(&collector.posted());
    assert!(!spans.is_empty() && spans.len() < 3 * 64, "{}", spans.len());
    for span in &spans {
        let same = spans.iter().filter(|other| other.trace_id == span.trace_id);
        assert_eq!(same.count(), 3);
    }
}

#[tokio::test]
async fn what_the_log_is_not_told_of_is_no_span() {
    let collector = Collector::start();
    let running = Running::start(&collector, 1.0);
    let entry = entry();
    let mut request = finished(&entry);
    request.is_told = false;
    running.tell(&request);
    running.stop().await;
    assert!(spans(&collector.posted()).is_empty());
}
