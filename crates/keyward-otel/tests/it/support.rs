//! Requests that have ended, an exporter, and what its collector got.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_forward::{Dial, SystemDial, TlsConfig, dial::Guard};
use keyward_gateway::{Finished, Observe as _, TraceParent};
use keyward_otel::{Otel, OtlpEndpoint, OtlpHeaders, ResourceAttributes, SamplingRatio, Settings};
use keyward_providers::Usage;
use keyward_registry::{LogEntry, LogId, LogMetadata, LogText, ProviderKeyId};
use keyward_routes::{Metadata, Money};
use keyward_secret::{AccountId, SecretBytes};
use keyward_testing::{Collector, Posted};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span},
};
use prost::Message as _;
use tokio_util::sync::CancellationToken;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// 2027-01-15 08:00 UTC, in seconds.
pub(crate) const AT: u64 = 1_800_000_000;

/// A chat with OpenAI that went well.
pub(crate) fn entry() -> LogEntry {
    let mut usage = Usage::UNKNOWN;
    (usage.input, usage.output) = (Some(1_000), Some(200));
    (usage.cache_read, usage.reasoning) = (Some(400), Some(150));
    LogEntry {
        id: LogId::first_at(SystemTime::UNIX_EPOCH + Duration::from_secs(AT)),
        account: AccountId::from_bytes([1; 16]),
        gateway: "prod".parse().unwrap(),
        event_id: Some(LogText::new("turn-7")),
        provider: "openai".parse().unwrap(),
        model: Some(LogText::new("gpt-5-2025-08-07")),
        path: LogText::path("v1/chat/completions"),
        request_content_type: None,
        response_content_type: None,
        status: Some(200),
        success: true,
        cached: false,
        duration: Duration::from_millis(1_500),
        step: Some(2),
        usage,
        cost: Some(Money::from_nanos(12_500_000)),
        custom_cost: false,
        metadata: LogMetadata::from(&Metadata::parse(
            br#"{"team":"blue","seats":3,"trial":true,"gen_ai.usage.cost":9,"error.type":"x"}"#,
        )),
        provider_key: Some(ProviderKeyId::from_bytes([7; 16])),
        token: None,
        user_agent: None,
        authentication: true,
        byok: true,
        compat: false,
        error_code: None,
        request_bytes: 17,
        response_bytes: 14,
        feedback: None,
        score: None,
    }
}

pub(crate) fn finished(entry: &LogEntry) -> Finished<'_> {
    Finished {
        entry,
        is_told: true,
        asked: Some("gpt-5"),
        answered: Some("gpt-5-2025-08-07"),
        priced: Some("gpt-5"),
        provider: "openai",
        parent: None,
    }
}

pub(crate) fn parent(trace: &str, span: &str) -> Option<TraceParent> {
    TraceParent::parse(trace.as_bytes(), Some(span.as_bytes()))
}

/// An exporter that runs.
pub(crate) struct Running {
    pub(crate) otel: Arc<Otel>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(collector: &Collector, ratio: f64) -> Self {
        let otel = Arc::new(exporter(&collector.origin(), ratio));
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&otel).run(stop.clone()));
        Self { otel, stop, task }
    }

    pub(crate) fn tell(&self, request: &Finished<'_>) {
        self.otel.finished(request);
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// One that sends when it is stopped, and else each hour.
pub(crate) fn exporter(origin: &str, ratio: f64) -> Otel {
    let endpoint = OtlpEndpoint::parse(&format!("{origin}/base")).unwrap();
    let guard = Guard::new().allow([endpoint.origin().clone()]);
    let dial = SystemDial::build(TlsConfig::default()).unwrap();
    let dial: Arc<dyn Dial> = Arc::new(dial.with_guard(guard));
    let headers = SecretBytes::new(b"api-key: abc".to_vec());
    let settings = Settings {
        endpoint,
        headers: OtlpHeaders::parse(&headers).unwrap(),
        service_name: "gate".to_owned(),
        resource: ResourceAttributes::parse("deployment.environment.name=test").unwrap(),
        sampling: SamplingRatio::new(ratio).unwrap(),
        interval: Duration::from_hours(1),
    };
    Otel::new(&dial, settings, "1.2.3").unwrap()
}

pub(crate) fn is_of(posted: &Posted, path: &str) -> bool {
    posted.head.starts_with(&format!("POST /base/v1/{path} "))
}

pub(crate) fn resource_spans(posted: &[Posted]) -> Vec<ResourceSpans> {
    let of_spans = posted.iter().filter(|posted| is_of(posted, "traces"));
    of_spans
        .flat_map(|posted| {
            let request = ExportTraceServiceRequest::decode(posted.body.as_slice());
            request.unwrap().resource_spans
        })
        .collect()
}

pub(crate) fn spans(posted: &[Posted]) -> Vec<Span> {
    let scopes = resource_spans(posted).into_iter();
    let scopes = scopes.flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

pub(crate) fn metrics(posted: &[Posted]) -> ExportMetricsServiceRequest {
    let mut of_metrics = posted.iter().filter(|posted| is_of(posted, "metrics"));
    let last = of_metrics.next_back().unwrap();
    ExportMetricsServiceRequest::decode(last.body.as_slice()).unwrap()
}

/// Attributes by name, as text.
pub(crate) fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        Value::BoolValue(value) => Some(value.to_string()),
        other => panic!("{other:?}"),
    };
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), text(attribute).unwrap()))
        .collect()
}
