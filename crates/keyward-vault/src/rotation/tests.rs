use std::time::{Duration, SystemTime};

use keyward_secret::{AccountId, SecretBytes};

use super::{
    BeginError, DEFAULT_OVERLAP, Event, MAX_OVERLAP, MAX_STAGED, Phase, Reason, RequestId,
    Rotation, RotationRequest, begin,
};
use crate::{
    Change, Policy, RecordId, SealedRecord, SecretId, SecretRecord, SecretsStoreId, Vault,
    VersionNumber, VersionRecord, VersionState,
    status::{Charge, Finding, Refusal},
    version,
};

const START: SystemTime = SystemTime::UNIX_EPOCH;
const REFUSAL: Refusal = Refusal::new(Charge::Rejected, 401);
const BAD: Finding = Finding::Bad(REFUSAL);
const GOOD: Finding = Finding::Good;
const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> SystemTime {
    START + Duration::from_secs(seconds)
}

fn two() -> VersionNumber {
    VersionNumber::new(2).unwrap()
}

fn seal(version: VersionNumber) -> SealedRecord {
    let (vault, _root) = Vault::create().unwrap();
    let id = RecordId {
        account: AccountId::from_bytes([2; 16]),
        secret: SecretId::from_bytes([1; 16]),
        version,
    };
    let policy = Policy {
        destination: None,
        context: Box::default(),
    };
    let value = SecretBytes::copy_from(b"sk-1");
    vault.seal(&id, &policy, &value).unwrap()
}

/// A secret with one value.
fn stored() -> (SecretRecord, VersionRecord) {
    let secret = SecretRecord {
        id: SecretId::from_bytes([1; 16]),
        account: AccountId::from_bytes([2; 16]),
        store: SecretsStoreId::from_bytes([3; 16]),
        name: "default_openai_default".to_owned(),
        comment: String::new(),
        scopes: Vec::new(),
        current: None,
        created_at: START,
        modified_at: START,
    };
    let changes = version::create(secret, seal(VersionNumber::FIRST), String::new(), START);
    let Ok([Change::PutSecret(secret), Change::PutVersion(one)]) = <[_; 2]>::try_from(changes)
    else {
        panic!("not a secret and its version");
    };
    (secret, one)
}

fn asked(verify: bool, overlap: Duration) -> RotationRequest {
    RotationRequest {
        request: RequestId::parse("one").unwrap(),
        overlap,
        verify,
    }
}

fn start(verify: bool, overlap: Duration) -> Rotation {
    let (secret, one) = stored();
    let held = (&secret, std::slice::from_ref(&one));
    let entered = (seal(two()), String::new());
    let begun = begin(held, None, asked(verify, overlap), entered, START);
    begun.unwrap().0
}

fn staged() -> Rotation {
    start(true, DEFAULT_OVERLAP)
}

fn overlapping() -> Rotation {
    start(false, DEFAULT_OVERLAP)
}

fn probed(finding: Finding) -> Event {
    Event::Probed {
        version: two(),
        finding,
    }
}

fn compared(new: Finding, old: Finding, millis: u64) -> Event {
    Event::Compared {
        version: two(),
        new,
        old,
        took: Duration::from_millis(millis),
    }
}

/// Where the rotation is after the event, if that changes something.
#[track_caller]
fn check(rotation: &Rotation, event: Event, expected: Option<(Phase, Option<Reason>)>) {
    let next = rotation.next(event, at(5)).unwrap();
    assert_eq!(next.map(|next| (next.phase, next.reason)), expected);
}

#[test]
fn a_staged_value_is_promoted_by_a_good_probe_and_refused_by_a_bad_one() {
    let rejected = Reason::Rejected {
        charge: Charge::Rejected,
        code: 401,
    };
    check(&staged(), probed(GOOD), Some((Phase::Overlapping, None)));
    check(
        &staged(),
        probed(BAD),
        Some((Phase::Refused, Some(rejected))),
    );
    // Without an overlap, or without an old value, nothing is kept.
    let at_once = start(true, Duration::ZERO);
    check(&at_once, probed(GOOD), Some((Phase::Finished, None)));
    let first = Rotation {
        from: None,
        ..staged()
    };
    check(&first, probed(GOOD), Some((Phase::Finished, None)));
}

#[test]
fn the_third_unclear_probe_refuses() {
    let mut rotation = staged();
    for attempts in 1..3 {
        let next = rotation.next(probed(Finding::Unclear), at(attempts.into()));
        rotation = next.unwrap().unwrap();
        assert_eq!(
            (rotation.phase, rotation.attempts),
            (Phase::Staged, attempts)
        );
        assert_eq!(rotation.phase_since, START);
    }
    let unproven = Some((Phase::Refused, Some(Reason::Unproven)));
    check(&rotation, probed(Finding::Unclear), unproven);
    check(&rotation, probed(GOOD), Some((Phase::Overlapping, None)));
}

#[test]
fn a_value_that_nobody_proves_is_refused_after_an_hour() {
    let rotation = staged();
    let just_before = START + MAX_STAGED - Duration::from_millis(1);
    assert_eq!(rotation.next(Event::Tick, just_before), Ok(None));
    let next = rotation.next(Event::Tick, START + MAX_STAGED).unwrap();
    let next = next.unwrap();
    assert_eq!(
        (next.phase, next.reason),
        (Phase::Refused, Some(Reason::Unproven))
    );
}

#[test]
fn the_old_value_goes_when_the_overlap_is_over_and_not_before() {
    let rotation = overlapping();
    let due = START + DEFAULT_OVERLAP;
    assert_eq!(rotation.due_at(), Some(due));
    assert_eq!(
        rotation.next(Event::Tick, due - Duration::from_millis(1)),
        Ok(None)
    );
    let next = rotation.next(Event::Tick, due).unwrap().unwrap();
    assert_eq!((next.phase, next.reason), (Phase::Finished, None));
    assert_eq!(next.next(Event::Tick, due + MINUTE), Ok(None));
    assert_eq!(next.due_at(), None);
}

#[test]
fn a_clock_that_was_set_back_keeps_no_old_value_for_as_long_as_it_was_wrong() {
    let rotation = Rotation {
        phase_since: at(1_000_000),
        ..overlapping()
    };
    assert_eq!(rotation.next(Event::Tick, at(1_000_000 - 60)), Ok(None));
    let next = rotation.next(Event::Tick, at(1_000)).unwrap().unwrap();
    assert_eq!(next.due_at(), Some(at(1_000) + DEFAULT_OVERLAP));
    assert_eq!(next.phase, Phase::Overlapping);
}

#[test]
fn it_rolls_back_only_where_the_old_value_is_taken_and_the_new_one_refused_within_five_seconds() {
    let rotation = overlapping();
    let refused = Reason::NewRefused {
        charge: Charge::Rejected,
        code: 401,
    };
    let rolled_back = Some((Phase::RolledBack, Some(refused)));
    check(&rotation, compared(BAD, GOOD, 5_000), rolled_back);
    check(&rotation, compared(BAD, GOOD, 5_001), None);
    for unclear in [
        compared(BAD, Finding::Unclear, 10),
        compared(Finding::Unclear, GOOD, 10),
        compared(Finding::Unclear, BAD, 10),
        compared(GOOD, GOOD, 10),
        compared(GOOD, BAD, 10),
    ] {
        check(&rotation, unclear, None);
    }
}

#[test]
fn where_both_are_refused_nothing_is_rolled_back_and_it_is_told_once() {
    let rotation = overlapping();
    let both = Some(Reason::BothRefused { code: 401 });
    check(
        &rotation,
        compared(BAD, BAD, 10),
        Some((Phase::Overlapping, both)),
    );
    let told = rotation.next(compared(BAD, BAD, 10), at(1)).unwrap();
    let told = told.unwrap();
    assert_eq!(told.phase_since, START, "the overlap is no longer for it");
    check(&told, compared(BAD, BAD, 10), None);
    check(
        &told,
        compared(GOOD, BAD, 10),
        Some((Phase::Overlapping, None)),
    );
    let rolled_back = told.next(compared(BAD, GOOD, 10), at(1)).unwrap();
    assert_eq!(rolled_back.map(|next| next.phase), Some(Phase::RolledBack));
    // What was found stays told when the time is over.
    let over = told.next(Event::Tick, at(600)).unwrap().unwrap();
    assert_eq!((over.phase, over.reason), (Phase::Finished, both));
}

#[test]
fn what_was_found_out_about_another_value_changes_nothing() {
    let other = VersionNumber::new(3).unwrap();
    let about_other = Event::Probed {
        version: other,
        finding: BAD,
    };
    check(&staged(), about_other, None);
    let about_other = Event::Compared {
        version: other,
        new: BAD,
        old: GOOD,
        took: Duration::ZERO,
    };
    check(&overlapping(), about_other, None);
    // Nor what comes in another phase.
    check(&overlapping(), probed(BAD), None);
    check(&staged(), compared(BAD, GOOD, 1), None);
}

#[test]
fn an_operator_takes_back_or_ends_what_is_under_way_and_nothing_else() {
    let by_operator = Some(Reason::ByOperator);
    check(
        &staged(),
        Event::RollBack,
        Some((Phase::Refused, by_operator)),
    );
    check(
        &overlapping(),
        Event::RollBack,
        Some((Phase::RolledBack, by_operator)),
    );
    check(
        &overlapping(),
        Event::DestroyNow,
        Some((Phase::Finished, by_operator)),
    );
    let not_now = |rotation: &Rotation, event| {
        let refused = rotation.next(event, at(5)).unwrap_err();
        assert_eq!(refused.phase(), rotation.phase);
    };
    not_now(&staged(), Event::DestroyNow);
    for phase in [Phase::Finished, Phase::RolledBack, Phase::Refused] {
        let over = Rotation {
            phase,
            ..overlapping()
        };
        not_now(&over, Event::RollBack);
        not_now(&over, Event::DestroyNow);
        assert_eq!(over.next(probed(GOOD), at(5)), Ok(None));
        assert_eq!(over.next(compared(BAD, GOOD, 1), at(5)), Ok(None));
        assert_eq!(over.replaced(at(5)), None);
    }
    let replaced = staged().replaced(at(5)).unwrap();
    assert_eq!(
        (replaced.phase, replaced.reason),
        (Phase::Refused, Some(Reason::Replaced))
    );
    let replaced = overlapping().replaced(at(5)).unwrap();
    assert_eq!(replaced.phase, Phase::Finished);
}

#[test]
fn one_is_under_way_at_a_time_and_one_is_begun_per_request() {
    let (secret, one) = stored();
    let held = (&secret, std::slice::from_ref(&one));
    let entered = || (seal(two()), String::new());
    let other = RotationRequest {
        request: RequestId::parse("two").unwrap(),
        ..asked(true, DEFAULT_OVERLAP)
    };
    for open in [staged(), overlapping()] {
        let error = begin(held, Some(&open), other.clone(), entered(), at(1)).unwrap_err();
        assert!(error.is_under_way());
    }
    let over = Rotation {
        phase: Phase::Refused,
        ..staged()
    };
    assert!(begin(held, Some(&over), other, entered(), at(1)).is_ok());
    let repeated = asked(false, Duration::ZERO);
    assert_eq!(
        super::admit(Some(&over), &repeated),
        Ok(super::Admission::There)
    );
    assert!(begin(held, Some(&over), repeated, entered(), at(1)).is_err());

    let too_long = asked(true, MAX_OVERLAP + Duration::from_millis(1));
    let error = begin(held, None, too_long, entered(), at(1)).unwrap_err();
    assert!(error.is_overlap_too_long());
    assert!(begin(held, None, asked(true, MAX_OVERLAP), entered(), at(1)).is_ok());
}

#[test]
fn versions_follow_from_the_phase() {
    use VersionState::{Current, Destroyed, Retiring, Staged};
    let wanted = [
        (Phase::Staged, [Current, Staged]),
        (Phase::Overlapping, [Retiring, Current]),
        (Phase::Finished, [Destroyed, Current]),
        (Phase::RolledBack, [Current, Destroyed]),
        (Phase::Refused, [Current, Destroyed]),
    ];
    for (phase, states) in wanted {
        let rotation = Rotation { phase, ..staged() };
        let found = [VersionNumber::FIRST, two()].map(|number| rotation.state_of(number));
        assert_eq!(found, states, "{phase:?}");
        let other = VersionNumber::new(7).unwrap();
        assert_eq!(rotation.state_of(other), Destroyed);
    }
}

/// Where somebody took the row of a value away, nothing is changed that would leave the secret without one.
#[test]
fn a_value_that_is_gone_becomes_current_in_no_way() {
    let (secret, one) = stored();
    let promoted = staged().next(probed(GOOD), at(5)).unwrap().unwrap();
    let gone = promoted.carry_out(&secret, std::slice::from_ref(&one), at(5));
    assert!(gone.is_err());
    let back = SecretRecord {
        current: Some(two()),
        ..secret.clone()
    };
    let taken_back = overlapping().next(Event::RollBack, at(5)).unwrap();
    assert!(taken_back.unwrap().carry_out(&back, &[], at(5)).is_err());
    // Withdrawing the new one needs no row of it.
    let withdrawn = staged().next(Event::RollBack, at(5)).unwrap().unwrap();
    let changes = withdrawn.carry_out(&secret, &[one], at(5)).unwrap();
    assert!(matches!(changes.as_slice(), [Change::PutRotation(_)]));
}

#[test]
fn every_text_says_what_is_wrong() {
    use super::{BeginKind, NotNow};

    keyward_testing::assert_texts!("BeginError", BeginKind {
        BeginKind::UnderWay => BeginKind::UnderWay,
        BeginKind::OverlapTooLong => BeginKind::OverlapTooLong,
        BeginKind::Version(_) => BeginKind::Version(
            version::check_next(&stored().0, &[], &seal(VersionNumber::FIRST)).unwrap_err()
        ),
    }, |kind| keyward_testing::told(&BeginError(kind)));
    keyward_testing::assert_texts!("NotNow", Phase {
        Phase::Staged => Phase::Staged,
        Phase::Overlapping => Phase::Overlapping,
        Phase::Finished => Phase::Finished,
        Phase::RolledBack => Phase::RolledBack,
        Phase::Refused => Phase::Refused,
    }, |phase| keyward_testing::told(&NotNow::in_phase(phase)));
}
