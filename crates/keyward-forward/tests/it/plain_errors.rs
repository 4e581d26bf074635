//! Compressed error answers: what reaches the client is plain, and holds no credential.

use std::{io::Write, time::Duration};

use flate2::{Compression, write::GzEncoder};
use http_body_util::BodyExt;
use keyward_forward::{Config, Fault, Kind, Rules, TlsConfig};
use tokio::io::AsyncWriteExt;

use crate::support::{DEADLINE, Gateway, SECRET, Upstream, Whole, post, text};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Answers everything with this head and body, in a hundred pieces.
async fn answering(status: &'static str, lines: &'static str, body: Vec<u8>) -> Upstream {
    Upstream::start(move |mut peer| {
        let body = body.clone();
        async move {
            while peer.read_request().await.is_some() {
                peer.write(&format!(
                    "HTTP/1.1 {status}\r\n{lines}Transfer-Encoding: chunked\r\n\r\n"
                ))
                .await;
                for piece in body.chunks(body.len().div_ceil(100)) {
                    let chunk =
                        [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
                    peer.write_bytes(&chunk).await;
                }
                let end = format!("0\r\nx-echo: {SECRET}\r\n\r\n");
                peer.write_bytes(end.as_bytes()).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_error_is_decoded_scrubbed_and_described_anew() {
    let escaped = SECRET.replace('-', "%2D");
    let error = format!("{{\"error\":\"bad key {SECRET}, or {escaped}\"}}");
    let lines = "Content-Encoding: gzip\r\nETag: \"x\"\r\nDigest: sha-256=x\r\nContent-Digest: x\r\n\
                 Content-Type: application/json\r\nVary: accept-encoding\r\n";
    let upstream = answering("401 Unauthorized", lines, gzip(error.as_bytes())).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    for _again in 0..2 {
        let response = gateway.send(post("{}")).await.unwrap();
        assert_eq!(response.status(), 401);
        for gone in ["content-encoding", "etag", "digest", "content-digest"] {
            assert!(!response.headers().contains_key(gone), "{gone}");
        }
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["vary"], "accept-encoding");
        let body = tokio::time::timeout(DEADLINE, response.into_body().collect());
        let body = body.await.unwrap().unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        assert!(!format!("{trailers:?}").contains(SECRET));
        let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        assert_eq!(body.len(), error.len());
        assert!(body.starts_with("{\"error\":\"bad key ****"), "{body}");
        assert!(!body.contains(SECRET), "{body}");
    }
    // The connection is read to its end, and kept.
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn what_cannot_be_decoded_within_the_caps_is_refused() {
    for (lines, body) in [
        ("Content-Encoding: gzip\r\n", gzip(&[0; 8 * 1024 * 1024])),
        ("Content-Encoding: gzip\r\n", b"no gzip at all".to_vec()),
        ("Content-Encoding: aws-chunked\r\n", b"x".to_vec()),
        ("Content-Encoding: br\r\n", vec![b'x'; 2 * 1024 * 1024]),
    ] {
        let upstream = answering("500 Oops", lines, body).await;
        let gateway = Gateway::<Whole>::to(&upstream.origin);
        let error = gateway.send(post("{}")).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.fault()),
            (Kind::Undecodable, Fault::Upstream)
        );
    }
}

#[tokio::test]
async fn successes_and_requests_without_a_stored_key_are_left_as_they_are() {
    let body = gzip(b"hello");
    let lines = "Content-Encoding: gzip\r\nETag: \"x\"\r\n";
    let upstream = answering("200 OK", lines, body.clone()).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let response = gateway.send(post("{}")).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["etag"], "\"x\"");
    let came = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(came, body);

    let upstream = answering("400 Bad", lines, body.clone()).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let rules = Rules::new(&gateway.strip);
    let response = gateway
        .forwarder
        .forward(post("{}"), gateway.target(), rules);
    let response = response.await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let came = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(came, body);
}

/// Servers take the field for one about characters, and say that there is no coding.
#[tokio::test]
async fn a_coding_that_is_none_is_searched_as_it_is() {
    for lines in [
        "Content-Encoding: identity\r\n",
        "Content-Encoding: identity, Identity\r\n",
        "Content-Encoding: UTF-8\r\n",
        "Content-Encoding: none\r\n",
    ] {
        for status in ["200 OK", "400 Bad"] {
            let body = format!("an echo: {SECRET}!");
            let upstream = answering(status, lines, body.into_bytes()).await;
            let gateway = Gateway::<Whole>::to(&upstream.origin);
            let body = text(gateway.send(post("{}")).await.unwrap()).await;
            let masked = "*".repeat(SECRET.len());
            assert_eq!(body, format!("an echo: {masked}!"), "{status} {lines}");
        }
    }
    // What nobody knows may be a compression: a success passes searched, an error does not pass.
    let body = format!("an echo: {SECRET}!").into_bytes();
    let upstream = answering("200 OK", "Content-Encoding: aws-chunked\r\n", body).await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let body = text(gateway.send(post("{}")).await.unwrap()).await;
    assert!(!body.contains(SECRET), "{body}");
}

/// A body that never pauses for long does not take for ever.
#[tokio::test]
async fn an_error_that_trickles_is_given_up() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.read_request().await.unwrap();
        peer.write(
            "HTTP/1.1 500 Oops\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await;
        let mut every = tokio::time::interval(Duration::from_millis(20));
        while peer.stream.write_all(b"1\r\nx\r\n").await.is_ok() {
            every.tick().await;
        }
    })
    .await;
    let config = Config {
        response_header_timeout: Duration::from_millis(300),
        ..Config::default()
    };
    let gateway = Gateway::<Whole>::with(&upstream.origin, config, TlsConfig::default());
    let error = gateway.send(post("{}")).await.unwrap_err();
    assert!(error.is_timeout() && error.kind() == Kind::HeaderTimeout);
}
