//! What was spent of budgets, over a restart.

use std::{sync::Arc, time::Duration};

use keyward_forward::{SystemDial, TlsConfig};
use keyward_gateway::{Config, Gateway};
use keyward_routes::{
    Admission, Budget, BudgetWindow, Budgets, CounterKeys, Limited, MemoryBudgets, Money,
    Partition, Reservation, Spend,
};
use tokio_util::sync::CancellationToken;

use crate::support::{ACCOUNT, Running, Setup, now};

fn spend() -> Spend {
    let keys = CounterKeys::new(&[7; 16]);
    Spend {
        key: keys.key(ACCOUNT, "prod", Limited::Rule("rule"), &Partition::All),
        budget: Budget::new(Money::from_nanos(100), BudgetWindow::MONTH).unwrap(),
        estimate: Money::from_nanos(10),
    }
}

fn reserve(budgets: &MemoryBudgets) -> Reservation {
    match budgets.try_reserve(&[spend()], Reservation::LASTS, now()) {
        Admission::Admitted(reservation) => reservation,
        refused => panic!("{refused:?}"),
    }
}

fn stands(budgets: &MemoryBudgets) -> (u64, u64) {
    let standings = budgets.standings(&[spend()], now());
    (standings[0].spent.nanos(), standings[0].reserved.nanos())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_is_stored_every_second_and_at_the_end_and_taken_back() {
    let budgets = Arc::new(MemoryBudgets::default());
    let setup = || Setup {
        config: Config {
            budgets: Arc::clone(&budgets) as _,
            ..Setup::default().config
        },
        ..Setup::default()
    };
    let running = Running::start(setup()).await;
    let store = Arc::clone(running.registry.store());
    let stop = CancellationToken::new();
    let recorder = tokio::spawn(Arc::clone(&running.gateway).record(stop.clone()));

    // What is spent while it runs is stored without anybody asking.
    let reservation = reserve(&budgets);
    let stored = async {
        while store.load_budgets(now()).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), stored)
        .await
        .unwrap();
    budgets.settle(reservation, Money::from_nanos(40), now());
    stop.cancel();
    recorder.await.unwrap();
    let rows = store.load_budgets(now()).await.unwrap();
    assert_eq!((rows[0].spent.nanos(), rows[0].reserved.nanos()), (40, 0));

    // Another process begins with it, also where it has counted already.
    let budgets = Arc::new(MemoryBudgets::default());
    let next = Config {
        budgets: Arc::clone(&budgets) as _,
        ..Setup::default().config
    };
    let dial = Arc::new(SystemDial::build(TlsConfig::default()).unwrap());
    let gateway = Gateway::build(Arc::clone(&running.registry), dial, next).unwrap();
    budgets.settle(reserve(&budgets), Money::from_nanos(2), now());
    let stop = CancellationToken::new();
    stop.cancel();
    Arc::new(gateway).record(stop).await;
    assert_eq!(stands(&budgets), (42, 0));
    let rows = store.load_budgets(now()).await.unwrap();
    assert_eq!(rows[0].spent.nanos(), 42);
}
