//! Grant × request × now → allow or deny.
//!
//! Pure: no I/O, no clock, no allocation. The reason of a refusal is for the log; to the client all
//! refusals look the same, or it could probe what a stolen token is good for.

use std::{net::IpAddr, time::SystemTime};

use keyward_secret::AccountId;

use crate::{Grant, Kind, Models, Permission, Scope};

/// A request to the data plane.
#[derive(Clone, Copy, Debug)]
pub struct RunAsk<'a> {
    /// The account in the address.
    pub account: AccountId,
    /// The gateway in the address.
    pub gateway: &'a str,
    /// The provider in the address.
    pub provider: &'a str,
    /// The alias of the stored key that is wanted. None where none is: the client brings its own key.
    pub alias: Option<&'a str>,
    /// The class of the endpoint: one bit, or 0 for an endpoint of no class.
    pub class: u16,
    /// The model that is asked for.
    pub model: Model<'a>,
    /// Where the request comes from.
    pub source: IpAddr,
}

/// The model that a request asks for, as far as that is known.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever asks has to say which of them it is"
)]
pub enum Model<'a> {
    /// This one.
    Named(&'a str),
    /// None, or one that cannot be told: refused to tokens that are for some models.
    Untold,
    /// It stands where nobody looked yet: allowed for now, and to be asked again before anything is sent.
    Unread,
}

/// A request to the control plane.
#[derive(Clone, Copy, Debug)]
pub struct ManageAsk {
    /// The account in the address.
    pub account: AccountId,
    /// The permission that the operation needs.
    pub permission: Permission,
    /// Where the request comes from.
    pub source: IpAddr,
}

/// What a request to the control plane touches, as far as scopes narrow it.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new place needs a rule in every decision"
)]
pub enum ManagePlace<'a> {
    /// The whole account, or more than one gateway.
    Account,
    /// One gateway.
    Gateway(&'a str),
    /// One provider key.
    ProviderKey {
        /// Its gateway.
        gateway: &'a str,
        /// Its provider.
        provider: &'a str,
        /// Its alias.
        alias: &'a str,
    },
    /// A token. Scopes do not count here: [`may_create`](crate::may_create) bounds it, asked for the grant
    /// as it was and as it is to be.
    Token,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every caller must handle both")]
#[must_use]
pub enum Decision {
    /// The request may go on.
    Allow,
    /// It may not.
    Deny(Reason),
}

/// Why not. For the log: the client is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A gateway token at the control plane, or an API token at the data plane.
    #[error("the token is of the wrong kind")]
    WrongKind,
    /// The permission is not granted.
    #[error("the token lacks the permission")]
    Permission,
    /// Another account.
    #[error("the token is for another account")]
    Account,
    /// The gateway is out of scope.
    #[error("the token is not for this gateway")]
    Gateway,
    /// The provider is out of scope.
    #[error("the token is not for this provider")]
    Provider,
    /// The alias is out of scope.
    #[error("the token is not for this alias")]
    Alias,
    /// The endpoint class is out of scope.
    #[error("the token is not for this endpoint class")]
    Class,
    /// The model is out of scope, or cannot be told.
    #[error("the token is not for this model")]
    Model,
    /// The source address is not allowed.
    #[error("the token is not for this source address")]
    Network,
    /// Before its first moment.
    #[error("the token is not valid yet")]
    NotYet,
    /// Past its end.
    #[error("the token has expired")]
    Expired,
    /// Switched off by an operator.
    #[error("the token is disabled")]
    Disabled,
    /// A token that is to be made would outlive its maker.
    #[error("the new token would outlive the one that makes it")]
    Lifetime,
}

impl Decision {
    /// Whether the request may go on.
    #[must_use]
    pub const fn is_allow(self) -> bool {
        matches!(self, Self::Allow)
    }
}

impl From<Result<(), Reason>> for Decision {
    fn from(result: Result<(), Reason>) -> Self {
        match result {
            Ok(()) => Self::Allow,
            Err(reason) => Self::Deny(reason),
        }
    }
}

/// Decides a request to the data plane: for gateway tokens with Run only.
pub fn decide_run(record_kind: Kind, grant: &Grant, ask: &RunAsk<'_>, now: SystemTime) -> Decision {
    check_run(record_kind, grant, ask, now).into()
}

fn check_run(kind: Kind, grant: &Grant, ask: &RunAsk<'_>, now: SystemTime) -> Result<(), Reason> {
    require(kind == Kind::Gateway, Reason::WrongKind)?;
    grant.check_time(now)?;
    require(
        grant.permissions.contains(Permission::AiGatewayRun),
        Reason::Permission,
    )?;
    require(grant.account == ask.account, Reason::Account)?;
    require(grant.gateways.allows(ask.gateway), Reason::Gateway)?;
    require(grant.providers.allows(ask.provider), Reason::Provider)?;
    require(
        ask.alias.is_none_or(|alias| grant.aliases.allows(alias)),
        Reason::Alias,
    )?;
    require(grant.classes.allows(ask.class), Reason::Class)?;
    require(allows_model(grant, ask), Reason::Model)?;
    require(grant.networks.allows(ask.source), Reason::Network)
}

fn allows_model(grant: &Grant, ask: &RunAsk<'_>) -> bool {
    match (&grant.models, ask.model) {
        (Models::All, _) | (_, Model::Unread) => true,
        (models, Model::Named(model)) => models.allows(ask.provider, model),
        (Models::Only(_), Model::Untold) => false,
    }
}

/// Decides a request to the control plane that touches the whole account: for API tokens only, and among
/// them only those that are not narrowed to some gateways, providers or aliases.
///
/// A permission to write includes that to read.
pub fn decide_manage(kind: Kind, grant: &Grant, ask: &ManageAsk, now: SystemTime) -> Decision {
    decide_manage_at(kind, grant, ask, ManagePlace::Account, now)
}

/// Decides a request to the control plane that touches `place`: for API tokens only.
///
/// A narrowed token manages what lies wholly inside its scopes: a token for some providers of a gateway
/// may not change the gateway, which holds the others too.
pub fn decide_manage_at(
    kind: Kind,
    grant: &Grant,
    ask: &ManageAsk,
    place: ManagePlace<'_>,
    now: SystemTime,
) -> Decision {
    check_manage(kind, grant, ask, place, now).into()
}

fn check_manage(
    kind: Kind,
    grant: &Grant,
    ask: &ManageAsk,
    place: ManagePlace<'_>,
    now: SystemTime,
) -> Result<(), Reason> {
    require(kind == Kind::Api, Reason::WrongKind)?;
    grant.check_time(now)?;
    require(grant.permissions.covers(ask.permission), Reason::Permission)?;
    require(grant.account == ask.account, Reason::Account)?;
    check_place(grant, place)?;
    require(grant.networks.allows(ask.source), Reason::Network)
}

fn check_place(grant: &Grant, place: ManagePlace<'_>) -> Result<(), Reason> {
    let (gateway, provider, alias) = match place {
        ManagePlace::Token => return Ok(()),
        ManagePlace::Account => (None, None, None),
        ManagePlace::Gateway(gateway) => (Some(gateway), None, None),
        ManagePlace::ProviderKey {
            gateway,
            provider,
            alias,
        } => (Some(gateway), Some(provider), Some(alias)),
    };
    let holds = |scope: &Scope, name: Option<&str>| match name {
        None => *scope == Scope::All,
        Some(name) => scope.allows(name),
    };
    require(holds(&grant.gateways, gateway), Reason::Gateway)?;
    require(holds(&grant.providers, provider), Reason::Provider)?;
    require(holds(&grant.aliases, alias), Reason::Alias)
}

pub(crate) fn require(holds: bool, otherwise: Reason) -> Result<(), Reason> {
    if holds { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod tests;
