//! Tokens for some models: the model of a request is read where the provider reads it, or the request is refused.

use keyward_auth::{Grant, ModelPattern, Models};
use keyward_testing::{
    Canary,
    client::{Client, RawAnswer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{ACCOUNT, ACTOR, Running, Setup, code, mint, now};

const JSON: (&str, &str) = ("content-type", "application/json");
const PATTERNS: [&str; 4] = [
    "openai/gpt-4o*",
    "openai/whisper-1",
    "google-ai-studio/gemini-2.5-*",
    "openai/gpt-realtime",
];

fn models(patterns: &[&str]) -> Grant {
    let patterns = patterns
        .iter()
        .map(|pattern| ModelPattern::parse(pattern).unwrap());
    Grant {
        models: Models::only(patterns),
        ..Running::grant()
    }
}

/// A gateway with keys for two providers, and a token for some models.
struct Narrow {
    running: Running,
    token: Canary,
}

impl Narrow {
    async fn start() -> Self {
        let running = Running::start(Setup {
            slugs: &["openai", "google-ai-studio"],
            ..Setup::default()
        })
        .await;
        let (openai, _) = running.store_key("openai", "default").await;
        let (google, _) = running.store_key("google-ai-studio", "default").await;
        running.provider.accept_keys([openai.text(), google.text()]);
        let token = mint(&running.registry, models(&PATTERNS)).await.0;
        Self { running, token }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token.text())
    }

    async fn send(
        &self,
        method: &str,
        rest: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> RawAnswer {
        let bearer = self.bearer();
        let token = [("cf-aig-authorization", bearer.as_str())];
        let headers = [&token, headers].concat();
        let path = self.running.path(rest);
        let mut client = Client::connect(self.running.addr).await.unwrap();
        client.request(method, &path, &headers, body).await.unwrap()
    }

    /// What the provider got of requests since this was asked last.
    fn bodies(&self) -> Vec<Vec<u8>> {
        let recorded = self.running.provider.take_recorded();
        recorded.into_iter().map(|request| request.body).collect()
    }

    #[track_caller]
    fn check_refused(&self, answer: &RawAnswer, expected: (u16, u64), what: &str) {
        assert_eq!(
            (answer.status, code(answer)),
            expected,
            "{what}: {}",
            answer.text()
        );
        assert!(self.bodies().is_empty(), "{what} reached the provider");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permitted_model_goes_through_with_its_body_as_it_came() {
    let narrow = Narrow::start().await;
    for body in [
        r#"{"model":"gpt-4o","messages":[]}"#.to_owned(),
        r#" { "messages" : [ {"model":"o1"} ], "mod\u0065l" : "gpt\u002d4o-mini" } "#.to_owned(),
        format!(
            r#"{{"messages":"{}","model":"gpt-4o"}}"#,
            "x".repeat(1 << 20)
        ),
    ] {
        let answer = narrow
            .send("POST", "openai/chat/completions", &[JSON], body.as_bytes())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(narrow.bodies(), [body.into_bytes()]);
    }
    narrow.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_looks_like_any_other_thing_the_token_is_not_for() {
    let narrow = Narrow::start().await;
    for model in ["o1", "gpt-4", "openai/gpt-4o", "GPT-4o", "gpt-4o/x"] {
        let body = format!(r#"{{"model":"{model}"}}"#);
        let answer = narrow
            .send("POST", "openai/chat/completions", &[JSON], body.as_bytes())
            .await;
        narrow.check_refused(&answer, (401, 2009), model);
    }
    // The pattern names the provider, too.
    let body = br#"{"model":"gpt-4o"}"#;
    let rest = "google-ai-studio/v1beta/openai/chat/completions";
    let answer = narrow.send("POST", rest, &[JSON], body).await;
    narrow.check_refused(&answer, (401, 2009), rest);
    narrow.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_could_read_otherwise_is_refused_with_the_reason() {
    let narrow = Narrow::start().await;
    let good = r#"{"model":"gpt-4o"}"#;
    let form = ("content-type", "application/x-www-form-urlencoded");
    for (headers, body, says) in [
        (&[JSON][..], "{}", "names no `model`"),
        (&[JSON], "", "empty"),
        (&[JSON], "model=gpt-4o", "not JSON"),
        (&[JSON], r#"{"model":"gpt-4o","model":"o1"}"#, "twice"),
        (&[JSON], r#"{"model":"gpt-4o","MODEL":"o1"}"#, "may read as"),
        (&[JSON], r#"{"model":"gpt-4o","models":["o1"]}"#, "`models`"),
        (&[JSON], r#"{"model":["gpt-4o"]}"#, "no text"),
        (&[JSON, ("content-encoding", "gzip")], good, "compressed"),
        (&[form], good, "Content-Type"),
        (&[], good, "Content-Type"),
        (&[JSON, form], good, "more than once"),
    ] {
        let answer = narrow
            .send("POST", "openai/chat/completions", headers, body.as_bytes())
            .await;
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
        narrow.check_refused(&answer, (400, 9027), says);
    }
    let long = format!(r#"{{"model":"gpt-4o","x":"{}"}}"#, "x".repeat(10 << 20));
    let answer = narrow
        .send("POST", "openai/chat/completions", &[JSON], long.as_bytes())
        .await;
    narrow.check_refused(&answer, (413, 9028), "a long body");
    narrow.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_whose_model_cannot_be_told_are_refused_but_the_list() {
    let narrow = Narrow::start().await;
    for rest in ["openai/models", "google-ai-studio/v1beta/models"] {
        let answer = narrow.send("GET", rest, &[], b"").await;
        assert_eq!(narrow.bodies().len(), 1, "{rest}: {}", answer.text());
    }
    let named = br#"{"model":"gpt-4o"}"#;
    for (method, rest) in [
        ("GET", "openai/files"),
        ("GET", "openai/responses/resp_1"),
        ("DELETE", "openai/models/gpt-4o"),
        ("POST", "openai/batches"),
        ("POST", "openai/files"),
        ("POST", "openai/assistants"),
        ("POST", "openai/unknown"),
        ("POST", "openai/chat/completions?model=gpt-4o"),
        ("POST", "openai/chat/completions?Model=o1"),
        (
            "POST",
            "google-ai-studio/v1beta/models/gemini-3:generateContent",
        ),
        (
            "POST",
            "google-ai-studio/v1beta/models/gemini%2D3:generateContent",
        ),
        (
            "POST",
            "google-ai-studio/v1beta/models/gemini-2.5-x:y:generateContent",
        ),
        (
            "POST",
            "google-ai-studio/v1beta/tunedModels/gemini-2.5-x:generateContent",
        ),
    ] {
        let answer = narrow.send(method, rest, &[JSON], named).await;
        narrow.check_refused(&answer, (401, 2009), rest);
    }
    narrow.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_or_a_form_names_its_model() {
    let narrow = Narrow::start().await;
    let rest = "google-ai-studio/v1beta/models/gemini-2.5-pro:generateContent";
    let answer = narrow.send("POST", rest, &[], b"not looked at").await;
    assert_eq!(narrow.bodies(), [b"not looked at"], "{}", answer.text());
    for (model, permitted) in [("whisper-1", true), ("whisper-2", false)] {
        let form = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\0\r\n\
             --b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--b--\r\n"
        );
        let content_type = ("content-type", "multipart/form-data; boundary=b");
        let rest = "openai/audio/transcriptions";
        let answer = narrow
            .send("POST", rest, &[content_type], form.as_bytes())
            .await;
        match permitted {
            true => assert_eq!(narrow.bodies(), [form.into_bytes()]),
            false => narrow.check_refused(&answer, (401, 2009), model),
        }
    }
    narrow.running.stop().await;
}

/// Only whether the request gets as far as the provider, which speaks no WebSocket here.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_names_its_model_in_the_query() {
    let narrow = Narrow::start().await;
    for (query, permitted) in [
        ("?model=gpt-realtime", true),
        ("?model=gpt%2Drealtime&x=y", true),
        ("?model=gpt-realtime-2", false),
        ("?model=gpt-realtime&model=gpt-realtime", false),
        ("?Model=gpt-realtime", false),
        ("", false),
    ] {
        let head = format!(
            "GET {}{query} HTTP/1.1\r\nHost: a\r\ncf-aig-authorization: {}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            narrow.running.path("openai"),
            narrow.bearer()
        );
        let answer = keyward_testing::client::send_raw(narrow.running.addr, head.as_bytes())
            .await
            .unwrap();
        match permitted {
            true => assert_eq!(narrow.bodies().len(), 1, "{query}: {}", answer.text()),
            false => narrow.check_refused(&answer, (401, 2009), query),
        }
    }
    narrow.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_every_model_has_no_body_looked_at() {
    let narrow = Narrow::start().await;
    let bearer = narrow.running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let path = narrow.running.path("openai/chat/completions");
    let mut client = narrow.running.client().await;
    client.post(&path, &headers, b"not JSON").await.unwrap();
    assert_eq!(narrow.bodies(), [b"not JSON"]);
    narrow.running.stop().await;
}

/// The client is told to go on, so that its token was looked at before; then the token is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_while_the_body_comes_permits_nothing() {
    let narrow = Narrow::start().await;
    let (token, minted) = mint(&narrow.running.registry, models(&PATTERNS)).await;
    let body = br#"{"model":"gpt-4o"}"#;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: a\r\ncf-aig-authorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        narrow.running.path("openai/chat/completions"),
        token.text(),
        body.len()
    );
    let mut client = TcpStream::connect(narrow.running.addr).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    let mut told = vec![0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    client.read_exact(&mut told).await.unwrap();
    assert_eq!(told, b"HTTP/1.1 100 Continue\r\n\r\n");
    narrow
        .running
        .registry
        .delete_token(ACCOUNT, &minted.record.id, ACTOR, now())
        .await
        .unwrap();
    client.write_all(body).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(narrow.bodies().is_empty());
    narrow.running.stop().await;
}
