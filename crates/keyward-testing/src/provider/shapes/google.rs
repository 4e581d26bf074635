//! Google's shapes.

use serde_json::{Value, json};

use super::REPLY;
use crate::provider::answer::{Answer, event};

pub(super) fn content() -> Answer {
    Answer::json(200, &candidate(&REPLY.concat(), &json!("STOP")))
}

/// As with `?alt=sse`.
pub(super) fn content_stream() -> Answer {
    let last = REPLY.len() - 1;
    let events = REPLY.iter().enumerate().map(|(index, piece)| {
        let finish = if index == last {
            json!("STOP")
        } else {
            Value::Null
        };
        event("", &candidate(piece, &finish))
    });
    Answer::events(events.collect())
}

fn candidate(text: &str, finish: &Value) -> Value {
    json!({
        "candidates": [{
            "content": {"role": "model", "parts": [{"text": text}]},
            "finishReason": finish,
            "index": 0,
        }],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12},
        "modelVersion": "fake-model",
    })
}
