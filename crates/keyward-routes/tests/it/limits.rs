//! Limits in memory.

use std::{
    num::NonZeroUsize,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keyward_routes::{
    Ask, CounterKeys, Counters, Decision, Limit, LimitError, Limited, MemoryCounters, Partition,
    Technique, testing,
};
use keyward_secret::AccountId;

fn at(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_millis(ms)
}

const fn is_let(decision: Decision) -> bool {
    matches!(decision, Decision::Within { .. })
}

#[test]
fn counters_in_memory_keep_the_contract() {
    let counters = MemoryCounters::default();
    let waker = std::task::Waker::noop();
    let mut run = std::pin::pin!(testing::contract(&counters, 0, &|| at(0)));
    let done = run
        .as_mut()
        .poll(&mut std::task::Context::from_waker(waker));
    assert!(matches!(done, std::task::Poll::Ready(Ok(()))));
}

/// 64 clients ask at once, 40 times in each of 60 windows.
fn taken_by_many(technique: Technique) -> Vec<u64> {
    const CLIENTS: usize = 64;
    const WINDOWS: u64 = 60;
    let counters = MemoryCounters::default();
    let ask = Ask {
        limit: Limit::new(1000, 1, technique).unwrap(),
        ..testing::ask(1, "", 1, 1).unwrap()
    };
    let taken: Vec<_> = (0..WINDOWS).map(|_| AtomicU64::new(0)).collect();
    let together = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for (taken, window) in taken.iter().zip(0..) {
                    for step in 0..40 {
                        // Nobody is ahead by more than a step, as on a clock.
                        together.wait();
                        let now = at(window * 1000 + step * 25 + 24);
                        if is_let(counters.decide(&[ask], now)) {
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    taken.into_iter().map(AtomicU64::into_inner).collect()
}

#[test]
fn many_clients_at_once_get_all_of_the_limit_and_no_more() {
    for technique in [Technique::Fixed, Technique::Sliding] {
        let taken = taken_by_many(technique);
        assert!(
            taken.iter().all(|taken| (990..=1000).contains(taken)),
            "{technique:?}: {taken:?}"
        );
    }
}

#[test]
fn made_up_values_neither_grow_the_memory_nor_escape_the_limit() {
    let counters = MemoryCounters::new(NonZeroUsize::new(64).unwrap());
    let early = testing::ask(1, "early", 2, 60).unwrap();
    assert!(is_let(counters.decide(&[early], at(0))));
    let mut taken = 0;
    for number in 0..100_000 {
        let ask = testing::ask(1, &number.to_string(), 2, 60).unwrap();
        taken += u64::from(is_let(counters.decide(&[ask], at(1))));
    }
    // Two for each counter there was room for, and for the one per lock that all others share.
    assert!(counters.count() <= 64 + 16, "{}", counters.count());
    assert!(taken <= 64 + 16 * 2, "{taken}");
    // Who was counted before is not touched.
    assert!(is_let(counters.decide(&[early], at(2))));
    assert!(!is_let(counters.decide(&[early], at(3))));
    // What is past makes room.
    let later = testing::ask(1, "later", 2, 60).unwrap();
    assert!(is_let(counters.decide(&[later], at(180_000))));
    assert!(is_let(counters.decide(&[later], at(180_000))));
}

#[test]
fn what_is_limited_and_by_which_value_is_told_apart() {
    let keys = CounterKeys::new(&[1; 16]);
    let (one, other) = (
        AccountId::from_bytes([1; 16]),
        AccountId::from_bytes([2; 16]),
    );
    let element = |route, element| Limited::Element { route, element };
    let key_rule = |key, rule| Limited::KeyRule { key, rule };
    let token_rule = |token, rule| Limited::TokenRule { token, rule };
    let value = |value: &'static str| Partition::Value(value.into());
    let all = [
        keys.key(one, "g", Limited::Gateway, &Partition::All),
        keys.key(other, "g", Limited::Gateway, &Partition::All),
        keys.key(one, "h", Limited::Gateway, &Partition::All),
        keys.key(one, "g", Limited::ProviderKey(&[1; 16]), &Partition::All),
        keys.key(one, "g", Limited::ProviderKey(&[2; 16]), &Partition::All),
        keys.key(one, "g", element("ab", "c"), &Partition::All),
        keys.key(one, "g", element("a", "bc"), &Partition::All),
        keys.key(one, "g", element("a", "bc"), &Partition::Absent),
        keys.key(one, "g", element("a", "bc"), &value("")),
        keys.key(one, "g", element("a", "bc"), &value("all")),
        keys.key(one, "g", element("a", "bc"), &value("absent")),
        CounterKeys::new(&[2; 16]).key(one, "g", Limited::Gateway, &Partition::All),
        keys.key(one, "g", Limited::Rule("r"), &Partition::All),
        keys.key(one, "g", key_rule(&[1; 16], "r"), &Partition::All),
        keys.key(one, "g", key_rule(&[2; 16], "r"), &Partition::All),
        keys.key(one, "g", token_rule("ab", "c"), &Partition::All),
        keys.key(one, "g", token_rule("a", "bc"), &Partition::All),
    ];
    for (place, key) in all.iter().enumerate() {
        assert!(
            !all.iter().take(place).any(|before| before == key),
            "{place}"
        );
    }
}

#[test]
fn a_limit_has_bounds() {
    let limit = |limit, window| Limit::new(limit, window, Technique::Fixed);
    let longest = Limit::LONGEST_WINDOW.as_secs();
    assert!(limit(1, 1).is_ok() && limit(Limit::MOST, longest).is_ok());
    assert_eq!(limit(0, 1), Err(LimitError::Limit));
    assert_eq!(limit(Limit::MOST + 1, 1), Err(LimitError::Limit));
    assert_eq!(limit(1, 0), Err(LimitError::Window));
    assert_eq!(limit(1, longest + 1), Err(LimitError::Window));
    let ten = limit(10, 1).unwrap();
    let share = |instances: u64| ten.share(instances.try_into().unwrap()).limit().get();
    assert_eq!([share(1), share(3), share(11)], [10, 3, 1]);
}

#[test]
fn every_text_says_what_is_wrong() {
    keyward_testing::assert_texts!("LimitError", [
        "no limit" => LimitError::Limit,
        "no window" => LimitError::Window,
    ]);
}

#[test]
fn a_decision_needs_no_waiting() {
    let counters: &dyn Counters = &MemoryCounters::default();
    let ask = testing::ask(1, "", 1, 1).unwrap();
    assert!(counters.take_now(&[ask], at(0)).is_some_and(is_let));
    assert_eq!(
        counters.take_now(&[ask], at(0)),
        Some(Decision::Over {
            which: 0,
            retry_after: Duration::from_secs(1)
        })
    );
}
