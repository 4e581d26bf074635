//! A whole gateway as a route of an existing axum service, on that service's own runtime.
//!
//! The vault and the store are set up as `keyward vault init` does it; in production the seal lives in the store and
//! the key file apart from it.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

mod mounted_gateway {
    pub(crate) mod setup;
}

use std::{error::Error, net::IpAddr, sync::Arc};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::{any, get},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use keyward_examples::Upstream;
use keyward_forward::{SystemDial, TlsConfig};
use keyward_gateway::{AnswerBody, Config, Gateway, GatewayService};
use keyward_listen::Server;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::mounted_gateway::setup::Setup;

/// The address that a request came from.
#[derive(Clone, Copy)]
struct Source(IpAddr);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The API that plays OpenAI, and a registry that has a key for it and a token for an application.
    let upstream = Upstream::start().await?;
    let directory = tempfile::tempdir()?;
    let setup = Setup::make(directory.path(), upstream.origin()).await?;

    // The gateway: a handler like any other. What it counts and keeps off the request path runs beside it.
    let dial = Arc::new(SystemDial::build(TlsConfig::default())?);
    let gateway = Arc::new(Gateway::build(
        setup.registry.clone(),
        dial,
        Config::default(),
    )?);
    gateway.restore_budgets().await?;
    let (stop, served) = (CancellationToken::new(), CancellationToken::new());
    let recording = tokio::spawn(Arc::clone(&gateway).record(served.clone()));
    let app = Router::new()
        .route("/", get(async || "the application's own page"))
        .route("/v1/{*rest}", any(answer))
        .with_state(gateway.service::<Body>());

    // Any server will do. This one has a limit for everything that a client can do.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let stopped = stop.clone();
    let serving = tokio::spawn(async move {
        let server = Server::new(keyward_listen::Config::default());
        let until = stopped.cancelled_owned();
        server
            .serve(listener, until, move |peer| {
                let app = app.clone();
                service_fn(move |mut request: hyper::Request<Incoming>| {
                    let source = Source(peer.source(request.headers()));
                    request.extensions_mut().insert(source);
                    app.clone().oneshot(request)
                })
            })
            .await;
    });

    let chat = format!(
        "{base}/v1/{}/default/openai/chat/completions",
        setup.account
    );
    println!("GET /: {}\n", ask(&format!("{base}/"), None).await?);
    println!("without a token: {}\n", ask(&chat, None).await?);
    println!("with the token: {}\n", ask(&chat, Some(&setup)).await?);
    setup.revoke().await?;
    println!("once it is revoked: {}", ask(&chat, Some(&setup)).await?);

    stop.cancel();
    serving.await?;
    served.cancel();
    recording.await?;
    setup.close().await;
    Ok(())
}

/// The route's handler. It never fails: a refusal is an answer.
async fn answer(
    State(gateway): State<GatewayService<Body>>,
    Extension(Source(source)): Extension<Source>,
    request: Request,
) -> Response<AnswerBody> {
    gateway.answer(request, source).await
}

/// Asks as an application would, and tells the answer: its status, and what stands in it.
async fn ask(uri: &str, token_of: Option<&Setup>) -> Result<String, Box<dyn Error>> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut request = http::Request::get(uri);
    if let Some(setup) = token_of {
        request = request.header("authorization", setup.authorization()?);
    }
    let answer = client.request(request.body(Full::default())?).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let text = match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(json) => json
            .pointer("/error/0")
            .map(ToString::to_string)
            .unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(&body).into_owned(),
    };
    Ok(format!("{status}\n{text}"))
}
