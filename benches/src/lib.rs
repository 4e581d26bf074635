//! What the forwarding path costs: the parts that the benchmarks and `cargo xtask pairs` are made of.
//!
//! Every measurement is of the same [`job`]: check a gateway token, take it out, put the provider's key in, forward a
//! request of 1 KiB and return an answer of 2 KiB (or 100 events). The parts:
//!
//! - [`minimal_proxy`]: the least that hyper needs for that job, and the yardstick;
//! - [`upstream`]: a provider that answers at once;
//! - [`load`]: clients that send the next request when the last answer is whole;
//! - [`streams`]: many long exchanges at once, and an upstream for them;
//! - [`wire`]: the HTTP/1.1 reading that upstream and load share;
//! - [`tls`]: a throw-away certificate, for measurements with TLS to the upstream.
//!
//! Everything runs on loopback. Nothing here knows Keyward, so that the yardstick cannot share its costs.

pub mod files;
pub mod job;
pub mod load;
pub mod minimal_proxy;
pub mod ready;
pub mod streams;
pub mod tls;
pub mod upstream;
pub mod wire;
