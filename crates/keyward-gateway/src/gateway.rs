//! The data plane as a whole: what every worker shares.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use http::HeaderName;
use http_body::Body;
use hyper::body::Incoming;
use keyward_auth::{Failure, FailureLimit};
use keyward_forward::{BoxError, Dial, Endpoint, EndpointError, Shared, StripList};
use keyward_listen::ReadOn;
use keyward_providers::{Provider, Upstream, all_credential_headers};
use keyward_registry::{InUse, Registry, StoreError};
use rustc_hash::FxHashMap;
use tokio::sync::OnceCell;

use crate::{
    Budget, BudgetError, Config, Limits, Stored,
    budget::HELD,
    counters::{Counters, Writers},
    cut::Cuts,
    events::{KeyEvent, Notify},
    evidence::Queue,
    health::Healths,
    in_flight::InFlight,
    limits::RateLimits,
    log::LogQueue,
    loops::LoopMark,
    observe::Observe,
    record::{Costs, ModelCost},
    replay::{Replayable, Room},
    traffic::Tally,
    worker::Worker,
};

/// The data plane over a registry. Cheap to share; [`serve`](Self::serve) runs it.
pub struct Gateway {
    registry: Arc<Registry>,
    dial: Arc<dyn Dial>,
    /// The workers' connections to upstreams that speak HTTP/2, and how many any upstream may have.
    upstreams: Shared<Replayable<ReadOn<Incoming>>>,
    config: Config,
    providers: Providers,
    loop_mark: LoopMark,
    cuts: Arc<Cuts>,
    counters: Mutex<Vec<Arc<Counters>>>,
    tallies: Mutex<Vec<Arc<Tally>>>,
    logs: Mutex<Vec<Arc<LogQueue>>>,
    limits: Option<Limits>,
    in_flight: Arc<InFlight>,
    /// How the values of stored keys fare.
    healths: Healths,
    evidence: Queue,
    replay_room: Arc<Room>,
    /// For bodies that the log is to keep.
    log_room: Arc<Room>,
    notify: Option<Arc<dyn Notify>>,
    observer: Option<Arc<dyn Observe>>,
    /// Locked where a token is refused, and nowhere else.
    failures: Mutex<FailureLimit>,
    rate_limits: RateLimits,
    costs: Arc<Costs>,
    /// Set once what was spent before this start is back.
    budgets_restored: OnceCell<()>,
}

/// The catalogue, prepared for the request path: by slug and alias, with what never changes built once.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    entries: Vec<Arc<ProviderEntry>>,
    by_slug: FxHashMap<Box<str>, usize>,
}

/// One provider, prepared.
#[derive(Debug)]
pub(crate) struct ProviderEntry {
    pub(crate) index: usize,
    pub(crate) provider: Arc<Provider>,
    /// One for each upstream, in the order of [`Provider::upstreams`].
    endpoints: Box<[Arc<Endpoint>]>,
    /// What goes when a stored key comes in: every header that any provider takes a key in.
    pub(crate) strip_all: StripList,
    /// What goes when the client's own key goes through: nothing of the kind.
    pub(crate) strip_none: StripList,
}

/// The data plane could not be prepared.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare the data plane")]
pub struct BuildError(#[source] BuildErrorKind);

#[derive(Debug, thiserror::Error)]
enum BuildErrorKind {
    #[error("cannot prepare the providers")]
    Providers(#[source] EndpointError),
    #[error(transparent)]
    Budget(BudgetError),
    #[error("the vault's keyring holds no key")]
    Keyring,
}

impl BuildError {
    /// Whether [`Config::memory_budget`] is too small for what else is configured.
    #[must_use]
    pub const fn is_budget(&self) -> bool {
        matches!(self.0, BuildErrorKind::Budget(_))
    }
}

/// The log's part of the room for bodies that are remembered, where it keeps bodies.
const LOG_PART: u64 = 4;

/// What was stored while a server ran must not keep the next one from starting: it is in memory either way.
fn limits(budget: Budget, config: &Config, stored: Stored) -> Result<Limits, BudgetError> {
    budget.limits(config, stored).or_else(|error| {
        let limits = budget.limits(config, Stored::default())?;
        tracing::warn!(
            %error,
            "keys and tokens take more memory than the budget leaves beside connections, and come on top of it; raise `[gateway] memory_budget`"
        );
        Ok(limits)
    })
}

impl Gateway {
    /// Prepares the data plane. Dials upstreams through `dial`.
    ///
    /// # Errors
    ///
    /// When an origin of the catalogue cannot stand in a `Host` header, or the memory budget does not allow what
    /// else is configured. Where only what is stored takes too much of the budget, that is logged.
    pub fn build(
        registry: Arc<Registry>,
        dial: Arc<dyn Dial>,
        config: Config,
    ) -> Result<Self, BuildError> {
        let providers = Providers::build(&registry)?;
        let stored = Stored::of(&registry.snapshot());
        let limits = config
            .memory_budget
            .map(|budget| limits(budget, &config, stored))
            .transpose()
            .map_err(|error| BuildError(BuildErrorKind::Budget(error)))?;
        let rate_limits = RateLimits::build(Arc::clone(&config.counters), registry.vault())
            .ok_or(BuildError(BuildErrorKind::Keyring))?;
        let held = limits.as_ref().map_or(HELD, |limits| limits.held);
        let of_log = match config.log_body_bytes {
            0 => 0,
            _ => held / LOG_PART,
        };
        let most_requests = limits.as_ref().map(|limits| limits.requests);
        let cuts = Arc::new(Cuts::default());
        let in_use: Arc<dyn InUse> = Arc::clone(&cuts) as _;
        registry.watch(&in_use);
        Ok(Self {
            cuts,
            loop_mark: LoopMark::new(registry.vault().id()),
            registry,
            dial,
            upstreams: Shared::new(&config.forward),
            config: match &limits {
                Some(limits) => limits.apply(config),
                None => config,
            },
            providers,
            counters: Mutex::default(),
            tallies: Mutex::default(),
            logs: Mutex::default(),
            log_room: Arc::new(Room::of(of_log)),
            replay_room: Arc::new(Room::of(held - of_log)),
            limits,
            in_flight: Arc::new(InFlight::new(most_requests)),
            healths: Healths::default(),
            evidence: Queue::default(),
            notify: None,
            observer: None,
            failures: Mutex::default(),
            rate_limits,
            costs: Arc::default(),
            budgets_restored: OnceCell::new(),
        })
    }

    /// Tells `notify` what happens to stored keys, beside the log and the metrics.
    #[must_use]
    pub fn with_notify(self, notify: Arc<dyn Notify>) -> Self {
        Self {
            notify: Some(notify),
            ..self
        }
    }

    /// Tells `observer` of every request that has ended, beside the log and the metrics.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn Observe>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Logs and counts what happened to a stored key, and tells whoever wants to know. For what is found out elsewhere:
    /// the gateway tells of what it finds by itself.
    pub fn notify(&self, event: &KeyEvent) {
        let what = event.what.name();
        tracing::info!(
            event = event.id,
            key = %event.key,
            what,
            "something happened to a stored key"
        );
        metrics::counter!("keyward_key_events_total", "what" => what).increment(1);
        if let Some(notify) = &self.notify {
            notify.notify(event);
        }
    }

    /// What answers cost since the start, by the price table, as far as the recorder has counted it. At most some 1,000 rows:
    /// models beyond, and every other model that a provider names, have one together, `other`.
    pub fn costs(&self) -> Vec<ModelCost> {
        self.costs.read()
    }

    /// Takes back what was spent of budgets before this start, once. [`serve`](Self::serve) does before it accepts, and
    /// [`record`](Self::record) where it runs alone; who mounts the [service](Self::service) awaits it before the first
    /// request, which would find its budget unspent.
    ///
    /// # Errors
    ///
    /// When the store cannot be read. Asked again, it is tried again.
    pub async fn restore_budgets(&self) -> Result<(), StoreError> {
        let restoring = async || {
            let now = clock();
            let rows = self.registry.store().load_budgets(now).await?;
            self.config.budgets.restore(&rows, now);
            Ok(())
        };
        self.budgets_restored.get_or_try_init(restoring).await?;
        Ok(())
    }

    /// The caps that follow from [`Config::memory_budget`].
    pub const fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }

    /// Counts a failed authentication from `source`.
    pub(crate) fn note_failure(&self, source: IpAddr, now: SystemTime) -> Failure {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.note(source, now)
    }

    pub(crate) const fn observer(&self) -> Option<&Arc<dyn Observe>> {
        self.observer.as_ref()
    }

    pub(crate) const fn cost_sums(&self) -> &Arc<Costs> {
        &self.costs
    }

    pub(crate) const fn rate_limits(&self) -> &RateLimits {
        &self.rate_limits
    }

    pub(crate) const fn in_flight(&self) -> &Arc<InFlight> {
        &self.in_flight
    }

    pub(crate) const fn healths(&self) -> &Healths {
        &self.healths
    }

    pub(crate) const fn evidence(&self) -> &Queue {
        &self.evidence
    }

    pub(crate) const fn log_room(&self) -> &Arc<Room> {
        &self.log_room
    }

    /// Whether what was spent of budgets before this start is known.
    pub(crate) fn knows_budgets(&self) -> bool {
        self.budgets_restored.initialized()
    }

    pub(crate) const fn replay_room(&self) -> &Arc<Room> {
        &self.replay_room
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) const fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    pub(crate) const fn dial(&self) -> &Arc<dyn Dial> {
        &self.dial
    }

    pub(crate) const fn cuts(&self) -> &Arc<Cuts> {
        &self.cuts
    }

    pub(crate) const fn loop_mark(&self) -> &LoopMark {
        &self.loop_mark
    }

    pub(crate) const fn upstreams(&self) -> &Shared<Replayable<ReadOn<Incoming>>> {
        &self.upstreams
    }

    pub(crate) const fn providers(&self) -> &Providers {
        &self.providers
    }

    /// A worker, with counters that the recorder reads.
    pub(crate) fn worker<B>(
        self: &Arc<Self>,
        writers: Writers,
        upstreams: Shared<Replayable<B>>,
    ) -> Arc<Worker<B>>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let counters = Arc::new(Counters::new(self.providers.names().count(), writers));
        self.counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&counters));
        let tally = Arc::new(Tally::default());
        self.tallies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&tally));
        let log = Arc::new(LogQueue::new(
            self.config.log_queue_bytes,
            Arc::clone(&self.config.prices),
        ));
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&log));
        Arc::new(Worker::new(
            Arc::clone(self),
            counters,
            tally,
            log,
            upstreams,
        ))
    }

    pub(crate) fn all_logs(&self) -> Vec<Arc<LogQueue>> {
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn all_tallies(&self) -> Vec<Arc<Tally>> {
        self.tallies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn all_counters(&self) -> Vec<Arc<Counters>> {
        self.counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a start is a shell: it reads the clock for itself alone"
)]
fn clock() -> SystemTime {
    SystemTime::now()
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Providers {
    fn build(registry: &Registry) -> Result<Self, BuildError> {
        let mut providers = Self::default();
        for provider in registry.catalogue().iter() {
            let index = providers.entries.len();
            let entry = ProviderEntry::build(index, Arc::clone(provider))
                .map_err(|error| BuildError(BuildErrorKind::Providers(error)))?;
            providers.by_slug.insert(provider.slug().into(), index);
            for alias in provider.aliases() {
                providers.by_slug.insert(alias.clone(), index);
            }
            providers.entries.push(Arc::new(entry));
        }
        Ok(providers)
    }

    /// By slug or alias. Allocates nothing.
    pub(crate) fn find(&self, slug: &str) -> Option<&Arc<ProviderEntry>> {
        self.entries.get(*self.by_slug.get(slug)?)
    }

    /// The names under which answers are counted, by the index of an entry: the slugs, and one for all custom
    /// providers, whose names are not for the metrics to hold.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let slugs = self.entries.iter().map(|entry| entry.provider.slug());
        slugs.chain([CUSTOM])
    }

    /// What the metrics call the provider of a slug or alias. None where there is none.
    pub(crate) fn label(&self, slug: &str) -> Option<&str> {
        let own = self.find(slug).map(|entry| entry.provider.slug());
        own.or_else(|| slug.starts_with(CUSTOM).then_some(CUSTOM))
    }

    /// The index under which answers of custom providers are counted.
    pub(crate) const fn custom_index(&self) -> usize {
        self.entries.len()
    }
}

/// What the metrics call every custom provider.
const CUSTOM: &str = "custom";

impl ProviderEntry {
    /// Prepares `provider`, whose answers are counted under `index`.
    pub(crate) fn build(index: usize, provider: Arc<Provider>) -> Result<Self, EndpointError> {
        let upstreams = provider.upstreams().iter();
        let endpoints = upstreams
            .map(|upstream| Endpoint::new(upstream.origin().clone()).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let target = provider.target_header();
        Ok(Self {
            index,
            endpoints,
            // A header that chooses the target has been obeyed; the provider has no use for it.
            strip_all: StripList::new(
                all_credential_headers()
                    .iter()
                    .chain(target)
                    .map(HeaderName::as_str),
                [],
            ),
            strip_none: StripList::new(target.map(HeaderName::as_str), []),
            provider,
        })
    }

    /// The endpoint of one of the provider's upstreams. Allocates nothing.
    pub(crate) fn endpoint(&self, upstream: &Upstream) -> Option<&Arc<Endpoint>> {
        let own = self.provider.upstreams().iter();
        let mut both = own.zip(&self.endpoints);
        both.find(|(own, _)| own.index() == upstream.index())
            .map(|(_, endpoint)| endpoint)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::{Budget, Config, Stored, limits};

    #[test]
    fn what_is_stored_keeps_no_gateway_from_starting() {
        let config = Config {
            workers: NonZeroUsize::MIN,
            ..Config::default()
        };
        let stored = Stored {
            provider_keys: 200_000,
            tokens: 200_000,
        };
        let budget = Budget::from_bytes(256 * 1024 * 1024);
        assert!(budget.limits(&config, stored).is_err());
        let without = budget.limits(&config, Stored::default()).unwrap();
        let caps = limits(budget, &config, stored).unwrap();
        assert_eq!(caps.connections, without.connections);
        // A budget that is too small with nothing stored is refused all the same.
        assert!(limits(Budget::from_bytes(1), &config, stored).is_err());
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{BuildError, BuildErrorKind};

        let budget = Budget::from_bytes(1).limits(&Config::default(), Stored::default());
        keyward_testing::assert_texts!("BuildError", [
            "a small budget" => BuildError(BuildErrorKind::Budget(budget.unwrap_err())),
            "a keyring without a key" => BuildError(BuildErrorKind::Keyring),
        ]);
    }
}
