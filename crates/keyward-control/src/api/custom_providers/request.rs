//! What requests about custom providers carry, as the description of the API tells it. A test compares the fields
//! with those that are read.

#![expect(
    dead_code,
    reason = "these types describe; bodies and queries are read field by field"
)]

use utoipa::{IntoParams, ToSchema};

use crate::openapi::Flag;

/// The fields of both requests, but for `headers`.
pub(super) const FIELDS: &[&str] = &[
    "name",
    "slug",
    "base_url",
    "credential_header",
    "description",
    "enable",
    "beta",
    "link",
    "logo",
    "curl_example",
    "js_example",
    "position",
];

/// Which custom providers are listed, and in what order.
#[derive(IntoParams)]
pub(crate) struct ListQuery {
    /// Only those that are switched on, or off.
    #[param(inline, required = false)]
    enable: bool,
    /// Only those that are on trial, or not.
    #[param(inline, required = false)]
    beta: bool,
    /// Only those whose name or slug contains this, in any case.
    #[param(required = false)]
    search: String,
    /// `name`, `slug`, `position`, `enable`, `created_at` or `modified_at`, and `ASC` or `DESC` behind a blank.
    /// Default `name ASC`.
    #[param(
        required = false,
        pattern = "^(name|slug|position|enable|created_at|modified_at)( (ASC|DESC|asc|desc))?$"
    )]
    order_by: String,
}

/// A provider to be added. Fields that only answers carry are skipped.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCustomProvider, example = json!({
    "name": "Our models",
    "slug": "our-models",
    "base_url": "https://llm.example.com/v1",
    "enable": true,
}))]
pub(crate) struct NewProvider {
    /// The name for people.
    #[schema(min_length = 1, max_length = 256)]
    name: String,
    /// Its name in paths, behind `custom-`. Unique in the account, and no built-in provider's.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,56}$")]
    slug: String,
    /// Where it is: https, a host and a path, without query.
    #[schema(max_length = 1024, pattern = "^https://")]
    base_url: String,
    /// How it takes a key. Default `Authorization: Bearer`.
    #[schema(max_length = 256)]
    credential_header: Option<String>,
    #[schema(max_length = 1024)]
    description: Option<String>,
    /// Whether requests are served. Default false.
    enable: Option<Flag>,
    /// Kept and returned. Default false.
    beta: Option<Flag>,
    /// An http or https URL.
    #[schema(max_length = 2048)]
    link: Option<String>,
    /// Base64 of a picture of at most 64 KiB.
    logo: Option<String>,
    /// Kept and returned.
    #[schema(max_length = 8192)]
    curl_example: Option<String>,
    /// Kept and returned.
    #[schema(max_length = 8192)]
    js_example: Option<String>,
    /// Kept and returned.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    position: Option<i64>,
    /// Headers that requests to the provider carry: a JSON object of texts, as a text. Sealed for the origin of
    /// `base_url`; answers hold masks.
    headers: Option<String>,
}

/// What of a custom provider is changed.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomProviderEdit, example = json!({"enable": true}))]
pub(crate) struct Change {
    /// The name for people.
    #[schema(required = false, min_length = 1, max_length = 256)]
    name: String,
    /// Cannot be changed: taken where it is what it was.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,56}$")]
    slug: Option<String>,
    /// Where it is. Provider keys and headers stay sealed for the origin they were entered for.
    #[schema(required = false, max_length = 1024, pattern = "^https://")]
    base_url: String,
    /// How it takes a key.
    #[schema(required = false, max_length = 256)]
    credential_header: String,
    #[schema(max_length = 1024)]
    description: Option<String>,
    /// Whether requests are served.
    #[schema(required = false)]
    enable: Flag,
    /// Kept and returned.
    #[schema(required = false)]
    beta: Flag,
    /// An http or https URL.
    #[schema(max_length = 2048)]
    link: Option<String>,
    /// Base64 of a picture of at most 64 KiB.
    logo: Option<String>,
    /// Kept and returned.
    #[schema(max_length = 8192)]
    curl_example: Option<String>,
    /// Kept and returned.
    #[schema(max_length = 8192)]
    js_example: Option<String>,
    /// Kept and returned.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    position: Option<i64>,
    /// All headers, as a JSON object of texts; a value that is the mask of an answer stands for what is stored.
    /// Null takes them away.
    headers: Option<String>,
}
