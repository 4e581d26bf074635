//! What a request's way through a route's graph costs, without the models at its end.
//!
//! Promise: a way through twenty elements costs about a microsecond and allocates nothing (`keyward-routes`'
//! `tests/allocation.rs`); a body is read in one pass, whatever of it is named.

#[path = "routes/elements.rs"]
mod elements;

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use keyward_routes::{
    Admission, Ask, Budget, BudgetWindow, Budgets, CounterKeys, Counters, Facts, Graph, Limit,
    Limited, MemoryBudgets, MemoryCounters, Metadata, Money, Partition, Reservation, Spend, Step,
    Technique,
};
use keyward_secret::AccountId;
use serde_json::json;

use self::elements::elements;

/// Follows a way: the limit lets through, the first model fails.
fn follow(graph: &Graph, facts: Facts<'_>, draw: u64) -> usize {
    let mut models = 0;
    let mut step = graph.begin(facts, draw);
    loop {
        step = match step {
            Step::Rate(at) => at.within(),
            Step::Model(at) if models == 0 => {
                models += 1;
                at.failed()
            }
            Step::Model(at) => at.succeeded(),
            Step::End(_) => return models,
        };
    }
}

#[expect(
    clippy::expect_used,
    reason = "a benchmark of nothing would measure nothing"
)]
fn routes(criterion: &mut Criterion) {
    let mut headers = HeaderMap::new();
    for name in ["host", "user-agent", "accept", "content-type", "x-seats"] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("3"));
    }
    let metadata = Metadata::parse(br#"{"user":"u-1","plan":"enterprise"}"#);
    let facts = Facts::new(&headers, &metadata);

    let text = elements("metadata.plan").to_string();
    let graph = Graph::parse_stored(&text).expect("a route");
    criterion.bench_function("route/walk_20_elements", |b| {
        b.iter(|| follow(black_box(&graph), facts, black_box(u64::MAX)));
    });
    criterion.bench_function("route/parse_20_elements", |b| {
        b.iter(|| Graph::parse_stored(black_box(&text)));
    });

    let text_of_body = elements("body.user.plan").to_string();
    let graph = Graph::parse_stored(&text_of_body).expect("a route");
    let turn = json!({ "role": "user", "content": "A line of a conversation.\n".repeat(40) });
    let mut group = criterion.benchmark_group("route/walk_20_elements_with_body");
    for (name, turns) in [("2kib", 2), ("1mib", 950)] {
        let body = json!({ "model": "dynamic/x", "user": { "plan": "enterprise" }, "messages": vec![&turn; turns] });
        let body = body.to_string();
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                follow(
                    &graph,
                    facts.with_body(black_box(body.as_bytes())),
                    u64::MAX,
                )
            });
        });
    }
    group.finish();
}

/// A limit in memory: its name and its count, for the only user and for each of a hundred thousand by turns.
#[expect(
    clippy::expect_used,
    reason = "a benchmark of nothing would measure nothing"
)]
fn limits(criterion: &mut Criterion) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let account = AccountId::from_bytes([1; 16]);
    let keys = CounterKeys::new(&[7; 16]);
    let users: Vec<_> = (0..100_000).map(|user| format!("user-{user}")).collect();
    let mut group = criterion.benchmark_group("route/limit");
    for (name, technique, count) in [
        ("fixed", Technique::Fixed, 1),
        ("sliding", Technique::Sliding, 1),
        ("fixed_100k_users", Technique::Fixed, users.len()),
    ] {
        let counters = MemoryCounters::default();
        let limit = Limit::new(1_000_000_000, 60, technique).expect("a limit");
        let mut turn = users.iter().take(count).cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                let user = turn.next().map_or("", String::as_str);
                let limited = Limited::Element {
                    route: "route",
                    element: "r",
                };
                let partition = Partition::Value(black_box(user).into());
                let ask = Ask {
                    key: keys.key(account, "gateway", limited, &partition),
                    limit,
                    amount: 1,
                };
                counters.take_now(&[ask], now)
            });
        });
    }
    group.finish();
}

/// A budget in memory: what a request adds that has one or three, reserved before it and settled after, for the only user and
/// for each of ten thousand by turns.
#[expect(
    clippy::expect_used,
    reason = "a benchmark of nothing would measure nothing"
)]
fn budgets(criterion: &mut Criterion) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let account = AccountId::from_bytes([1; 16]);
    let keys = CounterKeys::new(&[7; 16]);
    let users: Vec<_> = (0..10_000).map(|user| format!("user-{user}")).collect();
    let mut group = criterion.benchmark_group("budget");
    for (name, window, rules, count) in [
        ("month", BudgetWindow::MONTH, 1, 1),
        (
            "sliding",
            BudgetWindow::seconds(60, Technique::Sliding).expect("a window"),
            1,
            1,
        ),
        ("three_months", BudgetWindow::MONTH, 3, 1),
        ("month_10k_users", BudgetWindow::MONTH, 1, users.len()),
    ] {
        let budgets = MemoryBudgets::default();
        let budget = Budget::new(Money::MOST, window).expect("a budget");
        let rules: Vec<_> = (0..rules).map(|rule| format!("rule-{rule}")).collect();
        let mut turn = users.iter().take(count).cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                let user = turn.next().map_or("", String::as_str);
                let spend = |rule: &String| {
                    let partition = Partition::Value(black_box(user).into());
                    Spend {
                        key: keys.key(account, "gateway", Limited::Rule(rule), &partition),
                        budget,
                        estimate: Money::from_nanos(1000),
                    }
                };
                let asks: Vec<_> = rules.iter().map(spend).collect();
                match budgets.try_reserve(&asks, Reservation::LASTS, now) {
                    Admission::Admitted(reservation) => {
                        budgets.settle(reservation, Money::from_nanos(1), now);
                    }
                    Admission::Over(_) | Admission::Lost(_) => unreachable!("there is money"),
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, routes, limits, budgets);
criterion_main!(benches);
