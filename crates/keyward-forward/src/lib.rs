//! A header-rewriting, streaming HTTP forwarder that injects bound credentials.
//!
//! It takes a request, a [`Target`], and [`Rules`]; strips what must not pass, injects the credential last,
//! sends the request over a kept-alive connection, and streams the answer back with the credential scrubbed
//! from it. A [`BoundCredential`](keyward_secret::BoundCredential) never goes to an origin that it is not
//! bound to: the check stands beside the injection.
//!
//! - [`Endpoint`], [`Target`]: where a request goes; no URL is built by joining text of a client.
//! - [`headers`]: which headers pass. Pure.
//! - [`Scrubber`], [`ScrubStream`]: take a credential out of what comes back. Pure and incremental.
//! - [`Dial`], [`SystemDial`]: how connections are made. [`dial::Guard`]: which addresses they may lead to. Pure.
//! - [`Forwarder`]: joins the above, over HTTP/1.1 connections of its own and HTTP/2 connections that it may share
//!   with other forwarders ([`Shared`]). What is kept, for how long, how many there may be and who waits is in
//!   [`Config`].
//! - [`Handshake`], [`Tunnel`]: WebSockets, over connections of their own.
//! - [`ForwardService`], [`InjectLayer`] (feature `tower`): the forwarder as a service for one upstream, and a layer
//!   that gives an existing client a credential without any forwarder.
//!
//! It knows no provider, no gateway token, no server and no store. It follows no redirect, and sends nothing
//! twice that an upstream may have worked on. Compressed error answers are decoded within caps, scrubbed and sent
//! plain. Stated limit: the compressed body of a success passes unscrubbed ([`AcceptEncoding::Identity`] asks an
//! upstream for plain ones).
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use http_body_util::{BodyExt, Full};
//! use keyward_forward::{
//!     Config, Endpoint, Forwarder, Rules, Scrubber, StripList, SystemDial, Target, TlsConfig,
//! };
//! use keyward_secret::{BoundCredential, Destination, Origin, SecretBytes};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Once per process, provider and credential:
//! let dial = Arc::new(SystemDial::build(TlsConfig::default())?);
//! let endpoint = Arc::new(Endpoint::new(Origin::parse("https://api.example.com")?)?);
//! let strip = StripList::new(["authorization", "x-api-key"], []);
//! let credential = BoundCredential::build(
//!     http::header::AUTHORIZATION,
//!     "Bearer ",
//!     SecretBytes::new(b"sk-example".to_vec()),
//!     Destination::parse(["https://api.example.com"])?,
//! )?;
//! let scrubber = Arc::new(Scrubber::new(&credential));
//!
//! // Once per worker:
//! let forwarder = Forwarder::new(dial, Config::default());
//!
//! // Per request:
//! let request = http::Request::post("/ignored").body(Full::new(Bytes::from("{}")))?;
//! let target = Target::join(endpoint, "/v1", "/chat/completions", None)?;
//! let rules = Rules::new(&strip).with_credential(&credential, &scrubber);
//! let answer = forwarder.forward(request, target, rules).await?;
//! println!("{} {:?}", answer.status(), answer.into_body().collect().await?.to_bytes());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `tower` (off): [`ForwardService`] and [`InjectLayer`], as tower's traits want them.
//! - `fuzzing` (off) is for the fuzz targets of this repository, and no part of the interface.
//!
//! # Reading on
//!
//! `keyward-vault` keeps credentials sealed until they are bound; `keyward-gateway` decides who may use which.
//! `examples/forward_function.rs`, `forward_service.rs` and `forward_layer.rs` in the repository use this crate alone.

mod age;
mod body;
mod client;
mod coding;
mod config;
mod decode;
pub mod dial;
mod endpoint;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
pub mod headers;
mod http2;
#[cfg(feature = "tower")]
mod inject;
mod location;
mod plain_errors;
mod pool;
mod retry;
mod rules;
mod scrub;
#[cfg(feature = "tower")]
mod service;
mod strip;
mod target;
mod tunnel;
mod upgrade;

pub use body::{BodyError, ResponseBody, ScrubbedBody};
pub use client::Forwarder;
pub use coding::{Codings, DecodeError};
pub use config::Config;
pub use dial::{BoxFuture, Connection, Dial, DialError, Offer, Protocol, SystemDial, TlsConfig};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{BoxError, Fault, ForwardError, Kind};
pub use gate::{Load, Shared};
#[cfg(feature = "tower")]
pub use inject::{Inject, InjectError, InjectFuture, InjectLayer};
pub use location::RedirectOutside;
pub use rules::{AcceptEncoding, CdnLoop, LocationRule, RuleSet, Rules};
pub use scrub::{Forms, ScrubStream, Scrubber};
#[cfg(feature = "tower")]
pub use service::ForwardService;
pub use strip::StripList;
pub use target::{Target, TargetError};
pub use tunnel::{Tunnel, TunnelEnd, TunnelLimits, TunnelReport};
pub use upgrade::{Asked, Handshake, HandshakeError, Switch};
