//! The log of requests to a gateway.

use http::Method;
use keyward_auth::Permission;

use super::{Place, Route, may};
use crate::{api::logs, openapi::Description};

const LOGS: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs";
const LOG: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs/{id}";
const LOG_REQUEST: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs/{id}/request";
const LOG_RESPONSE: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs/{id}/response";
const SCAN: &str = "/client/v4/accounts/{account}/keyward/gateways/{gateway}/logs";
const SUMS: &str = "/client/v4/accounts/{account}/keyward/gateways/{gateway}/logs/sums";

pub(super) static ROUTES: &[Route] = &[
    Route::get(
        "log_list",
        LOGS,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(logs::list(call)),
        || {
            Description::page_of::<logs::Body, logs::LogInfo>("Lists requests to a gateway")
                .details("The newest first. An entry is there within seconds of its answer's end.")
                .query::<logs::ListQuery>()
        },
    ),
    Route::new(
        Method::DELETE,
        "log_delete",
        LOGS,
        may(Permission::AiGatewayWrite, Place::Gateway),
        |call| Box::pin(logs::delete(call)),
        || {
            Description::without_result("Deletes entries of a gateway's log, with their bodies")
                .details("Without filters, every entry is meant; 10,000 at most go at once.")
                .query::<logs::DeleteQuery>()
        },
    ),
    Route::get(
        "log_show",
        LOG,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(logs::show(call)),
        || Description::one::<logs::Detail>("Shows a request to a gateway").answers_from_store(),
    ),
    Route::new(
        Method::PATCH,
        "log_update",
        LOG,
        may(Permission::AiGatewayWrite, Place::Gateway),
        |call| Box::pin(logs::patch(call)),
        || {
            Description::one::<logs::Nothing>("Says what somebody thinks of an answer")
                .takes::<logs::Patch>()
        },
    ),
    Route::get(
        "log_request_show",
        LOG_REQUEST,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(logs::request(call)),
        || {
            Description::raw("Gives the body that a client sent")
                .details("Without the envelope, as it came, but for what looks like a key or a token. Not found where it is not kept.")
        },
    ),
    Route::get(
        "log_response_show",
        LOG_RESPONSE,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(logs::response(call)),
        || {
            Description::raw("Gives the body that a client was answered")
                .details("Without the envelope, as it went, but for what looks like a key or a token. Not found where it is not kept.")
        },
    ),
    Route::get(
        "log_scan",
        SCAN,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(logs::scan(call)),
        || {
            Description::by_cursor::<logs::Body>("Reads requests to a gateway one after another")
                .details("Nothing is counted, so that every part of a long log costs the same.")
                .query::<logs::ScanQuery>()
        },
    ),
    Route::get(
        "log_sums",
        SUMS,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(logs::sum(call)),
        || {
            Description::one::<logs::SumsBody>("Sums up requests to a gateway by steps of time")
                .details("Told apart by provider, model, key or token: the seven with the most requests, and all others together.")
                .query::<logs::SumsQuery>()
                .answers_from_store()
        },
    ),
];
