//! Keyward's data plane: checks a gateway token, finds the stored key, rewrites the headers, forwards the
//! request to the provider and streams the answer back.
//!
//! - [`Gateway`]: the data plane over a [`Registry`](keyward_registry::Registry). [`Gateway::serve`] runs it
//!   on a listener, with its own accept loop and worker threads.
//! - [`Gateway::service`]: the same for one request at a time, within a server and a runtime that exist already.
//! - [`Gateway::explain`]: what would become of a request, told without sending it ([`explain`]).
//! - [`Prober`]: asks a provider about a key, by the request that the catalogue has for it.
//! - [`KeyEvent`], [`Notify`]: what happens to provider keys, and whoever is told; [`webhooks`] tells by HTTP.
//! - [`Observe`], [`Finished`]: whoever else is told of requests that have ended.
//! - [`GatewayAddress`]: a request's path, parsed.
//! - [`EchoDial`]: the built-in provider `echo`, for a first request without any account.
//!
//! The way of one request is `request.rs`, from top to bottom. On that way nothing waits for a lock that
//! another worker holds, nothing asks a store, and nothing is logged above debug level.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use keyward_forward::{SystemDial, TlsConfig};
//! use keyward_gateway::{Config, EchoDial, Gateway};
//! use tokio::net::TcpListener;
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn run(
//! #     registry: Arc<keyward_registry::Registry>,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let dial = Arc::new(SystemDial::build(TlsConfig::default())?);
//! let dial = Arc::new(EchoDial::new(Arc::clone(&registry), dial));
//! let gateway = Arc::new(Gateway::build(registry, dial, Config::default())?);
//!
//! let (stop, served) = (CancellationToken::new(), CancellationToken::new());
//! let recording = tokio::spawn(Arc::clone(&gateway).record(served.clone()));
//! let listener = TcpListener::bind("127.0.0.1:8787").await?;
//! gateway.serve(listener, stop).await?;
//! served.cancel();
//! recording.await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it is not
//!
//! No control plane: it changes nothing but last uses and counts of requests, and has no route of its own beside `/v1/`.
//! It reads no configuration file and installs no signal handler.
//!
//! # Features
//!
//! `fuzzing` (off) is for the fuzz targets of this repository, and no part of the interface. Else none: everything is
//! always there.
//!
//! # Reading on
//!
//! `keyward-registry` is what it reads, `keyward-forward` what it sends with; `examples/mounted_gateway.rs` in the
//! repository mounts it in an axum service.

mod address;
mod body;
mod budget;
mod caller;
mod config;
mod counters;
mod credentials;
mod customs;
mod cut;
mod echo;
mod events;
mod evidence;
pub mod explain;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod handling;
mod head;
mod health;
mod in_flight;
mod keeper;
mod limits;
mod listener;
mod log;
mod loops;
mod observe;
mod pool;
mod prober;
mod record;
mod replay;
mod request;
mod request_id;
mod respond;
mod rules;
mod service;
mod spend;
mod subprotocols;
mod traffic;
mod upgrade;
mod ways;
pub mod webhooks;
mod worker;

pub use address::{AddressError, GatewayAddress};
pub use body::AnswerError;
pub use budget::{Budget, BudgetError, Limits, Stored};
pub use config::Config;
pub use echo::EchoDial;
pub use events::{KeyEvent, Notify, What};
pub use gateway::{BuildError, Gateway};
pub use listener::StartError;
pub use observe::{Finished, Observe, TraceParent};
pub use prober::{Probed, Prober};
pub use record::ModelCost;
pub use service::{AnswerBody, GatewayService};
