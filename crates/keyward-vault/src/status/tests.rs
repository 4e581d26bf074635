use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::{Charge, Event, Finding, Provability, Record, Refusal, Standing, Step};
use crate::VersionNumber;

const START: SystemTime = SystemTime::UNIX_EPOCH;
const FIRST: VersionNumber = VersionNumber::FIRST;
const REFUSAL: Refusal = Refusal::new(Charge::Rejected, 401);
const CONVICTED: Standing = Standing::Convicted(Charge::Rejected);

fn at(seconds: u64) -> SystemTime {
    START + Duration::from_secs(seconds)
}

/// One key under one provider, and a clock.
struct Key {
    record: Record,
    by: Provability,
}

impl Key {
    fn new(by: Provability) -> Self {
        Self {
            record: Record::new(FIRST, START),
            by,
        }
    }

    fn note(&mut self, event: Event, asked: u64, now: u64) -> Step {
        self.record.note(event, FIRST, self.by, at(asked), at(now))
    }

    fn refuse(&mut self, request: u64, now: u64) -> Step {
        let refused = Event::Refused {
            refusal: REFUSAL,
            request,
            proves: true,
        };
        self.note(refused, now, now)
    }
}

#[test]
fn one_refusal_asks_the_probe_and_the_probe_decides() {
    let mut key = Key::new(Provability::ByProbe);
    let step = key.refuse(1, 10);
    assert_eq!(key.record.standing(), Standing::Suspected);
    assert!(step.probe && !step.tell);
    // One at a time, and not again within 30 seconds.
    assert!(!key.refuse(1, 11).probe);
    let step = key.note(Event::Probed(Finding::Bad(REFUSAL)), 10, 12);
    assert_eq!(key.record.standing(), CONVICTED);
    assert_eq!(key.record.since(), at(12));
    assert!(step.tell && !step.probe);
    assert_eq!(key.record.last_refusal(), Some((REFUSAL, at(12))));
}

#[test]
fn a_good_probe_acquits_silently_before_a_conviction_and_aloud_after_it() {
    let mut key = Key::new(Provability::ByProbe);
    key.refuse(1, 10);
    let step = key.note(Event::Probed(Finding::Good), 11, 12);
    assert_eq!(
        (key.record.standing(), step.tell),
        (Standing::Trusted, false)
    );

    assert!(!key.refuse(2, 20).probe, "30 seconds are not over");
    assert!(key.note(Event::Tick, 45, 45).probe);
    key.note(Event::Probed(Finding::Bad(REFUSAL)), 45, 46);
    assert!(key.note(Event::Tick, 80, 80).probe);
    let step = key.note(Event::Probed(Finding::Good), 80, 81);
    assert_eq!(
        (key.record.standing(), step.tell),
        (Standing::Trusted, true)
    );
    assert_eq!(key.record.refusals(), 0);
}

#[test]
fn without_a_probe_three_refusals_of_two_requests_convict() {
    let mut key = Key::new(Provability::ByRequests);
    for now in 1..=5 {
        // One request that is sent again and again.
        assert_eq!(key.refuse(7, now), Step::default());
    }
    assert_eq!(key.record.standing(), Standing::Suspected);
    assert!(key.refuse(8, 6).tell);
    assert_eq!(key.record.standing(), CONVICTED);

    let mut key = Key::new(Provability::ByRequests);
    key.refuse(1, 1);
    assert!(!key.refuse(2, 2).tell);
    assert!(key.refuse(2, 3).tell);
}

#[test]
fn a_refusal_that_proves_nothing_counts_for_nothing() {
    let mut key = Key::new(Provability::ByRequests);
    for request in 0..100 {
        let refused = Event::Refused {
            refusal: REFUSAL,
            request,
            proves: false,
        };
        key.note(refused, request, request);
    }
    assert_eq!(key.record.standing(), Standing::Suspected);
    assert_eq!(key.record.refusals(), 0);
}

#[test]
fn an_answer_to_what_was_asked_before_a_refusal_does_not_acquit() {
    let mut key = Key::new(Provability::ByRequests);
    for request in 1..=3 {
        key.refuse(request, 10);
    }
    key.note(Event::Accepted, 9, 20);
    assert_eq!(key.record.standing(), CONVICTED);
    assert!(key.note(Event::Accepted, 11, 21).tell);
    assert_eq!(key.record.standing(), Standing::Trusted);
}

#[test]
fn another_version_is_another_matter() {
    let next = FIRST.next().unwrap();
    let mut key = Key::new(Provability::ByProbe);
    key.record = Record::new(next, START);
    assert_eq!(key.refuse(1, 1), Step::default());
    assert_eq!(key.record.standing(), Standing::Trusted);
    key.record = Record::convicted(next, REFUSAL, START);
    key.note(Event::Accepted, 5, 5);
    assert_eq!(key.record.standing(), CONVICTED);
}

#[test]
fn a_convicted_key_is_probed_ever_less_often_and_at_least_each_hour() {
    let mut key = Key::new(Provability::ByProbe);
    key.record = Record::convicted(FIRST, REFUSAL, START);
    let mut probes = Vec::new();
    for now in 0..6 * 3_600 {
        if key.note(Event::Tick, now, now).probe {
            probes.push(now);
            key.note(Event::Probed(Finding::Bad(REFUSAL)), now, now);
        }
    }
    let waits: Vec<_> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits[..8], [30, 60, 120, 240, 480, 960, 1_920, 3_600]);
    assert!(waits[8..].iter().all(|wait| *wait == 3_600), "{waits:?}");
}

#[test]
fn without_a_probe_one_request_at_a_time_tries_a_convicted_key() {
    let mut key = Key::new(Provability::ByRequests);
    assert!(!key.record.try_one(at(1)), "nothing is to be tried");
    key.record = Record::convicted(FIRST, REFUSAL, START);
    assert!(key.record.try_one(at(1)));
    assert!(!key.record.try_one(at(2)));
    assert!(!key.record.try_one(at(30)));
    assert!(key.record.try_one(at(31)));
    assert!(!key.record.try_one(at(61)), "the wait doubles");
    assert!(key.note(Event::Accepted, 31, 62).tell);
    assert!(!key.record.try_one(at(3_600)));
}

#[test]
fn a_probe_that_never_came_back_and_a_clock_that_was_set_back_hold_nothing_up() {
    let mut key = Key::new(Provability::ByProbe);
    assert!(key.refuse(1, 1_000).probe);
    assert!(!key.note(Event::Tick, 1_040, 1_040).probe);
    assert!(key.note(Event::Tick, 1_060, 1_060).probe);
    assert!(key.note(Event::Tick, 10, 10).probe);
}

/// Every event there is, with the time that passed before it.
fn events() -> impl Strategy<Value = Vec<(Event, u64, u64)>> {
    let refusal = prop_oneof![Just(Charge::Rejected), Just(Charge::Expired)]
        .prop_map(|charge| Refusal::new(charge, 401));
    let event = prop_oneof![
        4 => (refusal.clone(), 0..4_u64, any::<bool>()).prop_map(|(refusal, request, proves)| {
            Event::Refused { refusal, request, proves }
        }),
        2 => Just(Event::Accepted),
        1 => Just(Event::Probed(Finding::Good)),
        1 => refusal.prop_map(|refusal| Event::Probed(Finding::Bad(refusal))),
        1 => Just(Event::Probed(Finding::Unclear)),
        2 => Just(Event::Tick),
    ];
    // How long the answer took, and how long nothing happened before it was asked.
    prop::collection::vec((event, 0..20_u64, 0..40_u64), 0..60)
}

proptest! {
    /// Against a model that keeps every event and looks at all of them each time.
    #[test]
    fn the_record_follows_a_model(events in events(), has_probe in any::<bool>()) {
        let by = if has_probe { Provability::ByProbe } else { Provability::ByRequests };
        let mut key = Key::new(by);
        let mut history = Vec::new();
        let (mut now, mut probed) = (0, Vec::new());
        let mut under_way = None;
        for (event, took, idle) in events {
            now += took + idle;
            let asked = now - took;
            let before = key.record.standing();
            let step = key.note(event, asked, now);
            if matches!(event, Event::Probed(_)) {
                under_way = None;
            }
            let is_asked = under_way.is_some_and(|since| now - since < 60);
            history.push((event, asked, now, is_asked));
            if step.probe {
                under_way = Some(now);
            }
            prop_assert_eq!(key.record.standing(), model(&history), "{:?}", history);
            let is_told = |standing| matches!(standing, Standing::Convicted(_));
            let after = key.record.standing();
            prop_assert_eq!(step.tell, before != after && (is_told(before) || is_told(after)));
            if step.probe {
                prop_assert!(has_probe && after != Standing::Trusted);
                prop_assert!(probed.last().is_none_or(|last| now - last >= 30));
                probed.push(now);
            }
        }
    }
}

/// The standing, by the words of the module's front page.
fn model(history: &[(Event, u64, u64, bool)]) -> Standing {
    let mut refusals: Vec<(Option<u64>, u64, Charge)> = Vec::new();
    let mut charge = None;
    for (event, asked, _now, is_asked) in history {
        match event {
            Event::Refused {
                refusal,
                request,
                proves,
            } => {
                refusals.push((proves.then_some(*request), *asked, refusal.charge));
                let counted: Vec<_> = refusals
                    .iter()
                    .filter_map(|(request, ..)| *request)
                    .collect();
                let requests: std::collections::BTreeSet<_> = counted.iter().collect();
                if *proves && counted.len() >= 3 && requests.len() >= 2 && !is_asked {
                    charge = Some(refusal.charge);
                }
            }
            Event::Probed(Finding::Bad(refusal)) => {
                refusals.push((None, *asked, refusal.charge));
                charge = Some(refusal.charge);
            }
            Event::Accepted | Event::Probed(Finding::Good) => {
                if refusals
                    .iter()
                    .map(|(_, refused, _)| refused)
                    .max()
                    .is_none_or(|last| asked >= last)
                {
                    refusals.clear();
                    charge = None;
                }
            }
            Event::Probed(Finding::Unclear) | Event::Tick => {}
        }
    }
    match (charge, refusals.is_empty()) {
        (Some(charge), _) => Standing::Convicted(charge),
        (None, false) => Standing::Suspected,
        (None, true) => Standing::Trusted,
    }
}
