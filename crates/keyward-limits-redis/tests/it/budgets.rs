//! Budgets in Redis: what every store of budgets promises, and what becomes of them without Redis.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use keyward_limits_redis::{OnLoss, RedisBudgets};
use keyward_routes::{
    Admission, BudgetWindow, Budgets, Counters as _, Loss, Money, Reservation, Spend, Technique,
    testing,
};
use keyward_testing::RedisServer;
use tokio::{
    task::{JoinSet, yield_now},
    time::timeout,
};

use crate::support::{SOON, connected, hurried, is_let, redis, settings, wrong_time};

/// A budget for a month that no other test has, and of which `estimate` is asked.
pub(crate) fn spend(limit: u64, estimate: u64) -> Spend {
    static RUNS: AtomicU64 = AtomicU64::new(5_000_000);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    Spend {
        estimate: Money::from_nanos(estimate),
        ..testing::spend(run, "alice@example.com", limit, BudgetWindow::MONTH).unwrap()
    }
}

async fn reserve(budgets: &RedisBudgets, asks: &[Spend]) -> Admission {
    budgets
        .reserve(asks, Reservation::LASTS, wrong_time())
        .await
}

#[track_caller]
fn admitted(admission: Admission) -> Reservation {
    match admission {
        Admission::Admitted(reservation) => reservation,
        refused => panic!("not admitted: {refused:?}"),
    }
}

/// What was spent, and what is reserved; waits until Redis has all that was settled.
pub(crate) async fn stands(budgets: &dyn Budgets, ask: Spend) -> (u64, u64) {
    let known = async {
        loop {
            if budgets.settled().await
                && let Some(standings) = budgets.look(&[ask], wrong_time()).await
            {
                let [standing] = standings.as_slice() else {
                    panic!("{standings:?}");
                };
                return (standing.spent.nanos(), standing.reserved.nanos());
            }
            yield_now().await;
        }
    };
    timeout(SOON, known).await.unwrap()
}

#[tokio::test]
async fn budgets_in_redis_keep_the_contract_whatever_this_clock_says() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    let budgets = counters.budgets();
    for (run, now) in [
        (6_000_001, wrong_time()),
        (6_000_002, UNIX_EPOCH + Duration::from_hours(24 * 365 * 200)),
    ] {
        testing::budget_contract(&budgets, run, &|| now)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn two_gateways_spend_one_budget() {
    let server = RedisServer::start();
    let one = connected(settings(&server.url(), OnLoss::Closed)).await;
    let other = connected(settings(&server.url(), OnLoss::Closed)).await;
    let (one, other) = (one.budgets(), other.budgets());
    let ask = spend(100, 40);
    let first = admitted(reserve(&one, &[ask]).await);
    let second = admitted(reserve(&other, &[ask]).await);
    let over = reserve(&one, &[ask]).await;
    assert!(matches!(over, Admission::Over(over) if over.standing.reserved.nanos() == 80));
    one.settle(first, Money::from_nanos(10), wrong_time());
    assert_eq!(stands(&one, ask).await, (10, 40));
    other.settle(second, Money::from_nanos(20), wrong_time());
    assert_eq!(stands(&other, ask).await, (30, 0));
}

#[tokio::test]
async fn nothing_that_a_client_sent_stands_in_redis_and_all_of_it_expires() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    let budgets = counters.budgets();
    let sliding = BudgetWindow::seconds(3600, Technique::Sliding).unwrap();
    let asks = [
        spend(100, 40),
        testing::spend(7_000_001, "bob@example.com", 5, sliding).unwrap(),
    ];
    let open = admitted(reserve(&budgets, &asks).await);
    let settled = admitted(reserve(&budgets, &asks).await);
    budgets.settle(settled, Money::from_nanos(3), wrong_time());
    assert_eq!(stands(&budgets, asks[0]).await, (3, 40));

    let mut redis = redis(&server.url());
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut redis).unwrap();
    let of_budgets = keys.iter().filter(|key| key.contains(":budget:")).count();
    assert_eq!(of_budgets, 2, "{keys:?}");
    for key in &keys {
        assert!(key.starts_with("{keyward}:"), "{key}");
        let lives: i64 = redis::cmd("PTTL").arg(key).query(&mut redis).unwrap();
        assert!(lives > 0, "{key} stays for ever");
        let longest = i64::try_from(Duration::from_hours(62 * 24).as_millis()).unwrap();
        assert!(lives <= longest, "{key} stays for {lives} ms");
        if key.contains(":budget:") {
            let fields: Vec<String> = redis::cmd("HGETALL").arg(key).query(&mut redis).unwrap();
            let told = format!("{key} {fields:?}");
            assert!(!told.contains("example.com"), "{told}");
        }
    }
    budgets.settle(open, Money::ZERO, wrong_time());
}

#[tokio::test]
async fn what_is_no_counter_of_ours_is_overwritten() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    let budgets = counters.budgets();
    let ask = spend(100, 40);
    let key = format!("{{keyward}}:budget:{}", ask.key);
    let mut redis = redis(&server.url());
    for foreign in [
        ["SET", &key, "x"].as_slice(),
        &["HSET", &key, "w", "x"],
        &["HSET", &key, "w", "month", "n", "-1"],
        &[
            "HSET", &key, "w", "month", "n", "1", "c", "1", "p", "1", "r", "1e9", "q", "1", "e",
            "1",
        ],
    ] {
        let [command, arguments @ ..] = foreign else {
            panic!("a command");
        };
        let () = redis::cmd("DEL").arg(&key).query(&mut redis).unwrap();
        let () = redis::cmd(command)
            .arg(arguments)
            .query(&mut redis)
            .unwrap();
        let reservation = admitted(reserve(&budgets, &[ask]).await);
        assert_eq!(stands(&budgets, ask).await, (0, 40), "{foreign:?}");
        budgets.settle(reservation, Money::ZERO, wrong_time());
    }
    // A reservation that cannot be read is none.
    let () = redis::cmd("HSET")
        .arg(&key)
        .arg(&["0".repeat(32).as_str(), "x", "e", "0"])
        .query(&mut redis)
        .unwrap();
    assert_eq!(stands(&budgets, ask).await, (0, 0));
}

#[tokio::test]
async fn without_redis_budgets_are_closed_open_or_shared() {
    for on_loss in [
        OnLoss::Closed,
        OnLoss::Open,
        OnLoss::Share(NonZeroU64::new(4).unwrap()),
    ] {
        let mut server = RedisServer::start();
        let counters = connected(settings(&server.url(), on_loss)).await;
        let budgets = counters.budgets();
        let ask = spend(400, 30);
        let before = admitted(reserve(&budgets, &[ask]).await);
        server.kill();
        let mut shared = Vec::new();
        let lost = async {
            loop {
                match (reserve(&budgets, &[ask]).await, on_loss) {
                    (Admission::Lost(Loss::Closed), OnLoss::Closed)
                    | (Admission::Lost(Loss::Open), OnLoss::Open)
                    | (Admission::Over(_), OnLoss::Share(_)) => break,
                    (Admission::Admitted(reservation), _) => shared.push(reservation),
                    (other, _) => panic!("{on_loss:?}: {other:?}"),
                }
            }
        };
        timeout(SOON, lost).await.unwrap();
        if matches!(on_loss, OnLoss::Share(_)) {
            // Three times 30 fit into a quarter of 400.
            assert_eq!(shared.len(), 3);
        }
        assert!(budgets.look(&[ask], wrong_time()).await.is_none());
        budgets.settle(before, Money::from_nanos(17), wrong_time());
        server.restart();
        assert!(counters.is_up_within(SOON).await);
        // What was reserved before is counted when Redis is back, though it forgot the reservation.
        assert_eq!(stands(&budgets, ask).await, (17, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_settled_while_redis_comes_and_goes_is_counted_exactly_once() {
    const REQUESTS: u64 = 2000;
    let mut server = RedisServer::start_that_keeps();
    let counters = connected(hurried(&server.url(), OnLoss::Closed)).await;
    let budgets = Arc::new(counters.budgets());
    let ask = spend(Money::MOST.nanos(), 1000);
    let spent = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let (budgets, spent) = (Arc::clone(&budgets), Arc::clone(&spent));
        clients.spawn(async move {
            let mut served = 0;
            while served < REQUESTS / 8 {
                if let Admission::Admitted(reservation) = reserve(&budgets, &[ask]).await {
                    let cost = 900 + served * 7 + client;
                    yield_now().await;
                    budgets.settle(reservation, Money::from_nanos(cost), wrong_time());
                    spent.fetch_add(cost, Ordering::Relaxed);
                    served += 1;
                }
                yield_now().await;
            }
        });
    }
    for _ in 0..3 {
        let so_far = spent.load(Ordering::Relaxed);
        let goes_on = async {
            while spent.load(Ordering::Relaxed) == so_far && !clients.is_empty() {
                yield_now().await;
            }
        };
        let _done = timeout(Duration::from_secs(2), goes_on).await;
        server.kill();
        server.restart();
        assert!(counters.is_up_within(SOON).await);
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let (counted, _) = stands(&*budgets, ask).await;
    assert_eq!(counted, spent.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_sent_again() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    let budgets = counters.budgets();
    let ask = spend(100, 40);
    let first = admitted(reserve(&budgets, &[ask]).await);
    let () = redis::cmd("SCRIPT")
        .arg("FLUSH")
        .query(&mut redis(&server.url()))
        .unwrap();
    budgets.settle(first, Money::from_nanos(5), wrong_time());
    assert_eq!(stands(&budgets, ask).await, (5, 0));
    let _open = admitted(reserve(&budgets, &[ask]).await);
    // Limits are counted over the same connection.
    let limit = [crate::support::ask("", 1, 86_400, Technique::Fixed)];
    assert!(is_let(counters.take(&limit, wrong_time()).await));
}

#[tokio::test]
async fn who_goes_away_before_the_answer_leaves_nothing_reserved() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    let (budgets, other) = (counters.budgets(), counters.budgets());
    let ask = spend(100, 40);
    // So that Redis knows the script, and one message is enough.
    assert_eq!(stands(&other, ask).await, (0, 0));
    let mut reserving = reserve_boxed(&budgets, &ask);
    // Sent, and its answer not waited for.
    let sent = std::future::poll_fn(|context| {
        let _pending = reserving.as_mut().poll(context);
        std::task::Poll::Ready(())
    });
    sent.await;
    let until = async |wanted| while stands(&other, ask).await != wanted {};
    timeout(SOON, until((0, 40))).await.unwrap();
    drop(reserving);
    timeout(SOON, until((0, 0))).await.unwrap();
}

fn reserve_boxed<'a>(
    budgets: &'a RedisBudgets,
    ask: &'a Spend,
) -> std::pin::Pin<Box<dyn Future<Output = Admission> + Send + 'a>> {
    budgets.reserve(std::slice::from_ref(ask), Reservation::LASTS, wrong_time())
}
