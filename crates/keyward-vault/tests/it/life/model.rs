//! What docs/rotation.md says, in plain words: which value is used, which stands beside it, and how the last rotation
//! is. It keeps no versions and derives nothing from phases.

use std::time::{Duration, SystemTime};

use keyward_vault::{
    VersionNumber, VersionState,
    rotation::{Event, Phase, RequestId, RotationRequest},
    status::{self, Finding, Standing},
};

use super::{
    REFUSAL,
    held::{Declined, Held},
};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

pub(crate) struct Model {
    /// The highest number that was ever given to a value.
    highest: u32,
    current: Option<u32>,
    /// The value that is kept beside the current one, and whether it waits to be used.
    beside: Option<(u32, bool)>,
    last: Option<Last>,
    /// Evidence about the current value: refusals since it was last accepted, and whether it is convicted.
    refusals: Vec<(SystemTime, Option<u64>)>,
    is_convicted: bool,
}

struct Last {
    request: RequestId,
    overlap: Duration,
    from: Option<u32>,
    to: u32,
    phase: Phase,
    since: SystemTime,
    unclear: u32,
    reason: Option<&'static str>,
}

impl Model {
    pub(crate) const fn new() -> Self {
        Self {
            highest: 0,
            current: None,
            beside: None,
            last: None,
            refusals: Vec::new(),
            is_convicted: false,
        }
    }

    pub(crate) fn is_repeat(&self, asked: &RotationRequest) -> bool {
        let last = self.last.as_ref();
        last.is_some_and(|last| last.request == asked.request)
    }

    pub(crate) fn replace(&mut self, now: SystemTime) {
        self.highest += 1;
        self.beside = None;
        self.use_value(self.highest);
        match self.last.as_ref().map(|last| last.phase) {
            Some(Phase::Staged) => self.end(Phase::Refused, Some("replaced"), now),
            Some(Phase::Overlapping) => self.end(Phase::Finished, Some("replaced"), now),
            _ => {}
        }
    }

    pub(crate) fn begin(
        &mut self,
        asked: &RotationRequest,
        now: SystemTime,
    ) -> Result<(), Declined> {
        if self.is_repeat(asked) {
            return Ok(());
        }
        if self.phase() == Some(Phase::Staged) || self.phase() == Some(Phase::Overlapping) {
            return Err(Declined::UnderWay);
        }
        if asked.overlap > WEEK {
            return Err(Declined::TooLong);
        }
        self.highest += 1;
        self.last = Some(Last {
            request: asked.request.clone(),
            overlap: asked.overlap,
            from: self.current,
            to: self.highest,
            phase: Phase::Staged,
            since: now,
            unclear: 0,
            reason: None,
        });
        self.beside = Some((self.highest, true));
        if !asked.verify {
            self.promote(now);
        }
        Ok(())
    }

    pub(crate) fn advance(&mut self, event: Event, now: SystemTime) -> Result<bool, Declined> {
        let Some(last) = &mut self.last else {
            return Ok(false);
        };
        let to = last.to;
        let is_new = |version: VersionNumber| version.get() == to;
        match (last.phase, event) {
            (Phase::Staged, Event::Probed { version, finding }) if is_new(version) => match finding
            {
                Finding::Good => self.promote(now),
                Finding::Bad(_) => self.withdraw("rejected", now),
                Finding::Unclear => {
                    last.unclear += 1;
                    if last.unclear == 3 {
                        self.withdraw("unproven", now);
                    }
                }
            },
            (Phase::Staged, Event::RollBack) => self.withdraw("by_operator", now),
            (Phase::Staged, Event::Tick) if now >= last.since + HOUR => {
                self.withdraw("unproven", now);
            }
            (Phase::Overlapping, Event::Tick) if now >= last.since + last.overlap => {
                let reason = last.reason;
                self.drop_old(reason, now);
            }
            (Phase::Staged | Phase::Overlapping, Event::Tick)
                if last.since > now + Duration::from_secs(60) =>
            {
                last.since = now;
            }
            (
                Phase::Overlapping,
                Event::Compared {
                    version,
                    new,
                    old,
                    took,
                },
            ) if is_new(version) && took <= Duration::from_secs(5) => match (new, old) {
                (Finding::Bad(_), Finding::Good) => self.go_back("new_refused", now),
                (Finding::Bad(_), Finding::Bad(_)) if last.reason.is_none() => {
                    last.reason = Some("both_refused");
                }
                (Finding::Good, _) if last.reason.is_some() => last.reason = None,
                _ => return Ok(false),
            },
            (Phase::Overlapping, Event::RollBack) => self.go_back("by_operator", now),
            (Phase::Overlapping, Event::DestroyNow) => self.drop_old(Some("by_operator"), now),
            (_, Event::RollBack | Event::DestroyNow) => return Err(Declined::NotNow),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(crate) fn note(
        &mut self,
        event: status::Event,
        version: VersionNumber,
        asked: SystemTime,
        now: SystemTime,
    ) -> bool {
        if self.current != Some(version.get()) {
            return false;
        }
        let before = self.is_convicted;
        match event {
            status::Event::Refused {
                request, proves, ..
            } => {
                self.refusals.push((asked, proves.then_some(request)));
                let counted: Vec<_> = self.refusals.iter().filter_map(|found| found.1).collect();
                let others = counted.iter().any(|found| *found != counted[0]);
                // The refusal that makes it three is one that counts.
                self.is_convicted |= proves && counted.len() >= 3 && others;
            }
            status::Event::Probed(Finding::Bad(_)) => {
                self.refusals.push((asked, None));
                self.is_convicted = true;
            }
            _ => {
                let last = self.refusals.iter().map(|(refused, _)| *refused).max();
                if last.is_none_or(|last| asked >= last || last > now) {
                    self.refusals.clear();
                    self.is_convicted = false;
                }
            }
        }
        before != self.is_convicted
    }

    /// Compares itself with what is stored.
    pub(crate) fn check(&self, held: &Held<'_>) {
        let number = |number: VersionNumber| number.get();
        assert_eq!(held.secret.current.map(number), self.current);
        let mut beside = held.versions.values().filter(|version| {
            let state = version.state;
            state == VersionState::Staged || state == VersionState::Retiring
        });
        let found = beside.next();
        let found = found.map(|version| {
            let is_staged = version.state == VersionState::Staged;
            (version.number.get(), is_staged)
        });
        assert_eq!(found, self.beside);
        let highest = held.versions.keys().last().copied().map_or(0, number);
        assert_eq!(highest, self.highest);
        match (&held.rotation, &self.last) {
            (None, None) => {}
            (Some(found), Some(last)) => {
                assert_eq!(found.request, last.request);
                assert_eq!(
                    (found.from.map(number), found.to.get()),
                    (last.from, last.to)
                );
                assert_eq!((found.phase, found.phase_since), (last.phase, last.since));
                assert_eq!(found.attempts, last.unclear);
                let reason = found.reason.map(|reason| reason.as_str());
                assert_eq!(reason, last.reason);
            }
            (found, _) => panic!("{found:?} is not what the model has"),
        }
        let standing = match (self.is_convicted, self.refusals.is_empty()) {
            (true, _) => Standing::Convicted(REFUSAL.charge),
            (false, false) => Standing::Suspected,
            (false, true) => Standing::Trusted,
        };
        assert_eq!(held.standing(), self.current.map(|_there| standing));
    }

    fn phase(&self) -> Option<Phase> {
        self.last.as_ref().map(|last| last.phase)
    }

    /// The new value is used; the old one stays beside it for the overlap.
    fn promote(&mut self, now: SystemTime) {
        let Some(last) = &self.last else { return };
        let (from, to, overlap) = (last.from, last.to, last.overlap);
        self.use_value(to);
        self.beside = from
            .filter(|_| overlap > Duration::ZERO)
            .map(|old| (old, false));
        match self.beside {
            Some(_) => self.end(Phase::Overlapping, None, now),
            None => self.end(Phase::Finished, None, now),
        }
    }

    /// The new value is gone before it was used.
    fn withdraw(&mut self, reason: &'static str, now: SystemTime) {
        self.beside = None;
        self.end(Phase::Refused, Some(reason), now);
    }

    fn drop_old(&mut self, reason: Option<&'static str>, now: SystemTime) {
        self.beside = None;
        self.end(Phase::Finished, reason, now);
    }

    fn go_back(&mut self, reason: &'static str, now: SystemTime) {
        if let Some((old, _)) = self.beside.take() {
            self.use_value(old);
        }
        self.end(Phase::RolledBack, Some(reason), now);
    }

    /// What was held against another value does not count against this one.
    fn use_value(&mut self, number: u32) {
        self.current = Some(number);
        self.refusals.clear();
        self.is_convicted = false;
    }

    fn end(&mut self, phase: Phase, reason: Option<&'static str>, now: SystemTime) {
        if let Some(last) = &mut self.last {
            last.phase = phase;
            last.reason = reason;
            last.since = now;
        }
    }
}
