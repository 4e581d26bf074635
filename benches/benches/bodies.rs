//! What reading a request's body costs, where its model decides.
//!
//! Promise: reading goes over the bytes without a tree of values and without a copy, about twice as fast as `serde_json` into
//! a tree; replacing the model costs the same for any size.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keyward_routes::JsonBody;
use serde_json::{Value, json};

/// A chat of about `size` bytes: turns of prose with a line break every 80 characters, the model at the end.
fn chat(size: usize) -> Bytes {
    let line =
        "Reading a body is about strings: most of its bytes lie between two quotes, as here.\n";
    let turn = json!({ "role": "user", "content": line.repeat(24) });
    let count = size / turn.to_string().len();
    let turns: Vec<Value> = std::iter::repeat_n(turn, count.max(1)).collect();
    let text = json!({ "messages": turns, "stream": true }).to_string();
    let text = text.trim_end_matches('}').to_owned() + r#","model":"openai/gpt-4o"}"#;
    Bytes::from(text)
}

/// An image within a message: one string without an escape.
fn image(size: usize) -> Bytes {
    let url = "data:image/png;base64,".to_owned() + &"QUJD".repeat(size / 4);
    let part = json!([{ "type": "image_url", "image_url": { "url": url } }]);
    let body =
        json!({ "model": "openai/gpt-4o", "messages": [{ "role": "user", "content": part }] });
    Bytes::from(body.to_string())
}

fn read(criterion: &mut Criterion) {
    let bodies = [
        ("chat_2kib", chat(2 << 10)),
        ("chat_1mib", chat(1 << 20)),
        ("image_1mib", image(1 << 20)),
    ];
    let mut group = criterion.benchmark_group("body/read");
    for (name, body) in &bodies {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(*name, |b| b.iter(|| JsonBody::read(black_box(body))));
        let tree = format!("{name}_as_tree");
        group.bench_function(tree, |b| {
            b.iter(|| serde_json::from_slice::<Value>(black_box(body)));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("body/replace");
    for (name, body) in &bodies {
        if let Ok(body) = JsonBody::read(body) {
            group.bench_function(*name, |b| b.iter(|| body.with_model(black_box("gpt-4o"))));
        }
    }
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
