//! What needs fixed nonces, and so stands inside the crate.

mod vectors;
