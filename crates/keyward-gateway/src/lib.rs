//! Keyward's data plane: checks a gateway token, finds the stored key, rewrites the headers, forwards the
//! request to the provider and streams the answer back.
//!
//! - [`Gateway`]: the data plane over a [`Registry`](keyward_registry::Registry). [`Gateway::serve`] runs it
//!   on a listener, with its own accept loop and worker threads.
//! - [`Gateway::service`]: the same for one request at a time, within a server and a runtime that exist already.
//! - [`GatewayAddress`]: a request's path, parsed.
//! - [`EchoDial`]: the built-in provider `echo`, for a first request without any account.
//!
//! The way of one request is `request.rs`, from top to bottom. On that way nothing waits for a lock that
//! another worker holds, nothing asks a store, and nothing is logged above debug level.

mod address;
mod body;
mod budget;
mod caller;
mod config;
mod counters;
mod credentials;
mod echo;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod in_flight;
mod listener;
mod loops;
mod record;
mod request;
mod request_id;
mod respond;
mod service;
mod subprotocols;
mod upgrade;
mod worker;

pub use address::{AddressError, GatewayAddress};
pub use budget::{Budget, BudgetError, Limits};
pub use config::Config;
pub use echo::EchoDial;
pub use gateway::{BuildError, Gateway};
pub use listener::StartError;
pub use service::{AnswerBody, GatewayService};
