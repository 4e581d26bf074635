//! What requests about tokens carry, as the description of the API tells it. A test compares the fields with
//! those that are read.

#![expect(
    dead_code,
    reason = "these types describe; bodies are read field by field"
)]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::spend::Limits,
    openapi::{choice, choice_or_null},
    page::direction,
};

/// Which tokens are listed, and in which order.
#[derive(IntoParams)]
pub(crate) struct ListQuery {
    /// Only those for applications, `gateway`, or for operators, `api`.
    #[param(required = false, schema_with = kind)]
    kind: String,
    /// Only those that are good for this gateway: they name it, or are for every gateway.
    #[param(required = false)]
    gateway_id: String,
    /// `asc`, the oldest first, or `desc`. Default `asc`.
    #[param(required = false, schema_with = direction)]
    direction: String,
}

fn kind() -> utoipa::openapi::Schema {
    choice(["gateway", "api"])
}

/// Which permissions are listed.
#[derive(IntoParams)]
pub(crate) struct GroupQuery {
    /// Only the one of this name.
    #[param(required = false)]
    name: String,
}

/// A token to be made.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    #[schema(min_length = 1, max_length = 120)]
    name: String,
    /// What it may do, and where. Policies that together are more than one set of permissions in one set of
    /// places are refused.
    #[schema(min_items = 1, max_items = 1000)]
    policies: Vec<NewPolicy>,
    /// From when it is good, RFC 3339.
    #[schema(format = DateTime)]
    not_before: Option<String>,
    /// Until when it is good, RFC 3339.
    #[schema(format = DateTime)]
    expires_on: Option<String>,
    condition: Option<NewCondition>,
    /// Ours: how much may be spent with it, of a gateway token. Default: no limit.
    spend_limits: Option<Limits>,
}

/// What a token becomes. Fields that only answers carry are skipped.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenChange {
    #[schema(min_length = 1, max_length = 120)]
    name: String,
    /// As for a new token. The kind stays.
    #[schema(min_items = 1, max_items = 1000)]
    policies: Vec<NewPolicy>,
    /// From when it is good, RFC 3339.
    #[schema(format = DateTime)]
    not_before: Option<String>,
    /// Until when it is good, RFC 3339.
    #[schema(format = DateTime)]
    expires_on: Option<String>,
    condition: Option<NewCondition>,
    /// Ours: how much may be spent with it, of a gateway token. Left out, that stays as it is; null is no limit.
    spend_limits: Option<Limits>,
    /// Whether it is switched off; left out, that stays as it is.
    #[schema(schema_with = status)]
    status: Option<String>,
}

fn status() -> utoipa::openapi::Schema {
    choice_or_null(["active", "disabled"])
}

/// How a token gets a new text.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenRoll)]
pub(crate) struct Roll {
    /// Ours: for how many seconds more the old text is good. Default 0.
    #[schema(maximum = 86_400)]
    overlap_seconds: Option<u64>,
}

/// Permissions at resources.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPolicy {
    /// Skipped: only answers carry it.
    id: Option<Value>,
    #[schema(schema_with = allow)]
    effect: String,
    /// By `com.cloudflare.api.account.{account}`, or this and `.ai-gateway.{gateway}`.
    resources: BTreeMap<String, NewNarrowing>,
    #[schema(min_items = 1, max_items = 1000)]
    permission_groups: Vec<NewGroup>,
}

fn allow() -> utoipa::openapi::Schema {
    choice(["allow"])
}

/// What of a resource a token is for: `"*"` is everything.
#[derive(ToSchema)]
#[serde(untagged)]
enum NewNarrowing {
    Everything(String),
    To(To),
}

/// Only these; what is left out is everything.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewNarrowingTo)]
struct To {
    #[schema(min_items = 1, max_items = 1000)]
    providers: Option<Vec<String>>,
    #[schema(min_items = 1, max_items = 1000)]
    aliases: Option<Vec<String>>,
    /// Classes of endpoints.
    #[schema(min_items = 1, max_items = 1000)]
    classes: Option<Vec<String>>,
    /// Models, as `provider/model`; `*` stands for any characters but `/`, and a last `**` for all that follows.
    #[schema(min_items = 1, max_items = 1000)]
    models: Option<Vec<String>>,
}

/// A permission, by its id or by its name.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    #[schema(max_length = 256)]
    id: Option<String>,
    #[schema(max_length = 256)]
    name: Option<String>,
    /// Skipped.
    meta: Option<Value>,
}

/// From where a token may be used.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCondition {
    request_ip: Option<NewRequestIp>,
}

/// Networks such as `192.0.2.0/24`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRequestIp {
    #[serde(rename = "in")]
    #[schema(min_items = 1, max_items = 1000)]
    allow: Option<Vec<String>>,
    #[serde(rename = "not_in")]
    #[schema(min_items = 1, max_items = 1000)]
    deny: Option<Vec<String>>,
}
