//! What the control plane needs to know of its surroundings.

use std::{fmt, sync::Arc};

use crate::{explain::Explain, serve, setup::Setup, trial::Try, verify::Verify};

/// What the control plane needs to know of its surroundings. Does no I/O.
#[derive(Clone)]
pub struct Config {
    /// Where applications reach the data plane, such as `http://127.0.0.1:8787`; without a slash at the end.
    /// Given back by `…/gateways/{gateway}/url/{provider}`.
    pub gateway_url: String,
    /// Which release this is; shown by `/healthz` to anyone.
    pub version: String,
    /// Whether the listener is bound to a loopback address. There `/metrics` needs no token.
    pub is_loopback: bool,
    /// Host names by which the control plane is reached besides loopback's, each with or without a port.
    /// A request with another `Host` is refused, so that no web page reaches it by way of a name of its own.
    pub allowed_hosts: Vec<String>,
    /// Whether there is a dashboard: pages for people beside the REST API.
    pub dashboard: bool,
    /// Renders the metrics in Prometheus' text format. `None`: there is no `/metrics`.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    /// Asked by `/readyz`. Must answer at once.
    pub ready: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// The data plane, asked what it would do with a request. `None`: there is no `…/keyward/explain`.
    pub explain: Option<Arc<dyn Explain>>,
    /// How the server is set up, told by `/client/v4/keyward/settings` to who may read the vault's state. `None`: what
    /// only whoever runs it knows is not told.
    pub setup: Option<Arc<Setup>>,
    /// The data plane, to send a request with. `None`: there is no `…/keyward/try`, and no playground.
    pub trial: Option<Arc<dyn Try>>,
    /// The data plane, to ask a provider about a key. `None`: there is no `…/provider_configs/{id}/verify`, and no key is
    /// verified before it is stored.
    pub verify: Option<Arc<dyn Verify>>,
    /// How connections are accepted and served by [`Control::serve`](crate::Control::serve), and for how long
    /// a stop waits. [`Config::limits`] is meant for it.
    pub listen: keyward_listen::Config,
}

/// Whether requests can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a probe knows these two answers")]
pub enum Readiness {
    /// They can.
    Ready,
    /// They cannot. The reason is shown to anyone who asks.
    NotReady {
        /// Why not, in words.
        reason: String,
    },
}

impl Config {
    /// A listener on loopback that is ready, with the dashboard, no metrics, no data plane to ask and no further host
    /// names.
    #[must_use]
    pub fn loopback(gateway_url: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            gateway_url: gateway_url.into(),
            version: version.into(),
            is_loopback: true,
            allowed_hosts: Vec::new(),
            dashboard: true,
            metrics: None,
            ready: Arc::new(|| Readiness::Ready),
            explain: None,
            setup: None,
            trial: None,
            verify: None,
            listen: Self::limits(),
        }
    }

    /// Limits that suit a control plane, whose clients are few and send small requests: 256 connections, 128 of
    /// one address, heads of 32 KiB with 64 fields within 10 s, 30 s for a client that takes no answer, 10 s for
    /// a stop.
    #[must_use]
    pub fn limits() -> keyward_listen::Config {
        serve::limits()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("gateway_url", &self.gateway_url)
            .field("version", &self.version)
            .field("is_loopback", &self.is_loopback)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("dashboard", &self.dashboard)
            .field("metrics", &self.metrics.is_some())
            .field("explain", &self.explain.is_some())
            .field("setup", &self.setup)
            .field("trial", &self.trial.is_some())
            .field("verify", &self.verify.is_some())
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}
