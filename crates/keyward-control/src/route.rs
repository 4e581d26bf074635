//! The table of routes. A line without an access or a description cannot be written, and nothing calls a handler
//! but a line.

use http::Method;
use keyward_auth::Permission;

use crate::{
    api::{
        accounts, audit, custom_providers, explain, gateways, in_use::UnderWayQuery,
        provider_configs, routes, secrets, secrets_stores, settings, tokens, traffic, trial, user,
    },
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

const GATEWAYS: &str = "/client/v4/accounts/{account}/ai-gateway/gateways";
const GATEWAY: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}";
const GATEWAY_URL: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/url/{id}";
const KEYS: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs";
const KEY: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}";
const KEY_VERSIONS: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/versions";
const KEY_VERIFY: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/verify";
const KEY_ROTATIONS: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/rotations";
const KEY_ROTATION: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/rotation";
const ROLL_BACK: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/rotation/roll_back";
const DESTROY_OLD: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/rotation/destroy_old";
const ALL_KEYS: &str = "/client/v4/accounts/{account}/ai-gateway/provider_configs";
const CUSTOM_PROVIDERS: &str = "/client/v4/accounts/{account}/ai-gateway/custom-providers";
const CUSTOM_PROVIDER: &str = "/client/v4/accounts/{account}/ai-gateway/custom-providers/{id}";
const DYNAMIC_ROUTES: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes";
const DYNAMIC_ROUTE: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes/{id}";
const ROUTE_VERSIONS: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes/{id}/versions";
const ROUTE_VERSION: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes/{id}/versions/{version}";
const ROUTE_DEPLOYMENTS: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes/{id}/deployments";
const EXPLAIN_ROUTE: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/routes/{id}/explain";
const STORES: &str = "/client/v4/accounts/{account}/secrets_store/stores";
const STORE: &str = "/client/v4/accounts/{account}/secrets_store/stores/{store}";
const SECRETS: &str = "/client/v4/accounts/{account}/secrets_store/stores/{store}/secrets";
const SECRET: &str = "/client/v4/accounts/{account}/secrets_store/stores/{store}/secrets/{id}";
const DUPLICATE: &str =
    "/client/v4/accounts/{account}/secrets_store/stores/{store}/secrets/{id}/duplicate";
const QUOTA: &str = "/client/v4/accounts/{account}/secrets_store/quota";
const TOKENS: &str = "/client/v4/accounts/{account}/tokens";
const TOKEN: &str = "/client/v4/accounts/{account}/tokens/{id}";
const AUDIT: &str = "/client/v4/accounts/{account}/logs/audit";
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
        || Description::page::<gateways::Body>("Lists gateways").query::<gateways::ListQuery>(),
    ),
    Route::new(
        Method::POST,
        "gateway_create",
        GATEWAYS,
        may(Permission::AiGatewayWrite, Place::Account),
        |call| Box::pin(gateways::create(call)),
        || Description::one::<gateways::Body>("Makes a gateway").takes::<gateways::NewGateway>(),
    ),
    Route::get(
        "gateway_show",
        GATEWAY,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(async move { gateways::show(&call) }),
        || Description::one::<gateways::Body>("Shows a gateway"),
    ),
    Route::new(
        Method::PUT,
        "gateway_update",
        GATEWAY,
        may(Permission::AiGatewayWrite, Place::Gateway),
        |call| Box::pin(gateways::update(call)),
        || {
            Description::one::<gateways::Body>("Replaces the settings of a gateway")
                .details("`authentication`, `byok_only`, `stored_keys_only` and `store_id` stay as they are where they are left out; to weaken one, the token needs Secrets Store Write too.")
                .takes::<gateways::GatewayChange>()
                .query::<gateways::ChangeQuery>()
                .may_be_late()
        },
    ),
    Route::new(
        Method::DELETE,
        "gateway_delete",
        GATEWAY,
        may(Permission::AiGatewayWrite, Place::Gateway),
        |call| Box::pin(gateways::delete(call)),
        || Description::one::<gateways::Body>("Deletes a gateway, with the provider keys in it"),
    ),
    Route::get(
        "gateway_url",
        GATEWAY_URL,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(async move { gateways::url(&call) }),
        || Description::text("Tells where applications find a provider behind the gateway"),
    ),
    Route::get(
        "provider_key_list",
        KEYS,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(async move { provider_configs::list(&call) }),
        || {
            Description::page::<provider_configs::Body>("Lists the provider keys of a gateway")
                .details("A gateway that does not exist has none.")
        },
    ),
    Route::get(
        "provider_keys_list",
        ALL_KEYS,
        may(Permission::AiGatewayRead, Place::Token),
        |call| Box::pin(async move { provider_configs::list_all(&call) }),
        || {
            Description::page::<provider_configs::Body>("Lists the provider keys of the account")
                .details("Those that the token may see, sorted by provider, gateway and alias.")
                .query::<provider_configs::ListQuery>()
        },
    ),
    Route::get(
        "provider_key_show",
        KEY,
        may(Permission::AiGatewayRead, Place::ProviderKey),
        |call| Box::pin(async move { provider_configs::show(&call) }),
        || Description::one::<provider_configs::Body>("Shows a provider key, without its value"),
    ),
    Route::get(
        "provider_key_version_list",
        KEY_VERSIONS,
        may(Permission::AiGatewayRead, Place::ProviderKey),
        |call| Box::pin(provider_configs::list_versions(call)),
        || {
            Description::list::<provider_configs::VersionBody>(
                "Lists the versions that a provider key's value had",
            )
            .details("The newest first; values of versions that were replaced are erased.")
            .answers_from_store()
        },
    ),
    Route::new(
        Method::POST,
        "provider_key_create",
        KEYS,
        may(Permission::SecretsStoreWrite, Place::InBody),
        |call| Box::pin(provider_configs::create(call)),
        || {
            Description::one::<provider_configs::Body>("Stores a provider key")
                .details("With `verify` the provider is asked first, and a value that it does not take is not stored: 400 where it refuses the value, 424 where its answer is not certain. Where nothing is known to ask it, the value is stored, and a message says so.")
                .takes::<provider_configs::NewKey>()
                .may_conflict()
                .may_be_unproven()
        },
    ),
    // A read of the provider's, and a write here: who may not replace a key has no business with testing it.
    Route::new(
        Method::POST,
        "provider_key_verify",
        KEY_VERIFY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::verify(call)),
        || {
            Description::one::<provider_configs::VerifiedBody>("Asks the provider whether it takes a provider key")
                .details("By a request that costs nothing. Once a second and key; who asks more often is told the last answer.")
                .asks()
        },
    ),
    Route::new(
        Method::PUT,
        "provider_key_rotate",
        KEY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::rotate(call)),
        || {
            Description::one::<provider_configs::Body>("Replaces the value of a provider key")
                .takes::<provider_configs::NewValue>()
                .query::<UnderWayQuery>()
        },
    ),
    Route::new(
        Method::POST,
        "provider_key_rotate_begin",
        KEY_ROTATIONS,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::begin_rotation(call)),
        || {
            Description::one::<provider_configs::RotationBody>("Begins a rotation of a provider key")
                .details("With `verify` the new value is staged until the provider took it; then it is in use, and the old one is kept for the overlap. One at a time: 409 while another one is under way.")
                .takes::<provider_configs::NewRotation>()
                .may_conflict()
                .asks()
        },
    ),
    Route::get(
        "provider_key_rotation_show",
        KEY_ROTATION,
        may(Permission::AiGatewayRead, Place::ProviderKey),
        |call| Box::pin(async move { provider_configs::show_rotation(&call) }),
        || {
            Description::one::<provider_configs::RotationBody>(
                "Shows the rotation of a provider key that is under way, or its last one",
            )
        },
    ),
    Route::new(
        Method::POST,
        "provider_key_rotate_roll_back",
        ROLL_BACK,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::roll_back(call)),
        || {
            Description::one::<provider_configs::RotationBody>(
                "Takes the old value of a rotation back",
            )
            .details("A value that is staged is erased. 409 where the rotation is over.")
            .may_conflict()
        },
    ),
    Route::new(
        Method::POST,
        "provider_key_rotate_finish",
        DESTROY_OLD,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::destroy_old(call)),
        || {
            Description::one::<provider_configs::RotationBody>(
                "Erases the old value of a rotation before its overlap is over",
            )
            .details("409 unless the new value is in use and the old one kept.")
            .may_conflict()
        },
    ),
    Route::new(
        Method::PATCH,
        "provider_key_edit",
        KEY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::edit(call)),
        || {
            Description::one::<provider_configs::Body>("Changes a provider key, but not its value")
                .takes::<provider_configs::Edit>()
                .query::<UnderWayQuery>()
        },
    ),
    Route::new(
        Method::DELETE,
        "provider_key_delete",
        KEY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::delete(call)),
        || {
            Description::one::<provider_configs::Body>("Deletes a provider key")
                .query::<UnderWayQuery>()
        },
    ),
    Route::get(
        "route_list",
        DYNAMIC_ROUTES,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(routes::list(call)),
        || Description::data::<routes::RoutesBody>("Lists the dynamic routes of a gateway"),
    ),
    Route::new(
        Method::POST,
        "route_create",
        DYNAMIC_ROUTES,
        may(Permission::AiGatewayWrite, Place::Gateway),
        |call| Box::pin(routes::create(call)),
        || {
            Description::one::<routes::RouteBody>("Makes a dynamic route")
                .details("Its first version is deployed. Every fault of the elements is told, each with its place; `messages` tell what is allowed and looks odd.")
                .takes::<routes::NewRoute>()
        },
    ),
    Route::get(
        "route_show",
        DYNAMIC_ROUTE,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(routes::show(call)),
        || {
            Description::one::<routes::RouteBody>(
                "Shows a dynamic route, with the elements that are deployed",
            )
            .answers_from_store()
        },
    ),
    Route::new(
        Method::PATCH,
        "route_rename",
        DYNAMIC_ROUTE,
        may(Permission::AiGatewayWrite, Place::Gateway),
        |call| Box::pin(routes::rename(call)),
        || {
            Description::route::<routes::RouteBody>("Gives a dynamic route another name")
                .takes::<routes::Rename>()
        },
    ),
    Route::new(
        Method::DELETE,
        "route_delete",
        DYNAMIC_ROUTE,
        may(Permission::AiGatewayWrite, Place::Gateway),
        |call| Box::pin(routes::delete(call)),
        || {
            Description::one::<routes::Body>(
                "Deletes a dynamic route, with its versions and deployments",
            )
        },
    ),
    Route::get(
        "route_version_list",
        ROUTE_VERSIONS,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(routes::list_versions(call)),
        || {
            Description::data::<routes::VersionsBody>("Lists the versions of a dynamic route")
                .details("The newest first. The newest 100 are kept, and the one that is deployed.")
        },
    ),
    Route::new(
        Method::POST,
        "route_version_create",
        ROUTE_VERSIONS,
        may(Permission::AiGatewayWrite, Place::Gateway),
        |call| Box::pin(routes::create_version(call)),
        || {
            Description::one::<routes::SavedVersionBody>("Saves other elements of a dynamic route")
                .details("Deploys nothing. Every fault of the elements is told, each with its place; `messages` tell what is allowed and looks odd.")
                .takes::<routes::NewVersion>()
        },
    ),
    Route::get(
        "route_version_show",
        ROUTE_VERSION,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(routes::show_version(call)),
        || {
            Description::one::<routes::SavedVersionBody>("Shows a version of a dynamic route")
                .answers_from_store()
        },
    ),
    Route::get(
        "route_deployment_list",
        ROUTE_DEPLOYMENTS,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(routes::list_deployments(call)),
        || {
            Description::data::<routes::DeploymentsBody>("Lists the deployments of a dynamic route")
                .details("The newest first: that one is in force. The newest 100 are kept.")
        },
    ),
    Route::new(
        Method::POST,
        "route_deployment_create",
        ROUTE_DEPLOYMENTS,
        may(Permission::AiGatewayWrite, Place::Gateway),
        |call| Box::pin(routes::deploy(call)),
        || {
            Description::one::<routes::RouteBody>("Deploys a version of a dynamic route")
                .details("In force for every request that begins after the answer. To roll back, deploy an older version.")
                .takes::<routes::NewDeployment>()
        },
    ),
    // Ours. A read, although it has a body: headers may hold what may not stand in a URL.
    Route::new(
        Method::POST,
        "route_explain",
        EXPLAIN_ROUTE,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(routes::explain(call)),
        || {
            Description::one::<routes::ExplainedBody<'_>>("Tells which way a request would take through a dynamic route")
                .details("Of the deployed version, of another or of elements that are not saved. Nothing is sent, counted or kept, and no header's value is told.")
                .takes::<routes::Question>()
        },
    ),
    Route::get(
        "custom_provider_list",
        CUSTOM_PROVIDERS,
        may(Permission::AiGatewayRead, Place::Account),
        |call| Box::pin(async move { custom_providers::list(&call) }),
        || {
            Description::page::<custom_providers::Body>("Lists custom providers")
                .query::<custom_providers::ListQuery>()
        },
    ),
    Route::new(
        Method::POST,
        "custom_provider_create",
        CUSTOM_PROVIDERS,
        may(Permission::AiGatewayWrite, Place::Account),
        |call| Box::pin(custom_providers::create(call)),
        || {
            Description::one::<custom_providers::Body>("Adds a custom provider")
                .takes::<custom_providers::NewProvider>()
                .may_conflict()
        },
    ),
    Route::get(
        "custom_provider_show",
        CUSTOM_PROVIDER,
        may(Permission::AiGatewayRead, Place::Account),
        |call| Box::pin(async move { custom_providers::show(&call) }),
        || Description::one::<custom_providers::Body>("Shows a custom provider"),
    ),
    Route::new(
        Method::PATCH,
        "custom_provider_edit",
        CUSTOM_PROVIDER,
        may(Permission::AiGatewayWrite, Place::Account),
        |call| Box::pin(custom_providers::edit(call)),
        || {
            Description::one::<custom_providers::Body>("Changes a custom provider")
                .details("Requests under way are settled where `enable` is false, or `base_url` or `headers` is sent.")
                .takes::<custom_providers::Change>()
                .query::<UnderWayQuery>()
                .may_conflict()
        },
    ),
    Route::new(
        Method::DELETE,
        "custom_provider_delete",
        CUSTOM_PROVIDER,
        may(Permission::AiGatewayWrite, Place::Account),
        |call| Box::pin(custom_providers::delete(call)),
        || {
            Description::one::<custom_providers::DeletedBody>("Deletes a custom provider")
                .details("Its provider keys go with it, in every gateway of the account.")
                .query::<UnderWayQuery>()
        },
    ),
    Route::get(
        "secrets_store_list",
        STORES,
        may(Permission::SecretsStoreRead, Place::Account),
        |call| Box::pin(async move { secrets_stores::list(&call) }),
        || {
            Description::page::<secrets_stores::Body>("Lists secrets stores")
                .query::<secrets_stores::ListQuery>()
        },
    ),
    Route::new(
        Method::POST,
        "secrets_store_create",
        STORES,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets_stores::create(call)),
        || {
            Description::one::<secrets_stores::Body>("Makes a secrets store")
                .details("Takes a list of them as well, and then answers with a list.")
                .takes::<secrets_stores::NewStore>()
                .may_conflict()
        },
    ),
    Route::get(
        "secrets_store_show",
        STORE,
        may(Permission::SecretsStoreRead, Place::Account),
        |call| Box::pin(async move { secrets_stores::show(&call) }),
        || Description::one::<secrets_stores::Body>("Shows a secrets store"),
    ),
    Route::new(
        Method::DELETE,
        "secrets_store_delete",
        STORE,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets_stores::delete(call)),
        || {
            Description::one::<secrets_stores::DeletedBody>("Deletes a secrets store")
                .query::<secrets_stores::DeleteQuery>()
                .query::<UnderWayQuery>()
                .may_conflict()
        },
    ),
    Route::get(
        "secret_list",
        SECRETS,
        may(Permission::SecretsStoreRead, Place::Account),
        |call| Box::pin(secrets::list(call)),
        || {
            Description::page::<secrets::Body>("Lists secrets")
                .query::<secrets::ListQuery>()
                .answers_from_store()
        },
    ),
    Route::new(
        Method::POST,
        "secret_create",
        SECRETS,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets::create(call)),
        || {
            Description::list::<secrets::Body>("Stores secrets: all of them, or none")
                .details(
                    "With the scope `ai_gateway`, the name says which gateway, provider and alias the value is \
                     for; it is sealed for that provider's origins and never goes elsewhere.",
                )
                .takes_list::<secrets::NewSecretBody>()
                .may_conflict()
        },
    ),
    Route::new(
        Method::DELETE,
        "secret_bulk_delete",
        SECRETS,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets::delete_several(call)),
        || {
            Description::list::<secrets::Body>("Deletes secrets: all of them, or none")
                .details("Takes plain ids as well. Without ids nothing is deleted.")
                .takes_list::<secrets::SecretReference>()
                .query::<UnderWayQuery>()
        },
    ),
    Route::get(
        "secret_show",
        SECRET,
        may(Permission::SecretsStoreRead, Place::Account),
        |call| Box::pin(secrets::show(call)),
        || {
            Description::one::<secrets::Body>("Shows a secret, without its value")
                .answers_from_store()
        },
    ),
    Route::new(
        Method::PATCH,
        "secret_edit",
        SECRET,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets::edit(call)),
        || {
            Description::one::<secrets::Body>("Changes a secret's value, scopes or comment")
                .takes::<secrets::Edit>()
                .query::<UnderWayQuery>()
                .may_conflict()
        },
    ),
    Route::new(
        Method::DELETE,
        "secret_delete",
        SECRET,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets::delete(call)),
        || {
            Description::one::<secrets::Body>(
                "Deletes a secret; provider keys that use it stop at once",
            )
            .query::<UnderWayQuery>()
        },
    ),
    Route::new(
        Method::POST,
        "secret_duplicate",
        DUPLICATE,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets::duplicate(call)),
        || {
            Description::one::<secrets::Body>(
                "Copies a secret; the copy goes where the value may go",
            )
            .takes::<secrets::Copy>()
            .may_conflict()
        },
    ),
    Route::get(
        "secrets_store_quota",
        QUOTA,
        may(Permission::SecretsStoreRead, Place::Account),
        |call| Box::pin(async move { secrets_stores::quota(&call) }),
        || {
            Description::one::<secrets_stores::Quota>(
                "Tells how many secrets the account may have, and has",
            )
        },
    ),
    Route::get(
        "token_list",
        TOKENS,
        may(Permission::AccountApiTokensRead, Place::Token),
        |call| Box::pin(async move { tokens::list(&call) }),
        || Description::page::<tokens::Body<'_>>("Lists tokens").query::<tokens::ListQuery>(),
    ),
    Route::new(
        Method::POST,
        "token_create",
        TOKENS,
        may(Permission::AccountApiTokensWrite, Place::Token),
        |call| Box::pin(tokens::create(call)),
        || {
            Description::one::<tokens::Body<'_>>("Makes a token")
                .details("Its text is in the answer, and never told again.")
                .takes::<tokens::NewToken>()
        },
    ),
    Route::get(
        "token_show",
        TOKEN,
        may(Permission::AccountApiTokensRead, Place::Token),
        |call| Box::pin(async move { tokens::show(&call) }),
        || Description::one::<tokens::Body<'_>>("Shows a token"),
    ),
    Route::new(
        Method::PUT,
        "token_update",
        TOKEN,
        may(Permission::AccountApiTokensWrite, Place::Token),
        |call| Box::pin(tokens::update(call)),
        || {
            Description::one::<tokens::Body<'_>>("Replaces a token, but not its text")
                .details("What the token was, and what it is to be, lies within the caller's own.")
                .takes::<tokens::TokenChange>()
        },
    ),
    Route::new(
        Method::PUT,
        "token_roll",
        "/client/v4/accounts/{account}/tokens/{id}/value",
        may(Permission::AccountApiTokensWrite, Place::Token),
        |call| Box::pin(tokens::roll(call)),
        || {
            Description::text("Gives a token a new text")
                .details("The text is the answer, and never told again. The old one is good no more, or for as long as the body says.")
                .may_take::<tokens::Roll>()
        },
    ),
    Route::new(
        Method::DELETE,
        "token_delete",
        TOKEN,
        may(Permission::AccountApiTokensWrite, Place::Token),
        |call| Box::pin(tokens::delete(call)),
        || Description::one::<tokens::Deleted>("Deletes a token").query::<UnderWayQuery>(),
    ),
    Route::get(
        "permission_group_list",
        GROUPS,
        may(Permission::AccountApiTokensRead, Place::Token),
        |call| Box::pin(async move { tokens::permission_groups(&call) }),
        || {
            Description::list::<tokens::PermissionGroupBody>(
                "Lists the permissions that a token may have, and the roles that stand for some",
            )
            .query::<tokens::GroupQuery>()
        },
    ),
    Route::get(
        "audit_list",
        AUDIT,
        may(Permission::AuditLogRead, Place::Account),
        |call| Box::pin(audit::list(call)),
        || Description::by_cursor::<audit::Body>("Lists the audit log").query::<audit::ListQuery>(),
    ),
    Route::get(
        "audit_state",
        "/client/v4/accounts/{account}/logs/audit/state",
        may(Permission::AuditLogRead, Place::Account),
        |call| Box::pin(async move { audit::state(&call) }),
        || Description::one::<audit::StateBody>("Tells what is known of the audit log's chain"),
    ),
    Route::new(
        Method::POST,
        "audit_verify",
        "/client/v4/accounts/{account}/logs/audit/verify",
        may(Permission::AuditLogRead, Place::Account),
        |call| Box::pin(audit::verify(call)),
        || Description::one::<audit::StateBody>("Checks the whole audit log now"),
    ),
    Route::get(
        "token_verify",
        "/client/v4/accounts/{account}/tokens/verify",
        Access::Verify,
        |call| Box::pin(async move { tokens::verify(&call) }),
        || Description::one::<tokens::Verified>("Tells whether the token of the request is good"),
    ),
    Route::get(
        "user_token_verify",
        "/client/v4/user/tokens/verify",
        Access::Verify,
        |call| Box::pin(async move { tokens::verify(&call) }),
        || Description::one::<tokens::Verified>("Tells whether the token of the request is good"),
    ),
    // Ours, beside the reference: what `keyward status` tells of the token it was given.
    Route::get(
        "token_own",
        "/client/v4/keyward/token",
        Access::AnyToken,
        |call| Box::pin(async move { tokens::own(&call) }),
        || Description::one::<tokens::Body<'_>>("Shows the token that asks"),
    ),
    Route::get(
        "settings_show",
        "/client/v4/keyward/settings",
        may(Permission::VaultRead, Place::Account),
        |call| Box::pin(async move { settings::show(&call) }),
        || {
            Description::one::<settings::Body>("Tells how the server is set up")
                .details("Nothing of it is a secret, and nothing opens anything.")
        },
    ),
    // Ours as well. A read: what it takes may hold a token, which may not stand in a URL.
    Route::new(
        Method::POST,
        "request_explain",
        "/client/v4/accounts/{account}/keyward/explain",
        may(Permission::AiGatewayRead, Place::InBody),
        |call| Box::pin(async move { explain::explain(call) }),
        || {
            Description::one::<explain::Body<'_>>("Tells what the gateway would do with a request")
                .details("Nothing is sent, no use is noted, and nothing of the request is repeated but names and its path.")
                .takes::<explain::Question>()
        },
    ),
    // What it sends is decided by the caller's right to make tokens with Run, which no API token holds itself.
    Route::new(
        Method::POST,
        "request_try",
        "/client/v4/accounts/{account}/keyward/try",
        may(Permission::AccountApiTokensWrite, Place::InBody),
        |call| Box::pin(trial::send(call)),
        || {
            Description::one::<trial::Body<'_>>("Sends a message through a gateway, and tells what became of it")
                .details("The request goes the way of every other, as that of a gateway token that the caller could make. It may cost what the provider asks for it. Nothing of it is kept but that the key was used.")
                .takes::<trial::Question>()
        },
    ),
    Route::get(
        "traffic_show",
        "/client/v4/accounts/{account}/keyward/traffic",
        may(Permission::AiGatewayRead, Place::Token),
        |call| Box::pin(traffic::show(call)),
        || {
            Description::one::<traffic::Body>("Tells how many requests there were, and how long they took")
                .details("Of the gateways, providers and keys that the token may see. Counts come within ten seconds.")
                .query::<traffic::Query>()
                .answers_from_store()
        },
    ),
    Route::get(
        "user_show",
        "/client/v4/user",
        Access::AnyToken,
        |call| Box::pin(async move { user::show(&call) }),
        || Description::one::<user::User>("Shows the token of the request, as a user"),
    ),
    Route::get(
        "account_list",
        "/client/v4/accounts",
        Access::AnyToken,
        |call| Box::pin(async move { accounts::list(&call) }),
        || Description::page::<accounts::Account>("Lists the account of the token"),
    ),
    Route::get(
        "account_show",
        "/client/v4/accounts/{account}",
        Access::AnyToken,
        |call| Box::pin(async move { accounts::show(&call) }),
        || Description::one::<accounts::Account>("Shows the account of the token"),
    ),
    Route::get(
        "membership_list",
        "/client/v4/memberships",
        Access::AnyToken,
        |call| Box::pin(async move { accounts::memberships(&call) }),
        || {
            Description::page::<accounts::Membership>(
                "Lists the account of the token, as a membership",
            )
        },
    ),
];
