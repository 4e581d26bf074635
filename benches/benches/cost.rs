//! What it costs to know what an answer cost.
//!
//! Promise: a price is found and applied in well under a microsecond, whatever the length of the table, and nothing is
//! allocated (`keyward-routes`' `tests/allocation.rs`). The table itself is read once, at the start.

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use criterion::{Criterion, criterion_group, criterion_main};
use keyward_providers::Usage;
use keyward_routes::{CustomCost, Prices};

#[expect(
    clippy::expect_used,
    reason = "a benchmark of nothing would measure nothing"
)]
fn cost(criterion: &mut Criterion) {
    let prices = Prices::built_in().expect("the table");
    // 2026-11-27.
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_737_600);
    let mut usage = Usage::UNKNOWN;
    (usage.input, usage.output) = (Some(12_345), Some(678));
    (usage.cache_read, usage.cache_write) = (Some(10_000), Some(1_000));

    let mut group = criterion.benchmark_group("cost");
    for (name, model) in [
        ("of_a_name", "gpt-5"),
        ("of_a_pattern", "gpt-5-2025-08-07"),
        ("of_an_unknown_model", "gpt-99-2099-01-01"),
    ] {
        let cost = prices.cost("openai", model, &usage, at);
        assert_eq!(cost.is_some(), name != "of_an_unknown_model");
        group.bench_function(name, |b| {
            b.iter(|| prices.cost(black_box("openai"), black_box(model), black_box(&usage), at));
        });
    }
    let price = prices.find("openai", "gpt-5", at).expect("a price");
    group.bench_function("estimate", |b| {
        b.iter(|| price.estimate(black_box(123_456), black_box(Some(4_096))));
    });
    let header = br#"{"per_token_in": 0.000001, "per_token_out": 0.000002}"#;
    group.bench_function("client_price", |b| {
        b.iter(|| CustomCost::parse(black_box(header)).map(|cost| cost.price().cost(&usage)));
    });
    group.bench_function("read_the_table", |b| b.iter(Prices::built_in));
    group.finish();
}

criterion_group!(benches, cost);
criterion_main!(benches);
