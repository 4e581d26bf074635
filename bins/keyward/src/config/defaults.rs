//! What a field is where nothing sets it, in words of the configuration.

use std::time::Duration;

use keyward_forward::Offer;

use super::{Config, DEFAULT_DATA_DIR, fields::Field, memory};

/// The default of a field; `None` where without it nothing is there.
pub(super) fn of(field: &Field) -> Option<String> {
    let gateway = Config::default().gateway(None);
    let (listen, forward) = (&gateway.listen, &gateway.forward);
    let seconds = |time: Duration| Some(time.as_secs().to_string());
    match (field.section, field.name) {
        ("", "data_dir") => Some(quoted(DEFAULT_DATA_DIR)),
        ("gateway", "listen") => Some(quoted("127.0.0.1:8787")),
        ("control", "listen") => Some(quoted("127.0.0.1:8788")),
        ("control", "dashboard") => Some(Config::default().control.has_dashboard().to_string()),
        ("gateway", "workers") => Some("one per core".to_owned()),
        ("gateway", "max_connections") => {
            Some("what the limit of open files and memory_budget allow, at most 10000".to_owned())
        }
        ("gateway", "max_connections_per_address") => {
            Some("a tenth of max_connections, at least 16".to_owned())
        }
        ("gateway", "memory_budget") => Some("a half of what there is".to_owned()),
        ("gateway", "header_timeout_secs") => seconds(listen.header_timeout),
        ("gateway", "write_timeout_secs") => seconds(listen.write_timeout),
        ("gateway", "drain_timeout_secs") => seconds(listen.drain_timeout),
        ("gateway", "connect_timeout_secs") => seconds(forward.connect_timeout),
        ("gateway", "response_header_timeout_secs") => seconds(forward.response_header_timeout),
        ("gateway", "body_idle_timeout_secs") => Some(format!(
            "client {}, provider {}",
            forward.request_idle_timeout.as_secs(),
            forward.response_idle_timeout.as_secs()
        )),
        ("gateway", "ask_for_usage") => Some(gateway.asks_for_usage.to_string()),
        ("upstream", "http2") => Some((forward.offer == Offer::Http2OrHttp1).to_string()),
        ("upstream", "max_connections") => Some(forward.max_connections_per_origin.to_string()),
        ("upstream", "max_waiting") => Some(forward.max_waiting_per_origin.to_string()),
        ("upstream", "queue_timeout_secs") => seconds(forward.queue_timeout),
        ("upstream", "max_connection_age_secs") => seconds(forward.max_connection_age),
        ("upstream", "idle_timeout_secs") => seconds(forward.pool_idle_timeout),
        ("upstream", "request_min_rate") => Some(forward.request_min_rate.to_string()),
        ("upstream", "websocket_idle_timeout_secs") => seconds(forward.tunnel.idle_timeout),
        ("upstream", "websocket_lifetime_secs") => Some("no limit".to_owned()),
        ("store", "path") => Some("keyward.db in data_dir".to_owned()),
        ("store", "traffic_rows") => Some(gateway.traffic_rows.to_string()),
        ("secrets_store", "max_stores") => {
            Some(Config::default().secrets_store.limits().stores.to_string())
        }
        ("limits", "store") => Some(quoted("memory")),
        ("prices", "unknown_model") => Some(quoted("refuse")),
        ("request_log", "retention_days") => {
            Some((gateway.log_retention.as_secs() / 86_400).to_string())
        }
        ("request_log", "max_body") => Some(gateway.log_body_bytes.to_string()),
        ("request_log", "sample_percent") => Some(gateway.log_sample_percent.to_string()),
        ("audit", "checkpoint_interval_secs") => Some("60".to_owned()),
        ("audit", "checkpoint_lines") => Some("100".to_owned()),
        ("secrets_store", "quota") => Some("no limit".to_owned()),
        ("seal", "command_timeout_secs") => {
            seconds(super::SealSection::default().command_timeout())
        }
        ("otel", "endpoint") => Some("nobody is told".to_owned()),
        ("otel", "service_name") => Some(quoted(super::OtelSection::SERVICE_NAME)),
        ("otel", "sampling_ratio") => Some("1".to_owned()),
        ("otel", "interval_secs") => Some(super::OtelSection::INTERVAL_SECS.to_string()),
        ("log", "format") => Some(quoted("text")),
        ("log", "filter") => Some(quoted(crate::logging::WITH_START)),
        ("" | "seal", name) if name.starts_with("danger_") => Some("false".to_owned()),
        ("providers", "danger_plain_http" | "relay") => Some("false".to_owned()),
        ("webhooks", "events") => Some("every event".to_owned()),
        ("rotation", "command_timeout_secs") => Some("60".to_owned()),
        ("rotation", "overlap") => Some("10m".to_owned()),
        ("rotation", "verify") => Some("true".to_owned()),
        ("providers", "base_url") => Some("the provider's own".to_owned()),
        _ => None,
    }
}

/// What a default that depends on the machine comes to on this one.
pub(super) fn here(field: &Field) -> Option<String> {
    match (field.section, field.name) {
        ("gateway", "workers") => Some(Config::default().gateway(None).workers.to_string()),
        ("gateway", "memory_budget") => {
            memory::half_of_what_there_is().map(|bytes| bytes.to_string())
        }
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
