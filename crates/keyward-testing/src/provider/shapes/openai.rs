//! OpenAI's shapes.

use serde_json::{Value, json};

use super::{CREATED, Call, REPLY, crc32, multipart};
use crate::provider::{
    Recorded,
    answer::{Answer, event},
    placement::Format,
};

pub(super) fn chat_completion(call: &Call) -> Answer {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12});
    if !call.is_streaming {
        return Answer::json(
            200,
            &json!({
                "id": "chatcmpl-fake",
                "object": "chat.completion",
                "created": CREATED,
                "model": call.model,
                "choices": [{
                    "index": 0,
                    "message": {"role": "assistant", "content": REPLY.concat(), "refusal": null},
                    "logprobs": null,
                    "finish_reason": "stop",
                }],
                "usage": usage,
            }),
        );
    }
    let chunk = |choices: &Value, usage: &Value| {
        let mut chunk = json!({
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": call.model,
            "choices": choices,
        });
        if call.wants_usage {
            chunk["usage"] = usage.clone();
        }
        event("", &chunk)
    };
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    let mut events = vec![chunk(
        &choice(json!({"role": "assistant", "content": ""}), Value::Null),
        &Value::Null,
    )];
    events.extend(REPLY.map(|piece| {
        chunk(
            &choice(json!({"content": piece}), Value::Null),
            &Value::Null,
        )
    }));
    events.push(chunk(&choice(json!({}), json!("stop")), &Value::Null));
    if call.wants_usage {
        events.push(chunk(&json!([]), &usage));
    }
    events.push("data: [DONE]\n\n".to_owned());
    Answer::events(events)
}

pub(super) fn response(call: &Call) -> Answer {
    let whole = |status: &str, text: &str| {
        json!({
            "id": "resp_fake",
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "model": call.model,
            "output": [{
                "type": "message",
                "id": "msg_fake",
                "status": status,
                "role": "assistant",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            }],
            "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
        })
    };
    if !call.is_streaming {
        return Answer::json(200, &whole("completed", &REPLY.concat()));
    }
    let named = |kind: &str, mut data: Value| {
        data["type"] = json!(kind);
        event(kind, &data)
    };
    let mut events = vec![named(
        "response.created",
        json!({"response": whole("in_progress", "")}),
    )];
    events.extend(REPLY.map(|piece| {
        named(
            "response.output_text.delta",
            json!({"item_id": "msg_fake", "output_index": 0, "content_index": 0, "delta": piece}),
        )
    }));
    events.push(named(
        "response.completed",
        json!({"response": whole("completed", &REPLY.concat())}),
    ));
    Answer::events(events)
}

pub(super) fn embeddings(call: &Call) -> Answer {
    let inputs = call.input.as_array().map_or(1, Vec::len);
    let vector = [0.5_f32, -0.25, 0.125];
    // OpenAI's SDKs ask for little-endian floats in base64.
    let embedding = if call.wants_base64 {
        let bytes: Vec<u8> = vector
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        json!(data_encoding::BASE64.encode(&bytes))
    } else {
        json!(vector)
    };
    let data: Vec<Value> = (0..inputs)
        .map(|index| json!({"object": "embedding", "index": index, "embedding": embedding}))
        .collect();
    Answer::json(
        200,
        &json!({
            "object": "list",
            "data": data,
            "model": call.model,
            "usage": {"prompt_tokens": 9, "total_tokens": 9},
        }),
    )
}

pub(super) fn models() -> Answer {
    let model =
        |id: &str| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "fake"});
    Answer::json(
        200,
        &json!({"object": "list", "data": [model("fake-model"), model("fake-embedding")]}),
    )
}

/// A stored file: its length and checksum tell whether the upload arrived whole.
pub(super) fn file(request: &Recorded) -> Answer {
    let content_type = request.header("content-type").unwrap_or_default();
    let Some(part) = multipart::find_part(content_type, &request.body, "file") else {
        return Format::OpenAi.error(400, "'file' is a required property");
    };
    let purpose = multipart::find_part(content_type, &request.body, "purpose")
        .map(|part| String::from_utf8_lossy(part.content).into_owned());
    Answer::json(
        200,
        &json!({
            "id": "file-fake",
            "object": "file",
            "bytes": part.content.len(),
            "crc32": crc32(part.content),
            "created_at": CREATED,
            "filename": part.file_name,
            "purpose": purpose,
        }),
    )
}
