//! Everybody's patience ends.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, channel::Channel};
use keyward_forward::{
    BoxFuture, Config, Connection, Dial, DialError, Fault, Forwarder, Kind, Offer, TlsConfig,
};
use keyward_secret::Origin;

use crate::support::{DEADLINE, Gateway, Upstream, Whole, post};

const SHORT: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct NeverDial;

impl Dial for NeverDial {
    fn dial<'a>(
        &'a self,
        _origin: &'a Origin,
        _offer: Offer,
    ) -> BoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn connecting_ends_at_its_limit() {
    let mut gateway = Gateway::<Whole>::to(&Origin::parse("http://127.0.0.1:1").unwrap());
    gateway.forwarder = Forwarder::new(Arc::new(NeverDial), Config::default());
    let error = gateway.send(post("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ConnectTimeout);
    assert!(error.is_timeout() && error.is_retryable());
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_times_out() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.read_request().await.unwrap();
        peer.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 O")
            .await;
        peer.closed().await;
    })
    .await;
    let config = Config {
        response_header_timeout: SHORT,
        ..Config::default()
    };
    let gateway = Gateway::<Whole>::with(&upstream.origin, config, TlsConfig::default());
    let error = gateway.send(post("x")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.fault()),
        (Kind::HeaderTimeout, Fault::Upstream)
    );
    assert!(error.is_timeout() && !error.is_retryable());
}

#[tokio::test]
async fn an_upstream_that_pauses_within_its_answer_times_out() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.read_request().await.unwrap();
        peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        // Frames that come in time, for longer than the limit; then none.
        for _ in 0..6 {
            tokio::time::sleep(SHORT / 2).await;
            peer.write("1\r\nx\r\n").await;
        }
        peer.closed().await;
    })
    .await;
    let config = Config {
        response_idle_timeout: SHORT,
        ..Config::default()
    };
    let gateway = Gateway::<Whole>::with(&upstream.origin, config, TlsConfig::default());
    let mut body = gateway.send(post("x")).await.unwrap().into_body();
    let mut frames = 0;
    let error = loop {
        let frame = tokio::time::timeout(DEADLINE, body.frame()).await.unwrap();
        match frame.expect("a cut answer does not end") {
            Ok(_) => frames += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(frames, 6);
    assert!(error.is_timeout());
}

#[tokio::test]
async fn a_client_that_pauses_within_its_body_times_out() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.read_head().await.unwrap();
        peer.closed().await;
    })
    .await;
    let config = Config {
        request_idle_timeout: SHORT,
        ..Config::default()
    };
    let gateway = Gateway::<Channel<Bytes, std::io::Error>>::with(
        &upstream.origin,
        config,
        TlsConfig::default(),
    );
    let (mut sender, body) = Channel::new(1);
    sender.send_data(Bytes::from("half")).await.unwrap();
    let error = gateway
        .send(Request::post("/").body(body).unwrap())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.fault()),
        (Kind::RequestBodyTimeout, Fault::Client)
    );
}
