//! `/healthz`, `/readyz` and `/metrics`: plain answers for probes and scrapers, outside the envelope.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::CONTENT_TYPE};
use serde::Serialize;

use crate::{Config, Readiness};

#[derive(Serialize)]
struct Live<'a> {
    status: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
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
