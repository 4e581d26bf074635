//! What a key's standing is, by what its provider answered. Pure: (standing, event, now) → standing, and what to do.
//!
//! ```text
//!             refused                    the probe, or three refusals
//!   Trusted ───────────▶ Suspected ────────────────────────────────▶ Convicted
//!      ▲                     │                                           │
//!      └──── accepted ───────┴───────────────── accepted ────────────────┘
//! ```
//!
//! - A refusal by itself convicts nobody: it raises a suspicion that nobody is told of. Whether an answer *is* a refusal
//!   of the credential is for whoever reads the answer; outages, limits, models and clients' own mistakes are none.
//! - While a probe is under way refusals convict nobody: it is the better witness.
//! - What proves the opposite acquits, without an operator: a success where only a good credential has one, or a good
//!   probe. It counts only if it was asked after what was refused last was, so that a slow answer from before does not.
//! - What was asked with another version of the key's value says nothing about this one.
//! - Probes are for the caller to send, when a [`Step`] says so: one at a time, and not two within 30 seconds.

use std::time::{Duration, SystemTime};

use crate::VersionNumber;

/// At least this long between two probes of one key.
const BETWEEN_PROBES: Duration = Duration::from_secs(30);
/// The longest that a convicted key waits for its next probe, or its next trial.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// A probe that was never reported back is given up for lost.
const PROBE_LOST: Duration = Duration::from_secs(60);
/// So many refusals convict without a probe, if they come from more than one request.
const REFUSALS: u32 = 3;

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever uses a key must decide for each"
)]
pub enum Standing {
    /// Nothing speaks against it.
    Trusted,
    /// It was refused, and nothing else is known yet. It goes on being used.
    Suspected,
    /// The provider refuses it.
    Convicted(Charge),
}

/// What a provider says is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever explains a conviction must know each"
)]
pub enum Charge {
    /// It does not know it, or no more.
    Rejected,
    /// It was good until some day.
    Expired,
}

impl Charge {
    /// The text that stores keep.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// Reads [`as_str`](Self::as_str) back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = [Self::Rejected, Self::Expired].into_iter();
        all.find(|charge| charge.as_str() == text)
    }
}

/// One refusal, without a word of the answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// What the provider says.
    pub charge: Charge,
    /// The status code of the answer.
    pub code: u16,
}

impl Refusal {
    /// A refusal with this status code.
    #[must_use]
    pub const fn new(charge: Charge, code: u16) -> Self {
        Self { charge, code }
    }
}

/// What is known of one key, and of which version of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    version: VersionNumber,
    standing: Standing,
    since: SystemTime,
    refusals: u32,
    /// The request that was refused first, and whether another one was.
    first: Option<u64>,
    has_second: bool,
    last: Option<(Refusal, SystemTime)>,
    /// When the latest of what was refused was asked.
    last_asked: Option<SystemTime>,
    probe: Probe,
}

/// When the next probe, or trial, may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Probe {
    under_way: Option<SystemTime>,
    last: Option<SystemTime>,
    /// How many in a row told nothing new.
    in_vain: u32,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A request with the key was refused.
    Refused {
        /// What the answer said.
        refusal: Refusal,
        /// Which request: replays of one count as one.
        request: u64,
        /// Whether the endpoint is one where only the credential decides. Elsewhere a refusal may be about something
        /// else: it raises a suspicion, and does not count towards a conviction.
        proves: bool,
    },
    /// A request with the key had a success where none is without a good credential.
    Accepted,
    /// A probe came back.
    Probed(Finding),
    /// Time passed.
    Tick,
}

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever sends a probe must say which"
)]
pub enum Finding {
    /// The provider takes the key.
    Good,
    /// The provider refuses it.
    Bad(Refusal),
    /// The provider said something else, or nothing.
    Unclear,
}

/// Whether a provider has an endpoint that costs nothing and proves a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there either is one or there is none"
)]
pub enum Provability {
    /// It has one.
    ByProbe,
    /// It has none: requests alone tell.
    ByRequests,
}

/// What follows from an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The standing changed in a way that people are told of: convicted, or acquitted after a conviction.
    pub tell: bool,
    /// Send one probe now, and report it as [`Event::Probed`].
    pub probe: bool,
}

impl Record {
    /// Of a value that was just stored.
    #[must_use]
    pub const fn new(version: VersionNumber, now: SystemTime) -> Self {
        Self {
            version,
            standing: Standing::Trusted,
            since: now,
            refusals: 0,
            first: None,
            has_second: false,
            last: None,
            last_asked: None,
            probe: Probe {
                under_way: None,
                last: None,
                in_vain: 0,
            },
        }
    }

    /// As a store has it: a conviction outlives the process, suspicions do not.
    #[must_use]
    pub const fn convicted(version: VersionNumber, refusal: Refusal, since: SystemTime) -> Self {
        let mut record = Self::new(version, since);
        record.standing = Standing::Convicted(refusal.charge);
        record.last = Some((refusal, since));
        record.last_asked = Some(since);
        record
    }

    /// How the key stands.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Since when it stands so.
    #[must_use]
    pub const fn since(&self) -> SystemTime {
        self.since
    }

    /// Which version of the value this is about.
    #[must_use]
    pub const fn version(&self) -> VersionNumber {
        self.version
    }

    /// How often the key was refused since it was last accepted, as far as that counts.
    #[must_use]
    pub const fn refusals(&self) -> u32 {
        self.refusals
    }

    /// The last refusal, and when it came.
    #[must_use]
    pub const fn last_refusal(&self) -> Option<(Refusal, SystemTime)> {
        self.last
    }

    /// Takes note of an event. `version` is the one that was used, `asked` when the request or probe was sent, `now`
    /// when its answer came.
    pub fn note(
        &mut self,
        event: Event,
        version: VersionNumber,
        by: Provability,
        asked: SystemTime,
        now: SystemTime,
    ) -> Step {
        if let Event::Probed(_) = event {
            self.probe.under_way = None;
        }
        if version != self.version {
            return Step::default();
        }
        let before = self.standing;
        match event {
            Event::Refused {
                refusal,
                request,
                proves,
            } => {
                self.refuse(refusal, asked, now);
                if proves && self.count(request) && !(by == Provability::ByProbe && self.asks(now))
                {
                    self.convict(refusal, now);
                }
            }
            Event::Accepted => self.accept(asked, now),
            Event::Probed(Finding::Good) => self.accept(asked, now),
            Event::Probed(Finding::Bad(refusal)) => {
                self.refuse(refusal, asked, now);
                self.convict(refusal, now);
                self.probe.in_vain = self.probe.in_vain.saturating_add(1);
            }
            Event::Probed(Finding::Unclear) => {
                self.probe.in_vain = self.probe.in_vain.saturating_add(1);
            }
            Event::Tick => {}
        }
        let probe = by == Provability::ByProbe && self.begin_probe(now);
        let is_convicted = |standing| matches!(standing, Standing::Convicted(_));
        let tell = before != self.standing && (is_convicted(before) || is_convicted(self.standing));
        Step { tell, probe }
    }

    /// Whether one request may try a convicted key whose provider has no probe. Asked again within the wait, the answer
    /// is no.
    pub fn try_one(&mut self, now: SystemTime) -> bool {
        matches!(self.standing, Standing::Convicted(_)) && {
            let may = self.begin_probe(now);
            // Nobody reports a trial as such: its answer is a request's.
            self.probe.under_way = None;
            if may {
                self.probe.in_vain = self.probe.in_vain.saturating_add(1);
            }
            may
        }
    }

    fn refuse(&mut self, refusal: Refusal, asked: SystemTime, now: SystemTime) {
        self.last = Some((refusal, now));
        self.last_asked = self.last_asked.max(Some(asked));
        if self.standing == Standing::Trusted {
            self.standing = Standing::Suspected;
            self.since = now;
        }
    }

    /// Counts a refusal that proves something. Whether there are enough.
    fn count(&mut self, request: u64) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        match self.first {
            None => self.first = Some(request),
            Some(first) => self.has_second |= first != request,
        }
        self.refusals >= REFUSALS && self.has_second
    }

    /// Whether a probe is under way, and not lost.
    fn asks(&self, now: SystemTime) -> bool {
        is_within(self.probe.under_way, PROBE_LOST, now)
    }

    fn convict(&mut self, refusal: Refusal, now: SystemTime) {
        if self.standing != Standing::Convicted(refusal.charge) {
            self.standing = Standing::Convicted(refusal.charge);
            self.since = now;
        }
    }

    /// An answer to what was asked before what was refused is older news than that. A refusal that lies ahead was noted
    /// before the clock was set back.
    fn accept(&mut self, asked: SystemTime, now: SystemTime) {
        if self
            .last_asked
            .is_some_and(|last| asked < last && last <= now)
        {
            return;
        }
        if self.standing != Standing::Trusted {
            let probe = Probe {
                last: self.probe.last,
                ..Probe::default()
            };
            *self = Self {
                probe,
                ..Self::new(self.version, now)
            };
        }
    }

    /// Whether it is time for a probe; if it is, it is under way.
    fn begin_probe(&mut self, now: SystemTime) -> bool {
        if self.standing == Standing::Trusted {
            return false;
        }
        let wait = match self.standing {
            Standing::Convicted(_) => self.wait(),
            _ => BETWEEN_PROBES,
        };
        if self.asks(now) || is_within(self.probe.last, wait, now) {
            return false;
        }
        self.probe.under_way = Some(now);
        self.probe.last = Some(now);
        true
    }

    /// Twice as long after each probe that told nothing new.
    fn wait(&self) -> Duration {
        let doubled = 1_u32.checked_shl(self.probe.in_vain.saturating_sub(1));
        let wait = doubled.and_then(|times| BETWEEN_PROBES.checked_mul(times));
        wait.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
    }
}

/// A clock that was set back makes no key wait for what it then calls the future.
fn is_within(since: Option<SystemTime>, time: Duration, now: SystemTime) -> bool {
    let passed = since.and_then(|since| now.duration_since(since).ok());
    passed.is_some_and(|passed| passed < time)
}

#[cfg(test)]
mod tests;
