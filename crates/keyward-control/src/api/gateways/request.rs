//! What requests about gateways carry, as the description of the API tells it. A test compares the fields with
//! those that are read.

#![expect(
    dead_code,
    reason = "these types describe; bodies are read field by field"
)]

use utoipa::{IntoParams, ToSchema};

use super::{pools::PoolInput, settings};
use crate::{
    api::spend::Limits,
    openapi::{Flag, Off},
};

/// Which gateways are listed.
#[derive(IntoParams)]
pub(crate) struct ListQuery {
    /// Only those whose id contains this.
    #[param(required = false)]
    search: String,
}

/// The fields of a gateway that requests carry.
macro_rules! gateway_request {
    ($(#[$about:meta])* $name:ident { $(#[$id_about:meta])* id: $id:ty }) => {
        #[derive(ToSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$about])*
        pub(crate) struct $name {
            $(#[$id_about])*
            id: $id,
            /// Whether requests must carry a gateway token. Default true; in a change, as it is.
            authentication: Option<Flag>,
            /// Kept and returned.
            byok_only: Option<Flag>,
            /// Kept and returned.
            cache_invalidate_on_update: Flag,
            /// The window of the rate limit, in seconds: 1 to 31,622,400 where the limit is above 0; null is 0.
            #[schema(required = true, maximum = 9_007_199_254_740_991_u64)]
            cache_ttl: Option<u64>,
            /// Kept and returned.
            collect_logs: Flag,
            /// Refused when it is switched on.
            dlp: Option<Off>,
            /// Refused when it is switched on.
            guardrails: Option<Off>,
            /// Refused when it is switched on.
            log_classification: Option<Off>,
            /// Kept and returned: how many logs.
            #[schema(minimum = 10_000, maximum = 10_000_000)]
            log_management: Option<u64>,
            /// Kept and returned.
            #[schema(schema_with = settings::strategy)]
            log_management_strategy: Option<String>,
            /// Refused when it is switched on.
            logpush: Option<Off>,
            /// Refused when it is given.
            logpush_public_key: Option<Off>,
            /// Refused when it is given.
            otel: Option<Off>,
            /// Refused when it is given.
            policies: Option<Off>,
            /// Ours: the keys that stand in for each other, at most 32 pools. Default none; in a change, as it is.
            #[schema(max_items = 32)]
            pools: Option<Vec<PoolInput>>,
            /// Kept and returned, in seconds; null is 0.
            #[schema(required = true, maximum = 9_007_199_254_740_991_u64)]
            rate_limiting_interval: Option<u64>,
            /// How many requests the gateway lets through per `rate_limiting_interval`; more are answered 429. 0 and null
            /// are off.
            #[schema(required = true, maximum = 1_000_000_000_000_u64)]
            rate_limiting_limit: Option<u64>,
            /// How windows follow each other: `fixed`, the default, beside each other on the clock; `sliding`, moving with
            /// the request.
            #[schema(schema_with = settings::technique)]
            rate_limiting_technique: Option<String>,
            /// Kept and returned.
            #[schema(schema_with = settings::backoff)]
            retry_backoff: Option<String>,
            /// Kept and returned, in milliseconds.
            #[schema(maximum = 60_000)]
            retry_delay: Option<u32>,
            /// Kept and returned.
            #[schema(minimum = 1, maximum = 5)]
            retry_max_attempts: Option<u8>,
            /// Ours: the header that says to which conversation a request belongs, so that it keeps its key of a pool.
            /// Null: `cf-aig-session-id`. In a change, left out: as it is.
            #[schema(max_length = 64)]
            session_header: Option<String>,
            /// How much may be spent. Default: no limit; in a change, as it is.
            spend_limits: Option<Limits>,
            /// Kept and returned.
            #[schema(max_length = 64)]
            store_id: Option<String>,
            /// Ours: what a client is told when a provider refuses the stored key: `explain` (default), which is 424 and names
            /// the key, or `passthrough`, the provider's own answer. In a change, left out: as it is.
            #[schema(schema_with = settings::refused)]
            stored_key_refused: Option<String>,
            /// Ours: whether requests that carry a provider key of the client's own are refused. Default false; in a change,
            /// as it is.
            stored_keys_only: Option<Flag>,
            /// Refused when it is given.
            stripe: Option<Off>,
            /// Keyward bills nothing.
            #[schema(schema_with = settings::billing)]
            workers_ai_billing_mode: Option<String>,
            /// Refused when it is switched on.
            zdr: Option<Off>,
        }
    };
}

gateway_request! {
    /// A gateway to be made. Fields that only answers carry are skipped.
    #[schema(example = json!({
        "id": "production",
        "cache_invalidate_on_update": false,
        "cache_ttl": null,
        "collect_logs": true,
        "rate_limiting_interval": null,
        "rate_limiting_limit": null,
    }))]
    NewGateway {
        /// What the gateway is called, in URLs too. `default` is made by no request.
        #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
        id: String
    }
}

gateway_request! {
    /// What a gateway's settings become. Fields that only answers carry are skipped.
    #[schema(example = json!({
        "cache_invalidate_on_update": false,
        "cache_ttl": null,
        "collect_logs": true,
        "rate_limiting_interval": null,
        "rate_limiting_limit": null,
    }))]
    GatewayChange {
        /// The gateway's own, or left out.
        id: Option<String>
    }
}
