//! Counts of tokens in an answer: any chunking gives the same, and `serde_json` reads the same number.

use bytes::Bytes;
use keyward_providers::{ExtraChunk, UsageReader, UsageShape};
use memchr::memmem;
use serde_json::Value;

const TYPES: [&str; 4] = [
    "application/json",
    "text/event-stream",
    "application/vnd.amazon.eventstream",
    "",
];

/// The largest count that the reader says it believes.
const MOST: u64 = 1_000_000_000_000;

/// Reads `data` as a shape, a content type, the size of pieces and an answer.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let [shape, content_type, size, body @ ..] = data else {
        return;
    };
    let shape = UsageShape::ALL[usize::from(*shape) % UsageShape::ALL.len()];
    let content_type = TYPES[usize::from(*content_type) % TYPES.len()];
    let read = |size: usize| {
        let mut reader = UsageReader::new(shape, Some(content_type));
        body.chunks(size).for_each(|piece| reader.feed(piece));
        reader
    };
    let whole = read(body.len().max(1));
    let pieces = read(usize::from(*size).max(1));
    let usage = whole.usage();
    assert_eq!(usage, pieces.usage(), "another count in pieces");
    assert_eq!(whole.model(), pieces.model(), "another model in pieces");
    assert_eq!(whole.seen(), pieces.seen(), "another measure in pieces");
    let is_part = |part: Option<u64>, whole: Option<u64>| whole.is_none() || part <= whole;
    assert!(is_part(usage.cache_read, usage.input) && is_part(usage.cache_write, usage.input));
    assert!(
        is_part(usage.reasoning, usage.output),
        "more reasoning than output"
    );
    assert!(
        whole
            .model()
            .is_none_or(|model| (1..=256).contains(&model.len()))
    );
    let seen = usize::try_from(whole.seen().bytes).expect("no more than there is");
    assert!(seen <= body.len());
    if content_type == "application/json" && shape == UsageShape::OpenAi {
        compare(body, usage.input);
    }
    cut_out(body, usize::from(*size).max(1));
}

/// A JSON answer whose input stands in one place, as `serde_json` reads it.
fn compare(body: &[u8], input: Option<u64>) {
    let count = |text: &str| memmem::find_iter(body, text).count();
    let is_plain = count("usage") == 1 && count("prompt_tokens\"") == 1 && count("\\") == 0;
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let said = value
        .pointer("/usage/prompt_tokens")
        .and_then(Value::as_u64);
    if let Some(said) = said.filter(|said| *said <= MOST && is_plain)
        && count("input_tokens\"") == 0
    {
        assert_eq!(input, Some(said), "another input");
    }
}

/// The same bytes as a stream from which the chunk with the counts is taken: in pieces as in one.
fn cut_out(body: &[u8], size: usize) {
    let send = |size: usize| {
        let mut extra = ExtraChunk::new();
        let mut sent = Vec::new();
        for piece in body.chunks(size) {
            extra.push(Bytes::copy_from_slice(piece), |part| {
                sent.extend_from_slice(&part)
            });
            assert!(extra.held() <= 16 * 1024, "too much is held");
        }
        extra.finish(|part| sent.extend_from_slice(&part));
        (sent, extra.is_out())
    };
    let (sent, is_out) = send(body.len().max(1));
    assert_eq!(
        (&sent, is_out),
        (&send(size).0, send(size).1),
        "cut otherwise in pieces"
    );
    assert!(
        sent == body || is_out && sent.len() < body.len(),
        "bytes are changed"
    );
}
