//! What it costs to reserve what a request may cost, and to settle what it did.
//!
//! Promise: below the cost of reading the request's body for its model, whatever the number of counters.

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use keyward_routes::{
    Admission, Budget, BudgetWindow, Budgets, CounterKey, MemoryBudgets, Money, Prices,
    Reservation, Spend, SpendLimits, sole_model,
};

/// Counters that are there already.
const OTHERS: u64 = 10_000;

fn key(number: u64) -> CounterKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    CounterKey::from_bytes(bytes)
}

#[expect(
    clippy::expect_used,
    reason = "a benchmark of nothing would measure nothing"
)]
fn budget(criterion: &mut Criterion) {
    // 2026-11-27.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_737_600);
    let limit = Money::from_dollars(1_000_000.0).expect("an amount");
    let estimate = Money::from_dollars(1e-6).expect("an amount");
    let spend = |number| Spend {
        key: key(number),
        budget: Budget::new(limit, BudgetWindow::MONTH).expect("a budget"),
        estimate,
    };
    let budgets = MemoryBudgets::default();
    let once = |asks: &[Spend]| match budgets.reserve_now(asks, Reservation::LASTS, now) {
        Some(Admission::Admitted(reservation)) => budgets.settle(reservation, estimate, now),
        other => assert!(other.is_none(), "it has room"),
    };
    for number in 0..OTHERS {
        once(&[spend(number)]);
    }

    let mut group = criterion.benchmark_group("budget");
    for count in [1, 3, 20] {
        let asks: Vec<Spend> = (0..count).map(spend).collect();
        group.bench_function(format!("reserve_and_settle_{count}"), |b| {
            b.iter(|| once(black_box(&asks)));
        });
    }
    let rules = r#"{"enabled":true,"rules":[
        {"id":"a","limitType":"cost","limit":10,"calendar":"month"},
        {"id":"b","limitType":"cost","limit":1,"window":86400,"model":{"mode":"filter","values":["gpt-4o"]}},
        {"id":"c","limitType":"cost","limit":1,"window":86400,"metadata":{"user":{"mode":"partition"}}}
    ]}"#;
    let limits: SpendLimits = serde_json::from_str(rules).expect("limits");
    let metadata = keyward_routes::Metadata::parse(br#"{"user":"u1"}"#);
    group.bench_function("find_three_rules", |b| {
        b.iter(|| {
            limits
                .applying("openai", Some(black_box("gpt-4o")), &metadata)
                .count()
        });
    });
    let prices = Prices::built_in().expect("the table");
    group.bench_function("price_of_the_estimate", |b| {
        b.iter(|| prices.reserve(black_box("openai"), black_box("gpt-4o"), now));
    });
    let body = format!(
        r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}}]}}"#,
        "a".repeat(960)
    );
    let body = Bytes::from(body);
    group.bench_function("read_the_model_of_1kib", |b| {
        b.iter(|| sole_model(b"application/json", black_box(&body)));
    });
    group.finish();
}

criterion_group!(benches, budget);
criterion_main!(benches);
