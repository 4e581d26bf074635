//! The answers of a provider that is well: which path gets which shape.

mod anthropic;
mod google;
mod multipart;
mod openai;

use serde_json::{Value, json};

use super::{Recorded, answer::Answer, placement::Format};

/// The reply that every completion gives, in the pieces a stream brings.
const REPLY: [&str; 3] = ["Hello", " from the", " fake provider."];
/// 2026-01-01T00:00:00Z, wherever an answer has a time.
const CREATED: u64 = 1_767_225_600;

/// Answers by the path's end, so that any prefix will do.
pub(super) fn answer(request: &Recorded, format: Format) -> Answer {
    let path = request.path();
    let model = Call::parse(&request.body);
    match request.method.as_str() {
        "GET" if path.ends_with("/models") && format == Format::Anthropic => anthropic::models(),
        "GET" if path.ends_with("/models") => openai::models(),
        "POST" if path.ends_with("/chat/completions") => openai::chat_completion(&model),
        "POST" if path.ends_with("/responses") => openai::response(&model),
        "POST" if path.ends_with("/embeddings") => openai::embeddings(&model),
        "POST" if path.ends_with("/files") => openai::file(request),
        "POST" if path.ends_with("/messages") => anthropic::message(request, &model),
        "POST" if path.ends_with(":generateContent") => google::content(),
        "POST" if path.ends_with(":streamGenerateContent") => google::content_stream(),
        _ => echo(request),
    }
}

/// What the answers take from a request's JSON.
struct Call {
    model: String,
    is_streaming: bool,
    /// Whether a stream is to end with what it took.
    wants_usage: bool,
    input: Value,
    wants_base64: bool,
}

impl Call {
    fn parse(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        Self {
            model: body["model"].as_str().unwrap_or("fake-model").to_owned(),
            is_streaming: body["stream"] == true,
            wants_usage: body["stream_options"]["include_usage"] == true,
            input: body["input"].clone(),
            wants_base64: body["encoding_format"] == "base64",
        }
    }
}

/// What any other request gets.
fn echo(request: &Recorded) -> Answer {
    Answer::json(
        200,
        &json!({
            "method": request.method,
            "target": request.target,
            "body_bytes": request.body.len(),
            "body_crc32": crc32(&request.body),
        }),
    )
}

fn crc32(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}
