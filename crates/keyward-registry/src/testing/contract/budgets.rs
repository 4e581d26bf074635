//! Counters of budgets: what is kept, in place of what, and for how long.

use std::time::{Duration, SystemTime};

use keyward_routes::{BudgetRow, BudgetWindow, CounterKey, Money, Technique};

use crate::RegistryStore;

/// 2026-11-27T00:00:00Z.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(20_784 * 86_400)
}

fn row(key: u8, window: BudgetWindow, number: u64, spent: u64) -> BudgetRow {
    BudgetRow {
        key: CounterKey::from_bytes([key; 16]),
        window,
        number,
        spent: Money::from_nanos(spent),
        spent_before: Money::from_nanos(7),
        reserved: Money::from_nanos(5),
        reserved_before: Money::from_nanos(3),
        expires_ms: 1_795_000_000_000,
    }
}

async fn kept(store: &dyn RegistryStore, now: SystemTime) -> Vec<BudgetRow> {
    let mut rows = store.load_budgets(now).await.expect("what is kept");
    rows.sort_by_key(|row| row.key.to_bytes());
    rows
}

pub(super) async fn what_was_spent_is_kept_until_it_is_past(store: &dyn RegistryStore) {
    let seconds = |technique| BudgetWindow::seconds(60, technique).expect("a window");
    let minute = 20_784 * 1440;
    let rows = [
        row(1, BudgetWindow::MONTH, 682, 1),
        row(2, BudgetWindow::WEEK, 2969, Money::MOST.nanos()),
        row(3, BudgetWindow::DAY, 20_784, 0),
        row(4, seconds(Technique::Fixed), minute, 10),
        row(255, seconds(Technique::Sliding), minute, 11),
    ];
    let now = start();
    assert_eq!(kept(store, now).await, []);
    store.save_budgets(&rows, now).await.expect("kept");
    assert_eq!(kept(store, now).await, rows);

    // One in place of another, the others stay; also with another window.
    let changed = [
        row(1, BudgetWindow::MONTH, 682, 2),
        row(3, seconds(Technique::Fixed), minute, 12),
    ];
    store.save_budgets(&changed, now).await.expect("kept");
    let [_, week, _, fixed, sliding] = rows;
    let [month, day] = changed;
    let rows = [month, week, day, fixed, sliding];
    assert_eq!(kept(store, now).await, rows);

    // A minute matters until the next one ends.
    let later = now + Duration::from_secs(120);
    assert_eq!(kept(store, later - Duration::from_secs(1)).await, rows);
    assert_eq!(kept(store, later).await, [month, week]);
    // What is past is let go of: with an earlier clock it would be found.
    store.save_budgets(&[], later).await.expect("let go of");
    assert_eq!(kept(store, now).await, [month, week]);
}

pub(super) async fn of_budgets_all_is_kept_that_a_row_can_say(store: &dyn RegistryStore) {
    let most = BudgetRow {
        spent_before: Money::from_nanos(i64::MAX.unsigned_abs()),
        expires_ms: 0,
        ..row(9, BudgetWindow::MONTH, 900, i64::MAX.unsigned_abs())
    };
    store.save_budgets(&[most], start()).await.expect("kept");
    assert_eq!(kept(store, start()).await, [most]);
}
