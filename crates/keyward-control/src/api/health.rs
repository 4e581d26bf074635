//! `/healthz`, `/readyz`, `/metrics` and the description of the API: plain answers, outside the envelope.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Config, Readiness};

/// The process runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Live<'a> {
    status: &'static str,
    version: &'a str,
}

/// Whether requests can be served.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// Why they cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The process runs.
pub(crate) fn live(config: &Config) -> Response {
    let live = Live {
        status: "ok",
        version: &config.version,
    };
    Json(live).into_response()
}

/// Requests can be served, or why not.
pub(crate) fn ready(config: &Config) -> Response {
    let (code, status, reason) = match (config.ready)() {
        Readiness::Ready => (StatusCode::OK, "ready", None),
        Readiness::NotReady { reason } => {
            (StatusCode::SERVICE_UNAVAILABLE, "not_ready", Some(reason))
        }
    };
    (code, Json(Ready { status, reason })).into_response()
}

/// Prometheus' text format.
pub(crate) fn metrics(text: String) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

/// The description of the API.
pub(crate) fn description(text: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}
