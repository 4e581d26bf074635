//! The life of a secret's values: versions, rotation and status against a simple model, over random events.
//!
//! `KEYWARD_LIFE_TRANSITIONS` sets after how many the walk is over (20,000), `KEYWARD_LIFE_SEED` repeats a run; both are
//! printed. A transition is an event that changed something.

mod held;
mod model;
mod random;

use std::{
    env,
    time::{Duration, SystemTime},
};

use keyward_vault::{
    VersionState,
    rotation::{Event, MAX_OVERLAP, Phase, RequestId, RotationRequest},
    status::{self, Charge, Finding, Refusal},
};

use self::{held::Held, model::Model, random::Random};

const REFUSAL: Refusal = Refusal::new(Charge::Rejected, 401);
/// After so many events a new secret begins.
const LIFE: u64 = 100;

#[test]
fn versions_rotation_and_status_keep_to_a_simple_model() {
    let number = |name| env::var(name).ok().map(|text| text.parse().unwrap());
    let transitions: u64 = number("KEYWARD_LIFE_TRANSITIONS").unwrap_or(20_000);
    let seed = number("KEYWARD_LIFE_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    println!("{transitions} transitions, seed {seed}");
    let mut random = Random::new(seed);
    let seals = held::Seals::new(LIFE + 2);
    let (mut seen, mut changed, mut events) = (Seen::default(), 0, 0_u64);
    while changed < transitions {
        let mut life = Life::new(&mut random, &seals);
        for _event in 0..LIFE {
            changed += u64::from(life.step(&mut random, &mut seen));
            events += 1;
        }
    }
    println!("{changed} transitions in {events} events: {seen:?}");
    // A walk that reaches no corner proves nothing.
    let Seen {
        begun,
        promoted,
        finished,
        rolled_back,
        refused,
        replaced,
        repeated,
        declined,
        convicted,
        acquitted,
    } = seen;
    let counts = [
        begun,
        promoted,
        finished,
        rolled_back,
        refused,
        replaced,
        repeated,
        declined,
        convicted,
        acquitted,
    ];
    assert!(
        transitions < 10_000 || counts.iter().all(|count| *count > 10),
        "{seen:?}"
    );
}

/// How often each happened.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    begun: u64,
    promoted: u64,
    finished: u64,
    rolled_back: u64,
    refused: u64,
    replaced: u64,
    repeated: u64,
    declined: u64,
    convicted: u64,
    acquitted: u64,
}

/// One secret, what is stored of it, and what the model says of it.
struct Life<'a> {
    now: SystemTime,
    held: Held<'a>,
    model: Model,
}

impl<'a> Life<'a> {
    fn new(random: &mut Random, seals: &'a held::Seals) -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let mut life = Self {
            now,
            held: Held::new(seals, now),
            model: Model::new(),
        };
        // Half of them begin without a value, as where a provider key lost its secret.
        if random.below(2) == 0 {
            life.held.create(now);
            life.model.replace(now);
        }
        life
    }

    /// Whether something changed.
    fn step(&mut self, random: &mut Random, seen: &mut Seen) -> bool {
        self.pass_time(random);
        let before = self.held.clone();
        match random.below(20) {
            0..=4 => self.begin(random, seen),
            5..=13 => self.advance(random, seen),
            14 => {
                self.held.replace(self.now);
                self.model.replace(self.now);
                seen.replaced += 1;
            }
            _ => self.judge(random, seen),
        }
        self.model.check(&self.held);
        self.check_invariants(&before);
        self.held != before
    }

    fn pass_time(&mut self, random: &mut Random) {
        let seconds = match random.below(12) {
            0 => 600,
            1 => 3_600,
            2 => 7 * 24 * 3_600,
            _ => random.below(20),
        };
        let time = Duration::from_millis(seconds * 1_000 + random.below(1_000));
        // A clock is also set back, by little and by much.
        match random.below(24) {
            0 => self.now -= Duration::from_secs(random.below(120)),
            1 => self.now -= Duration::from_secs(random.below(10 * 24 * 3_600)),
            _ => self.now += time,
        }
    }

    fn begin(&mut self, random: &mut Random, seen: &mut Seen) {
        let overlap = match random.below(8) {
            0 | 1 => Duration::ZERO,
            2 => Duration::from_secs(1),
            3 => MAX_OVERLAP,
            4 => MAX_OVERLAP + Duration::from_millis(1),
            _ => Duration::from_secs(600),
        };
        let asked = RotationRequest {
            request: RequestId::parse(&format!("request-{}", random.below(40))).unwrap(),
            overlap,
            verify: random.below(3) > 0,
        };
        let before = self.held.clone();
        let is_repeat = self.model.is_repeat(&asked);
        let begun = self.held.begin(asked.clone(), self.now);
        let expected = self.model.begin(&asked, self.now);
        assert_eq!(begun, expected, "{asked:?}");
        match (begun, is_repeat) {
            (Ok(()), false) => {
                seen.begun += 1;
                seen.promoted += u64::from(!asked.verify);
                self.held.before = Some(before.versions);
                // Asked again at once, it begins no other.
                let once = self.held.clone();
                assert_eq!(self.held.begin(asked, self.now), Ok(()));
                assert_eq!(self.held, once);
            }
            (Ok(()), true) => {
                seen.repeated += 1;
                assert_eq!(self.held, before);
            }
            (Err(_), _) => {
                seen.declined += 1;
                assert_eq!(self.held, before);
            }
        }
    }

    fn advance(&mut self, random: &mut Random, seen: &mut Seen) {
        let version = self.held.some_version(random);
        let finding = |random: &mut Random| match random.below(3) {
            0 => Finding::Good,
            1 => Finding::Bad(REFUSAL),
            _ => Finding::Unclear,
        };
        let event = match random.below(9) {
            0..=2 => Event::Probed {
                version,
                finding: finding(random),
            },
            3..=5 => Event::Compared {
                version,
                new: finding(random),
                old: finding(random),
                took: Duration::from_millis(random.below(7) * 1_000),
            },
            6 => Event::Tick,
            7 => Event::RollBack,
            _ => Event::DestroyNow,
        };
        let before = self.held.phase();
        let stored = self.held.clone();
        let moved = self.held.advance(event, self.now);
        assert_eq!(moved, self.model.advance(event, self.now), "{event:?}");
        if moved != Ok(true) {
            assert_eq!(self.held, stored, "{event:?}");
        }
        let after = self.held.phase();
        if before == after {
            return;
        }
        match after {
            Some(Phase::Overlapping) => seen.promoted += 1,
            Some(Phase::Finished) if before == Some(Phase::Staged) => seen.promoted += 1,
            Some(Phase::Finished) => seen.finished += 1,
            Some(Phase::RolledBack) => seen.rolled_back += 1,
            Some(Phase::Refused) => seen.refused += 1,
            Some(Phase::Staged) | None => panic!("{before:?} → {after:?}"),
        }
    }

    /// An answer about the current value, or about one that is current no more.
    fn judge(&mut self, random: &mut Random, seen: &mut Seen) {
        let version = self.held.some_version(random);
        let event = match random.below(6) {
            0..=2 => status::Event::Refused {
                refusal: REFUSAL,
                request: random.below(3),
                proves: random.below(4) > 0,
            },
            3 => status::Event::Accepted,
            4 => status::Event::Probed(Finding::Good),
            _ => status::Event::Probed(Finding::Bad(REFUSAL)),
        };
        let asked = self.now - Duration::from_secs(random.below(40));
        let told = self.held.note(event, version, asked, self.now);
        let expected = self.model.note(event, version, asked, self.now);
        assert_eq!(told, expected, "{event:?}");
        match (told, self.held.is_convicted()) {
            (true, true) => seen.convicted += 1,
            (true, false) => seen.acquitted += 1,
            (false, _) => {}
        }
    }

    fn check_invariants(&self, before: &Held<'_>) {
        let (held, versions) = (&self.held, &self.held.versions);
        let of = |state| {
            let found = versions.values().filter(move |found| found.state == state);
            found.collect::<Vec<_>>()
        };
        // Who ever had a current value has one, and one only.
        let current = of(VersionState::Current);
        let number = current.first().map(|version| version.number);
        assert!(current.len() <= 1);
        assert_eq!(held.secret.current, number);
        if before.secret.current.is_some() {
            assert!(number.is_some(), "no value is left");
        }
        let beside = of(VersionState::Staged).len() + of(VersionState::Retiring).len();
        assert!(beside <= 1);
        for version in versions.values() {
            let is_destroyed = version.state == VersionState::Destroyed;
            assert_eq!(version.sealed.is_none(), is_destroyed, "{version:?}");
        }
        // The old value is there for as long as the rotation says so.
        if held.phase() == Some(Phase::Overlapping) {
            let from = held.rotation.as_ref().and_then(|rotation| rotation.from);
            assert_eq!(of(VersionState::Retiring)[0].number, from.unwrap());
        }
        // A refused rotation leaves everything as it was, but for the value that it destroyed.
        let is_refused = held.phase() == Some(Phase::Refused) && before.phase() != held.phase();
        let is_replaced = held.rotation.as_ref().and_then(|rotation| rotation.reason)
            == Some(keyward_vault::rotation::Reason::Replaced);
        if is_refused && !is_replaced {
            let mut left = versions.clone();
            let to = held.rotation.as_ref().map(|rotation| rotation.to);
            let staged = left.remove(&to.unwrap()).unwrap();
            assert_eq!(staged.state, VersionState::Destroyed);
            assert_eq!(Some(&left), held.before.as_ref());
        }
    }
}
