//! Whatever is sent to the gateway, everybody reads what it sends on in the same way.
//!
//! Thousands of hostile requests go through a real gateway to a recorder of bytes. What came out is read by three
//! parsers that servers behind a gateway use: hyper, Node's and Python's h11. They must agree on every request,
//! and each request must hold exactly one credential. Node and Python are found as `cargo xtask test` sets them up.

#[cfg(test)]
#[path = "../it/support.rs"]
#[expect(dead_code, reason = "the other test binary uses more of it")]
mod support;

#[cfg(test)]
mod collected;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod message;
#[cfg(test)]
mod parsers;
#[cfg(test)]
mod random;
#[cfg(test)]
mod recorder;
