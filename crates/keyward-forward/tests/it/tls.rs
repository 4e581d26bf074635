//! TLS upstreams: trust, and answers cut without a proper close.

use std::sync::Arc;

use http_body_util::BodyExt;
use keyward_forward::{Config, Kind, TlsConfig};
use keyward_secret::Origin;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{DEADLINE, Gateway, Whole, post, text, tls};

/// A TLS server for `localhost` whose answer lacks a length; it closes TLS properly or not. Gives its
/// origin and the PEM of its authority.
async fn start(closes_properly: bool) -> (Origin, Vec<u8>) {
    let (config, pem) = tls::server(&[b"http/1.1"]);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\nx") {
                seen.push(stream.read_u8().await.unwrap());
            }
            stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nhello")
                .await
                .unwrap();
            stream.flush().await.unwrap();
            if closes_properly {
                stream.shutdown().await.unwrap();
            }
        }
    });
    let origin = Origin::parse(&format!("https://localhost:{port}")).unwrap();
    (origin, pem)
}

#[tokio::test]
async fn an_extra_authority_is_trusted_and_another_is_not() {
    let (origin, pem) = start(true).await;
    let tls = TlsConfig {
        extra_ca_pem: vec![pem],
    };
    let gateway = Gateway::<Whole>::with(&origin, Config::default(), tls);
    assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "hello");

    let error = Gateway::<Whole>::to(&origin)
        .send(post("x"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
}

#[tokio::test]
async fn an_answer_without_length_that_is_cut_under_tls_is_an_error() {
    let (origin, pem) = start(false).await;
    let tls = TlsConfig {
        extra_ca_pem: vec![pem],
    };
    let gateway = Gateway::<Whole>::with(&origin, Config::default(), tls);
    let body = gateway.send(post("x")).await.unwrap().into_body();
    let cut = tokio::time::timeout(DEADLINE, body.collect())
        .await
        .unwrap();
    assert!(cut.is_err());
}
