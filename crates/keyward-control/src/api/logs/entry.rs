//! Entries as answers carry them.

use keyward_registry::{LogBody, LogEntry, LogMark, LogPage, LogRange};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{moment, openapi::null, page::Page};

/// How much of a body the entry itself shows, in bytes.
const HEAD: usize = 1_024;

/// A request, as lists tell of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Log)]
pub(crate) struct Body {
    /// What the answer's `cf-aig-log-id` says.
    id: String,
    /// RFC 3339, to the millisecond.
    created_at: Option<String>,
    /// The provider that was asked for.
    provider: String,
    /// The model that was asked for; empty where the request names none.
    model: String,
    #[schema(schema_with = null)]
    model_type: (),
    /// The path behind the provider.
    path: String,
    #[schema(schema_with = null)]
    request_type: (),
    request_content_type: Option<String>,
    response_content_type: Option<String>,
    /// The answer's status; null where the client went away before there was one.
    status_code: Option<u16>,
    /// Whether the answer is below 400 and came to its end.
    success: bool,
    /// In milliseconds.
    duration: u64,
    cached: bool,
    /// Which entry of a universal request, or which stop of a route, answered.
    step: Option<u32>,
    /// Tokens that went in; null where that is unknown.
    tokens_in: Option<u64>,
    /// Tokens that came out; null where that is unknown.
    tokens_out: Option<u64>,
    /// In US dollars; null where that is unknown.
    cost: Option<f64>,
    /// Whether the client said what tokens cost.
    custom_cost: bool,
    /// What the client said of the request in `cf-aig-metadata`; null where it said nothing.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    /// The client's own name for the request; the id where it gave none.
    event_id: String,
    /// What a person thinks of the answer: −1 to 1.
    feedback: Option<f64>,
    /// How good the answer is: 0 to 100.
    score: Option<f64>,
    /// Whether the gateway demands a token.
    authentication: bool,
    /// Always false: nothing is sold here.
    wholesale: bool,
    /// Whether a stored key was used.
    byok: bool,
    /// Whether the request came by the endpoint that takes one format for every provider.
    #[serde(rename = "compatibilityMode")]
    compatibility_mode: bool,
    user_agent: Option<String>,
    usage_metadata: UsageBody,
    /// The stored key that was used.
    provider_key_id: Option<String>,
    /// The gateway token that the client presented.
    token_id: Option<String>,
    /// The code of the gateway's own refusal.
    error_code: Option<u32>,
    /// The length of the request's body, in bytes.
    request_size: u64,
    /// The length of the answer's body, in bytes.
    response_size: u64,
}

/// Parts of the tokens, where the answer told them.
#[derive(Serialize, ToSchema)]
#[schema(as = LogUsage)]
struct UsageBody {
    /// Of those that went in, what was read from a cache.
    cache_read_tokens: Option<u64>,
    /// Of those that went in, what was written to a cache.
    cache_write_tokens: Option<u64>,
    /// Of those that came out, what was reasoning.
    reasoning_tokens: Option<u64>,
}

/// A request, by itself.
#[derive(Serialize, ToSchema)]
#[schema(as = LogDetail)]
pub(crate) struct Detail {
    #[serde(flatten)]
    entry: Body,
    /// The start of the request's body; null where it is not kept.
    request_head: Option<String>,
    /// Whether that is all of it.
    request_head_complete: bool,
    /// The start of the answer's body; null where it is not kept.
    response_head: Option<String>,
    /// Whether that is all of it.
    response_head_complete: bool,
}

/// An empty result.
#[derive(Serialize, ToSchema)]
#[schema(as = Nothing)]
pub(crate) struct Nothing {}

/// How the log is cut into pages, and between what figures lie where `meta_info` asks for that.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogInfo {
    page: usize,
    per_page: usize,
    /// How many entries this page has.
    count: usize,
    /// How many entries all pages have.
    total_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_cost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_cost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_tokens_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_tokens_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_total_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_total_tokens: Option<u64>,
}

impl Body {
    pub(super) fn new(entry: &LogEntry) -> Self {
        let text =
            |text: &Option<keyward_registry::LogText>| text.as_ref().map(ToString::to_string);
        let metadata = (!entry.metadata.is_empty()).then(|| entry.metadata.to_json());
        Self {
            id: entry.id.to_string(),
            created_at: moment::format_millis(entry.id.millis()),
            provider: entry.provider.to_string(),
            model: text(&entry.model).unwrap_or_default(),
            model_type: (),
            path: entry.path.to_string(),
            request_type: (),
            request_content_type: text(&entry.request_content_type),
            response_content_type: text(&entry.response_content_type),
            status_code: entry.status,
            success: entry.success,
            duration: u64::try_from(entry.duration.as_millis()).unwrap_or(u64::MAX),
            cached: entry.cached,
            step: entry.step,
            tokens_in: entry.usage.input,
            tokens_out: entry.usage.output,
            cost: entry.cost.map(keyward_routes::Money::dollars),
            custom_cost: entry.custom_cost,
            metadata: metadata.and_then(|json| RawValue::from_string(json).ok()),
            event_id: text(&entry.event_id).unwrap_or_else(|| entry.id.to_string()),
            feedback: entry.feedback.map(LogMark::number),
            score: entry.score.map(LogMark::number),
            authentication: entry.authentication,
            wholesale: false,
            byok: entry.byok,
            compatibility_mode: entry.compat,
            user_agent: text(&entry.user_agent),
            usage_metadata: UsageBody {
                cache_read_tokens: entry.usage.cache_read,
                cache_write_tokens: entry.usage.cache_write,
                reasoning_tokens: entry.usage.reasoning,
            },
            provider_key_id: entry.provider_key.map(|id| id.to_string()),
            token_id: entry.token.map(|id| id.to_string()),
            error_code: entry.error_code,
            request_size: entry.request_bytes,
            response_size: entry.response_bytes,
        }
    }
}

impl Detail {
    pub(super) fn new(
        entry: &LogEntry,
        request: Option<&LogBody>,
        response: Option<&LogBody>,
    ) -> Self {
        let head = |body: &LogBody| {
            let bytes = body.as_bytes();
            let head = bytes.get(..HEAD).unwrap_or(bytes);
            String::from_utf8_lossy(head).into_owned()
        };
        let is_all =
            |body: Option<&LogBody>| body.is_some_and(|body| body.as_bytes().len() <= HEAD);
        Self {
            entry: Body::new(entry),
            request_head: request.map(head),
            request_head_complete: is_all(request),
            response_head: response.map(head),
            response_head_complete: is_all(response),
        }
    }
}

impl LogInfo {
    pub(super) fn new(page: Page, listed: &LogPage) -> Self {
        let info = page.info(listed.entries.len(), 0);
        let ranges = listed.ranges.unwrap_or_default();
        let least = |range: LogRange<u64>| range.map(|(least, _)| least);
        let most = |range: LogRange<u64>| range.map(|(_, most)| most);
        Self {
            page: info.page,
            per_page: info.per_page,
            count: info.count,
            total_count: listed.total,
            min_cost: ranges.cost.map(|(least, _)| least.dollars()),
            max_cost: ranges.cost.map(|(_, most)| most.dollars()),
            min_duration: least(ranges.duration),
            max_duration: most(ranges.duration),
            min_tokens_in: least(ranges.tokens_in),
            max_tokens_in: most(ranges.tokens_in),
            min_tokens_out: least(ranges.tokens_out),
            max_tokens_out: most(ranges.tokens_out),
            min_total_tokens: least(ranges.total_tokens),
            max_total_tokens: most(ranges.total_tokens),
        }
    }
}
