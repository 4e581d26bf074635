//! `[rotation.NAME]`: gives keys new values again and again. What to do when is decided in `due`.

mod due;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_gateway::{Gateway, KeyEvent, What};
use keyward_registry::{Actor, KeyValue, ProviderKey, Registry, RegistryStore};
use keyward_secret::SecretBytes;
use keyward_vault::rotation::{DEFAULT_OVERLAP, RequestId, RotationRequest};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use self::due::{Next, State};
use crate::{
    clock,
    config::{Config, KeyName, RotationSection, TableName},
    program,
};

/// The longest between two looks: keys come, go and change without our doing.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// The shortest, where something is due and cannot be done at once.
const SHORTEST_SLEEP: Duration = Duration::from_millis(200);

/// Gives keys new values, until it is stopped.
pub(super) struct Schedule {
    registry: Arc<Registry>,
    store: Arc<dyn RegistryStore>,
    gateway: Arc<Gateway>,
    tables: BTreeMap<TableName, RotationSection>,
}

/// How often a key failed, and when it did so last.
#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: Option<SystemTime>,
}

/// Why a key has no new value. Holds nothing of what the command wrote.
#[derive(Debug, thiserror::Error)]
enum RotateError {
    #[error("the command gave no value")]
    Program(#[from] program::RunError),
    #[error("what the command wrote is no key")]
    Value(#[from] keyward_registry::KeyValueError),
    #[error("the new value could not be stored")]
    Begin(#[from] keyward_registry::ChangeError),
}

impl Schedule {
    /// Starts it, where something is scheduled.
    pub(super) fn start(
        config: &BTreeMap<TableName, RotationSection>,
        registry: &Arc<Registry>,
        store: Arc<dyn RegistryStore>,
        gateway: &Arc<Gateway>,
        stop: CancellationToken,
    ) -> Option<JoinHandle<()>> {
        let schedule = Self {
            registry: Arc::clone(registry),
            store,
            gateway: Arc::clone(gateway),
            tables: config.clone(),
        };
        (!config.is_empty()).then(|| tokio::spawn(schedule.run(stop)))
    }

    async fn run(self, stop: CancellationToken) {
        let mut failures: BTreeMap<_, Failures> = BTreeMap::new();
        loop {
            let mut next_look = clock::now() + LONGEST_SLEEP;
            for (name, table) in &self.tables {
                for (place, key) in table.keys.iter().enumerate() {
                    let failures = failures.entry((name, place)).or_default();
                    // Whatever runs then is killed, and what was not begun is done after the next start.
                    let wait = tokio::select! {
                        () = stop.cancelled() => return,
                        wait = self.look(name, table, key, failures) => wait,
                    };
                    next_look = next_look.min(wait);
                }
            }
            let left = next_look.duration_since(clock::now()).unwrap_or_default();
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(left.clamp(SHORTEST_SLEEP, LONGEST_SLEEP)) => {}
            }
        }
    }

    /// Does what is due for a key. When to look again.
    async fn look(
        &self,
        name: &TableName,
        table: &RotationSection,
        key: &KeyName,
        failures: &mut Failures,
    ) -> SystemTime {
        let now = clock::now();
        let later = now + LONGEST_SLEEP;
        let Some(found) = self.find(key) else {
            if failures.count == 0 {
                tracing::warn!(
                    rotation = name.as_str(),
                    gateway = %key.gateway.0,
                    provider = %key.provider.0,
                    alias = %key.alias.0,
                    "a key that is to be rotated does not exist; it is once it does"
                );
                failures.count = 1;
            }
            return later;
        };
        let record = &found.record;
        let last = match self
            .store
            .find_rotation(record.account, record.secret)
            .await
        {
            Ok(last) => last,
            Err(error) => {
                tracing::warn!(rotation = name.as_str(), %error, "cannot tell whether a key was rotated");
                return later;
            }
        };
        let state = State {
            key: record.id,
            since: found.current.as_ref().map(|current| current.since),
            last: last.as_ref(),
            failures: failures.count,
            failed_at: failures.last,
        };
        let request = match due::next(&state, table.every.duration(), now) {
            Next::Wait(until) => return until,
            Next::Rotate(request) => request,
        };
        match self.rotate(table, &found, request.clone()).await {
            Ok(()) => {
                *failures = Failures::default();
                count("begun");
                tracing::info!(
                    rotation = name.as_str(),
                    gateway = %record.gateway,
                    provider = %record.provider,
                    alias = %record.alias,
                    %request,
                    "a scheduled rotation has begun"
                );
            }
            Err(error) => {
                failures.count = failures.count.saturating_add(1);
                failures.last = Some(clock::now());
                count("failed");
                self.tell(name, &found, &request, failures.count, &error);
            }
        }
        clock::now()
    }

    fn find(&self, key: &KeyName) -> Option<Arc<ProviderKey>> {
        let snapshot = self.registry.snapshot();
        // There is one account, or the names are those of each.
        snapshot.accounts().find_map(|account| {
            let gateway = snapshot.gateway(account.record().id, key.gateway.0.as_str())?;
            let key = gateway.key(key.provider.0.as_str(), key.alias.0.as_str())?;
            Some(Arc::clone(key))
        })
    }

    async fn rotate(
        &self,
        table: &RotationSection,
        key: &ProviderKey,
        request: RequestId,
    ) -> Result<(), RotateError> {
        let output = program::run(&table.command, table.command_timeout()).await?;
        let value = KeyValue::parse(&SecretBytes::copy_from(output.bytes()))?;
        let overlap = table.overlap.map(|overlap| overlap.duration());
        let asked = RotationRequest {
            request,
            overlap: overlap.unwrap_or(DEFAULT_OVERLAP),
            verify: table.verify,
        };
        let (account, id) = (key.record.account, key.record.id);
        let now = clock::now();
        self.registry
            .begin_rotation(account, id, &value, asked, Actor::System, now)
            .await?;
        Ok(())
    }

    fn tell(
        &self,
        name: &TableName,
        key: &ProviderKey,
        request: &RequestId,
        failures: u32,
        error: &RotateError,
    ) {
        let record = &key.record;
        let reason = keyward_text(error);
        tracing::warn!(
            rotation = name.as_str(),
            gateway = %record.gateway,
            provider = %record.provider,
            alias = %record.alias,
            failures,
            reason,
            "a scheduled rotation could not begin; it is tried again"
        );
        let what = What::ScheduleFailed { reason };
        let occurrence = format!("{request}.{failures}");
        let event = KeyEvent::new(record, what, &occurrence, clock::now());
        self.gateway.notify(&event);
    }
}

/// What it says, and what caused it.
fn keyward_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn count(outcome: &'static str) {
    metrics::counter!("keyward_scheduled_rotations_total", "outcome" => outcome).increment(1);
}

impl Config {
    /// What of `[rotation]` cannot be meant.
    pub(crate) fn check_rotation(&self) -> Result<(), crate::failure::Failure> {
        for (name, table) in &self.rotation {
            let overlap = table
                .overlap
                .map_or(DEFAULT_OVERLAP, |span| span.duration());
            let refuse = |what: &str, help: &str| {
                Err(crate::failure::Failure::new(what)
                    .at(format!("`[rotation.{name}]`"))
                    .help(help))
            };
            if table.every.duration() <= overlap {
                return refuse(
                    "a key would be rotated again before the old value is gone",
                    "make `every` longer than `overlap`, which is 10m where it is not set",
                );
            }
            if overlap > keyward_vault::rotation::MAX_OVERLAP {
                return refuse(
                    "the old value would be kept for too long",
                    "make `overlap` 7d at most",
                );
            }
            if table.keys.is_empty() {
                return refuse(
                    "a rotation names no key",
                    "list keys as `keys = [{ gateway = \"production\", provider = \"openai\" }]`",
                );
            }
        }
        Ok(())
    }
}
