//! A collector is told, if the configuration names one.

use std::sync::Arc;

use keyward_forward::{Dial, SystemDial, TlsConfig, dial::Guard};
use keyward_gateway::Gateway;
use keyward_otel::Otel;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{config::Config, failure::Failure};

/// The collector, if one is told.
pub(in crate::server) struct Telemetry(Option<Arc<Otel>>);

impl Telemetry {
    /// Reads the headers for the collector: before anything is opened, so that a file that is not there stops the start.
    pub(in crate::server) fn read(config: &Config) -> Result<Self, Failure> {
        let Some(settings) = config.telemetry()? else {
            return Ok(Self(None));
        };
        let tls = TlsConfig {
            extra_ca_pem: config.extra_authorities()?,
        };
        let dial = SystemDial::build(tls).map_err(|error| {
            Failure::new(error.to_string())
                .because_of_sources(&error)
                .help("`[tls] extra_ca_files` names PEM files with certificates")
        })?;
        // Of addresses that are not public, only the one that the configuration names.
        let guard = Guard::new().allow([settings.endpoint.origin().clone()]);
        let dial: Arc<dyn Dial> = Arc::new(dial.with_guard(guard));
        let otel = Otel::new(&dial, settings, env!("CARGO_PKG_VERSION")).map_err(|error| {
            Failure::new("cannot send data to the collector")
                .caused_by(&error)
                .at("`[otel] endpoint`")
                .help("name the collector by a host that can stand in a request")
        })?;
        Ok(Self(Some(Arc::new(otel))))
    }

    /// Has the gateway tell it.
    pub(in crate::server) fn observe(&self, gateway: Gateway) -> Gateway {
        match &self.0 {
            Some(otel) => gateway.with_observer(Arc::clone(otel) as _),
            None => gateway,
        }
    }

    /// Sends until `stop`, and then what is left.
    pub(in crate::server) fn start(&self, stop: &CancellationToken) -> Option<JoinHandle<()>> {
        let otel = Arc::clone(self.0.as_ref()?);
        Some(tokio::spawn(otel.run(stop.clone())))
    }
}
