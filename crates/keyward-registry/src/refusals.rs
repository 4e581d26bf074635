//! Refused attempts on their way to the audit log: merged, bounded, and never so many that they fill a disk.
//!
//! The first attempt of its kind is told within a second. Further ones that are alike (who, from where, what, to
//! what, with what result) are counted, and told in one line a minute later. Over the lines that both kinds of
//! refusals may have stands a budget of their own, so that whoever floods without a token hides nothing of what
//! holders of tokens tried.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use crate::{Actor, AuditResult, RefusedAttempt};

/// How long attempts that are alike are counted before the next line tells of them.
const QUIET: Duration = Duration::from_secs(60);
/// Kinds of attempts that are told apart at a time.
const MOST_KINDS: usize = 256;
/// Lines that may be written at once.
const BURST: u32 = 1_000;
/// One line more may be written after this time: 1,440 a day in each lane.
const REFILL: Duration = Duration::from_secs(60);
/// What is told of attempts of more kinds than are told apart.
const SEVERAL: &str = "several";

/// Refused attempts that are not in the log yet.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<[Lane; 2]>);

/// The attempts of one kind of result.
#[derive(Debug, Default)]
struct Lane {
    kinds: HashMap<Kind, Waiting>,
    /// Those for which there was no place.
    others: Option<RefusedAttempt>,
    budget: Option<Budget>,
    turn: u64,
}

/// What attempts that are alike have in common.
type Kind = RefusedAttempt;

#[derive(Debug)]
struct Waiting {
    newest: SystemTime,
    times: u64,
    /// When the next line may tell of it.
    due: SystemTime,
    /// In the order in which they came.
    turn: u64,
}

#[derive(Debug)]
struct Budget {
    left: u32,
    refilled: SystemTime,
}

impl Refusals {
    /// Takes note of an attempt. Short, and without I/O.
    pub(crate) fn note(&self, attempt: RefusedAttempt) {
        let mut lanes = self.lanes();
        Self::lane(&mut lanes, attempt.result).note(attempt);
    }

    /// What is to be written now.
    pub(crate) fn take(&self, now: SystemTime) -> Vec<RefusedAttempt> {
        let mut lanes = self.lanes();
        lanes.iter_mut().flat_map(|lane| lane.take(now)).collect()
    }

    /// Everything that there is still budget for: the process ends.
    pub(crate) fn take_all(&self, now: SystemTime) -> Vec<RefusedAttempt> {
        let mut lanes = self.lanes();
        let all = lanes.iter_mut().flat_map(|lane| {
            for waiting in lane.kinds.values_mut() {
                waiting.due = now;
            }
            lane.take(now)
        });
        all.collect()
    }

    fn lanes(&self) -> MutexGuard<'_, [Lane; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const fn lane(lanes: &mut [Lane; 2], result: AuditResult) -> &mut Lane {
        let [denied, others] = lanes;
        match result {
            AuditResult::Denied => denied,
            AuditResult::Unauthenticated | AuditResult::Done => others,
        }
    }
}

impl Lane {
    fn note(&mut self, mut attempt: RefusedAttempt) {
        attempt.actor = network_of(attempt.actor);
        let (at, times) = (attempt.at, attempt.times);
        let kind = Kind {
            at: SystemTime::UNIX_EPOCH,
            times: 0,
            ..attempt
        };
        if let Some(waiting) = self.kinds.get_mut(&kind) {
            waiting.newest = waiting.newest.max(at);
            waiting.times = waiting.times.saturating_add(times);
            return;
        }
        if self.kinds.len() >= MOST_KINDS {
            let others = self.others.get_or_insert_with(|| RefusedAttempt {
                at,
                actor: Actor::Unknown { source: None },
                action: SEVERAL.into(),
                subject: None,
                result: kind.result,
                times: 0,
            });
            others.at = others.at.max(at);
            others.times = others.times.saturating_add(times);
            return;
        }
        self.turn = self.turn.wrapping_add(1);
        let waiting = Waiting {
            newest: at,
            times,
            due: SystemTime::UNIX_EPOCH,
            turn: self.turn,
        };
        self.kinds.insert(kind, waiting);
    }

    fn take(&mut self, now: SystemTime) -> Vec<RefusedAttempt> {
        let budget = self.budget.get_or_insert(Budget {
            left: BURST,
            refilled: now,
        });
        budget.refill(now);
        let mut due: Vec<_> = self
            .kinds
            .iter_mut()
            .filter(|(_, waiting)| waiting.due <= now && waiting.times > 0)
            .collect();
        // Those that were not told yet come first, so that where the budget is short none is told again and again
        // instead of others.
        due.sort_by_key(|(_, waiting)| (waiting.due, waiting.turn));
        let mut taken = Vec::new();
        for (kind, waiting) in due {
            if !budget.spend() {
                break;
            }
            taken.push(RefusedAttempt {
                at: waiting.newest,
                times: std::mem::take(&mut waiting.times),
                ..kind.clone()
            });
            waiting.due = now.checked_add(QUIET).unwrap_or(now);
        }
        self.kinds
            .retain(|_, waiting| waiting.times > 0 || waiting.due > now);
        if self.others.is_some() && budget.spend() {
            taken.extend(self.others.take());
        }
        taken
    }
}

impl Budget {
    fn refill(&mut self, now: SystemTime) {
        let Ok(passed) = now.duration_since(self.refilled) else {
            // The clock was put back.
            self.refilled = now;
            return;
        };
        let more = passed.as_secs() / REFILL.as_secs();
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(more).min(BURST);
            self.refilled = now;
        }
    }

    const fn spend(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

/// Whoever shows no token and has a whole IPv6 network is one source: its first 64 bits.
fn network_of(actor: Actor) -> Actor {
    match actor {
        Actor::Unknown {
            source: Some(IpAddr::V6(address)),
        } => {
            let network = address.to_bits() & (u128::MAX << 64);
            Actor::Unknown {
                source: Some(Ipv6Addr::from_bits(network).into()),
            }
        }
        actor => actor,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::IpAddr,
        time::{Duration, SystemTime},
    };

    use super::{BURST, MOST_KINDS, Refusals};
    use crate::{Actor, AuditResult, RefusedAttempt};

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + secs)
    }

    fn attempt(source: [u8; 4], result: AuditResult, secs: u64) -> RefusedAttempt {
        RefusedAttempt {
            at: at(secs),
            actor: Actor::Unknown {
                source: Some(IpAddr::from(source)),
            },
            action: "gateway.list".into(),
            subject: None,
            result,
            times: 1,
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_more_of_its_kind_are_counted() {
        let refusals = Refusals::default();
        let one = || attempt([10, 0, 0, 1], AuditResult::Denied, 0);
        refusals.note(one());
        assert_eq!(refusals.take(at(0)), [one()]);
        for _ in 0..500 {
            refusals.note(one());
        }
        assert_eq!(refusals.take(at(1)), []);
        let later = refusals.take(at(60));
        assert_eq!(later.len(), 1);
        assert_eq!(later[0].times, 500);
        // Forgotten once it was quiet for as long.
        assert_eq!(refusals.take(at(121)), []);
        refusals.note(one());
        assert_eq!(refusals.take(at(122)).len(), 1);
    }

    #[test]
    fn what_waits_is_told_at_the_end() {
        let refusals = Refusals::default();
        let one = || attempt([10, 0, 0, 1], AuditResult::Denied, 0);
        refusals.note(one());
        assert_eq!(refusals.take(at(0)).len(), 1);
        refusals.note(one());
        assert_eq!(refusals.take_all(at(1)).len(), 1);
    }

    #[test]
    fn a_flood_from_everywhere_writes_a_bounded_number_of_lines_and_hides_no_holder_of_a_token() {
        let refusals = Refusals::default();
        let (mut lines, mut told, mut sent) = (0, 0, 0_u64);
        for second in 0..3_600 {
            for number in 0..400_u32 {
                let source = (number + 400 * second).to_be_bytes();
                refusals.note(attempt(source, AuditResult::Unauthenticated, second.into()));
                sent += 1;
            }
            for line in refusals.take(at(second.into())) {
                assert_eq!(line.result, AuditResult::Unauthenticated);
                lines += 1;
                told += line.times;
            }
        }
        assert!(lines <= u64::from(BURST) + 60, "{lines}");
        // None is lost in the sum but those that still wait.
        let waiting: u64 = {
            let lanes = refusals.lanes();
            let kinds = lanes[1].kinds.values().map(|waiting| waiting.times);
            assert!(lanes[1].kinds.len() <= MOST_KINDS);
            kinds.sum::<u64>() + lanes[1].others.as_ref().map_or(0, |others| others.times)
        };
        assert_eq!(told + waiting, sent);

        refusals.note(attempt([1, 1, 1, 1], AuditResult::Denied, 3_600));
        let lines = refusals.take(at(3_600));
        let denied = |line: &&RefusedAttempt| line.result == AuditResult::Denied;
        assert_eq!(lines.iter().filter(denied).count(), 1);
    }

    #[test]
    fn what_was_told_lets_others_go_first_where_the_budget_is_short() {
        let refusals = Refusals::default();
        let one = |source| attempt([10, 0, 0, source], AuditResult::Denied, 0);
        refusals.lanes()[0].budget = Some(super::Budget {
            left: 1,
            refilled: at(0),
        });
        refusals.note(one(1));
        assert_eq!(refusals.take(at(0)), [one(1)]);
        refusals.note(one(1));
        refusals.note(one(2));
        assert_eq!(refusals.take(at(60)), [one(2)]);
        assert_eq!(refusals.take(at(120)), [one(1)]);
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let refusals = Refusals::default();
        for number in 0..100_u16 {
            let mut one = attempt([0; 4], AuditResult::Unauthenticated, 0);
            let source = format!("2001:db8:1:2::{number:x}").parse().unwrap();
            one.actor = Actor::Unknown {
                source: Some(source),
            };
            refusals.note(one);
        }
        let lines = refusals.take(at(0));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].times, 100);
    }
}
