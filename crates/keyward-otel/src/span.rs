//! A finished request as a span. Pure.

use std::borrow::Cow;

use keyward_gateway::Finished;
use keyward_registry::{LogEntry, LogMetadataValue, LogText};
use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::{
    attributes::{self as name, ATTRIBUTES, Attribute},
    words,
};

/// What a span is known by, and where it belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) parent: Option<SpanId>,
}

/// The span of a request, of kind CLIENT: Keyward is the client of the provider.
pub(crate) fn of(request: &Finished<'_>, place: Place, scope: &InstrumentationScope) -> SpanData {
    let entry = request.entry;
    let operation = words::operation(&entry.path);
    let model = request.asked.or(request.answered);
    let start_time = entry.created_at();
    SpanData {
        span_context: SpanContext::new(
            place.trace,
            place.span,
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: place.parent.unwrap_or(SpanId::INVALID),
        parent_span_is_remote: place.parent.is_some(),
        span_kind: SpanKind::Client,
        name: model.map_or(Cow::Borrowed(operation), |model| {
            Cow::Owned(format!("{operation} {}", tame(model)))
        }),
        start_time,
        end_time: start_time.checked_add(entry.duration).unwrap_or(start_time),
        attributes: attributes(request, operation, model),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: match error(entry) {
            Some(_) => Status::error(""),
            None => Status::Unset,
        },
        instrumentation_scope: scope.clone(),
    }
}

/// What went wrong, in one word of a closed set. None: nothing.
pub(crate) fn error(entry: &LogEntry) -> Option<Cow<'static, str>> {
    match entry.status {
        None => Some("canceled".into()),
        Some(status) if status >= 400 => Some(status.to_string().into()),
        Some(_) => (!entry.success).then_some("cut".into()),
    }
}

fn attributes(
    request: &Finished<'_>,
    operation: &'static str,
    model: Option<&str>,
) -> Vec<KeyValue> {
    let entry = request.entry;
    let usage = &entry.usage;
    let slug = entry.provider.as_str();
    let mut all = Attributes::default();
    all.put(name::OPERATION, Some(operation));
    all.put(name::PROVIDER, Some(words::provider(slug).to_owned()));
    all.put(name::REQUEST_MODEL, model.map(tame));
    all.put(name::RESPONSE_MODEL, request.answered.map(tame));
    for (attribute, tokens) in [
        (name::INPUT_TOKENS, usage.input),
        (name::OUTPUT_TOKENS, usage.output),
        (name::CACHE_READ, usage.cache_read),
        (name::CACHE_WRITE, usage.cache_write),
        (name::REASONING, usage.reasoning),
    ] {
        all.put(attribute, tokens.map(number));
    }
    all.put(name::STATUS, entry.status.map(i64::from));
    all.put(name::ERROR, error(entry).map(Cow::into_owned));
    all.put(name::MODEL_PROVIDER, Some(slug.to_owned()));
    all.put(name::COST, entry.cost.map(|cost| cost.dollars()));
    all.put(name::LOG_ID, Some(entry.id.to_string()));
    all.put(
        name::EVENT_ID,
        entry.event_id.as_ref().map(|id| id.to_string()),
    );
    all.put(name::ACCOUNT, Some(entry.account.to_string()));
    all.put(name::GATEWAY, Some(entry.gateway.to_string()));
    all.put(name::KEY, entry.provider_key.map(|id| id.to_string()));
    all.put(name::TOKEN, entry.token.map(|id| id.to_string()));
    all.put(name::CODE, entry.error_code.map(i64::from));
    all.put(name::STEP, entry.step.map(i64::from));
    all.put_metadata(entry);
    all.0
}

#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn put(&mut self, attribute: Attribute, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.push(KeyValue::new(attribute.name, value));
        }
    }

    /// What the client said of its request, each under the name that it gave, as Cloudflare exports it. A name of ours, or
    /// of the conventions, is not the client's to give.
    fn put_metadata(&mut self, entry: &LogEntry) {
        for (key, value) in entry.metadata.entries() {
            let is_ours = ATTRIBUTES.iter().any(|attribute| attribute.name == key)
                || RESERVED.iter().any(|start| key.starts_with(start));
            if is_ours || key.is_empty() {
                continue;
            }
            let value = match value {
                LogMetadataValue::Text(text) => Value::from(text.to_string()),
                LogMetadataValue::Number(text) => match text.parse::<f64>() {
                    Ok(number) => Value::from(number),
                    Err(_not_finite) => Value::from(text.to_string()),
                },
                LogMetadataValue::Bool(value) => Value::from(*value),
            };
            self.0.push(KeyValue::new(key.to_owned(), value));
        }
    }
}

/// How names begin that mean something to whoever reads spans.
const RESERVED: [&str; 8] = [
    "gen_ai.",
    "keyward.",
    "http.",
    "error.",
    "service.",
    "otel.",
    "server.",
    "telemetry.",
];

/// A number of tokens that does not fit is none that a model takes.
fn number(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// A model's name, which a client or a provider wrote, as the log keeps texts: cut, and without what looks like a key.
fn tame(model: &str) -> String {
    LogText::new(model).as_str().to_owned()
}
