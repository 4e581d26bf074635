//! Many streams at once against one budget: never more than what the reservations that were open allow.
//!
//! `cargo xtask show budgets` runs these and shows what they print.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use keyward_limits_redis::OnLoss;
use keyward_routes::{Admission, Budgets, MemoryBudgets, Money, Reservation};
use keyward_testing::RedisServer;
use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    budgets::{spend, stands},
    support::{connected, settings, wrong_time},
};

/// How many streams there are at once.
const STREAMS: usize = 200;
/// For how many of them there is money.
const FIT: u64 = 50;
/// What each is estimated to cost, in billionths of a dollar: a cent.
const ESTIMATE: u64 = 10_000_000;

/// Two rounds: 200 at once, which all stream until each of them is decided; and 200 more once those are settled.
async fn spend_by_many(name: &str, budgets: &[Arc<dyn Budgets>]) {
    let ask = spend(FIT * ESTIMATE, ESTIMATE);
    let limit = ask.budget.limit();
    let first_instance = Arc::clone(budgets.first().unwrap());
    let (mut all_admitted, mut cost_of_all) = (0, 0);
    // What they cost beyond their estimates.
    let beyond = Arc::new(AtomicU64::new(0));
    for round in 1..=2 {
        let (spent_before, _) = stands(&*first_instance, ask).await;
        let together = Arc::new(Barrier::new(STREAMS));
        let (admitted, cost_sum) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut streams = JoinSet::new();
        for (number, budgets) in (0..STREAMS).zip(budgets.iter().cycle()) {
            let (budgets, together) = (Arc::clone(budgets), Arc::clone(&together));
            let (admitted, cost_sum) = (Arc::clone(&admitted), Arc::clone(&cost_sum));
            let beyond = Arc::clone(&beyond);
            streams.spawn(async move {
                together.wait().await;
                let lasts = Reservation::LASTS;
                let admission = budgets.reserve(&[ask], lasts, wrong_time()).await;
                together.wait().await;
                match admission {
                    Admission::Admitted(reservation) => {
                        // From half of the estimate to half as much again.
                        let share = u64::try_from(number).unwrap() * 37 % 101;
                        let cost = ESTIMATE / 2 + share * ESTIMATE / 100;
                        budgets.settle(reservation, Money::from_nanos(cost), wrong_time());
                        admitted.fetch_add(1, Ordering::Relaxed);
                        cost_sum.fetch_add(cost, Ordering::Relaxed);
                        beyond.fetch_add(cost.saturating_sub(ESTIMATE), Ordering::Relaxed);
                    }
                    Admission::Over(_) => {}
                    Admission::Lost(loss) => panic!("{loss:?}"),
                }
            });
        }
        while let Some(stream) = streams.join_next().await {
            stream.unwrap();
        }
        for budgets in budgets {
            let settled = async {
                while !budgets.settled().await {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), settled)
                .await
                .unwrap();
        }
        let (admitted, cost) = (
            admitted.load(Ordering::Relaxed),
            cost_sum.load(Ordering::Relaxed),
        );
        all_admitted += admitted;
        cost_of_all += cost;
        let (spent, reserved) = stands(&*first_instance, ask).await;
        let spent = Money::from_nanos(spent);
        let overshoot = spent.minus(limit);
        println!(
            "{name:<18} round {round}: {STREAMS} streams, {admitted} admitted, spent {spent} of {limit} USD, overshoot {overshoot}"
        );
        assert_eq!((spent.nanos(), reserved), (cost_of_all, 0), "{name}");
        // Those that fit by their estimates, and where less is left than one of those, one more alone.
        let room = limit.nanos().saturating_sub(spent_before);
        assert_eq!(
            admitted,
            (room / ESTIMATE).max(u64::from(room > 0)),
            "{name}"
        );
        assert!(
            // One more may have gone alone, with less left than it was estimated to cost.
            overshoot.nanos() <= beyond.load(Ordering::Relaxed) + ESTIMATE,
            "{name}: {overshoot}"
        );
    }
    assert!(all_admitted >= FIT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_hold_in_memory() {
    spend_by_many("memory", &[Arc::new(MemoryBudgets::default())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_hold_for_one_gateway_on_redis() {
    let server = RedisServer::start();
    let one = connected(settings(&server.url(), OnLoss::Closed)).await;
    spend_by_many("one on Redis", &[Arc::new(one.budgets())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_hold_for_two_gateways_on_one_redis() {
    let server = RedisServer::start();
    let one = connected(settings(&server.url(), OnLoss::Closed)).await;
    let other = connected(settings(&server.url(), OnLoss::Closed)).await;
    let both: [Arc<dyn Budgets>; 2] = [Arc::new(one.budgets()), Arc::new(other.budgets())];
    spend_by_many("two on one Redis", &both).await;
}
