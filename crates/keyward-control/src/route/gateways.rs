//! The gateways of an account.

use http::Method;
use keyward_auth::Permission;

use super::{Place, Route, may};
use crate::{api::gateways, openapi::Description};

const GATEWAYS: &str = "/client/v4/accounts/{account}/ai-gateway/gateways";
const GATEWAY: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}";
const GATEWAY_URL: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/url/{id}";

pub(super) static ROUTES: &[Route] = &[
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
];
