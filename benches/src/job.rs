//! The job that every subject of a measurement does: same path, token, key, request and answers.

/// What the minimal proxy accepts in `cf-aig-authorization`. Not a token of anything.
pub const GATEWAY_TOKEN: &str = "Bearer bench-gateway-token-0123456789abcdef0123456789abcdef";

/// The provider key that the upstream wants to see. Not a key of anything.
pub const PROVIDER_KEY: &str = "sk-bench-0aB9zYx8Wv7Ut6Sr5Qp4On3Ml2Kj1Ih0Gf9Ed8Cc7Ba6";

/// The model that requests ask for, unless a target has another.
pub const MODEL: &str = "bench";

/// The path that a client of the minimal proxy asks for.
pub const CLIENT_PATH: &str =
    "/v1/0123456789abcdef0123456789abcdef/default/openai/chat/completions";

/// How long the body of every request is, in bytes.
pub const REQUEST_BODY_BYTES: usize = 1024;

/// How long the body of a JSON answer is, in bytes.
pub const JSON_BODY_BYTES: usize = 2048;

/// How many events a streamed answer has.
pub const EVENTS: usize = 100;

/// Which answer a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "upstream and load must handle each"
)]
pub enum Answer {
    /// One JSON body of [`JSON_BODY_BYTES`] with a `Content-Length`.
    Json,
    /// [`EVENTS`] server-sent events, one chunk and one write each.
    Events,
}

impl Answer {
    /// Makes the body of a request for this answer and `model`, [`REQUEST_BODY_BYTES`] long.
    pub fn request_body(self, model: &str) -> Vec<u8> {
        let stream = match self {
            Self::Json => "false",
            Self::Events => "true",
        };
        padded(
            &format!(
                r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":""#
            ),
            r#""}]}"#,
            REQUEST_BODY_BYTES,
        )
    }

    /// How long the decoded body of the answer is, in bytes.
    pub fn body_bytes(self) -> usize {
        match self {
            Self::Json => JSON_BODY_BYTES,
            Self::Events => events().iter().map(Vec::len).sum(),
        }
    }
}

/// Makes the body of the JSON answer.
pub fn json_body() -> Vec<u8> {
    padded(
        r#"{"id":"chatcmpl-bench","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":""#,
        r#""},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}"#,
        JSON_BODY_BYTES,
    )
}

/// Makes the events of the streamed answer, each with the blank line that ends it.
pub fn events() -> Vec<Vec<u8>> {
    let mut events: Vec<Vec<u8>> = (1..EVENTS)
        .map(|number| {
            format!(
                "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word {number:03}\"}},\"finish_reason\":null}}]}}\n\n"
            )
            .into_bytes()
        })
        .collect();
    events.push(b"data: [DONE]\n\n".to_vec());
    events
}

/// Prose with capitals and digits, as answers have: a search for a key stops at them.
const FILLING: &[u8] =
    b"Then Jack of Kew Valley packs 64 boxes for Zoe, and 7 more. Why not? Quite so. ";

fn padded(start: &str, end: &str, length: usize) -> Vec<u8> {
    let filling = length.saturating_sub(start.len() + end.len());
    let mut body = Vec::with_capacity(length);
    body.extend_from_slice(start.as_bytes());
    body.extend(FILLING.iter().copied().cycle().take(filling));
    body.extend_from_slice(end.as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_promised_lengths_and_are_json() {
        for answer in [Answer::Json, Answer::Events] {
            let body = answer.request_body(MODEL);
            assert_eq!(body.len(), REQUEST_BODY_BYTES);
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(value["stream"], answer == Answer::Events);
        }
        assert_eq!(json_body().len(), JSON_BODY_BYTES);
        serde_json::from_slice::<serde_json::Value>(&json_body()).unwrap();
    }

    #[test]
    fn a_stream_has_one_hundred_events() {
        assert_eq!(events().len(), EVENTS);
        assert_eq!(events().concat().len(), Answer::Events.body_bytes());
    }
}
