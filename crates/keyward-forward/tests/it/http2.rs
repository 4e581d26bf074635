//! HTTP/2 upstreams: what goes over the wire, and what comes back.

mod raw;
mod refusals;
mod server;
mod sharing;
mod uploads;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version, header::CONTENT_LENGTH};
use http_body_util::{BodyExt, Full, channel::Channel};
use keyward_forward::{Config, Fault, Kind, Offer, TlsConfig};

use self::server::Server;
use crate::support::{DEADLINE, Gateway, SECRET, Whole, post, text, until};

fn trusting(pem: &[u8]) -> TlsConfig {
    TlsConfig {
        extra_ca_pem: vec![pem.to_vec()],
    }
}

fn to<B>(server: &Server, config: Config) -> Gateway<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<keyward_forward::BoxError>,
{
    Gateway::with(&server.origin, config, trusting(&server.pem))
}

#[tokio::test]
async fn a_request_over_http2_is_addressed_to_the_upstream_and_carries_the_credential_once() {
    let server = Server::start(|mut exchange| async move {
        let body = exchange.body().await;
        let head = format!("{:?}\n{:?}", exchange.request, exchange.request.headers());
        let said = format!("{head}\n{}", String::from_utf8(body).unwrap());
        exchange.answer(said).await;
    })
    .await;
    let mut gateway = to::<Whole>(&server, Config::default());
    // Otherwise the answer, which repeats the credential, would not show it.
    let seen = {
        let rules = keyward_forward::Rules::new(&gateway.strip);
        let request = Request::post("http://client.example/ignored")
            .header("authorization", "Bearer client's")
            .header("connection", "close, x-hop")
            .header("x-hop", "1")
            .header("te", "trailers")
            .header("transfer-encoding", "chunked")
            .header("host", "client.example")
            .header("x-kept", "yes")
            .body(Full::new(Bytes::from_static(b"the body")))
            .unwrap();
        let answer = gateway
            .forwarder
            .forward(request, gateway.target(), rules)
            .await
            .unwrap();
        assert_eq!(
            (answer.status(), answer.version()),
            (http::StatusCode::OK, Version::HTTP_11)
        );
        text(answer).await
    };
    let authority = format!("localhost:{}", server.origin.port());
    assert!(
        seen.contains(&format!("uri: https://{authority}/v1/chat?a=b")),
        "{seen}"
    );
    assert!(
        seen.contains("HTTP/2.0") && seen.contains("the body"),
        "{seen}"
    );
    assert!(
        seen.contains("\"x-kept\": \"yes\"") && seen.contains("\"content-length\": \"8\""),
        "{seen}"
    );
    for gone in [
        "client",
        "x-hop",
        "\"te\"",
        "transfer-encoding",
        "\"connection\"",
        "\"host\"",
    ] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }

    // The credential arrives once, whatever the client sent, and comes back masked.
    gateway.strip = keyward_forward::StripList::new(["authorization", "x-api-key"], []);
    let mut request = post("x");
    request
        .headers_mut()
        .insert("authorization", "mine".parse().unwrap());
    request
        .headers_mut()
        .insert("x-api-key", "mine".parse().unwrap());
    let seen = text(gateway.send(request).await.unwrap()).await;
    let masked = format!("\"authorization\": \"Bearer {}\"", "*".repeat(SECRET.len()));
    assert_eq!(seen.matches(&masked).count(), 2, "{seen}");
    assert_eq!(seen.matches("authorization").count(), 2, "{seen}");
    assert!(!seen.contains("mine") && !seen.contains(SECRET), "{seen}");
}

#[tokio::test]
async fn an_answer_over_http2_streams_is_scrubbed_and_keeps_its_trailers() {
    let server = Server::start(|exchange| async move {
        let echo = exchange.request.headers()["authorization"].clone();
        let echo = echo.to_str().unwrap().to_owned();
        let (first, second) = echo.split_at(20);
        let pieces = [first.to_owned(), second.to_owned(), "end".to_owned()].map(Bytes::from);
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        trailers.insert("x-echo", echo.parse().unwrap());
        trailers.insert("set-cookie", "a=b".parse().unwrap());
        let head = Response::builder()
            .header("x-echo", &echo)
            .header("set-cookie", "a=b")
            .body(())
            .unwrap();
        exchange.answer_with(head, pieces, Some(trailers)).await;
    })
    .await;
    let gateway = to::<Whole>(&server, Config::default());
    let answer = gateway.send(post("x")).await.unwrap();
    let masked = "*".repeat(SECRET.len());
    assert_eq!(answer.headers()["x-echo"], format!("Bearer {masked}"));
    assert!(!answer.headers().contains_key("set-cookie"));
    let body = answer.into_body().collect().await.unwrap();
    let trailers = body.trailers().unwrap();
    assert_eq!(trailers["x-sum"], "1");
    assert_eq!(trailers["x-echo"], format!("Bearer {masked}"));
    assert_eq!(trailers.len(), 2);
    assert_eq!(body.to_bytes(), format!("Bearer {masked}end"));
}

#[tokio::test]
async fn an_answer_comes_while_the_request_still_goes_out() {
    let server = Server::start(|mut exchange| async move {
        let first = exchange.request.body_mut().data().await.unwrap().unwrap();
        exchange.answer_with(Response::new(()), [first], None).await;
    })
    .await;
    let gateway = to::<Channel<Bytes>>(&server, Config::default());
    let (mut client, body) = Channel::new(1);
    let sending = tokio::spawn(async move {
        client.send_data(Bytes::from_static(b"one")).await.unwrap();
        // Never ends, until nobody listens.
        while client.send_data(Bytes::from_static(b"more")).await.is_ok() {}
    });
    let answer = gateway
        .send(Request::post("/").body(body).unwrap())
        .await
        .unwrap();
    assert_eq!(text(answer).await, "one");
    drop(gateway);
    sending.abort();
}

#[tokio::test]
async fn big_bodies_pass_both_ways() {
    let server = Server::start(|mut exchange| async move {
        let body = exchange.body().await;
        exchange.answer(body).await;
    })
    .await;
    let gateway = to::<Whole>(&server, Config::default());
    // More than every window, and than what is remembered.
    let body: &'static str = "0123456789abcdef".repeat(200_000).leak();
    for _ in 0..2 {
        let answer = gateway.send(post(body)).await.unwrap();
        assert!(text(answer).await == body);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_answer_nobody_reads_stops_its_upstream_and_nobody_else() {
    let server = Server::start(|exchange| async move {
        if exchange.request.method() == "GET" {
            exchange.answer("small").await;
        } else {
            let pieces = std::iter::repeat_n(Bytes::from_static(&[b'x'; 16_384]), 400);
            exchange.answer_with(Response::new(()), pieces, None).await;
        }
    })
    .await;
    let gateway = to::<Whole>(&server, Config::default());
    let mut unread = Vec::new();
    for _ in 0..50 {
        unread.push(gateway.send(post("x")).await.unwrap());
    }
    let get = Request::get("/").body(Full::default()).unwrap();
    assert_eq!(text(gateway.send(get).await.unwrap()).await, "small");
    assert_eq!(text(unread.pop().unwrap()).await.len(), 400 * 16_384);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_resets_its_stream_and_no_other() {
    let (say, mut reasons) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut exchange| {
        let say = say.clone();
        async move {
            exchange.body().await;
            if exchange.request.headers().contains_key("x-stay") {
                exchange.answer("stayed").await;
            } else {
                say.send(None).unwrap();
                say.send(Some(exchange.reset_reason().await)).unwrap();
            }
        }
    })
    .await;
    let gateway = Arc::new(to::<Whole>(&server, Config::default()));
    let leaving = gateway.clone();
    let leaving = tokio::spawn(async move { leaving.send(post("x")).await.map(|_| ()) });
    assert_eq!(reasons.recv().await.unwrap(), None);
    leaving.abort();
    assert_eq!(reasons.recv().await.unwrap(), Some(h2::Reason::CANCEL));
    let mut staying = post("x");
    staying.headers_mut().insert("x-stay", "1".parse().unwrap());
    assert_eq!(text(gateway.send(staying).await.unwrap()).await, "stayed");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_fault() {
    let server = Server::start(|mut exchange| async move {
        exchange.body().await;
        exchange.answer("never").await;
    })
    .await;
    let config = Config {
        request_idle_timeout: Duration::from_millis(50),
        ..Config::default()
    };
    let gateway = to::<Channel<Bytes, std::io::Error>>(&server, config);
    for (is_idle, expected) in [(false, Kind::RequestBody), (true, Kind::RequestBodyTimeout)] {
        let (mut client, body) = Channel::new(1);
        client.send_data(Bytes::from_static(b"one")).await.unwrap();
        let waiting = match is_idle {
            true => Some(client),
            false => {
                client.abort(std::io::ErrorKind::ConnectionReset.into());
                None
            }
        };
        let error = gateway
            .send(Request::post("/").body(body).unwrap())
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.fault()), (expected, Fault::Client));
        drop(waiting);
    }
}

#[tokio::test]
async fn patience_ends_over_http2_too() {
    let server = Server::start(|mut exchange| async move {
        if exchange.request.method() == "GET" {
            let head = Response::new(());
            let pieces = [Bytes::from_static(b"begun")];
            let (stuck, pieces) = (exchange, pieces);
            // A head and a piece, and then nothing.
            stuck.begin(head, pieces).await;
        } else {
            exchange.reset_reason().await;
        }
    })
    .await;
    let config = Config {
        response_header_timeout: Duration::from_millis(100),
        response_idle_timeout: Duration::from_millis(50),
        ..Config::default()
    };
    let gateway = to::<Whole>(&server, config);
    let error = gateway.send(post("x")).await.unwrap_err();
    assert!(error.is_timeout() && error.kind() == Kind::HeaderTimeout && !error.is_retryable());
    let get = Request::get("/").body(Full::default()).unwrap();
    let body = gateway.send(get).await.unwrap().into_body();
    let error = tokio::time::timeout(DEADLINE, body.collect())
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.is_timeout());
}

#[tokio::test]
async fn sessions_are_resumed_the_name_is_sent_and_http1_can_be_asked_for() {
    let server = Server::numbering().await;
    let config = Config {
        max_connection_age: Duration::ZERO,
        ..Config::default()
    };
    let gateway = to::<Whole>(&server, config);
    for round in 1..=3 {
        assert_eq!(
            text(gateway.send(post("x")).await.unwrap()).await,
            round.to_string()
        );
        // The ticket comes behind the handshake.
        until(|| server.accepted() == round).await;
    }
    let handshakes = server.handshakes.lock().unwrap().clone();
    assert!(
        handshakes
            .iter()
            .all(|(_, name)| name.as_deref() == Some("localhost"))
    );
    assert_eq!(handshakes[0].0, rustls::HandshakeKind::Full);
    assert_eq!(handshakes[2].0, rustls::HandshakeKind::Resumed);

    // The server's script speaks HTTP/2 only and ends a connection that agreed on anything else.
    let config = Config {
        offer: Offer::Http1,
        ..Config::default()
    };
    let error = to::<Whole>(&server, config)
        .send(post("x"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::UpstreamClosed);
}

#[tokio::test]
async fn an_answer_without_a_body_is_one() {
    let server = Server::start(|exchange| async move {
        let length = exchange.request.headers().get(CONTENT_LENGTH).cloned();
        let head = Response::builder().header("x-length", format!("{length:?}"));
        exchange.answer_with(head.body(()).unwrap(), [], None).await;
    })
    .await;
    let gateway = to::<Whole>(&server, Config::default());
    for (method, expected) in [("GET", "None"), ("POST", "Some(\"0\")"), ("HEAD", "None")] {
        let request = Request::builder()
            .method(method)
            .body(Full::default())
            .unwrap();
        let answer = gateway.send(request).await.unwrap();
        assert_eq!(answer.headers()["x-length"], expected, "{method}");
        assert_eq!(text(answer).await, "");
    }
}
