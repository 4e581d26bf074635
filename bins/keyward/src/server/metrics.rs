//! What `/metrics` tells, in Prometheus' text format.
//!
//! The crates count by the `metrics` facade; which names there are and what they mean stands in one table, from which
//! their `# HELP` lines come. docs/metrics.md has the same table, and tests compare both with the sources and with what a
//! server exposes.

mod beginnings;
mod table;

use std::{fmt::Write as _, sync::Arc, time::UNIX_EPOCH};

use keyward_gateway::Gateway;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use self::table::{Kind, METRICS, Metric};
use crate::{clock, failure::Failure};

/// The bounds of a histogram's buckets, in seconds: those that OpenTelemetry's GenAI conventions have for the duration of a
/// client's operation, and three beyond, for a time limit of ten minutes.
const DURATIONS: [f64; 17] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84,
    327.68, 655.36,
];

/// What costs are told as: the facade has whole numbers only, and dollars have parts.
const COST: &str = "keyward_cost_dollars_total";

/// Everything that is counted in this process.
#[derive(Clone, Debug)]
pub(super) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Begins to record. Once in a process.
    pub(super) fn record() -> Result<Self, Failure> {
        let refuse = |error: &dyn std::error::Error| {
            Failure::new("cannot start the metrics").caused_by(error)
        };
        let durations = Matcher::Full("keyward_request_duration_seconds".to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(durations, &DURATIONS)
            .map_err(|error| refuse(&error))?
            .build_recorder();
        let handle = recorder.handle();
        ::metrics::set_global_recorder(recorder).map_err(|error| refuse(&error))?;
        METRICS.iter().for_each(describe);
        beginnings::begin();
        ::metrics::gauge!("keyward_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        let started = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ::metrics::gauge!("keyward_start_time_seconds").set(started.as_secs_f64());
        Ok(Self(handle))
    }

    /// Lets what waits be summed up. Whoever never asks for the metrics would else fill the memory.
    pub(super) fn run_upkeep(&self) {
        self.0.run_upkeep();
    }

    /// What is counted, with the costs that `gateway` knows.
    pub(super) fn render(&self, gateway: &Gateway) -> String {
        let mut text = self.0.render();
        add_costs(&mut text, gateway);
        text
    }

    /// The same, for the control plane to ask.
    pub(super) fn question(&self, gateway: &Arc<Gateway>) -> Arc<dyn Fn() -> String + Send + Sync> {
        let (metrics, gateway) = (self.clone(), Arc::clone(gateway));
        Arc::new(move || metrics.render(&gateway))
    }
}

fn describe(metric: &Metric) {
    match metric.kind {
        Kind::Counter => ::metrics::describe_counter!(metric.name, metric.meaning),
        Kind::Gauge => ::metrics::describe_gauge!(metric.name, metric.meaning),
        Kind::Histogram => ::metrics::describe_histogram!(metric.name, metric.meaning),
    }
}

fn add_costs(text: &mut String, gateway: &Gateway) {
    let costs = gateway.costs();
    let meaning = METRICS.iter().find(|metric| metric.name == COST);
    let (Some(meaning), false) = (meaning, costs.is_empty()) else {
        return;
    };
    // Writing to a text cannot fail.
    let _written = writeln!(
        text,
        "# HELP {COST} {}\n# TYPE {COST} counter",
        meaning.meaning
    );
    for row in costs {
        let _written = writeln!(
            text,
            "{COST}{{provider=\"{}\",model=\"{}\"}} {}",
            escaped(&row.provider),
            escaped(&row.model),
            row.cost
        );
    }
    text.push('\n');
}

/// A label's value, as the format has it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
