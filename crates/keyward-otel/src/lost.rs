//! What is counted of the sending itself.

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Spans,
    /// Messages, each of which holds all sums.
    Metrics,
}

/// Why something is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    QueueFull,
    /// The collector did not take it.
    Refused,
    Stopped,
}

impl Signal {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Metrics => "metrics",
        }
    }
}

impl Why {
    const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }
}

/// Counts what is lost.
pub(crate) fn lost(signal: Signal, why: Why, count: usize) {
    if count > 0 {
        metrics::counter!("keyward_otel_lost_total", "signal" => signal.name(), "why" => why.name())
            .increment(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

/// Counts what the collector took.
pub(crate) fn sent(signal: Signal, count: usize) {
    metrics::counter!("keyward_otel_sent_total", "signal" => signal.name())
        .increment(u64::try_from(count).unwrap_or(u64::MAX));
}

/// Shows how many spans wait.
pub(crate) fn waiting(count: usize) {
    metrics::gauge!("keyward_otel_waiting").set(u32::try_from(count).unwrap_or(u32::MAX));
}
