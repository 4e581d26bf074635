//! Why a change was not made.

use keyward_auth::Reason;
use keyward_routes::GraphError;
use keyward_secret::Destination;
use keyward_vault::rotation::NotNow;

use crate::{HeadersError, KeyValueError, SecretRefusal, StoreError};

/// A change was not made.
#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
pub struct ChangeError {
    refusal: Refusal,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Why. The texts may be shown to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such gateway.
    #[error("gateway `{0}` was not found; `keyward gateways list` shows those there are")]
    GatewayNotFound(String),
    /// A gateway of this name exists.
    #[error("a gateway with id `{0}` already exists; change that one, or choose another id")]
    GatewayExists(String),
    /// There is no such provider key.
    #[error("provider key `{0}` was not found; `keyward keys list` shows those there are")]
    ProviderKeyNotFound(String),
    /// There is one for this gateway, provider and alias.
    #[error(
        "a provider key for `{provider}` with alias `{alias}` already exists in gateway `{gateway}`; give it a new value with `keyward keys rotate {provider} --gateway {gateway} --alias {alias}`, or choose another alias"
    )]
    ProviderKeyExists {
        /// The gateway.
        gateway: String,
        /// The provider.
        provider: String,
        /// The alias.
        alias: String,
    },
    /// There is no such custom provider.
    #[error("Custom Provider not found")]
    CustomProviderNotFound,
    /// The account has a custom provider of this slug.
    #[error("A custom provider with this slug already exists")]
    CustomProviderExists,
    /// A slug means a provider that is built in.
    #[error("the slug `{0}` means a provider that is built in; choose another")]
    SlugBuiltIn(String),
    /// The headers of a custom provider cannot be used.
    #[error("{0}")]
    Headers(HeadersError),
    /// Headers that are to be kept are sealed for another origin than the provider has.
    #[error(
        "the stored headers are sealed for {sealed_for}, and the provider is at {wanted}; enter every value again to seal it for that origin"
    )]
    HeadersElsewhere {
        /// Where they may go.
        sealed_for: String,
        /// Where the provider is.
        wanted: String,
    },
    /// The stored headers do not open.
    #[error("the stored headers are damaged; enter every value again")]
    HeadersDamaged,
    /// Neither the catalogue nor the account has such a provider.
    #[error(
        "there is no provider `{provider}`; {}",
        nearest.as_ref().map_or_else(|| "docs/providers.md lists those there are".to_owned(), |near| format!("did you mean `{near}`?"))
    )]
    ProviderUnknown {
        /// What it was asked for.
        provider: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// The provider cannot be used.
    #[error("provider `{provider}` cannot be used: {reason}")]
    ProviderRefused {
        /// The provider.
        provider: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The value cannot be a provider key.
    #[error("{0}")]
    Value(KeyValueError),
    /// There is no such secret.
    #[error("secret `{0}` was not found; `keyward secrets list` shows those there are")]
    SecretNotFound(String),
    /// No secret has the name by which the contract finds the value.
    #[error(
        "a secret named `{0}` was not found; store it first, or send its value here as `secret`, or another's `secret_id`"
    )]
    SecretNameNotFound(String),
    /// Several secrets have names that say the same.
    #[error("several secrets are for this place: {}; send the `secret_id` of one", .0.join(", "))]
    SecretNameNotUnique(Vec<String>),
    /// The secret may not be used by gateways.
    #[error(
        "secret `{0}` has no scope `ai_gateway`, so no gateway may use it; add the scope to the secret first"
    )]
    SecretOutOfScope(String),
    /// A secret has the name that the value of a new provider key would get.
    #[error(
        "a secret named `{0}` already exists; leave `secret` out to use that one, or delete it first"
    )]
    SecretNameTaken(String),
    /// There is no such route.
    #[error("route `{0}` was not found; the gateway's list of routes shows those there are")]
    RouteNotFound(String),
    /// The gateway has a route of this name.
    #[error(
        "a route named `{0}` already exists in this gateway; change that one, or choose another name"
    )]
    RouteExists(String),
    /// The gateway has as many as it may.
    #[error("a gateway has at most {0} routes; delete one first")]
    TooManyRoutes(usize),
    /// The route has no such version, or it was so old that it is kept no longer.
    #[error(
        "version `{0}` of the route was not found; the list of its versions shows those that are kept"
    )]
    RouteVersionNotFound(String),
    /// The elements are no graph. The error tells every fault.
    #[error("the elements are not a route: {0}")]
    RouteElements(GraphError),
    /// A note on a version or a deployment has a limit, in bytes.
    #[error("a comment is at most {0} bytes long; shorten it")]
    CommentTooLong(usize),
    /// Nothing was changed in a secrets store.
    #[error(transparent)]
    Secret(SecretRefusal),
    /// The secret is sealed for other origins than the provider's.
    #[error(
        "the secret is sealed for {sealed_for}, and provider `{provider}` is at {wanted}; enter the value again to seal it for that provider"
    )]
    WrongDestination {
        /// The provider it was asked for.
        provider: String,
        /// Where the secret may go.
        sealed_for: String,
        /// Where the provider is.
        wanted: Destination,
    },
    /// Another rotation of the key is under way, with this request id.
    #[error(
        "a rotation of this key is under way (request `{0}`); wait for its end, roll it back, or destroy the old value now"
    )]
    RotationUnderWay(String),
    /// The last rotation has this request id, and another value.
    #[error(
        "the request id `{0}` was used for a rotation to another value; choose another id, one for each value"
    )]
    RotationRequestTaken(String),
    /// The key never had one.
    #[error("this key has no rotation; begin one with `keyward keys rotate`")]
    RotationNotFound,
    /// The rotation is not where this could be done.
    #[error("{0}")]
    RotationNotNow(NotNow),
    /// An overlap has a limit.
    #[error("an overlap is at most 7 days; ask for a shorter one")]
    OverlapTooLong,
    /// The version that would be current has no value.
    #[error("the value that would be used then is gone; enter it again as a new one")]
    ValueGone,
    /// There is no such token.
    #[error("token `{0}` was not found; `keyward tokens list` shows those there are")]
    TokenNotFound(String),
    /// A token is for one plane for good: its text says which.
    #[error(
        "a token keeps its kind: one of kind `{0}` cannot take these permissions; make another token"
    )]
    TokenKind(&'static str),
    /// The caller may not make what it asks for.
    #[error(
        "a token cannot make or change one that is stronger than itself: {0}; ask for less, or with a stronger token"
    )]
    StrongerThanCaller(Reason),
    /// The store did not do it, or something else failed that is not the caller's fault.
    #[error("the change could not be stored; the log says why")]
    Failed,
}

impl ChangeError {
    /// Why.
    #[must_use]
    pub const fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    pub(crate) fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            refusal: Refusal::Failed,
            source: Some(source.into()),
        }
    }

    /// A unique key that was taken means `taken`; everything else is the store's failure.
    pub(crate) fn from_commit(error: StoreError, taken: Refusal) -> Self {
        if error.is_conflict() {
            taken.into()
        } else {
            Self::failed(error)
        }
    }
}

impl From<Refusal> for ChangeError {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            source: None,
        }
    }
}

impl From<SecretRefusal> for ChangeError {
    fn from(refusal: SecretRefusal) -> Self {
        Refusal::Secret(refusal).into()
    }
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::collections::BTreeSet;

    use keyward_testing::{Texts, assert_texts, told};

    use super::ChangeError;
    use crate::testing::every_refusal;

    #[test]
    fn every_refusal_says_what_is_wrong() {
        let (mut texts, mut variants) = (Texts::default(), BTreeSet::new());
        for (variant, refusal) in every_refusal() {
            texts.add(&variant, &told(&ChangeError::from(refusal)));
            assert!(variants.insert(variant), "a variant stands there twice");
        }
        assert_texts!("ChangeError", texts);
    }
}
