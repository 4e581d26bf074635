//! What requests about routes carry, as the description of the API tells it. A test compares the fields with those that
//! are read.

#![expect(
    dead_code,
    reason = "these types describe; bodies are read field by field"
)]

use serde_json::Value;
use utoipa::ToSchema;

use super::elements;

/// A route to be made. Fields that only answers carry are skipped.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRoute, example = json!({
    "name": "support",
    "elements": [
        {"id": "start", "type": "start", "outputs": {"next": {"elementId": "small"}}},
        {"id": "small", "type": "model", "properties": {"provider": "openai", "model": "gpt-5-mini"},
         "outputs": {"success": {"elementId": "end"}}},
        {"id": "end", "type": "end", "outputs": {}},
    ],
}))]
pub(crate) struct NewRoute {
    /// Its name in the gateway. Upper and lower case differ.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: String,
    /// At most 256 KiB of JSON. No key may stand twice in an object.
    #[schema(schema_with = elements::schema)]
    elements: Vec<Value>,
    /// A note on its first version.
    #[schema(max_length = 1024)]
    comment: Option<String>,
}

/// Another name for a route. Fields that only answers carry are skipped.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RouteRename, example = json!({"name": "support-2"}))]
pub(crate) struct Rename {
    /// Requests for the old name are refused from then on.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: String,
}

/// Elements to be saved. Fields that only answers carry are skipped.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRouteVersion)]
pub(crate) struct NewVersion {
    /// At most 256 KiB of JSON. No key may stand twice in an object.
    #[schema(schema_with = elements::schema)]
    elements: Vec<Value>,
    /// A note.
    #[schema(max_length = 1024)]
    comment: Option<String>,
}

/// The version to be put in force. Fields that only answers carry are skipped.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRouteDeployment)]
pub(crate) struct NewDeployment {
    /// Also an older one, to roll back.
    version_id: String,
    /// A note.
    #[schema(max_length = 1024)]
    comment: Option<String>,
}
