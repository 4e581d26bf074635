//! The contracts of [`Counters`] and [`Budgets`](crate::Budgets). Run them against every store of them.

mod budgets;

use std::time::{Duration, SystemTime};

use keyward_secret::AccountId;

pub use self::budgets::{budget_contract, spend};
use crate::{
    Ask, CounterKey, CounterKeys, Counters, Decision, Limit, LimitError, Limited, Partition,
    Technique,
};

/// A limit of this test run alone, for a value: `run` is any number that no other run has.
///
/// # Errors
///
/// When the numbers make no limit.
pub fn ask(run: u64, value: &str, limit: u64, window_seconds: u64) -> Result<Ask, LimitError> {
    let element = Limited::Element {
        route: "route",
        element: "element",
    };
    Ok(Ask {
        key: key(run, element, value),
        limit: Limit::new(limit, window_seconds, Technique::Fixed)?,
        amount: 1,
    })
}

fn key(run: u64, limited: Limited<'_>, value: &str) -> CounterKey {
    let mut secret = [7; 16];
    for (byte, run) in secret.iter_mut().zip(run.to_be_bytes()) {
        *byte = run;
    }
    let account = AccountId::from_bytes([1; 16]);
    let value = Partition::Value(value.into());
    CounterKeys::new(&secret).key(account, "gateway", limited, &value)
}

/// Everything that a store of counters promises, whatever clock it goes by. `now` is read where it is asked for a
/// time, and `run` is any number that no other run has.
///
/// # Panics
///
/// When a promise is broken.
///
/// # Errors
///
/// Never, as the numbers make limits.
pub async fn contract(
    counters: &dyn Counters,
    run: u64,
    now: &(dyn Fn() -> SystemTime + Sync),
) -> Result<(), LimitError> {
    /// So long that none ends while the contract runs, but once a year.
    const YEAR: u64 = Limit::LONGEST_WINDOW.as_secs();

    lets_through_as_much_as_the_limit(counters, &ask(run, "one", 3, YEAR)?, now).await;

    // Values are counted apart.
    let other = [ask(run, "other", 3, YEAR)?];
    assert!(
        is_let(counters.take(&other, now()).await),
        "another value was counted as one"
    );

    // Several limits are decided together: what one refuses is not counted in the other.
    let (tight, wide) = (ask(run, "tight", 1, YEAR)?, ask(run, "wide", 10, YEAR)?);
    assert_eq!(
        remaining(counters.take(&[wide, tight], now()).await),
        Some((1, 0))
    );
    for _ in 0..5 {
        let decision = counters.take(&[wide, tight], now()).await;
        assert!(
            matches!(decision, Decision::Over { which: 1, .. }),
            "{decision:?}"
        );
    }
    assert_eq!(remaining(counters.take(&[wide], now()).await), Some((0, 8)));

    // A key that is named twice is counted once.
    let twice = ask(run, "twice", 10, YEAR)?;
    assert_eq!(
        remaining(counters.take(&[twice, twice], now()).await),
        Some((0, 9))
    );
    assert_eq!(
        remaining(counters.take(&[twice], now()).await),
        Some((0, 8))
    );

    // An amount counts whole or not at all.
    let amount = |amount| Ask { amount, ..other[0] };
    assert!(!is_let(counters.take(&[amount(3)], now()).await));
    assert_eq!(
        remaining(counters.take(&[amount(2)], now()).await),
        Some((0, 0))
    );

    // A limit that is changed holds at once, with what was counted.
    let grown = ask(run, "one", 5, YEAR)?;
    assert_eq!(
        remaining(counters.take(&[grown], now()).await),
        Some((0, 1))
    );

    // Nothing is asked, nothing is refused.
    assert!(is_let(counters.take(&[], now()).await));
    Ok(())
}

async fn lets_through_as_much_as_the_limit(
    counters: &dyn Counters,
    ask: &Ask,
    now: &(dyn Fn() -> SystemTime + Sync),
) {
    let asks = [*ask];
    for left in (0..ask.limit.limit().get()).rev() {
        let decision = counters.take(&asks, now()).await;
        assert_eq!(remaining(decision), Some((0, left)));
    }
    for _ in 0..3 {
        let decision = counters.take(&asks, now()).await;
        assert!(
            matches!(decision, Decision::Over { which: 0, retry_after }
                if retry_after >= Duration::from_secs(1)
                    && retry_after <= ask.limit.window()
                    && retry_after.subsec_nanos() == 0),
            "{decision:?}"
        );
    }
}

const fn is_let(decision: Decision) -> bool {
    matches!(decision, Decision::Within { .. })
}

const fn remaining(decision: Decision) -> Option<(usize, u64)> {
    match decision {
        Decision::Within {
            which, remaining, ..
        } => Some((which, remaining)),
        Decision::Over { .. } | Decision::Lost(_) => None,
    }
}
