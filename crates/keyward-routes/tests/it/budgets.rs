//! Budgets in memory.

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
    Admission, Budget, BudgetError, BudgetWindow, Budgets, MemoryBudgets, Money, Reservation,
    Spend, Standing, Technique, testing,
};

/// 2023-11-14T22:13:20Z, a Tuesday.
fn at(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_millis(ms)
}

fn fixed(seconds: u64) -> BudgetWindow {
    BudgetWindow::seconds(seconds, Technique::Fixed).unwrap()
}

fn ask(value: &str, limit: u64, window: BudgetWindow, estimate: u64) -> Spend {
    Spend {
        estimate: Money::from_nanos(estimate),
        ..testing::spend(1, value, limit, window).unwrap()
    }
}

fn reserve(budgets: &MemoryBudgets, asks: &[Spend], now: SystemTime) -> Option<Reservation> {
    match budgets.try_reserve(asks, Reservation::LASTS, now) {
        Admission::Admitted(reservation) => Some(reservation),
        Admission::Over(_) => None,
        Admission::Lost(loss) => panic!("memory is never lost: {loss:?}"),
    }
}

/// What was spent, and what is reserved.
fn stands(budgets: &MemoryBudgets, ask: Spend, now: SystemTime) -> (u64, u64) {
    match budgets.standings(&[ask], now).as_slice() {
        [
            Standing {
                spent, reserved, ..
            },
        ] => (spent.nanos(), reserved.nanos()),
        standings => panic!("{standings:?}"),
    }
}

#[test]
fn budgets_in_memory_keep_the_contract() {
    let budgets = MemoryBudgets::default();
    let steps = AtomicU64::new(0);
    let now = || at(steps.fetch_add(1, Ordering::Relaxed));
    let waker = std::task::Waker::noop();
    let mut run = std::pin::pin!(testing::budget_contract(&budgets, 0, &now));
    let done = run
        .as_mut()
        .poll(&mut std::task::Context::from_waker(waker));
    assert!(matches!(done, std::task::Poll::Ready(Ok(()))));
}

#[test]
fn a_budget_is_above_nothing_and_at_most_a_million() {
    let of = |nanos| Budget::new(Money::from_nanos(nanos), BudgetWindow::DAY);
    assert_eq!(of(0), Err(BudgetError::Limit));
    assert_eq!(of(Money::MOST.nanos() + 1), Err(BudgetError::Limit));
    assert!(of(Money::MOST.nanos()).is_ok());
    let three = of(3).unwrap();
    let share = |instances| three.share(std::num::NonZeroU64::new(instances).unwrap());
    assert_eq!((share(2).limit().nanos(), share(9).limit().nanos()), (1, 1));
}

#[test]
fn a_budget_of_the_calendar_is_whole_again_on_its_day() {
    const HOUR: u64 = 3_600_000;
    let budgets = MemoryBudgets::default();
    // 22:13:20 on a Tuesday, the 14th of November: 1 h 46 min 40 s before midnight.
    let midnight = HOUR + 46 * 60_000 + 40_000;
    for (window, ends) in [
        (BudgetWindow::DAY, midnight),
        (BudgetWindow::WEEK, midnight + 5 * 24 * HOUR),
        (BudgetWindow::MONTH, midnight + 16 * 24 * HOUR),
    ] {
        let ask = ask(&window.code(), 5, window, 5);
        let first = reserve(&budgets, &[ask], at(0)).unwrap();
        budgets.settle(first, Money::from_nanos(5), at(0));
        let over = budgets.try_reserve(&[ask], Reservation::LASTS, at(1));
        let Admission::Over(over) = over else {
            panic!("{over:?}");
        };
        assert_eq!(over.standing.ends_after, Duration::from_millis(ends - 1));
        assert!(
            reserve(&budgets, &[ask], at(ends - 1)).is_none(),
            "{window}"
        );
        assert!(reserve(&budgets, &[ask], at(ends)).is_some(), "{window}");
    }
}

#[test]
fn a_cost_counts_in_the_window_in_which_it_was_reserved() {
    let budgets = MemoryBudgets::default();
    let window = fixed(10);
    let sliding = BudgetWindow::seconds(10, Technique::Sliding).unwrap();
    let asks = [
        ask("fixed", 100, window, 40),
        ask("sliding", 100, sliding, 40),
    ];
    let late = reserve(&budgets, &asks, at(9_000)).unwrap();
    // In the next window a quarter of it is over.
    let now = at(12_500);
    assert_eq!(stands(&budgets, asks[0], now), (0, 0));
    assert_eq!(stands(&budgets, asks[1], now), (0, 30));
    budgets.settle(late, Money::from_nanos(80), now);
    assert_eq!(stands(&budgets, asks[0], now), (0, 0));
    assert_eq!(stands(&budgets, asks[1], now), (60, 0));
    // In the one after that nothing counts any more.
    assert_eq!(stands(&budgets, asks[1], at(20_000)), (0, 0));
}

#[test]
fn what_was_reserved_in_other_windows_neither_counts_nor_frees_in_these() {
    let budgets = MemoryBudgets::default();
    let minute = ask("", 100, fixed(60), 30);
    let month = ask("", 100, BudgetWindow::MONTH, 50);
    let of_minute = reserve(&budgets, &[minute], at(0)).unwrap();
    let _of_month = reserve(&budgets, &[month], at(1)).unwrap();
    // The number of a minute is higher than that of any month.
    budgets.settle(of_minute, Money::from_nanos(40), at(2));
    assert_eq!(stands(&budgets, month, at(3)), (0, 50));
}

#[test]
fn two_hundred_at_once_against_a_budget_for_fifty() {
    const ESTIMATE: u64 = 10_000_000;
    let budgets = MemoryBudgets::default();
    let ask = ask("", 50 * ESTIMATE, BudgetWindow::MONTH, ESTIMATE);
    let together = Barrier::new(200);
    let admitted = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                together.wait();
                let reservation = reserve(&budgets, &[ask], at(0));
                // All are decided before one is settled.
                together.wait();
                if let Some(reservation) = reservation {
                    admitted.fetch_add(1, Ordering::Relaxed);
                    budgets.settle(reservation, Money::from_nanos(ESTIMATE + 1), at(0));
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 50);
    assert_eq!(stands(&budgets, ask, at(0)), (50 * ESTIMATE + 50, 0));
    assert_eq!(budgets.count_open(), 0);
}

#[test]
fn made_up_values_neither_grow_the_memory_nor_escape_the_budget() {
    let most = NonZeroUsize::new(1024).unwrap();
    let budgets = MemoryBudgets::new(most);
    let window = fixed(60);
    let known = ask("known", 5, window, 1);
    for _ in 0..5 {
        let reservation = reserve(&budgets, &[known], at(0)).unwrap();
        budgets.settle(reservation, Money::from_nanos(1), at(0));
    }
    let mut admitted = 0;
    for value in 0..20_000 {
        let made_up = ask(&format!("value {value}"), 5, window, 1);
        if let Some(reservation) = reserve(&budgets, &[made_up], at(1)) {
            admitted += 1;
            budgets.settle(reservation, Money::from_nanos(1), at(1));
        }
    }
    assert!(budgets.count() <= 1024 + 16, "{}", budgets.count());
    assert!(admitted <= 1024 + 16 * 5, "{admitted}");
    assert!(reserve(&budgets, &[known], at(2)).is_none());
    // Once the windows are past there is room again.
    let later = at(180_000);
    assert!(reserve(&budgets, &[ask("new", 5, window, 1)], later).is_some());
    assert!(budgets.count() < 1024);
}

#[test]
fn what_changed_is_given_once_and_again_where_it_was_not_stored() {
    let budgets = MemoryBudgets::default();
    let one = ask("one", 100, BudgetWindow::DAY, 7);
    assert!(budgets.changed(at(0)).is_empty());
    let reservation = reserve(&budgets, &[one], at(0)).unwrap();
    let rows = budgets.changed(at(0));
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].key, rows[0].reserved.nanos()), (one.key, 7));
    assert!(budgets.changed(at(0)).is_empty());
    budgets.settle(reservation, Money::from_nanos(3), at(0));
    budgets.mark_changed(&rows);
    let rows = budgets.changed(at(0));
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].spent.nanos(), rows[0].reserved.nanos()), (3, 0));
    budgets.mark_changed(&rows);
    assert_eq!(budgets.changed(at(0)), rows);
}

#[test]
fn what_was_reserved_when_it_was_killed_counts_as_spent_until_it_would_have_expired() {
    let killed = MemoryBudgets::default();
    let month = BudgetWindow::MONTH;
    let one = ask("one", 100, month, 60);
    let _lost_with_it = reserve(&killed, &[one], at(0)).unwrap();
    let rows = killed.changed(at(1000));

    let budgets = MemoryBudgets::default();
    let lasts = u64::try_from(Reservation::LASTS.as_millis()).unwrap();
    budgets.restore(&rows, at(2000));
    assert_eq!(stands(&budgets, one, at(2000)), (60, 0));
    assert!(reserve(&budgets, &[ask("one", 50, month, 1)], at(2000)).is_none());
    assert_eq!(stands(&budgets, one, at(lasts - 1)), (60, 0));
    assert_eq!(stands(&budgets, one, at(lasts)), (0, 0));
    // That it is free again is a change too.
    assert_eq!(budgets.changed(at(lasts))[0].reserved, Money::ZERO);

    // What was counted before it was taken back counts too.
    let early = MemoryBudgets::default();
    let _open = reserve(&early, &[ask("one", 100, month, 30)], at(1500)).unwrap();
    early.restore(&rows, at(2000));
    assert_eq!(stands(&early, one, at(2000)), (60, 30));
    assert_eq!(early.changed(at(2000))[0].reserved.nanos(), 90);

    let late = MemoryBudgets::default();
    late.restore(&rows, at(lasts));
    assert_eq!(stands(&late, one, at(lasts)), (0, 0));
    let much_later = MemoryBudgets::default();
    much_later.restore(&rows, at(90 * 24 * 3_600_000));
    assert_eq!(much_later.count(), 0);
}
