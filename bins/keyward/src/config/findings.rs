//! What is wrong with a configuration that can be read: rules between fields. Opens nothing.

use std::net::SocketAddr;

use keyward_gateway::Stored;

use super::{Config, memory::Bytes};
use crate::{failure::Failure, logging, server::Plane};

impl Config {
    /// Everything that would stop a start, as far as the configuration alone tells.
    pub(crate) fn findings(&self) -> Vec<Failure> {
        let mut found: Vec<_> = [
            self.catalogue().map(drop),
            self.seal.check(),
            logging::check(&self.log),
            self.check_budget(),
            self.check_webhooks(),
            self.check_rotation(),
            self.limits.check(),
            self.otel.check(),
            self.prices().map(drop),
        ]
        .into_iter()
        .filter_map(Result::err)
        .collect();
        for plane in [Plane::Data, Plane::Control] {
            match self.check_files(plane) {
                Err(failure) => found.push(failure),
                Ok(has_tls) => found.extend(self.address(plane, has_tls).err()),
            }
        }
        found
    }

    /// Where a plane of `serve` listens: where only this machine reaches it, unless there is TLS, or the configuration says that
    /// anything will do.
    pub(crate) fn address(&self, plane: Plane, has_tls: bool) -> Result<SocketAddr, Failure> {
        let (configured, port) = match plane {
            Plane::Data => (self.gateway.listen, 8787),
            Plane::Control => (self.control.listen, 8788),
        };
        let address = configured.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)));
        if address.ip().to_canonical().is_loopback() || has_tls || self.danger_plain_http_listen {
            return Ok(address);
        }
        Err(Failure::new(format!(
            "the {plane} would listen on {address} without TLS"
        ))
        .because("tokens and prompts could be read on the way")
        .at(match plane {
            Plane::Data => "`[gateway] listen`",
            Plane::Control => "`[control] listen`",
        })
        .help("set `tls_cert_file` and `tls_key_file`, listen on 127.0.0.1 behind a proxy that does TLS, or set `danger_plain_http_listen = true`"))
    }

    /// Only where the budget is written down: what a machine has is no fault of the configuration. What is stored is
    /// counted at the start.
    fn check_budget(&self) -> Result<(), Failure> {
        let Some(Bytes(_)) = self.gateway.memory_budget else {
            return Ok(());
        };
        let gateway = self.gateway(None);
        let limits = gateway
            .memory_budget
            .map(|budget| budget.limits(&gateway, Stored::default()));
        match limits {
            Some(Err(error)) => Err(Failure::new(error.to_string())
                .at("`[gateway] memory_budget`")
                .help("raise `[gateway] memory_budget`, or lower `max_connections`")),
            _ => Ok(()),
        }
    }
}
