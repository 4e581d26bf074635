//! The OpenTelemetry collector that is told of requests. Built without the feature `otel`, there is none, and a configuration
//! that names one was refused.

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod exporter;

#[cfg(not(feature = "otel"))]
pub(super) use self::absent::Telemetry;
#[cfg(feature = "otel")]
pub(super) use self::exporter::Telemetry;
