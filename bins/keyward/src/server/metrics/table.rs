//! Every metric: what it is called, what it is, its labels, and what it means.

/// One metric.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The names of its labels.
    pub(super) labels: &'static [&'static str],
    /// One sentence, without a full stop. Its unit stands at the end of its name.
    pub(super) meaning: &'static str,
}

/// What Prometheus takes it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Grows until the process ends.
    Counter,
    Gauge,
    Histogram,
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        labels,
        meaning,
    }
}

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        labels,
        meaning,
    }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram,
        labels,
        meaning,
    }
}

/// In the order of the page.
#[rustfmt::skip]
pub(super) static METRICS: &[Metric] = &[
    counter("keyward_requests_total", &["provider", "status"], "Answers of providers, by the class of their status"),
    histogram("keyward_request_duration_seconds", &["provider", "status"], "Time from a request's head to the end of the provider's answer"),
    counter("keyward_refused_total", &["code"], "Requests that the gateway answered itself, by the code of its answer"),
    counter("keyward_requests_repeated_total", &[], "Requests that were sent again with another value or key, because the provider refused the first"),
    counter("keyward_attempts_repeated_total", &[], "Further attempts of requests that ask for several"),
    counter("keyward_requests_cut_total", &[], "Requests that ended early because what they used was revoked"),
    counter("keyward_failed_authentications_total", &["plane", "limited"], "Tokens that do not verify; limited says whether their source has had too many"),
    counter("keyward_tokens_total", &["provider", "model", "kind"], "Tokens that answers say they took; none of the kinds is a part of another"),
    counter("keyward_cost_dollars_total", &["provider", "model"], "What answers cost in US dollars, by the price table"),
    counter("keyward_requests_without_cost_total", &["provider"], "Answers that say what they took, and whose model has no price"),
    counter("keyward_rate_limited_total", &["what"], "Requests over a rate limit, by what has the limit"),
    counter("keyward_spend_limited_total", &["what"], "Requests that a budget had no room for, by whose it is"),
    gauge("keyward_limits_store_up", &[], "Whether the Redis that counts limits answers: 1 or 0"),
    counter("keyward_limits_lost_total", &[], "Decisions that were made without the Redis that counts limits"),
    counter("keyward_budgets_lost_total", &[], "Costs that could not be told to the Redis that counts budgets"),
    gauge("keyward_provider_keys", &["status"], "Stored provider keys, by their status"),
    counter("keyward_key_status_changes_total", &["status"], "Stored keys that came into a status by what their provider answered"),
    counter("keyward_key_events_total", &["what"], "What happened to stored keys, by the event's name"),
    counter("keyward_evidence_lost_total", &[], "Answers of providers that speak of a key and were not looked at, because too many waited"),
    counter("keyward_scheduled_rotations_total", &["outcome"], "Rotations that were due by the configuration: begun or failed"),
    gauge("keyward_webhooks_waiting", &["webhook"], "Events that wait to be delivered, by the webhook's name in the configuration"),
    counter("keyward_webhooks_sent_total", &["webhook"], "Events that a receiver took"),
    counter("keyward_webhooks_lost_total", &["webhook", "why"], "Events that no receiver took"),
    gauge("keyward_websockets_open", &[], "WebSockets that are open"),
    counter("keyward_websockets_total", &["provider", "end"], "WebSockets that have ended, by how"),
    counter("keyward_websocket_bytes_total", &["direction"], "Bytes that went through WebSockets: up to the provider, or down"),
    gauge("keyward_connections_open", &[], "Connections of clients that are open"),
    counter("keyward_connections_refused_total", &["reason"], "Connections of clients that were closed: their address has too many, or too many of their streams were reset"),
    counter("keyward_streams_stalled_total", &[], "Streams of HTTP/2 that were reset because the client took nothing of the answer"),
    gauge("keyward_requests_in_flight", &[], "Requests that are being served"),
    gauge("keyward_upstream_connections", &[], "Connections to providers that are open"),
    gauge("keyward_upstream_streams", &[], "Requests that are under way on shared connections to providers"),
    gauge("keyward_upstream_waiting", &[], "Requests that wait for a connection to a provider"),
    gauge("keyward_memory_reserved_bytes", &[], "What connections and requests may take of memory at this moment"),
    gauge("keyward_memory_reservable_bytes", &[], "The most that they may take, by the memory budget"),
    counter("keyward_log_lost_total", &[], "Requests that the log does not tell of, because too many came at once"),
    counter("keyward_log_full_total", &[], "Requests that the log of their gateway had no room for"),
    counter("keyward_traffic_lost_total", &[], "Requests that the counts in the database lack, because there were too many series"),
    gauge("keyward_otel_waiting", &[], "Spans that wait to be sent to the collector"),
    counter("keyward_otel_sent_total", &["signal"], "Spans, and messages with metrics, that the collector took"),
    counter("keyward_otel_lost_total", &["signal", "why"], "Spans, and messages with metrics, that the collector did not take or that had no room"),
    counter("keyward_control_requests_total", &["route", "status"], "Requests to the REST API, by the route's name and the status"),
    gauge("keyward_build_info", &["version"], "Always 1; the label says which version runs"),
    gauge("keyward_start_time_seconds", &[], "When the process began, in seconds of Unix time"),
];

#[cfg(test)]
mod tests;
