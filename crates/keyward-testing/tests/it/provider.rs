//! A provider that is well: it demands its key, answers in shape and records what it got.

use std::time::Duration;

use keyward_testing::{
    FakeProvider, Placement, REASON_PHRASE, TestCa,
    client::{Client, send_raw},
};

// Not a canary: the provider may echo it, and a sweep of the whole suite must not look for it.
const KEY: &str = "sk-plain-test-key";
const BEARER: (&str, &str) = ("Authorization", "Bearer sk-plain-test-key");
const X_API_KEY: (&str, &str) = ("x-api-key", "sk-plain-test-key");
const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");
const SOON: Duration = Duration::from_secs(20);

async fn start(placement: Placement) -> (FakeProvider, Client) {
    let provider = FakeProvider::start(placement, [KEY]).await;
    let client = Client::connect(provider.addr()).await.unwrap();
    (provider, client)
}

#[tokio::test]
async fn it_demands_its_key_in_its_place_and_alone() {
    let (provider, mut client) = start(Placement::bearer()).await;
    let path = "/v1/chat/completions";
    assert_eq!(
        client.post(path, &[BEARER], b"{}").await.unwrap().status,
        200
    );
    for headers in [
        &[][..],
        &[("Authorization", "Bearer sk-other")],
        &[("Authorization", KEY)],
        &[BEARER, BEARER],
        &[X_API_KEY],
        &[BEARER, X_API_KEY],
        &[BEARER, ("cf-aig-authorization", "Bearer x")],
    ] {
        let answer = client.post(path, headers, b"{}").await.unwrap();
        assert_eq!(answer.status, 401, "{headers:?}");
        assert_eq!(answer.json()["error"]["code"], "invalid_api_key");
    }
    provider.accept_keys(["sk-rotated-1", "sk-rotated-2"]);
    assert_eq!(client.post(path, &[BEARER], b"").await.unwrap().status, 401);
    for key in ["Bearer sk-rotated-1", "Bearer sk-rotated-2"] {
        let answer = client
            .post(path, &[("authorization", key)], b"")
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
    }
    assert_eq!(client.connections(), 1);
    assert_eq!(provider.accepted_connections(), 1);
    assert_eq!(provider.open_connections(), 1);
}

#[tokio::test]
async fn it_refuses_in_its_own_shape() {
    let (_provider, mut client) = start(Placement::x_api_key()).await;
    let answer = client
        .post("/v1/messages", &[VERSION], b"{}")
        .await
        .unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["error"]["type"], "authentication_error");

    let (_provider, mut client) = start(Placement::x_goog_api_key()).await;
    let answer = client.get("/v1beta/models", &[]).await.unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json()["error"]["details"][0]["reason"],
        "API_KEY_INVALID"
    );
}

#[tokio::test]
async fn openai_answers_behind_any_prefix() {
    let (_provider, mut client) = start(Placement::bearer()).await;
    for prefix in ["", "/openai", "/openai/deployments/a%2Fb"] {
        let body = br#"{"model":"m-1","messages":[]}"#;
        let path = format!("{prefix}/v1/chat/completions?api-version=1");
        let answer = client.post(&path, &[BEARER], body).await.unwrap();
        assert_eq!(answer.reason, REASON_PHRASE);
        let answer = answer.json();
        assert_eq!(answer["model"], "m-1");
        assert_eq!(
            answer["choices"][0]["message"]["content"],
            "Hello from the fake provider."
        );
        assert_eq!(answer["usage"]["total_tokens"], 12);
    }
    let answer = client
        .post("/v1/embeddings", &[BEARER], br#"{"input":["a","b"]}"#)
        .await
        .unwrap();
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 2);
    let answer = client.get("/v1/models", &[BEARER]).await.unwrap();
    assert_eq!(answer.json()["data"][0]["id"], "fake-model");
    let answer = client
        .post("/v1/responses", &[BEARER], b"{}")
        .await
        .unwrap();
    assert_eq!(
        answer.json()["output"][0]["content"][0]["type"],
        "output_text"
    );
}

#[tokio::test]
async fn openai_streams_chunks_usage_and_done() {
    let (_provider, mut client) = start(Placement::bearer()).await;
    let silent = client
        .post("/v1/chat/completions", &[BEARER], br#"{"stream":true}"#)
        .await
        .unwrap();
    assert!(!silent.text().contains("usage"), "it was not asked");
    let asking = br#"{"stream":true,"stream_options":{"include_usage":true}}"#;
    let answer = client
        .post("/v1/chat/completions", &[BEARER], asking)
        .await
        .unwrap();
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(!answer.truncated);
    let data = answer.sse_data();
    let (done, chunks) = data.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let chunks: Vec<serde_json::Value> = chunks
        .iter()
        .map(|chunk| serde_json::from_str(chunk).unwrap())
        .collect();
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "Hello from the fake provider.");
    assert_eq!(chunks.last().unwrap()["usage"]["total_tokens"], 12);
    let answer = client
        .post("/v1/responses", &[BEARER], br#"{"stream":true}"#)
        .await
        .unwrap();
    assert!(
        answer
            .text()
            .starts_with("event: response.created\ndata: {")
    );
    assert!(
        answer
            .sse_data()
            .last()
            .unwrap()
            .contains("response.completed")
    );
}

#[tokio::test]
async fn anthropic_wants_its_version_and_streams_its_sequence() {
    let (_provider, mut client) = start(Placement::x_api_key()).await;
    let answer = client
        .post("/v1/messages", &[X_API_KEY], b"{}")
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    let headers = [X_API_KEY, VERSION];
    let answer = client
        .post("/a/v1/messages", &headers, b"{}")
        .await
        .unwrap();
    assert_eq!(
        answer.json()["content"][0]["text"],
        "Hello from the fake provider."
    );
    let answer = client
        .post("/v1/messages", &headers, br#"{"stream":true}"#)
        .await
        .unwrap();
    let names: Vec<String> = answer
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("event: ").map(str::to_owned))
        .collect();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
}

#[tokio::test]
async fn google_answers_whole_and_streamed() {
    let (_provider, mut client) = start(Placement::x_goog_api_key()).await;
    let headers = [("X-Goog-Api-Key", KEY)];
    let answer = client
        .post("/v1beta/models/m:generateContent", &headers, b"{}")
        .await
        .unwrap();
    assert_eq!(answer.json()["candidates"][0]["finishReason"], "STOP");
    let answer = client
        .post(
            "/v1beta/models/m:streamGenerateContent?alt=sse",
            &headers,
            b"{}",
        )
        .await
        .unwrap();
    assert_eq!(answer.sse_data().len(), 3);
}

#[tokio::test]
async fn an_upload_is_answered_with_its_length_and_checksum() {
    let (_provider, mut client) = start(Placement::bearer()).await;
    let content = vec![0xa5; 3 << 20];
    let mut body =
        b"--XX\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\n\r\n"
            .to_vec();
    body.extend_from_slice(&content);
    body.extend_from_slice(b"\r\n--XX--\r\n");
    let headers = [BEARER, ("content-type", "multipart/form-data; boundary=XX")];
    let answer = client
        .post("/v1/files", &headers, &body)
        .await
        .unwrap()
        .json();
    assert_eq!(answer["bytes"], content.len());
    assert_eq!(answer["filename"], "f.bin");
    assert_eq!(answer["purpose"], "batch");
    assert_eq!(
        answer["crc32"],
        format!("{:08x}", crc32fast::hash(&content))
    );
    let answer = client
        .post("/v1/files", &headers, b"--XX--\r\n")
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn requests_are_recorded_as_they_came() {
    let (provider, mut client) = start(Placement::bearer()).await;
    let target = "/x/@cf/arn%3Aa%2Fb/models/m:gen;v=1?q=%20&q=+&empty";
    let request = format!(
        "PATCH {target} HTTP/1.1\r\nhost: h\r\nX-Twice: 1\r\nauthorization: Bearer {KEY}\r\nx-twice: \u{e9}\r\n\
         transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-Trailer: t\r\n\r\n"
    );
    let answer = client.exchange(request.as_bytes()).await.unwrap();
    assert_eq!(answer.json()["target"], target);
    assert_eq!(answer.json()["method"], "PATCH");
    assert_eq!(answer.json()["body_bytes"], 3);
    client.request("HEAD", "/y", &[BEARER], b"").await.unwrap();
    provider.wait_for(2, SOON).await;
    let recorded = provider.take_recorded();
    let first = &recorded[0];
    assert_eq!(
        (first.method.as_str(), first.target.as_str()),
        ("PATCH", target)
    );
    assert_eq!(first.path(), "/x/@cf/arn%3Aa%2Fb/models/m:gen;v=1");
    let names: Vec<&str> = first
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "host",
            "X-Twice",
            "authorization",
            "x-twice",
            "transfer-encoding"
        ]
    );
    assert_eq!(
        first.header_all("x-twice"),
        [&b"1"[..], "\u{e9}".as_bytes()]
    );
    assert_eq!(first.body, b"abc");
    assert_eq!(first.trailers, [("X-Trailer".to_owned(), b"t".to_vec())]);
    assert!(!first.truncated);
    assert_eq!(recorded[1].method, "HEAD");
    assert_eq!(provider.recorded(), []);
    assert_eq!(provider.count(), 2);
}

#[tokio::test]
async fn an_expectation_is_met_before_the_body() {
    let (_provider, mut client) = start(Placement::bearer()).await;
    let headers = [BEARER, ("expect", "100-continue")];
    let answer = client.post("/v1/echo", &headers, b"body").await.unwrap();
    assert_eq!((answer.status, answer.interim), (200, vec![100]));
}

#[tokio::test]
async fn over_tls_only_its_own_authority_and_names_are_good() {
    let ca = TestCa::new();
    let provider = FakeProvider::start_tls(Placement::bearer(), [KEY], &ca).await;
    assert!(provider.origin().starts_with("https://127.0.0.1:"));
    for name in ["127.0.0.1", "localhost"] {
        let mut client = Client::connect_tls(provider.addr(), name, &ca)
            .await
            .unwrap();
        let body = br#"{"stream":true}"#;
        let answer = client
            .post("/v1/chat/completions", &[BEARER], body)
            .await
            .unwrap();
        assert_eq!(answer.sse_data().last().unwrap(), "[DONE]");
    }
    let other = TestCa::new();
    assert!(
        Client::connect_tls(provider.addr(), "localhost", &other)
            .await
            .is_err()
    );
    let named = FakeProvider::start_tls_as(Placement::bearer(), [KEY], &ca, &["a.example"]).await;
    assert!(
        Client::connect_tls(named.addr(), "localhost", &ca)
            .await
            .is_err()
    );
    assert!(
        Client::connect_tls(named.addr(), "a.example", &ca)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_a_stopped_provider_listens_no_more() {
    let (provider, mut client) = start(Placement::bearer()).await;
    let answer = send_raw(provider.addr(), b"no request\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    let addr = provider.addr();
    provider.stop().await;
    assert!(client.get("/", &[]).await.is_err());
    assert!(Client::connect(addr).await.is_err());
}
