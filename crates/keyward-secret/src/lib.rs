//! The types that carry a secret, and where it may go.
//!
//! - [`SecretBytes`]: the one type that holds secret bytes. Erased on drop, never printed.
//! - [`Origin`]: scheme, host and port, parsed and normalised once.
//! - [`Destination`]: the set of origins a secret may be sent to.
//! - [`BoundCredential`]: headers to inject, and the destination they may go to.
//! - [`AccountId`]: the tenant that a secret belongs to.
//!
//! The vault and the forwarder share these types and nothing else. The crate does no I/O, reads no clock
//! and knows no provider.
//!
//! ```
//! use keyward_secret::{BoundCredential, Destination, Origin, SecretBytes};
//!
//! let destination = Destination::parse(["https://api.openai.com"])?;
//! let credential = BoundCredential::build(
//!     http::header::AUTHORIZATION,
//!     "Bearer ",
//!     SecretBytes::new(b"sk-example".to_vec()),
//!     destination,
//! )?;
//!
//! assert!(credential.may_go_to(&Origin::parse("https://API.openai.com:443")?));
//! assert!(!credential.may_go_to(&Origin::parse("https://api.openai.com.evil.example")?));
//! // A credential has no printable form: only its destination shows.
//! assert!(!format!("{credential:?}").contains("sk-example"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it is not
//!
//! No vault, no parser of configuration, no HTTP client. A [`Destination`] says where a secret may go; that it goes
//! nowhere else is up to who holds it: `keyward-vault` when it opens, `keyward-forward` when it injects.
//!
//! # Features
//!
//! None: everything is always there.
//!
//! # Reading on
//!
//! `keyward-vault` seals such bytes together with their destination; `keyward-forward` injects a [`BoundCredential`].

mod account;
mod bytes;
mod credential;
mod destination;
mod origin;

pub use account::{AccountId, ParseAccountIdError};
pub use bytes::SecretBytes;
pub use credential::{BindError, BoundCredential};
pub use destination::{Destination, ParseDestinationError};
pub use origin::{Origin, ParseOriginError, Scheme};
