//! What the crate promises, over real sockets on loopback.

#[cfg(test)]
mod caps;
#[cfg(test)]
mod draining;
#[cfg(test)]
mod early_answers;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod slow_readers;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod upgrades;
