//! What is to be sent, as the description of the API tells it. A test compares the fields with those that are read.

#![expect(
    dead_code,
    reason = "this type describes; bodies are read field by field"
)]

use utoipa::ToSchema;

/// A message for a model, to be sent through a gateway.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrialRequest, example = json!({
    "gateway": "default",
    "provider": "openai",
    "message": "Say hello in one word.",
}))]
pub(crate) struct Question {
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    gateway: String,
    /// The provider's slug.
    #[schema(max_length = 64)]
    provider: String,
    /// What the model is told.
    #[schema(min_length = 1, max_length = 8192)]
    message: String,
    /// The model. Default: that of the provider's snippet; required where there is none.
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9@][A-Za-z0-9._:/@-]{0,127}$")]
    model: Option<String>,
    /// The alias of the stored key. Default: the one that needs no name.
    #[schema(max_length = 64)]
    alias: Option<String>,
}
