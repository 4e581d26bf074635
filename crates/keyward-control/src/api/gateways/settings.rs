//! The settings of a gateway: what requests may say, what answers show.
//!
//! A setting that protects and is not enforced yet is refused when it is switched on: whoever sets it relies
//! on it. Settings that only save or record are kept and given back.

use keyward_registry::{Backoff, GatewaySettings, RateLimitingTechnique, StoredKeyRefused};
use keyward_routes::SpendLimits;
use serde::Serialize;
use utoipa::{ToSchema, openapi::Schema};

use super::pools;
use crate::{
    api::spend,
    envelope::Problem,
    object::{Field, Object},
    openapi::{choice_or_null, null},
};

/// What a request that makes a gateway or changes it may carry. `pools`, `session_header`, `stored_key_refused` and
/// `stored_keys_only` are ours.
pub(super) const FIELDS: &[&str] = &[
    "id",
    "authentication",
    "byok_only",
    "cache_invalidate_on_update",
    "cache_ttl",
    "collect_logs",
    "dlp",
    "guardrails",
    "log_classification",
    "log_management",
    "log_management_strategy",
    "logpush",
    "logpush_public_key",
    "otel",
    "policies",
    "pools",
    "rate_limiting_interval",
    "rate_limiting_limit",
    "rate_limiting_technique",
    "retry_backoff",
    "retry_delay",
    "retry_max_attempts",
    "session_header",
    "spend_limits",
    "store_id",
    "stored_key_refused",
    "stored_keys_only",
    "stripe",
    "workers_ai_billing_mode",
    "zdr",
];

/// What only answers carry: a client that sends back what it read is not refused for it.
pub(crate) const ANSWER_FIELDS: &[&str] = &[
    "account_id",
    "account_tag",
    "created_at",
    "internal_id",
    "is_default",
    "modified_at",
    "revision",
    "wholesale",
];

/// Settings that would protect, account for or export something, and do not yet.
const NOT_YET: &[&str] = &[
    "dlp",
    "guardrails",
    "log_classification",
    "logpush",
    "logpush_public_key",
    "otel",
    "policies",
    "stripe",
    "zdr",
];

/// The largest whole number that every JSON reader keeps exactly (2^53 - 1).
const MAX: u64 = 9_007_199_254_740_991;

/// The highest rate limit: `keyward_routes::Limit::MOST`, and below its longest window; this crate does not know that one.
const MOST_REQUESTS: u64 = 1_000_000_000_000;
/// The longest window of a rate limit, in seconds: 366 days.
const LONGEST_INTERVAL: u64 = 366 * 24 * 60 * 60;

const POSTPAID: &str = "postpaid";

const STOP_INSERTING: &str = "STOP_INSERTING";
const DELETE_OLDEST: &str = "DELETE_OLDEST";

const REFUSED: &[(&str, StoredKeyRefused)] = &[
    ("explain", StoredKeyRefused::Explain),
    ("passthrough", StoredKeyRefused::Passthrough),
];

const TECHNIQUES: &[(&str, RateLimitingTechnique)] = &[
    ("fixed", RateLimitingTechnique::Fixed),
    ("sliding", RateLimitingTechnique::Sliding),
];

const BACKOFFS: &[(&str, Backoff)] = &[
    ("constant", Backoff::Constant),
    ("linear", Backoff::Linear),
    ("exponential", Backoff::Exponential),
];

/// Reads the settings from the body of a request. Ranges: wire-spec §4.1.
///
/// What protects and is left out is as in `known`; everything else that is left out has its default.
pub(super) fn read(body: &mut Object, known: &GatewaySettings) -> Result<GatewaySettings, Problem> {
    for name in NOT_YET {
        if let Some(field) = body.find(name).filter(|field| !field.is_off()) {
            return Err(not_enforced(&field));
        }
    }
    if let Some(field) = body.find("workers_ai_billing_mode")
        && !field.is_text(POSTPAID)
    {
        return Err(field.refuse("must be `postpaid`: Keyward bills nothing"));
    }
    let seconds = |field: Option<Field>| field.map_or(Ok(0), |field| field.whole(0..=MAX));
    let strategies = &[
        (STOP_INSERTING, STOP_INSERTING),
        (DELETE_OLDEST, DELETE_OLDEST),
    ];
    let limit = rate_limit(body)?;
    let optional_bool = |field: Option<Field>| field.map(Field::boolean).transpose();
    Ok(GatewaySettings {
        authentication: optional_bool(body.find("authentication"))?.unwrap_or(known.authentication),
        byok_only: optional_bool(body.find("byok_only"))?.unwrap_or(known.byok_only),
        stored_keys_only: optional_bool(body.find("stored_keys_only"))?
            .unwrap_or(known.stored_keys_only),
        cache_invalidate_on_update: body.require("cache_invalidate_on_update")?.boolean()?,
        cache_ttl: seconds(body.require_nullable("cache_ttl")?)?,
        collect_logs: body.require("collect_logs")?.boolean()?,
        log_management: body
            .find("log_management")
            .map(|field| field.whole(10_000..=10_000_000))
            .transpose()?,
        log_management_strategy: body
            .find("log_management_strategy")
            .map(|field| field.one_of(strategies))
            .transpose()?
            .map(str::to_owned),
        rate_limiting_interval: limit.1,
        rate_limiting_limit: limit.0,
        rate_limiting_technique: body
            .find("rate_limiting_technique")
            .map(|field| field.one_of(TECHNIQUES))
            .transpose()?,
        retry_max_attempts: body
            .find("retry_max_attempts")
            .map(|field| field.whole(1..=5))
            .transpose()?,
        retry_delay: body
            .find("retry_delay")
            .map(|field| field.whole(0..=60_000))
            .transpose()?,
        retry_backoff: body
            .find("retry_backoff")
            .map(|field| field.one_of(BACKOFFS))
            .transpose()?,
        store_id: match body.find_nullable("store_id") {
            None => known.store_id.clone(),
            Some(field) => field.map(|field| field.text(64)).transpose()?,
        },
        pools: pools::read(body, &known.pools)?,
        session_header: pools::read_header(body, known.session_header.as_ref())?,
        spend_limits: spend::read(body, known.spend_limits.as_ref())?,
        stored_key_refused: body
            .find("stored_key_refused")
            .map(|field| field.one_of(REFUSED))
            .transpose()?
            .unwrap_or(known.stored_key_refused),
    })
}

/// The first setting that protects in `known` and less in `wanted`. Which store the keys come from protects
/// too: another may hold other values under the same names.
pub(super) fn weakened(known: &GatewaySettings, wanted: &GatewaySettings) -> Option<&'static str> {
    let switched_off = |known: bool, wanted: bool| known && !wanted;
    [
        (
            "authentication",
            switched_off(known.authentication, wanted.authentication),
        ),
        (
            "stored_keys_only",
            switched_off(known.stored_keys_only, wanted.stored_keys_only),
        ),
        ("byok_only", switched_off(known.byok_only, wanted.byok_only)),
        ("store_id", known.store_id != wanted.store_id),
    ]
    .into_iter()
    .find_map(|(name, is_weaker)| is_weaker.then_some(name))
}

/// The limit and its interval. A limit without a window would be none, or stop everything.
fn rate_limit(body: &mut Object) -> Result<(u64, u64), Problem> {
    let limit = body.require_nullable("rate_limiting_limit")?;
    let limit = limit.map_or(Ok(0), |field| field.whole(0..=MOST_REQUESTS))?;
    let path = body.path("rate_limiting_interval");
    let interval = body.require_nullable("rate_limiting_interval")?;
    let interval = interval.map_or(Ok(0), |field| field.whole(0..=MAX))?;
    if limit > 0 && !(1..=LONGEST_INTERVAL).contains(&interval) {
        return Err(Problem::invalid(
            &path,
            format!(
                "must be 1 to {LONGEST_INTERVAL} seconds where `rate_limiting_limit` is above 0; set both, or the limit to 0"
            ),
        ));
    }
    Ok((limit, interval))
}

pub(super) fn not_enforced(field: &Field) -> Problem {
    field.refuse("is not enforced yet, and is refused so that nobody relies on it; leave it out or switch it off")
}

pub(super) fn strategy() -> Schema {
    choice_or_null([STOP_INSERTING, DELETE_OLDEST])
}

pub(super) fn technique() -> Schema {
    choice_or_null(TECHNIQUES.iter().map(|(name, _)| *name))
}

pub(super) fn backoff() -> Schema {
    choice_or_null(BACKOFFS.iter().map(|(name, _)| *name))
}

pub(super) fn refused() -> Schema {
    choice_or_null(REFUSED.iter().map(|(name, _)| *name))
}

pub(super) fn billing() -> Schema {
    choice_or_null([POSTPAID])
}

/// The settings as answers carry them.
#[derive(Serialize, ToSchema)]
#[schema(as = GatewaySettings)]
pub(super) struct Settings {
    authentication: bool,
    byok_only: bool,
    cache_invalidate_on_update: bool,
    cache_ttl: u64,
    collect_logs: bool,
    #[schema(schema_with = null)]
    dlp: Option<()>,
    #[schema(schema_with = null)]
    guardrails: Option<()>,
    log_classification: bool,
    log_management: Option<u64>,
    #[schema(schema_with = strategy)]
    log_management_strategy: Option<String>,
    logpush: bool,
    #[schema(schema_with = null)]
    logpush_public_key: Option<()>,
    #[schema(schema_with = null)]
    otel: Option<()>,
    rate_limiting_interval: u64,
    rate_limiting_limit: u64,
    #[schema(schema_with = technique)]
    rate_limiting_technique: Option<RateLimitingTechnique>,
    #[schema(schema_with = backoff)]
    retry_backoff: Option<Backoff>,
    retry_delay: Option<u32>,
    retry_max_attempts: Option<u8>,
    /// The header that says to which conversation a request belongs. Null: `cf-aig-session-id`.
    session_header: Option<String>,
    #[schema(value_type = Option<spend::Limits>)]
    spend_limits: Option<SpendLimits>,
    store_id: Option<String>,
    /// What a client is told when a provider refuses the stored key: 424 that names the key, or the provider's answer.
    #[schema(schema_with = refused)]
    stored_key_refused: StoredKeyRefused,
    stored_keys_only: bool,
    #[schema(schema_with = null)]
    stripe: Option<()>,
    workers_ai_billing_mode: &'static str,
    zdr: bool,
}

impl Settings {
    pub(super) fn new(settings: &GatewaySettings) -> Self {
        Self {
            authentication: settings.authentication,
            byok_only: settings.byok_only,
            cache_invalidate_on_update: settings.cache_invalidate_on_update,
            cache_ttl: settings.cache_ttl,
            collect_logs: settings.collect_logs,
            dlp: None,
            guardrails: None,
            log_classification: false,
            log_management: settings.log_management,
            log_management_strategy: settings.log_management_strategy.clone(),
            logpush: false,
            logpush_public_key: None,
            otel: None,
            rate_limiting_interval: settings.rate_limiting_interval,
            rate_limiting_limit: settings.rate_limiting_limit,
            rate_limiting_technique: settings.rate_limiting_technique,
            retry_backoff: settings.retry_backoff,
            retry_delay: settings.retry_delay,
            retry_max_attempts: settings.retry_max_attempts,
            session_header: settings.session_header.clone().map(String::from),
            spend_limits: settings.spend_limits.clone(),
            store_id: settings.store_id.clone(),
            stored_key_refused: settings.stored_key_refused,
            stored_keys_only: settings.stored_keys_only,
            stripe: None,
            workers_ai_billing_mode: POSTPAID,
            zdr: false,
        }
    }
}
