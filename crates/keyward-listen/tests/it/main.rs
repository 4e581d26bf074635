//! What the crate promises, over real sockets on loopback.

#[cfg(test)]
mod support;

mod caps;
mod draining;
mod early_answers;
mod floods;
mod probes;
mod proxies;
mod slow_readers;
mod tls;
mod upgrades;
