//! The table of routes. A line without an access cannot be written, and nothing calls a handler but a line.

use http::Method;
use keyward_auth::Permission;

use crate::{
    api::{accounts, gateways, provider_configs, tokens},
    call::{Call, Outcome},
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
    /// A token: the handler compares its scopes with the caller's.
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
}

impl Route {
    const fn get(
        name: &'static str,
        path: &'static str,
        access: Access,
        handler: fn(Call) -> Outcome,
    ) -> Self {
        Self::new(Method::GET, name, path, access, handler)
    }

    const fn new(
        method: Method,
        name: &'static str,
        path: &'static str,
        access: Access,
        handler: fn(Call) -> Outcome,
    ) -> Self {
        Self {
            method,
            path,
            access,
            name,
            handler,
        }
    }
}

const GATEWAYS: &str = "/client/v4/accounts/{account}/ai-gateway/gateways";
const GATEWAY: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}";
const GATEWAY_URL: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/url/{id}";
const KEYS: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs";
const KEY: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}";
const TOKENS: &str = "/client/v4/accounts/{account}/tokens";
const TOKEN: &str = "/client/v4/accounts/{account}/tokens/{id}";
const GROUPS: &str = "/client/v4/accounts/{account}/tokens/permission_groups";

const fn may(permission: Permission, place: Place) -> Access {
    Access::Permission(permission, place)
}

/// Every route that needs a token.
pub(crate) static ROUTES: &[Route] = &[
    Route::get(
        "gateway_list",
        GATEWAYS,
        may(Permission::AiGatewayRead, Place::Account),
        |call| Box::pin(async move { gateways::list(&call) }),
    ),
    Route::new(
        Method::POST,
        "gateway_create",
        GATEWAYS,
        may(Permission::AiGatewayWrite, Place::Account),
        |call| Box::pin(gateways::create(call)),
    ),
    Route::get(
        "gateway_show",
        GATEWAY,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(async move { gateways::show(&call) }),
    ),
    Route::new(
        Method::DELETE,
        "gateway_delete",
        GATEWAY,
        may(Permission::AiGatewayWrite, Place::Gateway),
        |call| Box::pin(gateways::delete(call)),
    ),
    Route::get(
        "gateway_url",
        GATEWAY_URL,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(async move { gateways::url(&call) }),
    ),
    Route::get(
        "provider_key_list",
        KEYS,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(async move { provider_configs::list(&call) }),
    ),
    Route::new(
        Method::POST,
        "provider_key_create",
        KEYS,
        may(Permission::SecretsStoreWrite, Place::InBody),
        |call| Box::pin(provider_configs::create(call)),
    ),
    Route::new(
        Method::PUT,
        "provider_key_rotate",
        KEY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::rotate(call)),
    ),
    Route::new(
        Method::PATCH,
        "provider_key_edit",
        KEY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::edit(call)),
    ),
    Route::new(
        Method::DELETE,
        "provider_key_delete",
        KEY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::delete(call)),
    ),
    Route::get(
        "token_list",
        TOKENS,
        may(Permission::AccountApiTokensRead, Place::Token),
        |call| Box::pin(async move { tokens::list(&call) }),
    ),
    Route::new(
        Method::POST,
        "token_create",
        TOKENS,
        may(Permission::AccountApiTokensWrite, Place::Token),
        |call| Box::pin(tokens::create(call)),
    ),
    Route::get(
        "token_show",
        TOKEN,
        may(Permission::AccountApiTokensRead, Place::Token),
        |call| Box::pin(async move { tokens::show(&call) }),
    ),
    Route::new(
        Method::DELETE,
        "token_delete",
        TOKEN,
        may(Permission::AccountApiTokensWrite, Place::Token),
        |call| Box::pin(tokens::delete(call)),
    ),
    Route::get(
        "permission_group_list",
        GROUPS,
        may(Permission::AccountApiTokensRead, Place::Token),
        |call| Box::pin(async move { tokens::permission_groups(&call) }),
    ),
    Route::get(
        "token_verify",
        "/client/v4/accounts/{account}/tokens/verify",
        Access::Verify,
        |call| Box::pin(async move { tokens::verify(&call) }),
    ),
    Route::get(
        "user_token_verify",
        "/client/v4/user/tokens/verify",
        Access::Verify,
        |call| Box::pin(async move { tokens::verify(&call) }),
    ),
    Route::get(
        "account_list",
        "/client/v4/accounts",
        Access::AnyToken,
        |call| Box::pin(async move { accounts::list(&call) }),
    ),
    Route::get(
        "account_show",
        "/client/v4/accounts/{account}",
        Access::AnyToken,
        |call| Box::pin(async move { accounts::show(&call) }),
    ),
    Route::get(
        "membership_list",
        "/client/v4/memberships",
        Access::AnyToken,
        |call| Box::pin(async move { accounts::memberships(&call) }),
    ),
];
