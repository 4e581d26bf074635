//! The metrics of the conventions, summed by the SDK over closed sets of attributes.

use std::time::Duration;

use bytes::Bytes;
use keyward_gateway::Finished;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    metrics::{Histogram, MeterProvider as _},
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    metrics::{
        PeriodicReader, SdkMeterProvider, Temporality, data::ResourceMetrics,
        exporter::PushMetricExporter,
    },
};
use prost::Message as _;
use tokio::sync::mpsc;

use crate::{
    attributes::{self as name, DURATION, TOKENS},
    lost::{Signal, Why, lost},
    span::error,
    words,
};

/// The bounds of buckets that the conventions advise.
const SECONDS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
const NUMBERS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// What stands for every model that has no price.
const OTHER: &str = "other";

/// Sums, and hands them over in protobuf at each interval.
#[derive(Debug)]
pub(crate) struct Measures {
    provider: SdkMeterProvider,
    duration: Histogram<f64>,
    tokens: Histogram<u64>,
}

impl Measures {
    pub(crate) fn new(
        resource: Resource,
        scope: InstrumentationScope,
        interval: Duration,
        to: mpsc::Sender<Bytes>,
    ) -> Self {
        let reader = PeriodicReader::builder(Encoder(to)).with_interval(interval);
        let provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(reader.build())
            .build();
        let meter = provider.meter_with_scope(scope);
        Self {
            duration: meter
                .f64_histogram(DURATION)
                .with_unit("s")
                .with_description("How long a request took")
                .with_boundaries(SECONDS.into())
                .build(),
            tokens: meter
                .u64_histogram(TOKENS)
                .with_unit("{token}")
                .with_description("How many tokens a request took")
                .with_boundaries(NUMBERS.into())
                .build(),
            provider,
        }
    }

    /// Takes a request. What Keyward answered itself was no operation of a model.
    pub(crate) fn count(&self, request: &Finished<'_>) {
        let entry = request.entry;
        if entry.error_code.is_some() {
            return;
        }
        let operation = words::operation(&entry.path);
        let provider = words::provider(request.provider).to_owned();
        let model = request.priced.unwrap_or(OTHER).to_owned();
        let mut attributes = vec![
            KeyValue::new(name::OPERATION.name, operation),
            KeyValue::new(name::PROVIDER.name, provider),
            KeyValue::new(name::REQUEST_MODEL.name, model),
        ];
        for (kind, tokens) in [("input", entry.usage.input), ("output", entry.usage.output)] {
            if let Some(tokens) = tokens {
                attributes.push(KeyValue::new(name::TOKEN_TYPE.name, kind));
                self.tokens.record(tokens, &attributes);
                attributes.pop();
            }
        }
        if let Some(error) = error(entry) {
            attributes.push(KeyValue::new(name::ERROR.name, error));
        }
        self.duration
            .record(entry.duration.as_secs_f64(), &attributes);
    }

    /// Hands over what there is, for the last time. Waits for a thread: not within a runtime.
    pub(crate) fn end(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::debug!(%error, "the last metrics were not handed over");
        }
    }
}

/// Turns sums into a message and puts it behind the queue.
struct Encoder(mpsc::Sender<Bytes>);

impl PushMetricExporter for Encoder {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let message = ExportMetricsServiceRequest::from(metrics).encode_to_vec();
        if self.0.try_send(message.into()).is_err() {
            // The sums go on: the next message says all of this one.
            lost(Signal::Metrics, Why::QueueFull, 1);
            return Err(OTelSdkError::InternalFailure(
                "the queue is full".to_owned(),
            ));
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
