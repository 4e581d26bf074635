//! Accepts connections and serves HTTP/1.1 and HTTP/2 on them, with a limit for everything a client can do.
//!
//! hyper leaves the accept loop to its user, and the ready-made ones (hyper-util's `auto` builder,
//! `axum::serve` 0.8) leave a connection that says nothing open for ever. Here each phase of a connection ends:
//!
//! | a client that | meets |
//! | --- | --- |
//! | sends nothing, or half a head | [`Config::header_timeout`] |
//! | is idle between requests, on either protocol | [`Config::header_timeout`] |
//! | takes no byte of an answer, or opens no window for it | [`Config::write_timeout`] |
//! | sends a head that is too long or has too many fields | [`Config::max_head_bytes`], [`Config::max_headers`] |
//! | opens too many connections | [`Config::max_connections`], [`Config::max_connections_per_address`] |
//! | does not finish the TLS handshake | [`Config::handshake_timeout`] |
//! | opens streams and resets them | [`Http2::cancelled_burst`] |
//! | goes on sending a body that was answered already | [`Linger`]: it gets to read the answer |
//!
//! - [`Server`]: the limits, prepared. [`Server::serve`] runs an accept loop on the caller's runtime;
//!   [`Server::acceptor`] and [`Server::serve_connection`] are its parts, for whoever spreads connections over
//!   runtimes of his own.
//! - [`Peer`]: who is on the other side, and behind a trusted proxy.
//! - [`Tls`]: certificate, key and client authorities from files, which may be replaced while connections are
//!   open.
//! - [`Drain`]: how serving ends without failing a request.
//!
//! A client that closes its sending half while it waits for an answer counts as gone: its request is dropped,
//! and with it whatever was asked on its behalf. HTTP/1.1 has no other sign of a client that gave up.
//!
//! What the crate does not do: it routes nothing, decides nothing about a request, and sets no limit on how long
//! a request's body or the making of an answer may take; the service does. `CONNECT` and `TRACE` reach the
//! service like any other method.
//!
//! ```
//! use http_body_util::Full;
//! use hyper::{Request, Response, body::{Bytes, Incoming}, service::service_fn};
//! use keyward_listen::{Config, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let server = Server::new(Config::default());
//! let stop = async { /* until a signal comes */ };
//! server
//!     .serve(listener, stop, |peer| {
//!         service_fn(move |request: Request<Incoming>| {
//!             let text = format!("{} asks for {}", peer.address(), request.uri().path());
//!             let response = Response::new(Full::new(Bytes::from(text)));
//!             async { Ok::<_, std::convert::Infallible>(response) }
//!         })
//!     })
//!     .await;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! `fuzzing` (off) is for the fuzz targets of this repository, and no part of the interface. Else none: everything is
//! always there.
//!
//! # Reading on
//!
//! `examples/mounted_gateway.rs` in the repository serves an axum router with it.

mod acceptor;
mod addresses;
mod config;
mod connection;
mod drain;
mod first_bytes;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http1;
mod http2;
mod io;
mod linger;
mod networks;
mod peer;
mod proxy_protocol;
mod read_on;
mod serve;
mod socket;
mod stall;
mod tls;

pub use acceptor::{Accepted, Acceptor, Waiting};
pub use config::{Config, Http2, Linger};
pub use drain::Drain;
pub use networks::{Networks, ParseNetworkError};
pub use peer::Peer;
pub use read_on::ReadOn;
pub use serve::Server;
pub use tls::{Tls, TlsError, TlsFiles};
