//! The table of routes. A line without an access or a description cannot be written, and nothing calls a handler
//! but a line.

mod custom_providers;
mod dynamic_routes;
mod gateways;
mod logs;
mod provider_keys;
mod requests;
mod secrets;
mod tokens;

use http::Method;
use keyward_auth::Permission;

use crate::{
    call::{Call, Outcome},
    openapi::Description,
};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The holder of an API token, also of one that has expired: it is told so.
    Verify,
    /// The holder of an API token that is in force; the answer tells of nothing but the token's own account.
    AnyToken,
    /// The holder of an API token with this permission at this place.
    Permission(Permission, Place),
}

/// What a route touches; the scopes of a token must hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The whole account.
    Account,
    /// The gateway `{gateway}`.
    Gateway,
    /// The provider key `{id}` of the gateway `{gateway}`.
    ProviderKey,
    /// A token, or a list of what the caller may see: the handler compares scopes with the caller's.
    Token,
    /// What only the body tells: the handler asks [`Call::require`] again.
    InBody,
}

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// What the metrics and the log call it.
    pub(crate) name: &'static str,
    pub(crate) handler: fn(Call) -> Outcome,
    /// What it takes and gives.
    pub(crate) describe: fn() -> Description,
}

impl Route {
    const fn get(
        name: &'static str,
        path: &'static str,
        access: Access,
        handler: fn(Call) -> Outcome,
        describe: fn() -> Description,
    ) -> Self {
        Self::new(Method::GET, name, path, access, handler, describe)
    }

    const fn new(
        method: Method,
        name: &'static str,
        path: &'static str,
        access: Access,
        handler: fn(Call) -> Outcome,
        describe: fn() -> Description,
    ) -> Self {
        Self {
            method,
            path,
            access,
            name,
            handler,
            describe,
        }
    }
}

const fn may(permission: Permission, place: Place) -> Access {
    Access::Permission(permission, place)
}

/// Every route that needs a token.
pub(crate) fn routes() -> impl Iterator<Item = &'static Route> {
    let tables = [
        gateways::ROUTES,
        provider_keys::ROUTES,
        dynamic_routes::ROUTES,
        logs::ROUTES,
        custom_providers::ROUTES,
        secrets::ROUTES,
        tokens::ROUTES,
        requests::ROUTES,
    ];
    tables.into_iter().flatten()
}
