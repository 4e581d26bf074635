//! Anthropic's shapes.

use serde_json::{Value, json};

use super::{Call, REPLY};
use crate::provider::{
    Recorded,
    answer::{Answer, event},
    placement::Format,
};

pub(super) fn message(request: &Recorded, call: &Call) -> Answer {
    if request.header("anthropic-version").is_none() {
        return Format::Anthropic.error(400, "anthropic-version: header is required");
    }
    let message = |content: Value, stop: Value, output_tokens: u32| {
        json!({
            "id": "msg_fake",
            "type": "message",
            "role": "assistant",
            "model": call.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": null,
            "usage": {"input_tokens": 9, "output_tokens": output_tokens},
        })
    };
    if !call.is_streaming {
        let content = json!([{"type": "text", "text": REPLY.concat()}]);
        return Answer::json(200, &message(content, json!("end_turn"), 3));
    }
    let named = |kind: &str, mut data: Value| {
        data["type"] = json!(kind);
        event(kind, &data)
    };
    let mut events = vec![
        named(
            "message_start",
            json!({"message": message(json!([]), Value::Null, 1)}),
        ),
        named(
            "content_block_start",
            json!({"index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        named("ping", json!({})),
    ];
    events.extend(REPLY.map(|piece| {
        named(
            "content_block_delta",
            json!({"index": 0, "delta": {"type": "text_delta", "text": piece}}),
        )
    }));
    events.extend([
        named("content_block_stop", json!({"index": 0})),
        named(
            "message_delta",
            json!({
                "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                "usage": {"output_tokens": 3},
            }),
        ),
        named("message_stop", json!({})),
    ]);
    Answer::events(events)
}

pub(super) fn models() -> Answer {
    Answer::json(
        200,
        &json!({
            "data": [{
                "type": "model",
                "id": "fake-model",
                "display_name": "Fake model",
                "created_at": "2026-01-01T00:00:00Z",
            }],
            "has_more": false,
            "first_id": "fake-model",
            "last_id": "fake-model",
        }),
    )
}
