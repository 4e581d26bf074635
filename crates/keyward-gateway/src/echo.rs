//! The provider `echo`: an upstream inside the process, for a first request without any account.
//!
//! It demands its stored key like any provider, answers chat completions as JSON and as server-sent events,
//! and shows which headers arrived, the credential masked. It is dialled through memory: no socket, no port.

use std::{convert::Infallible, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use keyward_forward::{BoxFuture, Connection, Dial, DialError, Offer};
use keyward_registry::{ProviderKey, Registry};
use keyward_secret::{Origin, SecretBytes};
use keyward_vault::RecordId;
use serde_json::{Value, json};

/// The provider's slug, and the name of the model it answers as.
const SLUG: &str = "echo";
/// Bytes of a request body that echo reads.
const MAX_BODY: usize = 1024 * 1024;
/// Characters of a message that echo says back.
const MAX_SAID: usize = 4096;
/// Bytes in flight between the forwarder and echo.
const PIPE: usize = 64 * 1024;

/// Dials `echo` in memory, and every other origin through another [`Dial`].
#[derive(Debug)]
pub struct EchoDial {
    echo: Arc<Echo>,
    others: Arc<dyn Dial>,
}

#[derive(Debug)]
struct Echo {
    registry: Arc<Registry>,
    origin: Option<Origin>,
}

impl EchoDial {
    /// An `echo` that demands the keys stored for it in `registry`, beside `others`.
    #[must_use]
    pub fn new(registry: Arc<Registry>, others: Arc<dyn Dial>) -> Self {
        let origin = registry
            .catalogue()
            .find(SLUG)
            .and_then(|echo| echo.destination().single().cloned());
        Self {
            echo: Arc::new(Echo { registry, origin }),
            others,
        }
    }
}

impl Dial for EchoDial {
    fn dial<'a>(
        &'a self,
        origin: &'a Origin,
        offer: Offer,
    ) -> BoxFuture<'a, Result<Connection, DialError>> {
        if self.echo.origin.as_ref() != Some(origin) {
            return self.others.dial(origin, offer);
        }
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let echo = Arc::clone(&self.echo);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let echo = Arc::clone(&echo);
                async move { Ok::<_, Infallible>(echo.answer(request).await) }
            });
            // The other end is the forwarder's: it going away is how this connection ends.
            if let Err(error) = http1::Builder::new()
                .serve_connection(TokioIo::new(theirs), service)
                .await
            {
                tracing::debug!(%error, "echo's connection ended");
            }
        });
        Box::pin(async move { Ok(Connection::new(ours)) })
    }
}

impl Echo {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        if !self.knows_key(&head.headers) {
            return failure(
                StatusCode::UNAUTHORIZED,
                "Incorrect API key provided.",
                "invalid_api_key",
            );
        }
        if head.method != Method::POST || !head.uri.path().ends_with("/chat/completions") {
            return failure(
                StatusCode::NOT_FOUND,
                "echo answers POST chat/completions only.",
                "not_found",
            );
        }
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return failure(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is too long.",
                "too_long",
            );
        };
        let Ok(body) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
            return failure(
                StatusCode::BAD_REQUEST,
                "The body is not JSON.",
                "invalid_json",
            );
        };
        let said = last_message(&body);
        let created = created();
        if body.get("stream").and_then(Value::as_bool) == Some(true) {
            stream(&said, created, &head.headers)
        } else {
            whole(&said, created, &head.headers)
        }
    }

    /// Whether the request carries a key that is stored for echo, in any gateway.
    fn knows_key(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let Some(presented) = value.as_bytes().strip_prefix(b"Bearer ") else {
            return false;
        };
        let presented = SecretBytes::copy_from(presented);
        let snapshot = self.registry.snapshot();
        snapshot
            .accounts()
            .flat_map(|account| account.gateways())
            .flat_map(|gateway| gateway.keys_for(SLUG))
            .any(|key| self.is_value_of(&presented, key))
    }

    fn is_value_of(&self, presented: &SecretBytes, key: &ProviderKey) -> bool {
        let (Some(current), Some(origin)) = (&key.current, &self.origin) else {
            return false;
        };
        let id = RecordId {
            account: key.record.account,
            secret: key.record.secret,
            version: current.version,
        };
        let opened = self.registry.vault().open(&current.sealed, &id, origin);
        opened.is_ok_and(|opened| opened.value.ct_eq(presented))
    }
}

fn last_message(body: &Value) -> String {
    let messages = body.get("messages").and_then(Value::as_array);
    let content = messages.and_then(|messages| messages.last()?.get("content")?.as_str());
    let content = content.unwrap_or("(no message)");
    // An event per word is many times the word: what is echoed is bounded, whatever is said.
    content.chars().take(MAX_SAID).collect()
}

/// The headers that arrived, in order, the credential masked.
fn received(headers: &HeaderMap) -> Value {
    let lines = headers.iter().map(|(name, value)| {
        let text = if *name == AUTHORIZATION {
            "Bearer ••••".to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        json!([name.as_str(), text])
    });
    lines.collect()
}

fn whole(said: &str, created: u64, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let body = json!({
        "id": "chatcmpl-echo",
        "object": "chat.completion",
        "created": created,
        "model": SLUG,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": said },
            "finish_reason": "stop",
        }],
        "usage": usage(said),
        "received_headers": received(headers),
    });
    answer(StatusCode::OK, "application/json", body.to_string())
}

fn stream(said: &str, created: u64, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let mut events = String::new();
    let mut event = |delta: Value, finish: Value, more: Value| {
        let mut chunk = json!({
            "id": "chatcmpl-echo",
            "object": "chat.completion.chunk",
            "created": created,
            "model": SLUG,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        });
        if let (Some(chunk), Value::Object(more)) = (chunk.as_object_mut(), more) {
            chunk.extend(more);
        }
        events.push_str(&format!("data: {chunk}\n\n"));
    };
    event(
        json!({ "role": "assistant", "content": "" }),
        Value::Null,
        json!({ "received_headers": received(headers) }),
    );
    for word in said.split_inclusive(' ') {
        event(json!({ "content": word }), Value::Null, Value::Null);
    }
    event(json!({}), json!("stop"), json!({ "usage": usage(said) }));
    events.push_str("data: [DONE]\n\n");
    answer(StatusCode::OK, "text/event-stream", events)
}

/// A token is a word to echo.
fn usage(said: &str) -> Value {
    let words = said.split_whitespace().count();
    json!({ "prompt_tokens": words, "completion_tokens": words, "total_tokens": words * 2 })
}

fn failure(status: StatusCode, message: &str, code: &str) -> Response<Full<Bytes>> {
    let body =
        json!({ "error": { "message": message, "type": "invalid_request_error", "code": code } });
    answer(status, "application/json", body.to_string())
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

#[expect(
    clippy::disallowed_methods,
    reason = "echo plays a server elsewhere, which has a clock of its own"
)]
fn created() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
