//! What a question about a request carries, as the description of the API tells it. A test compares the fields with
//! those that are read.

#![expect(
    dead_code,
    reason = "this type describes; bodies are read field by field"
)]

use utoipa::{
    ToSchema,
    openapi::{
        Schema,
        schema::{ArrayBuilder, ObjectBuilder, Type},
    },
};

/// A request to the data plane, as a client would send it. Its body is left out.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Question, example = json!({
    "method": "POST",
    "target": "/v1/0123456789abcdef0123456789abcdef/default/openai/v1/chat/completions",
    "headers": [["host", "127.0.0.1:8787"], ["cf-aig-authorization", "Bearer TOKEN"]],
}))]
pub(crate) struct Question {
    #[schema(min_length = 1, max_length = 32)]
    method: String,
    /// Its path and query.
    #[schema(write_only, min_length = 1)]
    target: String,
    /// Each a name and a value; a name may stand there several times.
    #[schema(write_only, required = false, schema_with = pairs)]
    headers: Vec<[String; 2]>,
    /// The address that it would come from. Default: where this question comes from.
    #[schema(max_length = 256)]
    source: Option<String>,
}

fn pairs() -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let pair = ArrayBuilder::new()
        .items(text)
        .min_items(Some(2))
        .max_items(Some(2));
    ArrayBuilder::new().items(pair).max_items(Some(256)).into()
}
