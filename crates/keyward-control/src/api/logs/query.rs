//! What the query of a request for the log says.

use keyward_registry::{LogDeletion, LogDirection, LogOrder, LogPlace, LogQuery};
use utoipa::IntoParams;

use super::filters;
use crate::{
    call::Call,
    envelope::{FieldPath, Problem},
    page::Page,
};

/// The most entries that one request deletes, and those that it deletes where it does not say (wire-spec §4.2).
const MOST_DELETED: u32 = 10_000;
/// How many entries a page has at most (wire-spec §4.2).
const MOST_PER_PAGE: usize = 50;

/// Which entries are listed. Conditions hold together. `filters` are also taken as repeated `filters.key`,
/// `filters.operator` and `filters.value`, as SDKs send them.
#[derive(IntoParams)]
#[expect(dead_code, reason = "describes the query, which is read name by name")]
pub(crate) struct ListQuery {
    /// Which page, from 1. One past the end is empty.
    #[param(
        minimum = 1,
        maximum = 9_007_199_254_740_991_u64,
        default = 1,
        required = false
    )]
    page: u64,
    /// How many entries a page has.
    #[param(minimum = 1, maximum = 50, default = 20, required = false)]
    per_page: u64,
    /// `created_at`, `provider`, `model`, `model_type`, `success` or `cached`.
    #[param(required = false, default = "created_at")]
    order_by: String,
    /// `desc` or `asc`.
    #[param(required = false, default = "desc")]
    order_by_direction: String,
    /// The same by its old name.
    #[param(required = false)]
    direction: String,
    /// A text that the id, the event id, the provider, the model, the path or the user agent holds.
    #[param(required = false)]
    search: String,
    /// `true`: `result_info` tells between what cost, duration and tokens lie.
    #[param(required = false)]
    meta_info: bool,
    /// A JSON array of `{"key", "operator", "value"}`: `operator` is `eq`, `neq`, `contains`, `lt` or `gt`, `value` a list.
    #[param(required = false)]
    filters: String,
    #[param(required = false)]
    provider: String,
    #[param(required = false)]
    model: String,
    #[param(required = false)]
    model_type: String,
    #[param(required = false)]
    request_content_type: String,
    #[param(required = false)]
    response_content_type: String,
    #[param(required = false)]
    success: bool,
    #[param(required = false)]
    cached: bool,
    /// 1: what was liked; 0: what was not.
    #[param(required = false)]
    feedback: u8,
    /// Not before this, RFC 3339.
    #[param(required = false)]
    start_date: String,
    /// Not after this, RFC 3339.
    #[param(required = false)]
    end_date: String,
    /// In US dollars; so is `max_cost`.
    #[param(required = false)]
    min_cost: f64,
    #[param(required = false)]
    max_cost: f64,
    /// In milliseconds; so is `max_duration`.
    #[param(required = false)]
    min_duration: f64,
    #[param(required = false)]
    max_duration: f64,
    #[param(required = false)]
    min_tokens_in: f64,
    #[param(required = false)]
    max_tokens_in: f64,
    #[param(required = false)]
    min_tokens_out: f64,
    #[param(required = false)]
    max_tokens_out: f64,
    #[param(required = false)]
    min_total_tokens: f64,
    #[param(required = false)]
    max_total_tokens: f64,
}

/// Which entries are deleted. Conditions hold together; without any, every entry is meant.
#[derive(IntoParams)]
#[expect(dead_code, reason = "describes the query, which is read name by name")]
pub(crate) struct DeleteQuery {
    /// How many entries at most.
    #[param(minimum = 1, maximum = 10000, default = 10000, required = false)]
    limit: u32,
    /// `created_at`, `provider`, `model`, `model_type`, `success`, `cached`, `cost`, `tokens_in`, `tokens_out`, `duration` or
    /// `feedback`.
    #[param(required = false, default = "created_at")]
    order_by: String,
    /// `desc` or `asc`: which go first.
    #[param(required = false, default = "desc")]
    order_by_direction: String,
    /// As of the list.
    #[param(required = false)]
    filters: String,
}

/// Orders that lists have; deletions have all.
const LISTED: [LogOrder; 5] = [
    LogOrder::CreatedAt,
    LogOrder::Provider,
    LogOrder::Model,
    LogOrder::Success,
    LogOrder::Cached,
];

pub(super) fn list(call: &Call, place: LogPlace) -> Result<(LogQuery, Page), Problem> {
    let page = Page::within(call, MOST_PER_PAGE)?;
    let (skipped, most) = page.bounds();
    let query = LogQuery {
        place,
        filters: filters::all(call)?,
        order: order(call, &LISTED)?,
        direction: direction(call)?,
        skipped,
        most,
        with_ranges: match call.query("meta_info") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(refuse("meta_info", "must be `true` or `false`")),
        },
    };
    Ok((query, page))
}

pub(super) fn deletion(call: &Call, place: LogPlace) -> Result<LogDeletion, Problem> {
    let all = LogOrder::ALL.map(|(_, order)| order);
    let most = match call.query("limit") {
        None => MOST_DELETED,
        Some(text) => {
            let limit = text.parse().ok();
            let limit = limit.filter(|limit| (1..=MOST_DELETED).contains(limit));
            limit.ok_or_else(|| refuse("limit", "must be a whole number from 1 to 10000"))?
        }
    };
    Ok(LogDeletion {
        place,
        filters: filters::listed(call)?,
        order: order(call, &all)?,
        direction: direction(call)?,
        most,
    })
}

fn refuse(name: &'static str, reason: impl std::fmt::Display) -> Problem {
    Problem::invalid(&FieldPath::query().name(name), reason)
}

fn order(call: &Call, orders: &[LogOrder]) -> Result<LogOrder, Problem> {
    let Some(text) = call.query("order_by") else {
        return Ok(LogOrder::CreatedAt);
    };
    let known = || {
        let known = LogOrder::ALL
            .into_iter()
            .filter(|(_, order)| orders.contains(order));
        // No entry has a type of model.
        known.chain([("model_type", LogOrder::CreatedAt)])
    };
    let found = known().find(|(name, _)| *name == text);
    found.map(|(_, order)| order).ok_or_else(|| {
        let names: Vec<_> = known().map(|(name, _)| format!("'{name}'")).collect();
        refuse(
            "order_by",
            format_args!("Invalid enum value. Expected {}", names.join(" | ")),
        )
    })
}

pub(super) fn direction(call: &Call) -> Result<LogDirection, Problem> {
    let (name, text) = match call.query("order_by_direction") {
        Some(text) => ("order_by_direction", Some(text)),
        None => ("direction", call.query("direction")),
    };
    match text {
        None | Some("desc") => Ok(LogDirection::Falling),
        Some("asc") => Ok(LogDirection::Rising),
        Some(_) => Err(refuse(name, "is `asc` or `desc`")),
    }
}
