//! What requests about provider keys carry, as the description of the API tells it. A test compares the fields
//! with those that are read.

#![expect(
    dead_code,
    reason = "these types describe; bodies are read field by field"
)]

use keyward_registry::ExpiresAction;
use utoipa::{ToSchema, openapi::Schema};

use crate::{
    api::spend::Limits,
    openapi::{Flag, choice},
};

fn expires_action() -> Schema {
    choice([ExpiresAction::Stop, ExpiresAction::Warn].map(ExpiresAction::as_str))
}

/// A provider key to be stored: its value in `secret`, or else a secret that is stored already. Fields that only
/// answers carry are skipped.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewProviderConfig, example = json!({
    "alias": "default",
    "default_config": true,
    "provider_slug": "openai",
    "secret": "the-key-that-the-provider-gave",
}))]
pub(crate) struct NewKey {
    /// Default `default`.
    #[schema(max_length = 256)]
    alias: Option<String>,
    /// Whether it is the provider's key where no alias is asked for. Default: whether the alias is `default`.
    default_config: Option<Flag>,
    #[schema(max_length = 1024)]
    description: Option<String>,
    /// What happens at `expires_on`: `stop`, the default, and it is used no more; `warn`, and it goes on being used.
    #[schema(schema_with = expires_action)]
    expires_action: Option<String>,
    /// Its date, RFC 3339.
    #[schema(format = DateTime)]
    expires_on: Option<String>,
    /// A provider of the catalogue, or one of the account's own, with or without `custom-`.
    #[schema(max_length = 256)]
    provider_slug: String,
    /// How many requests may be sent with it in a period; 0, or none, is no limit.
    #[schema(maximum = 1_000_000_000_000_u64)]
    rate_limit: Option<u64>,
    /// Seconds. Default 60.
    #[schema(minimum = 1, maximum = 31_622_400)]
    rate_limit_period: Option<u64>,
    /// The value: the provider's key.
    #[schema(write_only)]
    secret: Option<String>,
    /// The secret that holds the value.
    #[schema(max_length = 256)]
    secret_id: Option<String>,
    /// Ours: how much may be spent with it. Its rules have no `provider`. Default: no limit.
    spend_limits: Option<Limits>,
    /// Whether the provider is asked first if it takes `secret`. Default: no.
    verify: Option<Flag>,
}

/// A new value for a provider key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewProviderConfigValue, example = json!({"secret": "the-key-that-the-provider-gave"}))]
pub(crate) struct NewValue {
    /// The value: the provider's key.
    #[schema(write_only)]
    secret: String,
}

/// A new value for a provider key, with a way back.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewProviderConfigRotation, example = json!({"secret": "the-key-that-the-provider-gave", "overlap_seconds": 600}))]
pub(crate) struct NewRotation {
    /// How long the old value is kept once the new one is in use. Default 600; 0 erases it at once.
    #[schema(maximum = 604_800)]
    overlap_seconds: Option<u64>,
    /// What the rotation is called: asking again with the same one begins no other. Default: a random one.
    #[schema(max_length = 64, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    request_id: Option<String>,
    /// The value: the provider's key.
    #[schema(write_only)]
    secret: String,
    /// Whether the provider must take the value before it is used. Default: where a request is known that proves a key.
    verify: Option<Flag>,
}

/// What of a provider key is changed: at least one of these.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProviderConfigEdit, example = json!({"description": "of the team", "enabled": true}))]
pub(crate) struct Edit {
    #[schema(max_length = 1024)]
    description: Option<String>,
    /// Whether it is used.
    enabled: Option<Flag>,
    /// What happens at `expires_on`: `stop`, and it is used no more; `warn`, and it goes on being used.
    #[schema(schema_with = expires_action)]
    expires_action: Option<String>,
    /// Its date, RFC 3339; null is none.
    #[schema(format = DateTime)]
    expires_on: Option<String>,
    /// How many requests may be sent with it in a period; 0 or null is no limit.
    #[schema(maximum = 1_000_000_000_000_u64)]
    rate_limit: Option<u64>,
    /// Seconds. Where it is absent: as it is, or 60.
    #[schema(minimum = 1, maximum = 31_622_400)]
    rate_limit_period: Option<u64>,
    /// Ours: how much may be spent with it. Its rules have no `provider`. Null is no limit.
    spend_limits: Option<Limits>,
}
