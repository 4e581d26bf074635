//! Nobody is told.

use keyward_gateway::Gateway;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{config::Config, failure::Failure};

/// No collector.
pub(in crate::server) struct Telemetry;

impl Telemetry {
    /// Refuses a configuration that names a collector.
    pub(in crate::server) fn read(config: &Config) -> Result<Self, Failure> {
        config.otel.check().map(|()| Self)
    }

    pub(in crate::server) fn observe(&self, gateway: Gateway) -> Gateway {
        gateway
    }

    pub(in crate::server) fn start(&self, _stop: &CancellationToken) -> Option<JoinHandle<()>> {
        None
    }
}
