//! Which way a request to an AI provider goes: dynamic routes, rate limits, and what of a request's body decides them.
//!
//! - [`RouteName`] names a route; a request asks for it with the model `dynamic/NAME`.
//! - [`JsonBody`] finds the model of a JSON body and replaces it without copying the rest; [`multipart_model`] finds that of
//!   a form. What two parsers could read differently is refused.
//!
//! Decisions are pure and synchronous: no I/O, no clock (`now` is an argument), no runtime.
//!
//! ```
//! use bytes::Bytes;
//! use keyward_routes::{JsonBody, RouteName};
//!
//! let body = Bytes::from_static(br#"{"model": "dynamic/support-bot", "messages": []}"#);
//! let body = JsonBody::read(&body)?;
//! let name = body.model()?.strip_prefix("dynamic/").unwrap_or_default();
//! assert_eq!(RouteName::parse(name)?.as_str(), "support-bot");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! None: everything is always there.

mod body;
mod name;

pub use self::{
    body::{
        BodyError, ConversationStart, JsonBody, LONGEST_MODEL, Spliced, check_encoding,
        check_model, multipart_model,
    },
    name::{ParseRouteNameError, RouteName},
};
