//! The keeper: learns from answers how stored keys fare, asks providers where it has to, and drives rotations.
//!
//! One task beside the workers. They report what answers say ([`Evidence`]), and are told by the snapshot and by
//! [`Health`](crate::health::Health). What is decided is decided by `keyward_vault`'s pure state machines; this is what
//! sends their probes and keeps their outcomes. Everything it knows that outlives it is in the store, so that a start
//! goes on where the process ended.

mod expiry;
mod rotations;
mod status;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join;
use keyward_registry::{
    ChangeError, CurrentValue, ProviderKey, Registry, Snapshot, SnapshotReader,
};
use keyward_secret::AccountId;
use keyward_vault::{
    SecretId, VersionNumber,
    status::{Finding, Provability},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use self::{expiry::Expiry, rotations::Rotations, status::Statuses};
use crate::{
    Gateway, Probed, Prober,
    events::{KeyEvent, What},
    evidence::{Evidence, Said},
    health::ValueId,
};

/// How often it looks whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// After how many looks dates are looked at, which takes all keys.
const DATES_EVERY: u32 = 300;

/// So many probes at the same time; what is due beyond them is asked later.
const MOST_ASKING: usize = 32;
/// How long nothing is written after the store failed.
const STORE_RESTS: Duration = Duration::from_secs(5);

/// Which secret.
type Place = (AccountId, SecretId);

/// What a task of the keeper's found out about a value.
struct Found {
    place: Place,
    version: VersionNumber,
    answer: Answer,
}

enum Answer {
    /// How the value fares, which is or was in use.
    Current(Probed),
    /// Whether it is good, which is staged.
    Staged(Probed),
    /// How it and the one that it replaces fare.
    Compared {
        new: Probed,
        old: Probed,
        took: Duration,
    },
}

struct Keeper {
    gateway: Arc<Gateway>,
    prober: Arc<Prober>,
    reader: SnapshotReader,
    statuses: Statuses,
    rotations: Rotations,
    expiry: Expiry,
    asking: JoinSet<Found>,
    until_dates: u32,
    /// The store failed: nothing is written to it before then.
    store_rests_until: Option<Instant>,
}

impl Gateway {
    /// Runs the keeper until `stop` is cancelled. Once: what a second call gives ends at once. What happens from the call on is
    /// told, however late that is run.
    pub(crate) fn keep(
        self: Arc<Self>,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let receiver = self.evidence().take_receiver();
        let running = receiver.map(|evidence| {
            let mut keeper = Keeper::new(self);
            keeper.begin();
            keeper.run(evidence, stop)
        });
        async {
            if let Some(running) = running {
                running.await;
            }
        }
    }

    /// Has the keeper learn what a probe of a key's value found that somebody else sent. What is unclear says nothing.
    pub fn learn(&self, key: &ProviderKey, value: &CurrentValue, probed: &Probed) {
        let finding = probed.finding();
        if finding != Finding::Unclear {
            self.evidence().report(Evidence {
                value: ValueId::of(key, value.version),
                key: key.record.id,
                said: Said::Probed(finding),
                asked: probed.asked,
                at: clock(),
            });
        }
    }
}

impl Keeper {
    fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            prober: Arc::new(Prober::new(&gateway)),
            reader: gateway.registry().reader(),
            statuses: Statuses::default(),
            rotations: Rotations::default(),
            expiry: Expiry::default(),
            asking: JoinSet::new(),
            until_dates: 0,
            store_rests_until: None,
            gateway,
        }
    }

    async fn run(mut self, mut evidence: mpsc::Receiver<Evidence>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(evidence) = evidence.recv() => self.take(evidence).await,
                Some(found) = self.asking.join_next() => match found {
                    Ok(found) => self.found(found).await,
                    Err(error) => {
                        tracing::error!(%error, "a probe failed");
                        self.rotations.forget_questions();
                    }
                },
                _ = ticks.tick() => self.look().await,
            }
        }
    }

    fn snapshot(&mut self) -> Arc<Snapshot> {
        Arc::clone(self.reader.current().0)
    }

    /// Takes up what the store holds.
    fn begin(&mut self) {
        let snapshot = self.snapshot();
        self.statuses.take_up(&self.gateway, &snapshot);
        self.rotations.take_up(&snapshot);
    }

    /// An answer to a request.
    async fn take(&mut self, evidence: Evidence) {
        let snapshot = self.snapshot();
        let Some(key) = snapshot.provider_key(evidence.value.account, evidence.key) else {
            return;
        };
        // The new value of a rotation that can still be rolled back is compared with the old one instead.
        let is_bad = matches!(
            evidence.said,
            Said::Refused { .. } | Said::Probed(Finding::Bad(_))
        );
        if is_bad && self.compare(key, evidence.value.version) {
            return;
        }
        let previous = key.previous().map(|value| value.version);
        if matches!(evidence.said, Said::Accepted) && previous == Some(evidence.value.version) {
            let place = (evidence.value.account, evidence.value.secret);
            return self.old_is_good(key, place).await;
        }
        // An operator who asks again about a key that is refused makes it wait no longer for its own next probe.
        let place = (evidence.value.account, evidence.value.secret);
        let is_known = matches!(evidence.said, Said::Probed(Finding::Bad(_)));
        if !(is_known && self.is_convicted(place)) {
            self.judge(key, &evidence).await;
        }
    }

    /// Sends a probe, of which is told what it found.
    fn ask(
        &mut self,
        key: &ProviderKey,
        value: &CurrentValue,
        answer: impl FnOnce(Probed) -> Answer + Send + 'static,
    ) {
        let (prober, key, value) = (Arc::clone(&self.prober), key.clone(), value.clone());
        self.asking.spawn(async move {
            let probed = prober.probe_stored(&key, &value).await;
            Found {
                place: (key.record.account, key.record.secret),
                version: value.version,
                answer: answer(probed),
            }
        });
    }

    /// Sends one for each value of a rotation.
    fn ask_about_both(&mut self, key: &ProviderKey, new: &CurrentValue, old: &CurrentValue) {
        let (prober, key) = (Arc::clone(&self.prober), key.clone());
        let (new, old) = (new.clone(), old.clone());
        self.asking.spawn(async move {
            let begun = Instant::now();
            let both = join(
                prober.probe_stored(&key, &new),
                prober.probe_stored(&key, &old),
            );
            let (probed, other) = both.await;
            Found {
                place: (key.record.account, key.record.secret),
                version: new.version,
                answer: Answer::Compared {
                    new: probed,
                    old: other,
                    took: begun.elapsed(),
                },
            }
        });
    }

    /// An answer to a probe.
    async fn found(&mut self, found: Found) {
        let snapshot = self.snapshot();
        let (place, version) = (found.place, found.version);
        match found.answer {
            Answer::Current(probed) => self.probed(&snapshot, place, version, &probed).await,
            Answer::Staged(probed) => self.proved(place, version, &probed).await,
            Answer::Compared { new, old, took } => {
                self.compared(&snapshot, place, version, (&new, &old), took)
                    .await;
            }
        }
    }

    /// What is due.
    async fn look(&mut self) {
        let (snapshot, is_new) = self.reader.current();
        let snapshot = Arc::clone(snapshot);
        if is_new {
            self.statuses.take_up(&self.gateway, &snapshot);
            self.gateway.healths().retain(&snapshot);
            self.tell_rotations(&snapshot);
        }
        self.look_at_statuses(&snapshot).await;
        self.look_at_rotations(&snapshot).await;
        // A date may be among what is new.
        if is_new || self.until_dates == 0 {
            self.until_dates = DATES_EVERY;
            self.look_at_dates(&snapshot);
        }
        self.until_dates -= 1;
    }

    /// Whether one more probe may be sent that nobody waits for.
    fn has_room(&self) -> bool {
        self.asking.len() < MOST_ASKING
    }

    fn is_store_failing(&self) -> bool {
        self.store_rests_until
            .is_some_and(|until| Instant::now() < until)
    }

    fn not_kept(&mut self, what: &'static str, error: &ChangeError) {
        self.store_rests_until = Some(Instant::now() + STORE_RESTS);
        tracing::error!(
            error = error as &dyn std::error::Error,
            "cannot keep {what}; it is tried again"
        );
    }

    /// Tells of what happened to a key.
    ///
    /// `occurrence` as for [`KeyEvent::new`].
    fn tell(&self, key: &ProviderKey, what: What, occurrence: &str, at: SystemTime) {
        let event = KeyEvent::new(&key.record, what, occurrence, at);
        self.gateway.notify(&event);
    }
}

/// The keys that use a value, of which each is told of.
fn keys_of(snapshot: &Snapshot, place: Place) -> impl Iterator<Item = &Arc<ProviderKey>> {
    snapshot.keys_of_secret(place.0, place.1)
}

fn version_of(key: &ProviderKey) -> Option<VersionNumber> {
    key.current.as_ref().map(|value| value.version)
}

/// A moment, as what tells two happenings apart.
fn millis(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().to_string()
}

/// Whether the provider of a key has a request that proves it.
fn provability(registry: &Registry, key: &ProviderKey) -> Provability {
    let provider = registry.catalogue().find(key.record.provider.as_str());
    match provider.and_then(|provider| provider.probe()) {
        Some(_) => Provability::ByProbe,
        None => Provability::ByRequests,
    }
}

/// The key that a value is asked about by: one that is in use, and whose provider has a probe, where there is one.
fn representative<'s>(
    registry: &Registry,
    snapshot: &'s Snapshot,
    place: Place,
) -> Option<&'s Arc<ProviderKey>> {
    keys_of(snapshot, place).min_by_key(|key| {
        let is_off = key.record.disabled_at.is_some();
        (
            is_off,
            provability(registry, key) == Provability::ByRequests,
        )
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the keeper is a shell: it reads the clock for the state machines"
)]
fn clock() -> SystemTime {
    SystemTime::now()
}
