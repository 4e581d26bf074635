//! The model that a request asks for, as far as a token for some models is concerned.
//!
//! Where the request's head does not tell, the plan says that the body is to be read, and the request is decided again with
//! what it names. For tokens without such a limit nothing is looked at.

use std::borrow::Cow;

use http::Method;
use keyward_auth::{Entry, Model, Models};
use keyward_providers::{Class, PathModel, Provider};
use keyward_registry::CustomSlug;
use percent_encoding::percent_decode_str;

use super::Step;

/// The model that a request asks for.
#[derive(Debug)]
pub(super) enum Wanted<'a> {
    /// It does not matter: the token is for every model, or the request is for the list of them.
    Any,
    Named(Cow<'a, str>),
    /// The body names it.
    InBody,
    /// It cannot be told, and the token is not for every model.
    Untold,
}

/// The model that a plan is for.
#[derive(Debug)]
pub(crate) enum PlannedModel {
    /// It does not matter.
    Any,
    Named(Box<str>),
}

/// What is known of a request's body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'a> {
    /// Nothing: nobody looked yet.
    Unread,
    /// It was read.
    Read {
        /// The model that it names, where that was asked for.
        model: Option<&'a str>,
        /// By what its conversation is known, where it holds one.
        conversation: Option<&'a [u8]>,
    },
    /// There is none to look at, and what is asked is what would become of a model that is permitted.
    Assumed,
}

/// Why a body is read before its request is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFor {
    /// The token is for some models: without one the request is refused.
    Model,
    /// The pool keeps conversations together: without one its key is drawn.
    Conversation,
}

impl Wanted<'_> {
    pub(super) fn asked(&self) -> Model<'_> {
        match self {
            Self::Any | Self::InBody => Model::Unread,
            Self::Named(model) => Model::Named(model),
            Self::Untold => Model::Untold,
        }
    }

    /// Of a request that is permitted.
    pub(super) fn planned(self) -> PlannedModel {
        match self {
            Self::Any | Self::InBody | Self::Untold => PlannedModel::Any,
            Self::Named(model) => PlannedModel::Named(model.into()),
        }
    }
}

impl PlannedModel {
    /// What is asked of a token that may have been changed since. One that was for every model and is not any more is
    /// refused: nobody looked which one it is.
    pub(crate) fn asked_again(&self) -> Model<'_> {
        match self {
            Self::Named(model) => Model::Named(model),
            Self::Any => Model::Untold,
        }
    }
}

impl Step<'_> {
    /// The model that this request asks for. Allocates nothing where the token is for every model.
    pub(super) fn wanted<'s>(
        &'s self,
        token: &Entry,
        provider: &Provider,
        class: Class,
    ) -> Wanted<'s> {
        if matches!(token.record.grant.models, Models::All) {
            return Wanted::Any;
        }
        match (self.sender.seen, self.wanted_by_head(provider, class)) {
            (
                Seen::Read {
                    model: Some(model), ..
                },
                Wanted::InBody,
            ) => Wanted::Named(Cow::Borrowed(model)),
            (Seen::Assumed, Wanted::InBody) => Wanted::Any,
            (_, wanted) => wanted,
        }
    }

    fn wanted_by_head<'s>(&'s self, provider: &Provider, class: Class) -> Wanted<'s> {
        // What it names is not where the request goes.
        let is_aimed = provider.target_header();
        if is_aimed.is_some_and(|header| self.headers.contains_key(header)) {
            return Wanted::Untold;
        }
        let in_query = models_in_query(self.uri.query());
        match provider.model_in_path(self.address.rest) {
            PathModel::Unclear => Wanted::Untold,
            PathModel::Named(model) => match in_query {
                InQuery::None => Wanted::Named(model),
                InQuery::One(..) | InQuery::Many => Wanted::Untold,
            },
            PathModel::Absent => match in_query {
                InQuery::One(name, model)
                    if self.handshake.is_some() && provider.websocket_model() == Some(name) =>
                {
                    Wanted::Named(model)
                }
                InQuery::None if self.handshake.is_none() => self.in_body(provider, class),
                _ => Wanted::Untold,
            },
        }
    }

    fn in_body(&self, provider: &Provider, class: Class) -> Wanted<'static> {
        match (self.method, class) {
            (&Method::GET | &Method::HEAD, Class::Models) => Wanted::Any,
            // Batches, files, agents and the like run models that stand elsewhere than in the request.
            (
                &Method::POST | &Method::PUT | &Method::PATCH,
                Class::Inference | Class::Embeddings | Class::Images | Class::Audio | Class::Video,
            ) if provider.compat().is_some() => Wanted::InBody,
            // Nothing is known of its endpoints.
            (&Method::POST | &Method::PUT | &Method::PATCH, Class::Other)
                if provider.slug().starts_with(CustomSlug::PREFIX) =>
            {
                Wanted::InBody
            }
            _ => Wanted::Untold,
        }
    }
}

/// The models that a query names.
enum InQuery<'a> {
    None,
    /// The name of the parameter, and the model.
    One(&'a str, Cow<'a, str>),
    /// Several, or one that may be read in two ways.
    Many,
}

fn models_in_query(query: Option<&str>) -> InQuery<'_> {
    let mut found = InQuery::None;
    for pair in query.unwrap_or_default().split(['&', ';']) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = percent_decode_str(name).decode_utf8_lossy();
        if !decoded.to_ascii_lowercase().starts_with("model") {
            continue;
        }
        let model = percent_decode_str(value).decode_utf8();
        found = match (found, model) {
            (InQuery::None, Ok(model))
                if decoded == name && !value.contains('+') && !model.contains('%') =>
            {
                InQuery::One(name, model)
            }
            _ => InQuery::Many,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{InQuery, models_in_query};

    #[track_caller]
    fn check(query: &str, expected: Option<&str>) {
        let found = match models_in_query(Some(query)) {
            InQuery::None => None,
            InQuery::One(name, model) => Some(format!("{name}={model}")),
            InQuery::Many => Some("many".to_owned()),
        };
        assert_eq!(found.as_deref(), expected, "{query}");
    }

    #[test]
    fn one_model_in_a_query_is_told_from_several() {
        check("", None);
        check("x=model&y", None);
        check("model=gpt-realtime", Some("model=gpt-realtime"));
        check("a=b&model=%40cf/x", Some("model=@cf/x"));
        for query in [
            "model=a&model=a",
            "model=a&Model=b",
            "mod%65l=a",
            "model=a&model_id=b",
            "model=a;model=b",
            "model=a+b",
            "model=a%2541",
            "model=%FF",
        ] {
            check(query, Some("many"));
        }
    }
}
