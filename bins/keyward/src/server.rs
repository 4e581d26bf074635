//! A running server: both planes over one opened vault, from the first connection to the clean stop.

mod audit;
mod events;
mod explain;
mod health;
mod metrics;
mod rotation;
mod setup;
mod signals;
mod telemetry;

use std::{fmt, io, net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use keyward_control::{Control, SignInLinks, setup::Setup};
use keyward_forward::{SystemDial, TlsConfig, dial::Guard};
use keyward_gateway::{EchoDial, Gateway, Prober};
use keyward_limits_redis::RedisCounters;
use keyward_providers::Catalogue;
use keyward_store::CheckpointSettings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::{audit::Audit, explain::DataPlane, health::Health, metrics::Metrics, signals::Signals};
pub(crate) use self::{events::Events, setup::Ground};
use crate::{config::Config, failure::Failure, open::Opened};

/// How long a start waits for the Redis that counts rate limits.
const REDIS_COMES_WITHIN: Duration = Duration::from_secs(1);

/// Where both planes listen. Bound before anything else is touched.
#[derive(Debug)]
pub(crate) struct Listeners {
    gateway: Bound,
    control: Bound,
}

/// What both planes serve, and how.
#[derive(Debug)]
pub(crate) struct Limits {
    gateway: keyward_gateway::Config,
    control: keyward_listen::Config,
    has_dashboard: bool,
}

impl Limits {
    /// What the configuration says. Reads the files of TLS: before anything is opened, so that one that is not
    /// there stops the start. `workers` comes from the command line.
    pub(crate) fn read(config: &Config, workers: Option<NonZeroUsize>) -> Result<Self, Failure> {
        let mut gateway = config.gateway(workers);
        // Prices that contradict each other stop the start too.
        gateway.prices = Arc::new(config.prices()?);
        config.set_listener(Plane::Data, &mut gateway.listen)?;
        let mut control = keyward_control::Config::limits();
        config.set_listener(Plane::Control, &mut control)?;
        Ok(Self {
            gateway,
            control,
            has_dashboard: config.control.has_dashboard(),
        })
    }

    /// Counts rate limits and budgets in Redis, where the configuration says so. Waits a moment for it, and no longer: a Redis that
    /// comes later is found.
    pub(crate) async fn count(&mut self, config: &Config) -> Result<(), Failure> {
        let Some(settings) = config.counters()? else {
            return Ok(());
        };
        let counters = RedisCounters::start(settings).map_err(|error| {
            Failure::new(error.to_string())
                .at("`[limits]`")
                .help("correct `url` and `password_file`; docs/configuration.md says what each is")
        })?;
        counters.is_up_within(REDIS_COMES_WITHIN).await;
        self.gateway.budgets = Arc::new(counters.budgets());
        self.gateway.counters = Arc::new(counters);
        Ok(())
    }

    /// Whether connections to `plane` are encrypted.
    pub(crate) const fn has_tls(&self, plane: Plane) -> bool {
        match plane {
            Plane::Data => self.gateway.listen.tls.is_some(),
            Plane::Control => self.control.tls.is_some(),
        }
    }
}

#[derive(Debug)]
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    has_tls: bool,
}

/// Which of the two listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plane {
    Data,
    Control,
}

impl Plane {
    /// What sets its address.
    pub(crate) const fn setting(self) -> &'static str {
        match self {
            Self::Data => "--listen or `[gateway] listen`",
            Self::Control => "--control-listen or `[control] listen`",
        }
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data plane",
            Self::Control => "control plane",
        })
    }
}

impl Listeners {
    /// Binds both, or neither.
    pub(crate) async fn bind(
        gateway: SocketAddr,
        control: SocketAddr,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        Ok(Self {
            gateway: Bound::bind(Plane::Data, gateway, limits).await?,
            control: Bound::bind(Plane::Control, control, limits).await?,
        })
    }

    pub(crate) fn gateway_url(&self) -> String {
        self.gateway.url()
    }

    pub(crate) fn control_url(&self) -> String {
        self.control.url()
    }
}

impl Bound {
    fn url(&self) -> String {
        let scheme = if self.has_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    async fn bind(plane: Plane, address: SocketAddr, limits: &Limits) -> Result<Self, Failure> {
        let refuse = |error: io::Error| {
            let failure = Failure::new(format!("the {plane} cannot listen on {address}"));
            let failure = failure.caused_by(&error).at(plane.setting());
            failure.help(match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "stop what uses the port (`ss -ltnp` lists it), or choose another"
                }
                io::ErrorKind::PermissionDenied => {
                    "choose a port from 1024 up, or let the program listen on lower ones"
                }
                _ => "name an address of this machine, such as 127.0.0.1",
            })
        };
        let listener = TcpListener::bind(address).await.map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        Ok(Self {
            listener,
            address,
            has_tls: limits.has_tls(plane),
        })
    }
}

/// What a server is made of.
pub(crate) struct Server {
    listeners: Listeners,
    opened: Opened,
    gateway: Arc<Gateway>,
    metrics: Metrics,
    signals: Signals,
    allowed_hosts: Vec<String>,
    control_limits: keyward_listen::Config,
    has_dashboard: bool,
    events: Events,
    checkpoints: Option<CheckpointSettings>,
    setup: Option<Setup>,
}

/// Reads what TLS to providers needs. Before anything is opened: a file that is not there stops the start.
///
/// Only the origins that the operator named may have addresses that are not public.
pub(crate) fn dial(config: &Config, catalogue: &Catalogue) -> Result<SystemDial, Failure> {
    let tls = TlsConfig {
        extra_ca_pem: config.extra_authorities()?,
    };
    let dial = SystemDial::build(tls).map_err(|error| {
        Failure::new(error.to_string())
            .because_of_sources(&error)
            .help("`[tls] extra_ca_files` names PEM files with certificates")
    })?;
    let named = catalogue
        .iter()
        .filter(|provider| provider.is_overridden())
        .flat_map(|provider| provider.upstreams())
        .map(|upstream| upstream.origin().clone());
    Ok(dial.with_guard(Guard::new().allow(named)))
}

impl Server {
    /// Prepares both planes. From here on the process catches SIGINT and SIGTERM.
    pub(crate) fn build(
        listeners: Listeners,
        opened: Opened,
        dial: SystemDial,
        limits: Limits,
        allowed_hosts: Vec<String>,
        events: Events,
    ) -> Result<Self, (Failure, Opened)> {
        let build = || {
            let signals = Signals::catch()?;
            let metrics = Metrics::record()?;
            let dial = EchoDial::new(Arc::clone(&opened.registry), Arc::new(dial));
            let registry = Arc::clone(&opened.registry);
            let gateway = Gateway::build(registry, Arc::new(dial), limits.gateway);
            let gateway = gateway.map_err(|error| {
                let failure = Failure::new(error.to_string()).because_of_sources(&error);
                if error.is_budget() {
                    failure
                        .at("`[gateway] memory_budget`")
                        .help("raise it, or lower `max_connections`")
                } else {
                    failure.help(
                        "correct the `base_url` of the providers that the configuration names",
                    )
                }
            })?;
            let gateway = gateway.with_notify(Arc::clone(&events.webhooks) as _);
            let gateway = events.telemetry.observe(gateway);
            Ok((signals, metrics, Arc::new(gateway)))
        };
        match { build }() {
            Ok((signals, metrics, gateway)) => Ok(Self {
                listeners,
                opened,
                gateway,
                metrics,
                signals,
                allowed_hosts,
                control_limits: limits.control,
                has_dashboard: limits.has_dashboard,
                events,
                checkpoints: None,
                setup: None,
            }),
            Err(failure) => Err((failure, opened)),
        }
    }

    /// The caps that follow from the memory budget, if there is one.
    pub(crate) fn caps(&self) -> Option<keyward_gateway::Limits> {
        self.gateway.limits().cloned()
    }

    /// Tells operators how it is set up.
    pub(crate) fn with_setup(self, ground: &Ground<'_>) -> Self {
        let setup = setup::gather(ground, &self);
        Self {
            setup: Some(setup),
            ..self
        }
    }

    /// Writes checkpoints of the audit log.
    pub(crate) fn with_checkpoints(self, checkpoints: Option<CheckpointSettings>) -> Self {
        Self {
            checkpoints,
            ..self
        }
    }

    /// Serves until a signal comes, after `ready` was told what makes links to sign in with; then finishes what is in
    /// flight, keeps what is to be kept, and closes the store. A second signal ends the process at once.
    pub(crate) async fn run(
        self,
        ready: impl FnOnce(Option<SignInLinks>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let health = Health::start(Arc::clone(&self.opened.store), self.metrics.clone());
        let data_plane = Arc::new(DataPlane {
            gateway: Arc::clone(&self.gateway),
            service: self.gateway.service(),
            prober: Prober::new(&self.gateway),
        });
        let control = Control::new(
            Arc::clone(&self.opened.registry),
            keyward_control::Config {
                gateway_url: self.listeners.gateway_url(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                is_loopback: self.listeners.control.address.ip().is_loopback(),
                allowed_hosts: self.allowed_hosts,
                dashboard: self.has_dashboard,
                metrics: Some(self.metrics.question(&self.gateway)),
                ready: health.question(),
                explain: Some(Arc::clone(&data_plane) as _),
                setup: self.setup.map(Arc::new),
                verify: Some(Arc::clone(&data_plane) as _),
                trial: Some(data_plane),
                listen: self.control_limits,
            },
        );
        let audit = Audit::start(&self.opened, self.checkpoints);
        let stop = CancellationToken::new();
        let stop_recorder = CancellationToken::new();
        let recorder = tokio::spawn(Arc::clone(&self.gateway).record(stop_recorder.clone()));
        let store = Arc::clone(&self.opened.store);
        let registry = &self.opened.registry;
        let mut events = self.events.start(registry, store, &self.gateway);
        let links = control.sign_in_links();
        let control = serve_control(control, self.listeners.control.listener, stop.clone());
        let mut gateway = tokio::spawn(
            self.gateway
                .serve(self.listeners.gateway.listener, stop.clone()),
        );
        let outcome = match ready(links) {
            Err(failure) => Err(failure),
            Ok(()) => tokio::select! {
                () = self.signals.first() => Ok(()),
                // The data plane ends by itself only where it cannot go on.
                ended = &mut gateway => Err(ended_early(ended)),
            },
        };
        health.not_ready("it is being stopped");
        stop.cancel();
        events.stop_schedule().await;
        if !gateway.is_finished() {
            join(gateway, "the data plane").await;
        }
        join(control, "the control plane").await;
        stop_recorder.cancel();
        join(recorder, "the recorder").await;
        events.stop_telling().await;
        health.stop().await;
        audit.stop().await;
        self.opened.store.close().await;
        outcome
    }
}

fn serve_control(
    control: Control,
    listener: TcpListener,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move { control.serve(listener, stop.cancelled_owned()).await })
}

async fn join<T>(task: JoinHandle<T>, what: &str) {
    if let Err(error) = task.await {
        tracing::error!(%error, "{what} failed");
    }
}

type Ended = Result<Result<(), keyward_gateway::StartError>, tokio::task::JoinError>;

fn ended_early(ended: Ended) -> Failure {
    let failure = Failure::new("the data plane ended early");
    match ended {
        Ok(Ok(())) => failure,
        Ok(Err(error)) => failure.caused_by(&error),
        Err(error) => failure.caused_by(&error),
    }
}

/// Raises the soft limit of open files to the hard one: each request holds two sockets.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
