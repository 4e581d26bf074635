//! What requests about secrets stores carry, as the description of the API tells it. A test compares the fields
//! with those that are read.

#![expect(
    dead_code,
    reason = "these types describe; bodies and queries are read field by field"
)]

use utoipa::{IntoParams, ToSchema, openapi::Schema};

use crate::{openapi::choice, page::direction};

fn order() -> Schema {
    choice(["name", "created", "modified"])
}

/// In what order stores are listed.
#[derive(IntoParams)]
pub(crate) struct ListQuery {
    /// What the list is ordered by. Default `created`.
    #[param(required = false, schema_with = order)]
    order: String,
    /// Whether it rises or falls. Default `asc`.
    #[param(required = false, schema_with = direction)]
    direction: String,
}

/// A store to be made. Fields that only answers carry are skipped.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSecretsStore)]
pub(crate) struct NewStore {
    /// Unique in the account.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
}

/// How a store is deleted.
#[derive(IntoParams)]
pub(crate) struct DeleteQuery {
    /// Whether the secrets in it are deleted with it. Otherwise one that has any is refused.
    #[param(inline, required = false)]
    force: bool,
}
