//! How values in use stand: evidence in, status in the store out.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use keyward_registry::{KeyStatus, ProviderKey, Registry, Snapshot, StatusReason};
use keyward_vault::{
    VersionNumber,
    status::{Charge, Event, Provability, Record, Refusal, Standing, Step},
};

use super::{
    Answer, Keeper, Place, clock, keys_of, millis, provability, representative, version_of,
};
use crate::{
    Gateway, Probed,
    events::What,
    evidence::{Evidence, Said, words},
    health::{ValueId, Watch},
};

/// How long a value that nothing speaks against any more is remembered, so that it is not probed again at once.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// For how long a suspicion keeps a key behind others where nothing but a request could end it.
const SUSPECT_FOR: Duration = Duration::from_secs(30);

/// The values that something speaks against, or did lately.
#[derive(Default)]
pub(super) struct Statuses(HashMap<Place, Watched>);

struct Watched {
    record: Record,
    /// The store does not have its standing yet.
    is_unsaved: bool,
}

impl Statuses {
    /// Takes up the convictions that the store holds, and lets go of values that are not in use any more.
    pub(super) fn take_up(&mut self, gateway: &Gateway, snapshot: &Snapshot) {
        self.0.retain(|place, watched| {
            keys_of(snapshot, *place)
                .next()
                .and_then(|key| version_of(key))
                == Some(watched.record.version())
        });
        let keys = snapshot
            .accounts()
            .flat_map(|account| account.provider_keys());
        for key in keys.filter(|key| key.record.status != KeyStatus::Active) {
            let place = (key.record.account, key.record.secret);
            let Some(version) = version_of(key) else {
                continue;
            };
            self.0.entry(place).or_insert_with(|| {
                let charge = match key.record.status {
                    KeyStatus::Expired => Charge::Expired,
                    KeyStatus::Invalid | KeyStatus::Active => Charge::Rejected,
                };
                let refusal = Refusal::new(charge, key.record.status_code.unwrap_or_default());
                let since = key.record.status_since.unwrap_or(key.record.modified_at);
                let watched = Watched {
                    record: Record::convicted(version, refusal, since),
                    is_unsaved: false,
                };
                watched.show(gateway, key);
                watched
            });
        }
        // A key that came to a value which is convicted already has its status from it.
        for (place, watched) in &mut self.0 {
            if matches!(watched.record.standing(), Standing::Convicted(_)) {
                let mut keys = keys_of(snapshot, *place);
                watched.is_unsaved |= keys.any(|key| key.record.status == KeyStatus::Active);
            }
        }
    }
}

impl Watched {
    /// Tells the workers how to watch the value, and the one that it replaces.
    fn show(&self, gateway: &Gateway, key: &ProviderKey) {
        let standing = self.record.standing();
        let watch = match standing {
            Standing::Trusted => Watch::Refusals,
            Standing::Suspected if !self.has_lapsed(gateway.registry(), key) => Watch::Suspect,
            Standing::Suspected | Standing::Convicted(_) => Watch::Successes,
        };
        let health = |version| gateway.healths().of(ValueId::of(key, version));
        health(self.record.version()).watch(watch);
        // The old value of a rotation is the way back, as soon as it is accepted.
        if let Some(previous) = key.previous() {
            health(previous.version).watch(match standing {
                Standing::Convicted(_) => Watch::Successes,
                Standing::Trusted | Standing::Suspected => Watch::Refusals,
            });
        }
    }

    /// Whether a suspicion puts the key behind others no more: where there is no probe, nothing else may ever end it.
    fn has_lapsed(&self, registry: &Registry, key: &ProviderKey) -> bool {
        let refused = self.record.last_refusal().map(|(_, at)| at);
        provability(registry, key) == Provability::ByRequests
            && refused.is_none_or(|at| at + SUSPECT_FOR <= clock())
    }
}

impl Keeper {
    /// What an answer says of the value that is in use.
    pub(super) async fn judge(&mut self, key: &ProviderKey, evidence: &Evidence) {
        let version = evidence.value.version;
        if version_of(key) != Some(version) {
            return;
        }
        let place = (evidence.value.account, evidence.value.secret);
        let event = match evidence.said {
            Said::Accepted => Event::Accepted,
            Said::Probed(finding) => Event::Probed(finding),
            Said::Refused {
                refusal,
                request,
                proves,
            } => Event::Refused {
                refusal,
                request,
                proves,
            },
        };
        let times = (evidence.asked, evidence.at);
        self.note(key, place, version, event, times).await;
    }

    /// What a probe of a value says that is in use, or was when it was asked for.
    pub(super) async fn probed(
        &mut self,
        snapshot: &Snapshot,
        place: Place,
        version: VersionNumber,
        probed: &Probed,
    ) {
        let Some(key) = representative(self.gateway.registry(), snapshot, place) else {
            return;
        };
        let event = Event::Probed(probed.finding());
        let times = (probed.asked, clock());
        self.note(key, place, version, event, times).await;
    }

    pub(super) async fn note(
        &mut self,
        key: &ProviderKey,
        place: Place,
        version: VersionNumber,
        event: Event,
        (asked, now): (SystemTime, SystemTime),
    ) {
        let by = provability(self.gateway.registry(), key);
        let Some(current) = version_of(key) else {
            return;
        };
        let watched = self.statuses.0.entry(place).or_insert_with(|| Watched {
            record: Record::new(current, now),
            is_unsaved: false,
        });
        let step = watched.record.note(event, version, by, asked, now);
        watched.is_unsaved |= step.tell;
        watched.show(&self.gateway, key);
        self.follow(key, place, step).await;
    }

    /// Does what a step asks for.
    async fn follow(&mut self, key: &ProviderKey, place: Place, step: Step) {
        if step.probe {
            self.ask_about_current(key);
        }
        if step.tell {
            self.save(key, place).await;
        }
    }

    fn ask_about_current(&mut self, key: &ProviderKey) {
        match (&key.current, key.previous()) {
            // While there is a way back, both are asked about: the old one may be taken again.
            (Some(current), Some(previous)) => self.ask_about_both(key, current, previous),
            (Some(current), None) => self.ask(key, current, Answer::Current),
            (None, _) => {}
        }
    }

    /// Keeps a standing that people are told of, for all keys with the value, and tells them.
    async fn save(&mut self, key: &ProviderKey, place: Place) {
        if self.is_store_failing() {
            return;
        }
        let Some(watched) = self.statuses.0.get_mut(&place) else {
            return;
        };
        let record = &watched.record;
        let refusal = record.last_refusal().map(|(refusal, _)| refusal);
        let code = refusal.map(|refusal| refusal.code).filter(|code| *code > 0);
        let reason = refusal.map(words).unwrap_or_default();
        let (status, why, what) = match record.standing() {
            Standing::Trusted | Standing::Suspected => (KeyStatus::Active, None, What::Active),
            Standing::Convicted(charge) => {
                let why = StatusReason {
                    text: reason.clone(),
                    code,
                };
                let (status, what) = match charge {
                    Charge::Rejected => (KeyStatus::Invalid, What::Invalid { code, reason }),
                    Charge::Expired => (KeyStatus::Expired, What::Expired { code, reason }),
                };
                (status, Some(why), what)
            }
        };
        let (account, secret) = place;
        let since = record.since();
        let registry = self.gateway.registry();
        let version = record.version();
        match registry
            .set_key_status(account, secret, version, status, why, since)
            .await
        {
            Ok(()) => watched.is_unsaved = false,
            Err(error) => return self.not_kept("how a stored key stands", &error),
        }
        let provider = key.record.provider.as_str();
        tracing::warn!(
            gateway = %key.record.gateway,
            provider,
            alias = %key.record.alias,
            status = status.as_str(),
            code,
            "a stored key changed its status by what its provider answers"
        );
        metrics::counter!("keyward_key_status_changes_total", "status" => status.as_str())
            .increment(1);
        let snapshot = self.snapshot();
        for key in keys_of(&snapshot, place) {
            self.tell(key, what.clone(), &millis(since), since);
        }
    }

    /// Sends the probes that are due, allows the trials that are, and saves what could not be saved.
    pub(super) async fn look_at_statuses(&mut self, snapshot: &Snapshot) {
        if self.statuses.0.is_empty() {
            return;
        }
        let now = clock();
        self.statuses.0.retain(|_place, watched| {
            let age = now.duration_since(watched.record.since());
            watched.is_unsaved
                || watched.record.standing() != Standing::Trusted
                || age.is_ok_and(|age| age < FORGET_AFTER)
        });
        let places: Vec<_> = self.statuses.0.keys().copied().collect();
        for place in places {
            let Some(key) = representative(self.gateway.registry(), snapshot, place) else {
                continue;
            };
            // An operator's word is enough: what is switched off is not asked about.
            if key.record.disabled_at.is_some() {
                continue;
            }
            let has_room = self.has_room();
            let by = provability(self.gateway.registry(), key);
            let Some(watched) = self.statuses.0.get_mut(&place) else {
                continue;
            };
            watched.show(&self.gateway, key);
            let version = watched.record.version();
            let mut step = match has_room {
                true => watched.record.note(Event::Tick, version, by, now, now),
                false => Step::default(),
            };
            step.tell |= watched.is_unsaved;
            if by == Provability::ByRequests && watched.record.try_one(now) {
                let id = ValueId::of(key, version);
                self.gateway.healths().of(id).allow_trial();
            }
            self.follow(key, place, step).await;
        }
    }

    /// Whether the value that is in use is convicted.
    pub(super) fn is_convicted(&self, place: Place) -> bool {
        self.convicted_by(place).is_some()
    }

    /// The refusal that convicted the value in use, if one did.
    pub(super) fn convicted_by(&self, place: Place) -> Option<Refusal> {
        let record = &self.statuses.0.get(&place)?.record;
        match record.standing() {
            Standing::Convicted(_) => record.last_refusal().map(|(refusal, _)| refusal),
            Standing::Trusted | Standing::Suspected => None,
        }
    }
}
