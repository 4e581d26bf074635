//! Counters that are there from the start, with 0: `increase()` sees no difference in a series that begins with 1.
//!
//! Those without labels are, and those whose labels have few values that are known. Providers, models, webhooks, routes and
//! codes are not: most never come.

use super::table::{Kind, METRICS};

/// Counters with one label, and its values.
const SERIES: [(&str, &str, &[&str]); 7] = [
    (
        "keyward_rate_limited_total",
        "what",
        &["gateway", "provider_key", "route"],
    ),
    (
        "keyward_spend_limited_total",
        "what",
        &["gateway", "provider_key", "route", "token"],
    ),
    (
        "keyward_key_status_changes_total",
        "status",
        &["active", "expired", "invalid"],
    ),
    ("keyward_key_events_total", "what", &EVENTS),
    (
        "keyward_scheduled_rotations_total",
        "outcome",
        &["begun", "failed"],
    ),
    (
        "keyward_websocket_bytes_total",
        "direction",
        &["up", "down"],
    ),
    (
        "keyward_connections_refused_total",
        "reason",
        &["address", "resets"],
    ),
];

/// What may happen to a stored key, as docs/webhooks.md has it.
const EVENTS: [&str; 12] = [
    "provider_key.invalid",
    "provider_key.expired",
    "provider_key.active",
    "provider_key.expires_soon",
    "provider_key.date_passed",
    "provider_key.rotation.begun",
    "provider_key.rotation.promoted",
    "provider_key.rotation.finished",
    "provider_key.rotation.refused",
    "provider_key.rotation.rolled_back",
    "provider_key.rotation.both_refused",
    "provider_key.rotation.schedule_failed",
];

/// Lets them begin. Once, when a recorder is there.
pub(super) fn begin() {
    for metric in METRICS {
        if metric.kind == Kind::Counter && metric.labels.is_empty() {
            metrics::counter!(metric.name).increment(0);
        }
    }
    for (name, label, values) in SERIES {
        for value in values {
            metrics::counter!(name, label => *value).increment(0);
        }
    }
    for plane in ["data", "control"] {
        for limited in ["yes", "no"] {
            metrics::counter!("keyward_failed_authentications_total", "plane" => plane, "limited" => limited)
                .increment(0);
        }
    }
}
