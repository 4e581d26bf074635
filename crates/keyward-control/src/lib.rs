//! Keyward's control plane: a REST API in the shapes of Cloudflare's v4 API, and a dashboard that is a client of it.
//!
//! - [`Control`] joins a [`Registry`](keyward_registry::Registry) with a [`Config`];
//!   [`Control::serve`] runs it on a listener, [`Control::router`] hands it to a host with its own.
//! - [`Control::routes`] lists every route with the permission it needs. The routes are one table: a line
//!   without an access and a description cannot be written, and no handler can be called but through a line.
//! - [`explain::Explain`] is how the control plane asks a data plane what it would do with a request.
//! - [`trial::Try`] is how it has a request sent by the data plane, for a person who tries a gateway.
//! - [`verify::Verify`] is how it has a provider asked whether it takes a key.
//! - [`csv`] writes what is exported for spreadsheets.
//! - [`setup::Setup`] is what whoever runs the server tells of how it is set up.
//! - `GET /client/v4/openapi.json` describes them in OpenAPI 3.1, made from the same table; anyone may read it.
//! - [`Control::pages`] lists the dashboard's pages, and [`Control::sign_in_links`] makes links that sign a browser in.
//!
//! What every request to the API passes, in this order: the host it names (a web page cannot reach the control plane by
//! a name of its own), no write from a web page, an API token in `Authorization: Bearer` (nothing else
//! authenticates: no cookie, no gateway token), the account, the permission, the scopes. There is no CORS.
//!
//! A page reads and changes through the same table, as the API token that its session names; its cookie is good for
//! pages alone.
//!
//! The crate knows no SQL, and no path of the data plane but the one it tells (`…/url/{provider}`). It makes
//! no decision about keys or tokens of its own: `keyward-registry` and `keyward-auth` do. The clock is read in
//! one place, once per request.
//!
//! ```no_run
//! # async fn run(registry: std::sync::Arc<keyward_registry::Registry>) -> std::io::Result<()> {
//! use keyward_control::{Config, Control};
//!
//! let config = Config::loopback("http://127.0.0.1:8787", env!("CARGO_PKG_VERSION"));
//! let control = Control::new(registry, config);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8788").await?;
//! control.serve(listener, std::future::pending()).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! None: everything is always there.
//!
//! # Reading on
//!
//! `docs/compatibility.md` in the repository lists the routes and where they differ from Cloudflare's.

mod api;
mod ask;
mod body;
mod call;
mod caller;
mod config;
mod control;
pub mod csv;
mod dashboard;
mod envelope;
mod erased;
pub mod explain;
mod host;
mod moment;
mod object;
mod openapi;
mod page;
mod refused;
mod route;
mod serve;
pub mod setup;
pub mod trial;
mod verifier;
pub mod verify;

pub use caller::Peer;
pub use config::{Config, Readiness};
pub use control::{Control, RouteDescription};
pub use dashboard::SignInLinks;
