//! The account's own providers.

use http::Method;
use keyward_auth::Permission;

use super::{Place, Route, may};
use crate::{
    api::{custom_providers, in_use::UnderWayQuery},
    openapi::Description,
};

const CUSTOM_PROVIDERS: &str = "/client/v4/accounts/{account}/ai-gateway/custom-providers";
const CUSTOM_PROVIDER: &str = "/client/v4/accounts/{account}/ai-gateway/custom-providers/{id}";

pub(super) static ROUTES: &[Route] = &[
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
];
