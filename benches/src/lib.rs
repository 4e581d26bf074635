//! Benchmarks of the forwarding path.
