//! Rotations under way: the staged value is proven, the overlap ends, and a new value that its provider does not take is
//! compared with the old one.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_registry::{Actor, ProviderKey, Refusal, Snapshot};
use keyward_vault::{
    VersionNumber,
    rotation::{Event, Phase, Reason, Rotation},
    status::{Event as StatusEvent, Finding, Provability},
};
use tokio::time::Instant;

use super::{Found, Keeper, Place, clock, keys_of, not_kept};
use crate::{Probed, events::What};

/// Who changes a rotation, for the audit log.
const ACTOR: Actor = Actor::System;
/// At least so long between two comparisons, and between two probes of a staged value.
const BETWEEN: Duration = Duration::from_secs(1);
/// So many comparisons of one rotation; after them its new value stands by itself.
const MOST_COMPARISONS: u32 = 10;

/// What is known of rotations beside what is stored.
#[derive(Default)]
pub(super) struct Rotations {
    driven: HashMap<Place, Driven>,
    told: HashMap<Place, Told>,
}

/// One rotation that is driven on.
struct Driven {
    version: VersionNumber,
    is_asking: bool,
    not_before: Option<Instant>,
    comparisons: u32,
    /// The last comparison said nothing certain.
    is_open: bool,
}

/// What people were told of a secret's last rotation.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    version: VersionNumber,
    phase: Phase,
    is_both: bool,
}

impl Driven {
    const fn new(version: VersionNumber) -> Self {
        Self {
            version,
            is_asking: false,
            not_before: None,
            comparisons: 0,
            is_open: false,
        }
    }

    fn may_ask(&self) -> bool {
        !self.is_asking && self.not_before.is_none_or(|at| at <= Instant::now())
    }

    fn begin(&mut self) {
        self.is_asking = true;
        self.not_before = Some(Instant::now() + BETWEEN);
    }
}

impl Told {
    const fn of(rotation: &Rotation) -> Self {
        Self {
            version: rotation.to,
            phase: rotation.phase,
            is_both: matches!(rotation.reason, Some(Reason::BothRefused { .. })),
        }
    }
}

impl Rotations {
    /// What was under way before this start was told then.
    pub(super) fn take_up(&mut self, snapshot: &Snapshot) {
        for rotation in snapshot.open_rotations() {
            let place = (rotation.account, rotation.secret);
            self.told.insert(place, Told::of(rotation));
        }
    }

    fn driven(&mut self, place: Place, version: VersionNumber) -> &mut Driven {
        let driven = self
            .driven
            .entry(place)
            .or_insert_with(|| Driven::new(version));
        if driven.version != version {
            *driven = Driven::new(version);
        }
        driven
    }
}

impl Keeper {
    /// Probes staged values, and ends overlaps.
    pub(super) async fn look_at_rotations(&mut self, snapshot: &Snapshot) {
        let open: Vec<Rotation> = snapshot.open_rotations().cloned().collect();
        self.rotations.driven.retain(|place, driven| {
            open.iter().any(|open| {
                (open.account, open.secret, open.to) == (place.0, place.1, driven.version)
            })
        });
        for rotation in open {
            let place = (rotation.account, rotation.secret);
            let Some(key) = keys_of(snapshot, place).next() else {
                // Nobody can use it, so nobody can prove it; time ends it.
                self.advance(place, Event::Tick).await;
                continue;
            };
            let (version, phase) = (rotation.to, rotation.phase);
            let driven = self.rotations.driven(place, version);
            match phase {
                Phase::Staged if driven.may_ask() => {
                    driven.begin();
                    self.prove(key, place, version);
                }
                Phase::Overlapping if driven.is_open && driven.may_ask() => {
                    let _is_taken = self.compare(key, version);
                }
                _ => {}
            }
            if matches!(rotation.next(Event::Tick, clock()), Ok(Some(_))) {
                self.advance(place, Event::Tick).await;
            }
        }
    }

    fn prove(&mut self, key: &ProviderKey, place: Place, version: VersionNumber) {
        let Some(value) = key.staged().cloned() else {
            return;
        };
        let (prober, key) = (Arc::clone(&self.prober), key.clone());
        self.asking.spawn(async move {
            let probed = prober.probe_stored(&key, &value).await;
            Found::Staged {
                place,
                version,
                probed,
            }
        });
    }

    /// A probe of a staged value came back.
    pub(super) async fn proved(&mut self, place: Place, version: VersionNumber, probed: &Probed) {
        self.rotations.driven(place, version).is_asking = false;
        let finding = probed.finding();
        self.advance(place, Event::Probed { version, finding })
            .await;
    }

    /// Asks the provider about both values of a rotation, where the new one was refused and there is a way back. Whether
    /// it is left to that what the refusal means.
    pub(super) fn compare(&mut self, key: &ProviderKey, version: VersionNumber) -> bool {
        let (Some(rotation), Some(current), Some(previous)) =
            (key.rotation(), key.current.as_ref(), key.previous())
        else {
            return false;
        };
        let is_both = Told::of(rotation).is_both;
        if rotation.to != version
            || current.version != version
            || is_both
            || self.provability(key) == Provability::ByRequests
        {
            return false;
        }
        let place = (key.record.account, key.record.secret);
        let driven = self.rotations.driven(place, version);
        if driven.comparisons >= MOST_COMPARISONS && !driven.is_asking {
            return false;
        }
        if !driven.may_ask() {
            // The one that is under way, or the next, tells.
            driven.is_open = true;
            return true;
        }
        driven.begin();
        driven.is_open = false;
        driven.comparisons += 1;
        let (new, old) = (current.clone(), previous.clone());
        let (prober, key) = (Arc::clone(&self.prober), key.clone());
        self.asking.spawn(async move {
            let begun = Instant::now();
            let both = futures_util::future::join(
                prober.probe_stored(&key, &new),
                prober.probe_stored(&key, &old),
            );
            let (new, old) = both.await;
            Found::Compared {
                place,
                version,
                new,
                old,
                took: begun.elapsed(),
            }
        });
        true
    }

    /// Both values of a rotation were asked about.
    pub(super) async fn compared(
        &mut self,
        snapshot: &Snapshot,
        place: Place,
        version: VersionNumber,
        (new, old): (&Probed, &Probed),
        took: Duration,
    ) {
        let (new_finding, old_finding) = (new.finding(), old.finding());
        let driven = self.rotations.driven(place, version);
        driven.is_asking = false;
        // One that is good needs no more proof; where nothing is certain, it is asked again.
        driven.is_open = match (new_finding, old_finding) {
            (Finding::Good, _) | (Finding::Bad(_), Finding::Bad(_)) => false,
            (Finding::Bad(_), Finding::Good) => true,
            _ => true,
        };
        let event = Event::Compared {
            version,
            new: new_finding,
            old: old_finding,
            took,
        };
        self.advance(place, event).await;
        let is_both = matches!(
            (new_finding, old_finding),
            (Finding::Bad(_), Finding::Bad(_))
        );
        if is_both && let Some(key) = keys_of(snapshot, place).next() {
            // There is no way back: the new value stands by itself.
            let event = StatusEvent::Probed(new_finding);
            let times = (new.asked, clock());
            self.note(key, place, version, event, times).await;
        }
    }

    async fn advance(&mut self, place: Place, event: Event) {
        let (account, secret) = place;
        let advanced = self
            .gateway
            .registry()
            .advance_rotation(account, secret, event, ACTOR, clock())
            .await;
        match advanced {
            Ok(_) => {
                let snapshot = self.snapshot();
                self.tell_rotations(&snapshot);
            }
            // It is somewhere else already: an operator was faster.
            Err(error) if !matches!(error.refusal(), Refusal::Failed) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a rotation is not where it was"
                );
            }
            Err(error) => not_kept("how far a rotation is", &error),
        }
    }

    /// Tells of rotations that began, went on or ended, whoever made them.
    pub(super) fn tell_rotations(&mut self, snapshot: &Snapshot) {
        let mut news: Vec<(Place, Rotation)> = Vec::new();
        for rotation in snapshot.open_rotations() {
            let place = (rotation.account, rotation.secret);
            if self.rotations.told.get(&place) != Some(&Told::of(rotation)) {
                news.push((place, rotation.clone()));
            }
        }
        let mut ended = Vec::new();
        for (place, told) in &self.rotations.told {
            if !told.phase.is_open() {
                continue;
            }
            let rotation = keys_of(snapshot, *place).find_map(|key| key.rotation());
            match rotation {
                Some(rotation) if !rotation.phase.is_open() => {
                    news.push((*place, rotation.clone()));
                    ended.push(*place);
                }
                Some(_) => {}
                None => ended.push(*place),
            }
        }
        for (place, rotation) in news {
            let before = self.rotations.told.insert(place, Told::of(&rotation));
            for key in keys_of(snapshot, place) {
                for (what, at) in happened(&rotation, before) {
                    self.tell(key, what, rotation.request.as_str(), at);
                }
            }
        }
        for place in ended {
            self.rotations.told.remove(&place);
        }
    }
}

/// What happened to a rotation since `before` was told.
fn happened(rotation: &Rotation, before: Option<Told>) -> Vec<(What, SystemTime)> {
    let before = before.filter(|before| before.version == rotation.to);
    let mut happened = Vec::new();
    if before.is_none() {
        happened.push((What::RotationBegun, rotation.begun_at));
    }
    let since = rotation.phase_since;
    let reason = rotation.reason.map(|reason| reason.to_string());
    let reason = reason.unwrap_or_default();
    if before.map(|before| before.phase) != Some(rotation.phase) {
        let what = match rotation.phase {
            Phase::Staged => None,
            Phase::Overlapping => Some(What::RotationPromoted),
            Phase::Finished => Some(What::RotationFinished),
            Phase::RolledBack => Some(What::RolledBack { reason }),
            Phase::Refused => Some(What::RotationRefused { reason }),
        };
        happened.extend(what.map(|what| (what, since)));
    } else if let Some(Reason::BothRefused { code }) = rotation.reason {
        happened.push((What::BothRefused { code: Some(code) }, since));
    }
    happened
}
