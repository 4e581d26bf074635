//! The forwarder against real upstreams on 127.0.0.1: sockets, TLS, hyper.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod connections;
mod guard;
#[cfg(test)]
mod rewriting;
#[cfg(test)]
mod services;
#[cfg(test)]
mod support;
#[cfg(test)]
mod timeouts;
#[cfg(test)]
mod tls;
