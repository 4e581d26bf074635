//! Tells an OpenTelemetry collector of Keyward's requests: a span and two metrics, with GenAI attributes, by OTLP over HTTP.
//!
//! [`Otel`] is an observer for `keyward-gateway`. It makes a span of each request when that has ended, and puts it behind a
//! bounded queue; one task sends. What has no room, and what the collector does not take, is counted and lost: no request
//! waits, whatever the collector does.
//!
//! No prompt and no answer is ever sent: neither is known here. Every attribute stands in [`ATTRIBUTES`].
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//!
//! use keyward_forward::{Dial, SystemDial, TlsConfig, dial::Guard};
//! use keyward_otel::{Otel, OtlpEndpoint, OtlpHeaders, ResourceAttributes, SamplingRatio, Settings};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example(gateway: keyward_gateway::Gateway) -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = OtlpEndpoint::parse("http://127.0.0.1:4318")?;
//! let guard = Guard::new().allow([endpoint.origin().clone()]);
//! let dial: Arc<dyn Dial> = Arc::new(SystemDial::build(TlsConfig::default())?.with_guard(guard));
//! let settings = Settings {
//!     endpoint,
//!     headers: OtlpHeaders::default(),
//!     service_name: "keyward".to_owned(),
//!     resource: ResourceAttributes::parse("deployment.environment.name=production")?,
//!     sampling: SamplingRatio::ALL,
//!     interval: Duration::from_secs(10),
//! };
//! let otel = Arc::new(Otel::new(&dial, settings, "1.0.0")?);
//! let gateway = gateway.with_observer(Arc::clone(&otel) as _);
//!
//! let stop = CancellationToken::new();
//! let sending = tokio::spawn(otel.run(stop.clone()));
//! // Serve with the gateway; at the end, send what is left.
//! stop.cancel();
//! sending.await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! None: everything is always there.

mod attributes;
mod lost;
mod measure;
mod otel;
mod sender;
mod settings;
mod span;
mod words;

pub use self::{
    attributes::{ATTRIBUTES, Attribute, CONVENTION, DURATION, Source, TOKENS},
    otel::Otel,
    settings::{
        OtlpEndpoint, OtlpHeaders, ResourceAttributes, SamplingRatio, SettingError, Settings,
    },
};
