//! The forwarder alone, as a `tower::Service`: one route of an axum router in front of an API.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{error::Error, sync::Arc};

use axum::{Router, body::Body, error_handling::HandleError, routing::get};
use http::{Request, StatusCode, header::AUTHORIZATION};
use http_body_util::BodyExt;
use keyward_examples::{Upstream, provider_key};
use keyward_forward::{
    Config, Endpoint, Fault, ForwardError, ForwardService, Forwarder, RuleSet, SystemDial,
    TlsConfig,
};
use keyward_secret::{BoundCredential, Destination};
use tower::ServiceExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let upstream = Upstream::start().await?;

    let destination = Destination::parse([upstream.origin().to_string().as_str()])?;
    let credential =
        BoundCredential::build(AUTHORIZATION, "Bearer ", provider_key()?, destination)?;
    let rules = RuleSet::injecting(credential)
        .with_prefix("/v1")
        .with_mount("/api");
    let dial = Arc::new(SystemDial::build(TlsConfig::default())?);
    let forwarder = Arc::new(Forwarder::<Body>::new(dial, Config::default()));
    let endpoint = Endpoint::new(upstream.origin().clone())?;
    let service = ForwardService::new(forwarder, endpoint, rules);

    // Every other route is the application's own, and so is the answer to a failure.
    let app = Router::new()
        .route("/", get(async || "the application's own page"))
        .nest_service("/api", HandleError::new(service, explain));

    for path in ["/", "/api/models?limit=3", "/api/%2e%2e/admin"] {
        let request = Request::get(path).body(Body::empty())?;
        let answer = app.clone().oneshot(request).await?;
        println!("GET {path}: {}", answer.status());
        let body = answer.into_body().collect().await?.to_bytes();
        println!("{}\n", String::from_utf8_lossy(&body));
    }
    Ok(())
}

/// The text of a [`ForwardError`] may be shown to clients; its source is for the log.
async fn explain(error: ForwardError) -> (StatusCode, String) {
    let status = match error.fault() {
        Fault::Client => StatusCode::BAD_REQUEST,
        Fault::Upstream if error.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
        Fault::Upstream => StatusCode::BAD_GATEWAY,
        Fault::Us => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string())
}
