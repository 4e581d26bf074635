//! Official SDKs, pinned, from their registries: only the host and the key change, and everything works.
//!
//! The SDKs are installed by `cargo xtask test`, which tells where they are by environment variables.

#[cfg(test)]
#[path = "../it/support.rs"]
#[expect(dead_code, reason = "the other test binary uses more of it")]
mod support;

#[cfg(test)]
mod compat;
#[cfg(test)]
mod sdk;
