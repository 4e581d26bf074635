//! What requests about secrets carry, as the description of the API tells it. A test compares the fields with
//! those that are read.

#![expect(
    dead_code,
    reason = "these types describe; bodies and queries are read field by field"
)]

use keyward_registry::SecretScope;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{RefOr, Schema, schema::ArrayBuilder},
};

use crate::{openapi::choice, page::direction};

fn scope() -> RefOr<Schema> {
    choice(SecretScope::ALL.map(SecretScope::as_str)).into()
}

pub(super) fn scopes() -> Schema {
    ArrayBuilder::new().items(scope()).min_items(Some(1)).into()
}

fn some_scopes() -> Schema {
    ArrayBuilder::new().items(scope()).into()
}

fn order() -> Schema {
    choice(["name", "comment", "created", "modified", "status"])
}

/// Which secrets are listed, and in what order.
#[derive(IntoParams)]
pub(crate) struct ListQuery {
    /// Only those whose name or comment contains this, in any case.
    #[param(required = false)]
    search: String,
    /// Only those with one of these scopes.
    #[param(required = false, schema_with = some_scopes)]
    scopes: Vec<String>,
    /// What the list is ordered by. Default `name`.
    #[param(required = false, schema_with = order)]
    order: String,
    /// Whether it rises or falls. Default `asc`.
    #[param(required = false, schema_with = direction)]
    direction: String,
}

/// A secret to be stored. Fields that only answers carry are skipped.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSecret)]
pub(crate) struct NewSecretBody {
    /// Unique in the store. With the scope `ai_gateway`: `{gateway}_{provider}_{alias}`.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,255}$")]
    name: String,
    /// The value, at most 65,536 bytes.
    #[schema(write_only, min_length = 1, max_length = 65_536)]
    value: String,
    /// Which services may use it.
    #[schema(schema_with = scopes)]
    scopes: Vec<String>,
    /// For people.
    #[schema(max_length = 1024)]
    comment: Option<String>,
}

/// What of a secret is changed: at least one of these.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretEdit)]
pub(crate) struct Edit {
    /// Refused: a name is never changed.
    name: Option<String>,
    /// A new value; it goes where the old one went.
    #[schema(write_only, min_length = 1, max_length = 65_536)]
    value: Option<String>,
    /// Which services may use it. Without `ai_gateway` no provider key uses it.
    #[schema(schema_with = scopes)]
    scopes: Option<Vec<String>>,
    /// For people; null takes it away.
    #[schema(max_length = 1024)]
    comment: Option<String>,
}

/// What a copy of a secret is called.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretCopy)]
pub(crate) struct Copy {
    /// Unique in the store.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,255}$")]
    name: String,
    /// Which services may use it.
    #[schema(schema_with = scopes)]
    scopes: Vec<String>,
    /// For people.
    #[schema(max_length = 1024)]
    comment: Option<String>,
}

/// A secret that is to be deleted.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretReference {
    /// Its id.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
}
