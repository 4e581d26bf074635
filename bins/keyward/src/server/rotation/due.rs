//! When a key's next value is due, and what its rotation is called. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyward_registry::ProviderKeyId;
use keyward_vault::rotation::{RequestId, Rotation};

/// How long after a failure it is tried again at first.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest that it is waited after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 60 * 60);
/// How soon it is looked again, where something else must end first.
const AGAIN: Duration = Duration::from_secs(60);

/// What is known of a key when it is decided.
#[derive(Clone, Debug)]
pub(super) struct State<'a> {
    pub(super) key: ProviderKeyId,
    /// Since when its current value is the current one; none where it has none.
    pub(super) since: Option<SystemTime>,
    /// The last rotation of its secret, if it is known yet.
    pub(super) last: Option<&'a Rotation>,
    /// How often it failed since this process began, and when it did so last.
    pub(super) failures: u32,
    pub(super) failed_at: Option<SystemTime>,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing before then.
    Wait(SystemTime),
    /// Get a new value, and begin a rotation that is called so.
    Rotate(RequestId),
}

/// What to do at `now` for a key that gets a new value `every` so often.
///
/// A rotation is named after the key and the moment at which it was due, so that whoever is started again finds that it
/// has begun, and a value that was refused is followed by another one, under another name, after a while.
pub(super) fn next(state: &State<'_>, every: Duration, now: SystemTime) -> Next {
    // A key without a value is due: there is nothing to be kept.
    let due = state.since.map_or(UNIX_EPOCH, |since| since + every);
    if now < due {
        return Next::Wait(due);
    }
    if let Some(failed) = state.failed_at {
        let again = failed + wait(state.failures.saturating_sub(1));
        if now < again {
            return Next::Wait(again);
        }
    }
    let Some(last) = state.last else {
        return name(state.key, due, 0).map_or(Next::Wait(now + AGAIN), Next::Rotate);
    };
    if last.phase.is_open() {
        return Next::Wait(now + AGAIN);
    }
    // The last one was about this very date: it was refused, or the date would be another one.
    let attempt = attempt_of(last, state.key, due).map_or(0, |attempt| attempt.saturating_add(1));
    let again = last.phase_since + wait(attempt.saturating_sub(1));
    if attempt > 0 && now < again {
        return Next::Wait(again);
    }
    name(state.key, due, attempt).map_or(Next::Wait(now + AGAIN), Next::Rotate)
}

fn wait(failures: u32) -> Duration {
    let times = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    FIRST_WAIT.saturating_mul(times).min(LONGEST_WAIT)
}

/// `every-KEY-SECONDS-ATTEMPT`: 32 hexadecimal digits and two numbers fit into 64 characters.
fn name(key: ProviderKeyId, due: SystemTime, attempt: u32) -> Option<RequestId> {
    RequestId::parse(&format!("{}{attempt}", prefix(key, due))).ok()
}

fn prefix(key: ProviderKeyId, due: SystemTime) -> String {
    let seconds = due.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("every-{key}-{seconds}-")
}

/// Which attempt `last` was, if it was one to rotate `key` for `due`.
fn attempt_of(last: &Rotation, key: ProviderKeyId, due: SystemTime) -> Option<u32> {
    let attempt = last.request.as_str().strip_prefix(&prefix(key, due))?;
    attempt.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use keyward_registry::ProviderKeyId;
    use keyward_secret::AccountId;
    use keyward_vault::{
        SecretId, VersionNumber,
        rotation::{Phase, RequestId, Rotation},
    };

    use super::{Next, State, next};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const KEY: ProviderKeyId = ProviderKeyId::from_bytes([7; 16]);

    fn begun() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn state(last: Option<&Rotation>) -> State<'_> {
        State {
            key: KEY,
            since: Some(begun()),
            last,
            failures: 0,
            failed_at: None,
        }
    }

    fn last(request: RequestId, phase: Phase, phase_since: SystemTime) -> Rotation {
        let number = |number| VersionNumber::new(number).unwrap();
        Rotation {
            account: AccountId::from_bytes([1; 16]),
            secret: SecretId::from_bytes([2; 16]),
            request,
            from: Some(number(1)),
            to: number(2),
            overlap: Duration::ZERO,
            verify: true,
            phase,
            phase_since,
            begun_at: begun(),
            reason: None,
            attempts: 0,
        }
    }

    fn request(next: Next) -> RequestId {
        match next {
            Next::Rotate(request) => request,
            Next::Wait(_) => panic!("it waits"),
        }
    }

    #[test]
    fn a_value_is_used_for_as_long_as_it_should_be() {
        let due = begun() + DAY;
        let early = due - Duration::from_secs(1);
        assert_eq!(next(&state(None), DAY, early), Next::Wait(due));
        let name = request(next(&state(None), DAY, due));
        assert_eq!(
            name.as_str(),
            "every-07070707070707070707070707070707-1800086400-0"
        );
        // Later it is still the same rotation.
        assert_eq!(request(next(&state(None), DAY, due + DAY)), name);
    }

    #[test]
    fn what_is_under_way_is_not_begun_again() {
        let due = begun() + DAY;
        let name = request(next(&state(None), DAY, due));
        let other = RequestId::parse("by-hand").unwrap();
        for phase in [Phase::Staged, Phase::Overlapping] {
            for request in [&name, &other] {
                let last = last(request.clone(), phase, due);
                let found = next(&state(Some(&last)), DAY, due + DAY);
                assert!(matches!(found, Next::Wait(_)), "{phase:?}");
            }
        }
    }

    #[test]
    fn a_value_that_was_refused_is_followed_by_another_after_a_while() {
        let due = begun() + DAY;
        let first = request(next(&state(None), DAY, due));
        let refused = last(first.clone(), Phase::Refused, due);
        let again = due + Duration::from_secs(60);
        assert_eq!(next(&state(Some(&refused)), DAY, due), Next::Wait(again));
        let second = request(next(&state(Some(&refused)), DAY, again));
        assert_ne!(second, first);
        let refused = last(second, Phase::Refused, again);
        let longer = again + Duration::from_secs(120);
        assert_eq!(next(&state(Some(&refused)), DAY, again), Next::Wait(longer));
        // Of another date it says nothing.
        let earlier = last(
            RequestId::parse("every-07070707070707070707070707070707-1-9").unwrap(),
            Phase::Refused,
            due,
        );
        assert_eq!(request(next(&state(Some(&earlier)), DAY, due)), first);
    }

    #[test]
    fn failures_are_waited_for_ever_longer() {
        let due = begun() + DAY;
        let waits = (1..12).map(|failures| {
            let failed = State {
                failures,
                failed_at: Some(due),
                ..state(None)
            };
            match next(&failed, DAY, due) {
                Next::Wait(until) => until.duration_since(due).unwrap().as_secs() / 60,
                Next::Rotate(_) => 0,
            }
        });
        let waits: Vec<_> = waits.collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
    }

    #[test]
    fn a_key_without_a_value_is_due() {
        let empty = State {
            since: None,
            ..state(None)
        };
        assert!(matches!(next(&empty, DAY, begun()), Next::Rotate(_)));
    }
}
