//! The data plane as clients see it: a running gateway in front of a fake provider, over real sockets.

#[cfg(test)]
mod answers_pass;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod custom_providers;
#[cfg(test)]
mod cut;
#[cfg(test)]
mod destination;
#[cfg(test)]
mod expect;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod http2_upstream;
#[cfg(test)]
mod key_events;
#[cfg(test)]
mod key_rotation;
#[cfg(test)]
mod key_status;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod log;
#[cfg(test)]
mod loops;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod models;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod pools;
#[cfg(test)]
mod prober;
#[cfg(test)]
mod request_handling;
#[cfg(test)]
mod request_ids;
#[cfg(test)]
mod request_log;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod scrub;
#[cfg(test)]
mod service;
#[cfg(test)]
mod shared_limits;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod spend;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod support;
#[cfg(test)]
mod surfaces;
#[cfg(test)]
mod traffic;
#[cfg(test)]
mod unified;
#[cfg(test)]
mod universal;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod upstream_failures;
#[cfg(test)]
mod usage_asked;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod websocket;
