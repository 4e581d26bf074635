//! What reading the counts of an answer beside its way to the client costs.
//!
//! Promise: an event that holds no counts costs the search for them, and a document one pass without a tree of values; nothing
//! is allocated but the model's name.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keyward_providers::{ExtraChunk, UsageReader, UsageShape};
use keyward_routes::JsonBody;
use serde_json::{Value, json};

/// A chat's answer of about 2 KiB.
fn document() -> Vec<u8> {
    let text = "An answer is prose with a line break now and then, as here.\n".repeat(24);
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_741_569_952, "model": "gpt-5-2025-08-07",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": {
            "prompt_tokens": 1019, "completion_tokens": 310, "total_tokens": 1329,
            "prompt_tokens_details": { "cached_tokens": 512, "audio_tokens": 0 },
            "completion_tokens_details": { "reasoning_tokens": 256, "audio_tokens": 0 }
        }
    })
    .to_string()
    .into_bytes()
}

/// A stream of 200 events, the counts in the last but one.
fn events() -> Vec<Vec<u8>> {
    let event = |value: Value| format!("data: {value}\n\n").into_bytes();
    let chunk = |choices: Value, usage: Value| {
        event(json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_741_569_952,
            "model": "gpt-5-2025-08-07", "system_fingerprint": "fp_44709d6fcb", "choices": choices, "usage": usage
        }))
    };
    let delta = json!([{ "index": 0, "delta": { "content": " token" }, "finish_reason": null }]);
    let mut events = vec![chunk(delta, Value::Null); 198];
    let usage = json!({ "prompt_tokens": 1019, "completion_tokens": 310, "total_tokens": 1329 });
    events.push(chunk(json!([]), usage));
    events.push(b"data: [DONE]\n\n".to_vec());
    events
}

fn read(criterion: &mut Criterion) {
    let document = document();
    let events = events();
    let stream = events.concat();
    let mut group = criterion.benchmark_group("usage/read");
    let mut bench = |name: &str, bytes: &[u8], pieces: &[&[u8]], content_type: &str| {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut reader = UsageReader::new(UsageShape::OpenAi, Some(content_type));
                for piece in pieces {
                    reader.feed(black_box(piece));
                }
                reader.usage()
            });
        });
    };
    let each: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
    let cut: Vec<&[u8]> = stream.chunks(1400).collect();
    bench("json_2kib", &document, &[&document], "application/json");
    bench("sse_200_events", &stream, &each, "text/event-stream");
    bench(
        "sse_200_events_in_packets",
        &stream,
        &cut,
        "text/event-stream",
    );
    group.finish();
    criterion.bench_function("usage/read/json_2kib_as_tree", |b| {
        b.iter(|| serde_json::from_slice::<Value>(black_box(&document)));
    });
}

fn ask(criterion: &mut Criterion) {
    let events: Vec<Bytes> = events().into_iter().map(Bytes::from).collect();
    let mut group = criterion.benchmark_group("usage/ask");
    group.throughput(Throughput::Bytes(
        events.iter().map(|event| event.len() as u64).sum(),
    ));
    group.bench_function("take_out_of_200_events", |b| {
        b.iter(|| {
            let mut extra = ExtraChunk::new();
            let mut count = 0;
            for event in &events {
                extra.push(event.clone(), |part| count += part.len());
            }
            count
        });
    });
    group.finish();
    let body = Bytes::from_static(
        br#"{"model":"openai/gpt-5","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#,
    );
    if let Ok(body) = JsonBody::read(&body) {
        criterion.bench_function("usage/ask/put_into_body", |b| {
            b.iter(|| body.with_usage_asked(black_box(Some("gpt-5"))));
        });
    }
}

criterion_group!(benches, read, ask);
criterion_main!(benches);
