//! The forwarder alone, as a function: a request in, an answer out, with the credential put in on the way.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use keyward_examples::{Upstream, provider_key};
use keyward_forward::{
    Config, Endpoint, Forwarder, Rules, Scrubber, StripList, SystemDial, Target, TlsConfig,
};
use keyward_secret::{BoundCredential, Destination};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let upstream = Upstream::start().await?;

    // Once: how connections are made, where requests go, what is injected, and what clients may not send.
    let dial = Arc::new(SystemDial::build(TlsConfig::default())?);
    let forwarder = Forwarder::new(dial, Config::default());
    let endpoint = Arc::new(Endpoint::new(upstream.origin().clone())?);
    let destination = Destination::parse([upstream.origin().to_string().as_str()])?;
    let credential =
        BoundCredential::build(AUTHORIZATION, "Bearer ", provider_key()?, destination)?;
    let scrubber = Arc::new(Scrubber::new(&credential));
    let strip = StripList::credentials();

    // Per request. This one comes with what a client may send and an upstream must not see.
    let request = Request::post("/chat/completions")
        .header("authorization", "Bearer the-client's-own")
        .header("cookie", "session=1")
        .header("x-forwarded-for", "10.0.0.7")
        .header("x-request-note", "kept")
        .body(Full::new(Bytes::from_static(b"{}")))?;
    let target = Target::join(endpoint.clone(), "/v1", request.uri().path(), None)?;
    let rules = Rules::new(&strip).with_credential(&credential, &scrubber);
    let answer = forwarder.forward(request, target, rules).await?;
    println!(
        "{}, and the upstream saw, with the key masked in its answer:",
        answer.status()
    );
    let body = answer.into_body().collect().await?.to_bytes();
    println!("{}\n", String::from_utf8_lossy(&body));

    // The credential goes where it is bound to, whoever asks.
    let elsewhere = Upstream::start().await?;
    let endpoint = Arc::new(Endpoint::new(elsewhere.origin().clone())?);
    let target = Target::join(endpoint, "/v1", "/chat/completions", None)?;
    let request = Request::post("/").body(Full::default())?;
    let refused = forwarder.forward(request, target, rules).await;
    println!(
        "to another upstream: {:?}",
        refused.map(drop).map_err(|error| error.kind())
    );
    Ok(())
}
