//! What a request's way through a route's graph costs, without the models at its end.
//!
//! Promise: a way through twenty elements costs about a microsecond and allocates nothing (`keyward-routes`'
//! `tests/allocation.rs`); a body is read in one pass, whatever of it is named.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use keyward_routes::{Facts, Graph, Metadata, Step};
use serde_json::{Value, json};

/// A route of twenty elements: twelve conditions, two percentages, a limit, three models. A request whose plan is none of
/// those that are asked for passes all twelve conditions.
fn elements(field: &str) -> Value {
    let to = |id: &str| json!({ "elementId": id });
    let mut elements = vec![
        json!({ "id": "start", "type": "start", "outputs": { "next": to("c0") } }),
        json!({ "id": "p0", "type": "percentage", "outputs": { "10%": to("p1"), "20%": to("r"), "else": to("r") } }),
        json!({ "id": "p1", "type": "percentage", "outputs": { "50%": to("r"), "else": to("m0") } }),
        json!({ "id": "r", "type": "rate",
            "properties": { "limitType": "count", "key": "metadata.user", "limit": 20, "window": 60 },
            "outputs": { "success": to("m0"), "fallback": to("m2") } }),
        json!({ "id": "end", "type": "end", "outputs": {} }),
    ];
    for at in 0..12 {
        let next = if at == 11 {
            "p0".to_owned()
        } else {
            format!("c{}", at + 1)
        };
        let conditions = match at % 3 {
            0 => json!({ field: format!("plan-{at}") }),
            1 => json!({ field: { "$in": ["a", "b", "c"] }, "headers.x-seats": { "$gt": 100 } }),
            _ => {
                json!({ "$or": [{ field: { "$gt": "z" } }, { "headers.x-seats": { "$gte": 100 } }] })
            }
        };
        elements.push(json!({ "id": format!("c{at}"), "type": "conditional", "properties": { "conditions": conditions },
            "outputs": { "true": to("m0"), "false": to(&next) } }));
    }
    for at in 0..3 {
        let outputs = match at {
            2 => json!({ "success": to("end") }),
            _ => json!({ "success": to("end"), "fallback": to(&format!("m{}", at + 1)) }),
        };
        elements.push(json!({ "id": format!("m{at}"), "type": "model",
            "properties": { "provider": "openai", "model": "gpt-5" }, "outputs": outputs }));
    }
    elements.into()
}

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

criterion_group!(benches, routes);
criterion_main!(benches);
