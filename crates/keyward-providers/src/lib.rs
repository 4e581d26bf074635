//! The catalogue of AI providers: where each is, how it takes a key, and what its endpoints are for.
//!
//! ```
//! use http::{HeaderMap, Method};
//! use keyward_providers::{Catalogue, Class};
//! use keyward_secret::SecretBytes;
//!
//! let catalogue = Catalogue::built_in()?;
//! let openai = catalogue.find("openai").ok_or("the catalogue has it")?;
//!
//! // Where a request goes: the version may be left out.
//! let rest = "chat/completions";
//! let route = openai.route(&Method::POST, rest, &HeaderMap::new())?;
//! assert_eq!(route.upstream.origin().to_string(), "https://api.openai.com");
//! assert_eq!(format!("{}{rest}", route.prefix), "/v1/chat/completions");
//! assert_eq!(route.class, Class::Inference);
//!
//! // What a key becomes: one header, bound to where the key was sealed for.
//! let key = SecretBytes::new(b"sk-example".to_vec());
//! let credential = openai.bind(key, openai.destination().clone())?;
//! assert_eq!(credential.header_name(), "authorization");
//! assert!(credential.may_go_to(route.upstream.origin()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A provider is data: one file `src/catalogue/<slug>.toml` each, embedded, read once, with unknown fields
//! refused. The crate does no I/O, reads no clock and holds no state; routing a request allocates nothing.
//!
//! What an answer says of the key that it was asked with:
//!
//! ```
//! # use http::{HeaderMap, StatusCode};
//! # use keyward_providers::{Catalogue, ErrorClass};
//! # let catalogue = Catalogue::built_in()?;
//! let groq = catalogue.find("groq").ok_or("the catalogue has it")?;
//! let body = br#"{"error":{"message":"Invalid API Key","type":"invalid_request_error","code":"invalid_api_key"}}"#;
//! let verdict = groq.judge(StatusCode::UNAUTHORIZED, &HeaderMap::new(), body);
//! assert_eq!(verdict.class, ErrorClass::CredentialRejected);
//! // A status alone proves nothing of a key.
//! let verdict = groq.judge(StatusCode::UNAUTHORIZED, &HeaderMap::new(), b"<html>go away</html>");
//! assert_eq!(verdict.class, ErrorClass::Unknown);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How many tokens an answer took, read beside its way to the client: [`UsageReader`]; and [`ExtraChunk`] for
//! streams that had to be asked for it.
//!
//! # What the crate promises
//!
//! - The text that a client sent is never cut, decoded or changed. Only what goes before it is chosen, and the
//!   joined path always lies below the provider's base path.
//! - A [class](Class) is decided on the very bytes that are sent. Where a provider may read them otherwise
//!   (`%61dmin`, `%2F`, `//`, `;x`), and where nothing matches, the class is [`Class::Other`], which only a grant
//!   with all classes allows.
//! - An answer [convicts](ErrorClass::convicts) a key only where its whole body is understood and a rule with a source
//!   knows it; never by its status.
//! - [Counts of tokens](Usage) are what the answer says, read alike in pieces of any size and in bounded memory. What is not
//!   said, or cannot be, is unknown.
//! - A provider that cannot be served yet is [refused](Support::Refused) with the reason. It has no route and
//!   no credential.
//!
//! # The fields of a catalogue file
//!
//! | field | meaning |
//! | --- | --- |
//! | `slug`, `aliases`, `name` | the segment of the URL, other segments that mean the same, the name for people |
//! | `keys_page`, `key_hint` | where keys are revoked; what one looks like |
//! | `refused` | why the provider cannot be used; such a provider is listed and nothing more |
//! | `origin`, `base_path` | the base of all paths; `{account_id}` in the path is filled in by the operator |
//! | `[[also]]` `origin`, `classes` | a further origin that keys are sealed for, reached through `target_header` only |
//! | `target_header` | a request header that may name a whole URL within these origins |
//! | `[version]` `known`, `insert` | a path whose first segment is not in `known` gets `insert` before it |
//! | `[credential]` `header`, `scheme` | the header that carries a key, and what stands before the key in it |
//! | `[credential]` `headers`, `query`, `subprotocols` | where else a client may present a key |
//! | `[websocket]` `path`, `model` | what a WebSocket on the bare provider is for; the query parameter that names its model |
//! | `[compat]` `chat`, `models`, `source` | the provider's own OpenAI-compatible endpoints, below the base |
//! | `[compat.credential]` `header`, `scheme`, `on`, `source` | how a key is taken on the paths `on`, where that differs |
//! | `model_paths` | paths that name a model: `*/models/{model}:*` |
//! | `[[refuse]]` `path`, `reason` | a pattern of paths that are not served |
//! | `[classes]` | lists of patterns such as `"POST v1/chat/completions"` by [class name](Class::name) |
//! | `retry_delay` | where a body says how long to wait, as in `"45s"` |
//! | `[[errors]]` `class`, `status`, `is`, `begins`, `says`, `source` | what an answer says of the key; see below |
//! | `[usage]` `shape`, `source` | in which [way](UsageShape) answers say how many tokens they took |
//! | `[[usage.except]]` `on`, `shape`, `source` | patterns of endpoints that have another |
//! | `[usage.ask]` `on`, `source` | patterns of endpoints whose streams say it only with `stream_options.include_usage` |
//! | `[probe]` `request`, `headers`, `dead`, `blocked`, `source` | a request that costs nothing and refuses bad keys; statuses that then mean a dead key; fields of a 200 that say `true` for a blocked one |
//!
//! A pattern is a method (or `*`) and a path with the version in it: `*` is one segment, `*suffix` one that ends
//! so, a closing `**` any number of further ones. The pattern that says more wins; the order does not matter.
//! A HEAD is taken for a GET.
//!
//! The first of the `[[errors]]` whose conditions all hold decides the [class](ErrorClass) of an answer. `status` lists
//! statuses. `is`, `begins` and `says` hold texts by where they stand in the JSON body, such as `"error.code"` or
//! `"error.details[].reason"`: one of the values there is one of the texts, begins with one, or holds one; the latter
//! two whatever the case. A class that convicts needs a status and an `is` or `begins`, or the file is refused.
//!
//! # The provider error corpus
//!
//! `corpus/` holds real answers of providers with their class, source and date, as JSON with a schema, for anybody's
//! classifier: its README says how. The rules are tested with it, and with each answer changed in many ways.
//!
//! # Features
//!
//! `fuzzing` (off) is for the fuzz targets of this repository, and no part of the interface. Else none: everything is
//! always there.
//!
//! # Reading on
//!
//! `keyward-forward` goes where a route leads; `docs/providers.md` in the repository lists the catalogue.

mod catalogue;
mod class;
mod classes;
mod compat;
mod custom;
mod definition;
mod error;
mod facts;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod key_prefix;
mod model_path;
mod overrides;
mod paths;
mod pattern;
mod probe;
mod provider;
mod snippet;
mod target;
mod usage;
mod verdict;

pub use catalogue::{Catalogue, all_credential_headers, is_credential_header};
pub use class::{Class, ParseClassError};
pub use compat::{Compat, Surface};
pub use custom::{BaseUrl, CredentialPlacement, ParseBaseUrlError, ParsePlacementError};
pub use error::{BindError, CatalogueError, RouteError};
pub use key_prefix::{begins_as_key, looks_like_key, provider_of_key};
pub use model_path::PathModel;
pub use overrides::Override;
pub use probe::{Probe, ProbeOutcome};
pub use provider::{Provider, Route, Support, Upstream};
pub use snippet::{
    Language, MessageApi, MessageFormat, TOKEN_VARIABLE, Variable, VariableValue, message_api,
    rival_variables, snippet, variables,
};
pub use usage::{ExtraChunk, Seen, Usage, UsageReader, UsageShape};
pub use verdict::{ErrorClass, Verdict};
