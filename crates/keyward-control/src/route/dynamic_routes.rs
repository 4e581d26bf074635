//! Dynamic routes of a gateway.

use http::Method;
use keyward_auth::Permission;

use super::{Place, Route, may};
use crate::{api::routes, openapi::Description};

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

pub(super) static ROUTES: &[Route] = &[
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
];
