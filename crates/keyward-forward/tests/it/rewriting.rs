//! What the upstream sees of a request, and the client of an answer.

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty, Full};
use keyward_forward::{Fault, Kind, Target};
use keyward_secret::Origin;

use crate::support::{Gateway, SECRET, Upstream, Whole, field, post, text};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends one request with `headers`, and gives the head that the upstream saw.
async fn seen(headers: &[(&str, &str)]) -> String {
    let upstream = Upstream::always(OK).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let mut request = post("hello");
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    assert_eq!(text(gateway.send(request).await.unwrap()).await, "ok");
    upstream.heads().concat()
}

#[tokio::test]
async fn the_credential_arrives_exactly_once_under_hostile_connection_headers() {
    for name in [
        "Authorization",
        "x-api-key",
        "host",
        "content-length",
        "cf-aig-x",
    ] {
        for nominated in [
            name.to_owned(),
            name.to_uppercase(),
            format!("close, {name},keep-alive"),
        ] {
            let head = seen(&[
                ("connection", "keep-alive"),
                ("connection", &nominated),
                ("authorization", "Bearer kw_gw_token"),
                ("authorization", "Bearer another"),
                ("x_api_key", "mine"),
                ("cf-aig-authorization", "Bearer kw_gw_token"),
            ])
            .await;
            assert_eq!(
                field(&head, "authorization").unwrap(),
                format!("Bearer {SECRET}")
            );
            assert_eq!(head.matches(SECRET).count(), 1);
            assert!(!head.contains("kw_gw_") && !head.contains("mine"), "{head}");
            assert!(field(&head, "content-length").unwrap() == "5", "{head}");
        }
    }
}

#[tokio::test]
async fn line_and_host_are_the_targets() {
    let head = seen(&[("host", "client.example")]).await;
    assert!(head.starts_with("POST /v1/chat?a=b HTTP/1.1\r\n"), "{head}");
    assert!(field(&head, "host").unwrap().starts_with("127.0.0.1:"));
    assert!(!head.contains("client.example"));
}

#[tokio::test]
async fn framing_follows_the_body_and_not_the_head() {
    let head = seen(&[("content-length", "4"), ("transfer-encoding", "chunked")]).await;
    assert_eq!(field(&head, "content-length").unwrap(), "5");
    assert_eq!(field(&head, "transfer-encoding"), None);
    assert_eq!(field(&head, "expect"), None);
}

#[tokio::test]
async fn a_credential_bound_elsewhere_opens_no_connection() {
    let upstream = Upstream::always(OK).await;
    let mut gateway = Gateway::<Whole>::to(&Origin::parse("http://127.0.0.1:1").unwrap());
    let endpoint = Gateway::<Whole>::to(&upstream.origin).endpoint;
    gateway.endpoint = endpoint;
    let error = gateway.send(post("x")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.fault()),
        (Kind::WrongDestination, Fault::Us)
    );
    assert!(!format!("{error} {error:?}").contains(SECRET));
    assert_eq!(upstream.accepted(), 0);
}

#[tokio::test]
async fn connect_and_trace_are_refused() {
    let upstream = Upstream::always(OK).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    for method in ["CONNECT", "TRACE"] {
        let request = Request::builder()
            .method(method)
            .body(Full::default())
            .unwrap();
        assert_eq!(
            gateway.send(request).await.unwrap_err().kind(),
            Kind::Method
        );
    }
    assert_eq!(upstream.accepted(), 0);
}

#[tokio::test]
async fn redirects_inside_are_mapped_and_outside_refused() {
    for (location, expected) in [
        ("/v1/files/1?x", Some("/v1/acc/gw/openai/files/1?x")),
        ("/other", None),
        ("https://evil.example/", None),
        ("//evil.example/", None),
    ] {
        let answer =
            format!("HTTP/1.1 307 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let upstream = Upstream::always(answer.leak()).await;
        let gateway = Gateway::<Whole>::to(&upstream.origin);
        match (gateway.send(post("x")).await, expected) {
            (Ok(response), Some(expected)) => assert_eq!(response.headers()["location"], expected),
            (Err(error), None) => assert_eq!(error.kind(), Kind::RedirectOutside, "{location}"),
            (other, _) => panic!("{location}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_answer_is_cleaned_and_scrubbed() {
    let answer = format!(
        "HTTP/1.1 401 No {SECRET}\r\nset-cookie: a\r\nx-key: {SECRET}\r\nx-id: 7\r\ntransfer-encoding: chunked\r\n\
         content-length: 3\r\n\r\n8\r\nkey sk-c\r\n{:x}\r\n{}\r\n3\r\n bad\r\n0\r\nx-t: {SECRET}\r\n\r\n",
        SECRET.len() - 4, &SECRET[4..],
    )
    .replace("3\r\n bad", "4\r\n bad");
    let upstream = Upstream::always(answer.leak()).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let response = gateway.send(post("x")).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.extensions().is_empty());
    assert_eq!(response.headers()["x-key"], "*".repeat(SECRET.len()));
    assert_eq!(response.headers()["x-id"], "7");
    assert_eq!(response.headers().len(), 2, "{:?}", response.headers());
    assert_eq!(
        text(response).await,
        format!("key {} bad", "*".repeat(SECRET.len()))
    );
    // The same without a scrubber given: one is made.
    let mut rules = gateway.rules();
    rules.scrubber = None;
    let response = gateway
        .forwarder
        .forward(post("x"), gateway.target(), rules)
        .await
        .unwrap();
    assert!(!text(response).await.contains("sk-"));
}

#[tokio::test]
async fn a_credential_that_ends_a_body_is_scrubbed_whole_and_a_beginning_of_it_passes() {
    for (echoed, expected) in [
        (SECRET, "*".repeat(SECRET.len())),
        ("sk-canary-", "sk-canary-".to_owned()),
    ] {
        let length = echoed.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{echoed}");
        let upstream = Upstream::always(answer.leak()).await;
        let gateway = Gateway::<Whole>::to(&upstream.origin);
        for _ in 0..2 {
            let response = gateway.send(post("x")).await.unwrap();
            assert_eq!(text(response).await, expected);
        }
        assert_eq!(upstream.accepted(), 1);
    }
}

#[tokio::test]
async fn heads_without_bodies_keep_their_length() {
    let upstream =
        Upstream::always("HTTP/1.0 200 OK\r\ncontent-length: 12\r\nconnection: keep-alive\r\n\r\n")
            .await;
    let gateway = Gateway::<Empty<Bytes>>::to(&upstream.origin);
    for _ in 0..2 {
        let request = Request::head("/").body(Empty::new()).unwrap();
        let response = gateway.send(request).await.unwrap();
        assert_eq!(response.headers()["content-length"], "12");
        assert_eq!(response.version(), Version::HTTP_11);
    }
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn a_target_from_a_path_is_sent_as_it_stands() {
    let upstream = Upstream::always(OK).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let path = "/v1/models?limit=1".parse().unwrap();
    let target = Target::from_path(gateway.endpoint.clone(), path);
    let response = gateway
        .forwarder
        .forward(post(""), target, gateway.rules())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let head = upstream.heads().concat();
    assert!(head.starts_with("POST /v1/models?limit=1 HTTP/1.1\r\n"));
    assert_eq!(field(&head, "content-length").unwrap(), "0");
}

#[tokio::test]
async fn a_compressed_body_passes_and_its_trailers_are_scrubbed() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nsk\r\n0\r\nx-t: {SECRET}\r\n\r\n"
    );
    let upstream = Upstream::always(answer.leak()).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let body = gateway.send(post("x")).await.unwrap().into_body();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().unwrap();
    assert_eq!(trailers["x-t"], "*".repeat(SECRET.len()));
    assert_eq!(collected.to_bytes(), "sk");
}
