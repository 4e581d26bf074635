//! Putting a new value in the place of an old one with a way back. Pure: (rotation, event, now) → rotation.
//!
//! ```text
//!            good, or not asked for          the overlap is over
//!   Staged ─────────────────────▶ Overlapping ─────────────────▶ Finished
//!     │                                │
//!     │ refused, unproven, withdrawn   │ the new one is refused and the old one taken, or an operator says so
//!     ▼                                ▼
//!   Refused                        RolledBack
//! ```
//!
//! - [`begin`] enters the new value. With `verify` it is staged: nobody uses it before its provider took it. Without, it
//!   is current at once.
//! - While a rotation overlaps, the old value is kept, so that what is refused with the new one can be asked again with
//!   the old one, and so that there is a way back. Then it is destroyed.
//! - There is one rotation of a secret at a time, and the last one is kept. [`Rotation::carry_out`] says what each phase
//!   means for the versions: those follow from it, so that no phase can leave two current ones, or none.
//! - What was found out about another value than the rotation's says nothing, and changes nothing.
//!
//! Sending probes, asking when time has passed, and storing is for others: docs/rotation.md of the repository.

mod reason;
mod request;

use std::time::{Duration, SystemTime};

use keyward_secret::AccountId;

pub use self::{
    reason::Reason,
    request::{ParseRequestIdError, RequestId},
};
use crate::{
    Change, SealedRecord, SecretId, SecretRecord, VersionNumber, VersionRecord, VersionState,
    status::Finding,
    version::{self, ReplaceError},
};

/// How long the old value is kept unless somebody says otherwise.
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(10 * 60);
/// The longest that it can be kept.
pub const MAX_OVERLAP: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// So many unclear probes refuse a staged value.
pub const MAX_ATTEMPTS: u32 = 3;
/// A staged value that nobody could prove for so long is refused.
pub const MAX_STAGED: Duration = Duration::from_secs(60 * 60);
/// Two probes that are further apart say nothing about each other.
pub const MAX_COMPARISON: Duration = Duration::from_secs(5);
/// A clock may be set back by so much without a word.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// One rotation of a secret: the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The tenant.
    pub account: AccountId,
    /// The secret whose value is replaced.
    pub secret: SecretId,
    /// What who asked for it calls it.
    pub request: RequestId,
    /// The version that is replaced; none where the secret had no value.
    pub from: Option<VersionNumber>,
    /// The version that was entered.
    pub to: VersionNumber,
    /// How long the old value is kept after the new one is current. At most [`MAX_OVERLAP`]; 0 destroys it at once.
    /// Stores keep whole milliseconds.
    pub overlap: Duration,
    /// Whether the new value must be proven before it is used.
    pub verify: bool,
    /// How far it is.
    pub phase: Phase,
    /// Since when.
    pub phase_since: SystemTime,
    /// When it was asked for.
    pub begun_at: SystemTime,
    /// Why it is where it is, or what was found; none where it goes as planned.
    pub reason: Option<Reason>,
    /// How many probes of the staged value were unclear.
    pub attempts: u32,
}

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever uses or shows a secret's values must decide for each"
)]
pub enum Phase {
    /// The new value is there, and not in use.
    Staged,
    /// The new value is in use, and the old one is kept.
    Overlapping,
    /// The new value is in use, and the old one destroyed.
    Finished,
    /// The old value is in use again, and the new one destroyed.
    RolledBack,
    /// The new value was never in use, and is destroyed: nothing changed.
    Refused,
}

impl Phase {
    const ALL: [Self; 5] = [
        Self::Staged,
        Self::Overlapping,
        Self::Finished,
        Self::RolledBack,
        Self::Refused,
    ];

    /// Whether something is still to come.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Staged | Self::Overlapping)
    }

    /// The text that stores and APIs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Overlapping => "overlapping",
            Self::Finished => "finished",
            Self::RolledBack => "rolled_back",
            Self::Refused => "refused",
        }
    }

    /// Reads [`as_str`](Self::as_str) back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }
}

/// What happened. What was found out names the version of the new value, so that an answer that comes late is not
/// taken for one about the next rotation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A probe of the staged value came back.
    Probed {
        /// The version that was probed.
        version: VersionNumber,
        /// What it found.
        finding: Finding,
    },
    /// Both values were probed, one right after the other, while they overlap.
    Compared {
        /// The version of the new value.
        version: VersionNumber,
        /// What the probe of the new value found.
        new: Finding,
        /// What the probe of the old value found.
        old: Finding,
        /// From when the first was sent until the second was answered.
        took: Duration,
    },
    /// Time passed.
    Tick,
    /// An operator wants the old value back, or a staged one gone.
    RollBack,
    /// An operator wants the old value gone before the overlap is over.
    DestroyNow,
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever asks must say all of it")]
pub struct RotationRequest {
    /// What they call it. Asking again with the id of the last rotation begins no other.
    pub request: RequestId,
    /// See [`Rotation::overlap`]. [`DEFAULT_OVERLAP`] unless somebody says otherwise.
    pub overlap: Duration,
    /// See [`Rotation::verify`].
    pub verify: bool,
}

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the caller must act on both")]
pub enum Admission {
    /// Begin one.
    New,
    /// The last rotation is the one that is asked for.
    There,
}

/// A rotation cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot begin a rotation: {0}")]
pub struct BeginError(BeginKind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum BeginKind {
    #[error("another one is under way; wait for its end, or end it")]
    UnderWay,
    #[error("an overlap is at most 7 days")]
    OverlapTooLong,
    #[error(transparent)]
    Version(ReplaceError),
}

impl BeginError {
    /// Whether another rotation of the secret is under way.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        matches!(self.0, BeginKind::UnderWay)
    }

    /// Whether the overlap that was asked for is longer than [`MAX_OVERLAP`].
    #[must_use]
    pub const fn is_overlap_too_long(&self) -> bool {
        matches!(self.0, BeginKind::OverlapTooLong)
    }
}

/// The rotation is not where this could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rotation is {}; {}", phase.as_str().replace('_', " "), what_then(*phase))]
pub struct NotNow {
    phase: Phase,
}

impl NotNow {
    /// Of a rotation in this phase.
    #[must_use]
    pub const fn in_phase(phase: Phase) -> Self {
        Self { phase }
    }

    /// Where it is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }
}

const fn what_then(phase: Phase) -> &'static str {
    match phase {
        Phase::Staged => "the old value is in use, and is destroyed once the new one was promoted",
        Phase::Overlapping => "it can be rolled back, or the old value destroyed",
        Phase::Finished => "the old value is destroyed: enter it again as a new one",
        Phase::RolledBack | Phase::Refused => "the old value is in use, and the new one destroyed",
    }
}

/// Whether a request begins a rotation, where `last` is the secret's last one.
///
/// # Errors
///
/// When another one is under way, or the overlap is too long.
pub fn admit(last: Option<&Rotation>, asked: &RotationRequest) -> Result<Admission, BeginError> {
    match last {
        Some(last) if last.request == asked.request => Ok(Admission::There),
        Some(last) if last.phase.is_open() => Err(BeginError(BeginKind::UnderWay)),
        _ if asked.overlap > MAX_OVERLAP => Err(BeginError(BeginKind::OverlapTooLong)),
        _ => Ok(Admission::New),
    }
}

/// Begins a rotation that was [admitted](admit): enters `sealed`, staged with `verify`, else as the current version.
/// `versions` are all of the secret's.
///
/// # Errors
///
/// As [`admit`]; when `sealed` is not sealed as [`version::next_number`]; for a request that is there already.
pub fn begin(
    (secret, versions): (&SecretRecord, &[VersionRecord]),
    last: Option<&Rotation>,
    asked: RotationRequest,
    (sealed, preview): (SealedRecord, String),
    now: SystemTime,
) -> Result<(Rotation, Vec<Change>), BeginError> {
    if admit(last, &asked)? == Admission::There {
        return Err(BeginError(BeginKind::UnderWay));
    }
    let to = version::check_next(secret, versions, &sealed);
    let to = to.map_err(|error| BeginError(BeginKind::Version(error)))?;
    let has_value = |number: &VersionNumber| {
        let mut all = versions.iter();
        all.any(|version| version.number == *number && version.sealed.is_some())
    };
    let rotation = Rotation {
        account: secret.account,
        secret: secret.id,
        request: asked.request,
        from: secret.current.filter(has_value),
        to,
        overlap: asked.overlap,
        verify: asked.verify,
        phase: Phase::Staged,
        phase_since: now,
        begun_at: now,
        reason: None,
        attempts: 0,
    };
    let rotation = match asked.verify {
        true => rotation,
        false => rotation.promoted(now),
    };
    let entered = VersionRecord {
        account: secret.account,
        secret: secret.id,
        number: to,
        state: rotation.state_of(to),
        sealed: Some(sealed),
        preview,
        created_at: now,
        changed_at: now,
    };
    let mut changes = rotation
        .settle(secret, versions, Some(&entered), now)
        .map_err(|error| BeginError(BeginKind::Version(error)))?;
    changes.push(Change::PutVersion(entered));
    changes.push(Change::PutRotation(Box::new(rotation.clone())));
    Ok((rotation, changes))
}

impl Rotation {
    /// Where the rotation is after `event`; `None` where that changes nothing.
    ///
    /// # Errors
    ///
    /// When an operator asks for what cannot be done in this phase.
    pub fn next(&self, event: Event, now: SystemTime) -> Result<Option<Self>, NotNow> {
        let not_now = NotNow { phase: self.phase };
        Ok(match event {
            Event::Probed { version, finding } if self.is_about(Phase::Staged, version) => {
                Some(self.probed(finding, now))
            }
            Event::Compared {
                version,
                new,
                old,
                took,
            } if self.is_about(Phase::Overlapping, version) && took <= MAX_COMPARISON => {
                self.compared(new, old, now)
            }
            Event::Probed { .. } | Event::Compared { .. } => None,
            Event::Tick => self.tick(now),
            Event::RollBack => match self.phase {
                Phase::Staged => Some(self.moved(Phase::Refused, Some(Reason::ByOperator), now)),
                Phase::Overlapping => {
                    Some(self.moved(Phase::RolledBack, Some(Reason::ByOperator), now))
                }
                Phase::Finished | Phase::RolledBack | Phase::Refused => return Err(not_now),
            },
            Event::DestroyNow if self.phase == Phase::Overlapping => {
                Some(self.moved(Phase::Finished, Some(Reason::ByOperator), now))
            }
            Event::DestroyNow => return Err(not_now),
        })
    }

    /// The rotation once its secret got another value past it; `None` where it was over already.
    #[must_use]
    pub fn replaced(&self, now: SystemTime) -> Option<Self> {
        let phase = match self.phase {
            Phase::Staged => Phase::Refused,
            Phase::Overlapping => Phase::Finished,
            Phase::Finished | Phase::RolledBack | Phase::Refused => return None,
        };
        Some(self.moved(phase, Some(Reason::Replaced), now))
    }

    /// What is to be stored so that secret and versions are what the phase says, and the rotation itself. `versions`
    /// are all of the secret's. Not for one that was [replaced](Self::replaced): there the new value decides.
    ///
    /// # Errors
    ///
    /// When the version that would be current has no value. Then nothing may be changed.
    pub fn carry_out(
        self,
        secret: &SecretRecord,
        versions: &[VersionRecord],
        now: SystemTime,
    ) -> Result<Vec<Change>, ReplaceError> {
        let mut changes = self.settle(secret, versions, None, now)?;
        changes.push(Change::PutRotation(Box::new(self)));
        Ok(changes)
    }

    /// When a tick will change it, as far as time alone decides.
    #[must_use]
    pub fn due_at(&self) -> Option<SystemTime> {
        match self.phase {
            Phase::Staged => self.phase_since.checked_add(MAX_STAGED),
            Phase::Overlapping => self.phase_since.checked_add(self.overlap),
            Phase::Finished | Phase::RolledBack | Phase::Refused => None,
        }
    }

    fn is_about(&self, phase: Phase, version: VersionNumber) -> bool {
        self.phase == phase && self.to == version
    }

    fn moved(&self, phase: Phase, reason: Option<Reason>, now: SystemTime) -> Self {
        Self {
            phase,
            phase_since: now,
            reason,
            ..self.clone()
        }
    }

    fn promoted(&self, now: SystemTime) -> Self {
        let keeps_old = self.from.is_some() && !self.overlap.is_zero();
        let phase = match keeps_old {
            true => Phase::Overlapping,
            false => Phase::Finished,
        };
        self.moved(phase, None, now)
    }

    fn probed(&self, finding: Finding, now: SystemTime) -> Self {
        match finding {
            Finding::Good => self.promoted(now),
            Finding::Bad(refusal) => {
                let reason = Reason::Rejected {
                    charge: refusal.charge,
                    code: refusal.code,
                };
                self.moved(Phase::Refused, Some(reason), now)
            }
            Finding::Unclear => {
                let attempts = self.attempts.saturating_add(1);
                let counted = Self {
                    attempts,
                    ..self.clone()
                };
                if attempts < MAX_ATTEMPTS {
                    return counted;
                }
                counted.moved(Phase::Refused, Some(Reason::Unproven), now)
            }
        }
    }

    fn compared(&self, new: Finding, old: Finding, now: SystemTime) -> Option<Self> {
        let found = match (new, old) {
            (Finding::Bad(refusal), Finding::Good) => {
                let reason = Reason::NewRefused {
                    charge: refusal.charge,
                    code: refusal.code,
                };
                return Some(self.moved(Phase::RolledBack, Some(reason), now));
            }
            (Finding::Bad(refusal), Finding::Bad(_)) => {
                Some(Reason::BothRefused { code: refusal.code })
            }
            (Finding::Good, _) => None,
            // What is unclear changes no mind.
            (Finding::Bad(_), Finding::Unclear) | (Finding::Unclear, _) => return None,
        };
        let noted = Self {
            reason: found,
            ..self.clone()
        };
        (noted != *self).then_some(noted)
    }

    fn tick(&self, now: SystemTime) -> Option<Self> {
        let due = self.due_at()?;
        if now >= due {
            return Some(match self.phase {
                Phase::Staged => self.moved(Phase::Refused, Some(Reason::Unproven), now),
                _ => self.moved(Phase::Finished, self.reason, now),
            });
        }
        // A clock that was set back must not keep an old value for as long as it was wrong.
        let is_ahead = now
            .checked_add(CLOCK_SLACK)
            .is_some_and(|latest| latest < self.phase_since);
        is_ahead.then(|| Self {
            phase_since: now,
            ..self.clone()
        })
    }

    /// What this phase makes of a version.
    fn state_of(&self, number: VersionNumber) -> VersionState {
        let (is_new, is_old) = (number == self.to, self.from == Some(number));
        match self.phase {
            Phase::Staged if is_new => VersionState::Staged,
            Phase::Staged | Phase::RolledBack | Phase::Refused if is_old => VersionState::Current,
            Phase::Overlapping | Phase::Finished if is_new => VersionState::Current,
            Phase::Overlapping if is_old => VersionState::Retiring,
            _ => VersionState::Destroyed,
        }
    }

    fn settle(
        &self,
        secret: &SecretRecord,
        versions: &[VersionRecord],
        entered: Option<&VersionRecord>,
        now: SystemTime,
    ) -> Result<Vec<Change>, ReplaceError> {
        let current = match self.phase {
            Phase::Overlapping | Phase::Finished => Some(self.to),
            Phase::Staged | Phase::RolledBack | Phase::Refused => self.from.or(secret.current),
        };
        version::settle(
            (secret, versions),
            entered,
            current,
            |number| self.state_of(number),
            now,
        )
    }
}

#[cfg(test)]
mod tests;
