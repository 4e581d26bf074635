//! The forwarder against real upstreams on 127.0.0.1: sockets, TLS, hyper.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod plain_errors;
#[cfg(test)]
mod queue;
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
