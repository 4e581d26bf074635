//! Counters on a Redis of the test's own.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed step fails the test, and what was counted is told"
)]

mod budgets;
mod contract;
mod loss;
mod many;
mod spending;
mod support;
mod trust;
