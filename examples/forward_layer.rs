//! No forwarder: a layer around the HTTP client that an application has already. The application's code holds no
//! key, and cannot send it elsewhere.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;

use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use keyward_examples::{Upstream, provider_key};
use keyward_forward::InjectLayer;
use keyward_secret::{BoundCredential, Destination};
use tower::{Service, ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let upstream = Upstream::start().await?;

    // Where the process starts: the only place that sees the key.
    let destination = Destination::parse([upstream.origin().to_string().as_str()])?;
    let credential =
        BoundCredential::build(AUTHORIZATION, "Bearer ", provider_key()?, destination)?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut client = ServiceBuilder::new()
        .layer(InjectLayer::new(credential))
        .service(client);

    // Where the application calls its API: as before, without a key.
    let models = format!("{}/v1/models", upstream.origin());
    let request = Request::get(&models).body(Full::default())?;
    let answer = client.ready().await?.call(request).await?;
    println!(
        "{}, and the upstream saw, with the key masked in its answer:",
        answer.status()
    );
    let body = answer.into_body().collect().await?.to_bytes();
    println!("{}\n", String::from_utf8_lossy(&body));

    // The upstream leads elsewhere: following it would take the request there.
    let request = Request::get(format!("{}/elsewhere", upstream.origin())).body(Full::default())?;
    match client.ready().await?.call(request).await {
        Err(error) if error.is_redirect_outside() => println!("a redirect elsewhere: {error}"),
        other => return Err(format!("not refused: {:?}", other.map(drop)).into()),
    }

    // The application asks for another host, by mistake or because somebody made it.
    let request = Request::get("https://evil.example/v1/models").body(Full::default())?;
    match client.ready().await?.call(request).await {
        Err(error) if error.is_wrong_destination() => println!("another host: {error}"),
        other => return Err(format!("not refused: {:?}", other.map(drop)).into()),
    }
    Ok(())
}
