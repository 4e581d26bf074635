//! Rotations under way: the staged value is proven, the overlap ends, and a new value that its provider does not take is
//! compared with the old one.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use keyward_registry::{Actor, ProviderKey, Refusal, Snapshot};
use keyward_vault::{
    VersionNumber,
    rotation::{Event, Phase, Reason, Rotation},
    status::{Event as StatusEvent, Finding, Provability},
};
use tokio::time::Instant;

use super::{Answer, Keeper, Place, clock, keys_of, provability, representative};
use crate::{Probed, events::What};

/// Who changes a rotation, for the audit log.
const ACTOR: Actor = Actor::System;
/// At least so long between two comparisons.
const BETWEEN: Duration = Duration::from_secs(1);
/// Pauses between the probes of a staged value.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LATER_PAUSE: Duration = Duration::from_secs(10);
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
    phase: Phase,
    /// When it was first seen in this phase, by both clocks.
    seen: (Instant, SystemTime),
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
    fn new(version: VersionNumber, phase: Phase) -> Self {
        Self {
            version,
            phase,
            seen: (Instant::now(), clock()),
            is_asking: false,
            not_before: None,
            comparisons: 0,
            is_open: false,
        }
    }

    fn may_ask(&self) -> bool {
        !self.is_asking && self.not_before.is_none_or(|at| at <= Instant::now())
    }

    fn begin(&mut self, pause: Duration) {
        self.is_asking = true;
        self.not_before = Some(Instant::now() + pause);
    }

    /// Whether what the rotation waits for has passed by the clock that nobody sets, too: a value is not destroyed because
    /// the time of day was set forward.
    fn has_waited(&self, rotation: &Rotation) -> bool {
        let (since, wall) = self.seen;
        let left = rotation
            .due_at()
            .and_then(|due| due.duration_since(wall).ok());
        left.is_none_or(|left| since.elapsed() >= left)
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

    fn driven(&mut self, rotation: &Rotation) -> &mut Driven {
        let (version, phase) = (rotation.to, rotation.phase);
        let driven = self
            .driven
            .entry((rotation.account, rotation.secret))
            .or_insert_with(|| Driven::new(version, phase));
        if (driven.version, driven.phase) != (version, phase) {
            *driven = Driven::new(version, phase);
        }
        driven
    }

    /// What was asked about a rotation came back; nothing where it is about another by now.
    fn answered(&mut self, place: Place, version: VersionNumber) -> Option<&mut Driven> {
        let driven = self.driven.get_mut(&place)?;
        if driven.version != version {
            return None;
        }
        driven.is_asking = false;
        Some(driven)
    }

    /// A question was lost: whatever waits for an answer asks again.
    pub(super) fn forget_questions(&mut self) {
        for driven in self.driven.values_mut() {
            driven.is_asking = false;
        }
    }
}

impl Keeper {
    /// Probes staged values, and ends overlaps.
    pub(super) async fn look_at_rotations(&mut self, snapshot: &Snapshot) {
        let open: HashMap<Place, VersionNumber> = snapshot
            .open_rotations()
            .map(|open| ((open.account, open.secret), open.to))
            .collect();
        let driven = &mut self.rotations.driven;
        driven.retain(|place, driven| open.get(place) == Some(&driven.version));
        let mut due = Vec::new();
        for rotation in snapshot.open_rotations() {
            let place = (rotation.account, rotation.secret);
            let has_room = self.has_room();
            let driven = self.rotations.driven(rotation);
            if driven.has_waited(rotation)
                && matches!(rotation.next(Event::Tick, clock()), Ok(Some(_)))
            {
                due.push(place);
                continue;
            }
            // Where nobody can use it nobody can prove it, and time ends it.
            let Some(key) = representative(self.gateway.registry(), snapshot, place) else {
                continue;
            };
            match rotation.phase {
                Phase::Staged if driven.may_ask() && has_room => {
                    // A provider that hiccups is not asked three times within the hiccup.
                    driven.begin(match rotation.attempts {
                        0 => FIRST_PAUSE,
                        _ => LATER_PAUSE,
                    });
                    if let Some(staged) = key.staged() {
                        self.ask(key, staged, Answer::Staged);
                    }
                }
                Phase::Overlapping if driven.is_open && driven.may_ask() && has_room => {
                    let _is_taken = self.compare(key, rotation.to);
                }
                _ => {}
            }
        }
        for place in due {
            self.advance(place, Event::Tick).await;
        }
    }

    /// A probe of a staged value came back.
    pub(super) async fn proved(&mut self, place: Place, version: VersionNumber, probed: &Probed) {
        if self.rotations.answered(place, version).is_some() {
            let finding = probed.finding();
            self.advance(place, Event::Probed { version, finding })
                .await;
        }
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
            || provability(self.gateway.registry(), key) == Provability::ByRequests
        {
            return false;
        }
        let driven = self.rotations.driven(rotation);
        if driven.comparisons >= MOST_COMPARISONS && !driven.is_asking {
            return false;
        }
        if !driven.may_ask() {
            // The one that is under way, or the next, tells.
            driven.is_open = true;
            return true;
        }
        driven.begin(BETWEEN);
        driven.is_open = false;
        driven.comparisons += 1;
        self.ask_about_both(key, current, previous);
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
        let Some(driven) = self.rotations.answered(place, version) else {
            return;
        };
        let is_both = matches!(
            (new_finding, old_finding),
            (Finding::Bad(_), Finding::Bad(_))
        );
        // One that is good needs no more proof; where nothing is certain, it is asked again.
        driven.is_open = new_finding != Finding::Good && !is_both;
        let event = Event::Compared {
            version,
            new: new_finding,
            old: old_finding,
            took,
        };
        self.advance(place, event).await;
        let key = representative(self.gateway.registry(), snapshot, place);
        let is_bad = matches!(new_finding, Finding::Bad(_));
        if (is_both || !is_bad || self.is_convicted(place))
            && let Some(key) = key
        {
            // A new value that is refused stands by itself only where there is no way back.
            let event = StatusEvent::Probed(new_finding);
            let times = (new.asked, clock());
            self.note(key, place, version, event, times).await;
        }
    }

    /// The old value of a rotation was accepted, after the new one was convicted: that is the way back, also where the
    /// provider has no probe.
    pub(super) async fn old_is_good(&mut self, key: &ProviderKey, place: Place) {
        let Some(new) = self.convicted_by(place) else {
            return;
        };
        if let Some(rotation) = key.rotation() {
            let event = Event::Compared {
                version: rotation.to,
                new: Finding::Bad(new),
                old: Finding::Good,
                took: Duration::ZERO,
            };
            self.advance(place, event).await;
        }
    }

    async fn advance(&mut self, place: Place, event: Event) {
        if self.is_store_failing() {
            return;
        }
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
            Err(error) => self.not_kept("how far a rotation is", &error),
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
