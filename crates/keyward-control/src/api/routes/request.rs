//! What requests about routes carry, as the description of the API tells it. A test compares the fields with those that
//! are read.

#![expect(
    dead_code,
    reason = "these types describe; bodies are read field by field"
)]

use serde_json::{Map, Value};
use utoipa::{
    ToSchema,
    openapi::{
        Schema,
        schema::{ObjectBuilder, Type},
    },
};

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
    /// At most 64 KiB of JSON. No key may stand twice in an object.
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
    /// At most 64 KiB of JSON. No key may stand twice in an object.
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

/// A request whose way is asked for. Nothing of it is needed: what is left out is absent.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RouteQuestion, example = json!({
    "metadata": {"plan": "free"},
    "body": {"messages": [{"role": "user", "content": "hello"}]},
    "headers": {"x-team": "search"},
}))]
pub(crate) struct Question {
    /// The body that it would have. Of a key that stands twice the last counts.
    body: Option<Map<String, Value>>,
    /// Its headers, by name. No answer tells a value.
    #[schema(write_only, required = false, schema_with = headers)]
    headers: Map<String, Value>,
    /// What would stand in its header `cf-aig-metadata`; not beside that header.
    metadata: Option<Map<String, Value>>,
    /// The version whose way is asked for. Default: the one that is deployed.
    #[schema(required = false)]
    version_id: String,
    /// The way of these elements is asked for, which are not saved. Not beside `version_id`.
    #[schema(required = false, schema_with = elements::schema)]
    elements: Vec<Value>,
    /// Where chance falls, of 0 to below 1: 0.05 is in the first tenth. Without it every output is told.
    #[schema(minimum = 0, exclusive_maximum = 1)]
    draw: Option<f64>,
}

fn headers() -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ObjectBuilder::new()
        .additional_properties(Some(Schema::from(text)))
        .into()
}
