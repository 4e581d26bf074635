//! The ways in beside a provider's own paths. Pure.
//!
//! What goes such a way is made into requests to providers, and each of these is decided and sent like one that a client
//! sent: the same token, rules for headers and paths, credentials, limits.

mod headers;
mod named;
mod universal;

use std::sync::Arc;

use keyward_auth::Entry;
use keyward_secret::AccountId;

pub(crate) use self::{
    headers::{for_json, for_reading, mark, without_own_keys},
    named::Named,
    universal::{Entry as UniversalEntry, entries},
};
use crate::{handling::Handling, limits::Due};

/// Another way than straight to the provider that the path names.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) to: To,
    /// How its requests are sent.
    pub(crate) handling: Handling,
    /// The gateway's rate limit, in which it is counted before it is sent.
    pub(crate) rate_limit: Option<Due>,
    /// Whose request it is, where that is known.
    pub(crate) token: Option<Arc<Entry>>,
    pub(crate) account: AccountId,
    pub(crate) gateway: Box<str>,
}

/// Where a way leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// To the provider that the path names, with time limits or more attempts than one.
    Provider,
    /// To the provider and model that the body names, in OpenAI's form.
    Unified,
    /// To the providers of the gateway, for the models that the unified endpoint takes.
    Models,
    /// To several providers in turn, as the body says.
    Universal,
    /// To the provider that the body's model names, in one of the forms of the REST API.
    Inference(Form),
}

/// The form of a request of the REST API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Chat,
    Responses,
    Messages,
}

/// The name that stands in the place of a provider for the unified endpoint.
pub(crate) const COMPAT: &str = "compat";
/// What a path of the REST API begins with.
const REST: &str = "/client/v4/accounts/";

impl To {
    /// Where a rest below [`COMPAT`] leads.
    pub(crate) fn below_compat(rest: &str) -> Option<Self> {
        match rest.trim_end_matches('/') {
            // The reference's own example has the singular (wire-spec §1.3).
            "chat/completions" | "v1/chat/completions" | "chat/completion" => Some(Self::Unified),
            "models" | "v1/models" => Some(Self::Models),
            _ => None,
        }
    }
}

/// A path that names no provider.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unaddressed<'a> {
    pub(crate) account: AccountId,
    /// None where a header names it.
    pub(crate) gateway: Option<&'a str>,
    pub(crate) to: To,
}

impl<'a> Unaddressed<'a> {
    /// `/v1/{account}/{gateway}`, with a slash behind it or without, and `/client/v4/accounts/{account}/ai/v1/…`.
    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        if let Some(below) = path.strip_prefix(REST) {
            let (account, rest) = below.split_once('/')?;
            let form = match rest {
                "ai/v1/chat/completions" => Form::Chat,
                "ai/v1/responses" => Form::Responses,
                "ai/v1/messages" => Form::Messages,
                _ => return None,
            };
            return Some(Self {
                account: AccountId::parse(account).ok()?,
                gateway: None,
                to: To::Inference(form),
            });
        }
        let below = path.strip_prefix("/v1/")?;
        let (account, gateway) = below.split_once('/')?;
        let gateway = gateway.strip_suffix('/').unwrap_or(gateway);
        if gateway.is_empty() || gateway.contains('/') {
            return None;
        }
        Some(Self {
            account: AccountId::parse(account).ok()?,
            gateway: Some(gateway),
            to: To::Universal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, To, Unaddressed};

    const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn paths_that_name_no_provider() {
        let parse = |path: &str| {
            let path = path.replace("ACCOUNT", ACCOUNT);
            Unaddressed::parse(&path).map(|found| (found.gateway.map(str::to_owned), found.to))
        };
        let universal = Some((Some("prod".to_owned()), To::Universal));
        assert_eq!(parse("/v1/ACCOUNT/prod"), universal);
        assert_eq!(parse("/v1/ACCOUNT/prod/"), universal);
        for (path, form) in [
            ("chat/completions", Form::Chat),
            ("responses", Form::Responses),
            ("messages", Form::Messages),
        ] {
            let path = format!("/client/v4/accounts/ACCOUNT/ai/v1/{path}");
            assert_eq!(parse(&path), Some((None, To::Inference(form))));
        }
        for path in [
            "/v1/ACCOUNT",
            "/v1/ACCOUNT/",
            "/v1/ACCOUNT//",
            "/v1/ACCOUNT/prod//",
            "/v1/ACCOUNT/prod/openai",
            "/v1/nobody/prod",
            "/client/v4/accounts/ACCOUNT/ai/v1/embeddings",
            "/client/v4/accounts/ACCOUNT/ai/v1/messages/",
            "/client/v4/accounts/nobody/ai/v1/messages",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
