//! HTTP/2 in front: the same rules as over HTTP/1.1, and connections that say too little.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyward_gateway::Config;
use keyward_testing::{
    Behaviour,
    http2::{Connection, block, flag, frame, kind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    support::{CHAT, Running, Setup},
    upstream::Upstream,
};

async fn start() -> Running {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    running
}

async fn client(running: &Running) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(running.addr).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn request(running: &Running, rest: &str) -> http::request::Builder {
    let path = running.path(rest);
    Request::builder()
        .uri(format!("http://{}{path}", running.addr))
        .header("cf-aig-authorization", running.bearer())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_forwarded_with_the_stored_key_and_nothing_of_the_clients() {
    let running = start().await;
    let mut client = client(&running).await;
    for _ in 0..3 {
        let request = request(&running, "openai/chat/completions")
            .method("POST")
            .header("cookie", "a=b")
            .header("x-forwarded-for", "1.2.3.4")
            .body(Full::new(Bytes::from_static(CHAT)))
            .unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.headers().contains_key("connection"));
        answer.into_body().collect().await.unwrap();
    }
    let recorded = running.provider.recorded();
    assert_eq!(recorded.len(), 3);
    for request in recorded {
        let host = running.provider.origin();
        assert_eq!(request.header("host"), host.strip_prefix("https://"));
        assert!(
            request
                .header("authorization")
                .unwrap()
                .starts_with("Bearer ")
        );
        for dropped in ["cf-aig-authorization", "cookie", "x-forwarded-for"] {
            assert_eq!(request.header(dropped), None, "{dropped}");
        }
        assert_eq!(request.body, CHAT);
    }
    assert_eq!(running.provider.accepted_connections(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_comes_as_it_is_made_and_beside_others() {
    let running = start().await;
    let mut client = client(&running).await;
    running.provider.behave(Behaviour::GatedSse);
    let mut answers = Vec::new();
    for _ in 0..3 {
        let body = Full::new(Bytes::from_static(br#"{"model":"m","stream":true}"#));
        let request = request(&running, "openai/chat/completions")
            .method("POST")
            .body(body)
            .unwrap();
        answers.push(client.send_request(request).await.unwrap());
    }
    running.provider.release(1000);
    for answer in answers {
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    }
    running.stop().await;
}

/// What a client gives up is given up at the provider too, and at once: before its answer began, and within it.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_cancels_the_request_to_the_provider() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    let mut client = client(&running).await;
    for has_begun in [false, true] {
        let request = request(&running, "openai/models").body(Full::default());
        let asking = tokio::spawn(client.send_request(request.unwrap()));
        let mut link = upstream.accept().await;
        link.head().await;
        if has_begun {
            link.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
                .await;
            drop(asking.await.unwrap().unwrap());
        } else {
            asking.abort();
        }
        link.rest().await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_those_of_http1() {
    let running = start().await;
    let mut client = client(&running).await;
    let mut status = async |builder: http::request::Builder| {
        let request = builder.body(Full::default()).unwrap();
        let answer = client.send_request(request).await.unwrap();
        answer.status().as_u16()
    };
    let models = || request(&running, "openai/models");
    assert_eq!(status(models().method("TRACE")).await, 405);
    assert_eq!(status(models().header("host", "evil.example")).await, 400);
    let addr = running.addr.to_string();
    assert_eq!(status(models().header("host", &addr)).await, 200);
    assert_eq!(
        status(models().header("cf-aig-authorization", "Bearer kw_gw_x")).await,
        401
    );
    let anonymous =
        Request::builder().uri(format!("http://{addr}{}", running.path("openai/models")));
    assert_eq!(status(anonymous).await, 401);
    let own = models()
        .header(AUTHORIZATION, "Bearer one")
        .header(AUTHORIZATION, "Bearer two");
    assert_eq!(status(own).await / 100, 4);
    let many = (0..101).fold(models(), |builder, n| builder.header(format!("x-{n}"), "1"));
    assert_eq!(status(many).await, 431);
    assert_eq!(running.provider.count(), 1);
    running.stop().await;
}

/// A client may throw an answer away when its stream is reset before it has sent its body; curl 7.88 does.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_before_the_body_came_is_followed_by_no_reset() {
    let running = start().await;
    let mut connection = Connection::open(running.addr).await.unwrap();
    let path = running.path("openai/chat/completions");
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path.as_str()),
        (":authority", "a"),
    ];
    let head = frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&fields));
    connection.send(&head).await.unwrap();
    let refused = connection.outcome(1).await;
    assert_eq!(refused.status, Some(401));
    assert_eq!((refused.is_complete, refused.reset), (true, None));

    let rest = frame(kind::DATA, flag::END_STREAM, 1, CHAT);
    let ping = frame(kind::PING, 0, 0, b"was that");
    connection.send(&[rest, ping].concat()).await.unwrap();
    let watched = connection.watch(1, b"was that", false).await;
    assert!(watched.resets.is_empty(), "{:?}", watched.resets);
    assert!(!watched.outcome.is_closed);

    // Who sends for ever is not listened to for ever.
    let head = frame(kind::HEADERS, flag::END_HEADERS, 3, &block(&fields));
    connection.send(&head).await.unwrap();
    assert_eq!(connection.outcome(3).await.status, Some(401));
    let piece = frame(kind::DATA, 0, 3, &[b' '; 16 * 1024]);
    connection.send(&piece.repeat(8)).await.unwrap();
    let reset = connection.outcome(3).await.reset;
    assert_eq!(reset, Some(0), "NO_ERROR: the answer stands");
    running.stop().await;
}

/// The lines of "The connection that costs an attacker nothing", on the data plane.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_too_little_are_closed() {
    let running = Running::start(Setup {
        config: Config {
            listen: keyward_listen::Config {
                header_timeout: Duration::from_millis(200),
                ..keyward_listen::Config::default()
            },
            ..Config::default()
        },
        ..Setup::default()
    })
    .await;
    let whole = running.head("GET", "openai/models", "");
    let half = &whole[..whole.len() - 10];
    for (name, sent) in [
        ("nothing", ""),
        ("one byte", "P"),
        ("half a head", half),
        ("a request, then idle", whole.as_str()),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (
            "HTTP/2, then idle",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ),
    ] {
        let mut stream = TcpStream::connect(running.addr).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let reading = stream.read_to_end(&mut rest);
        let closed = tokio::time::timeout(Duration::from_secs(20), reading).await;
        assert!(closed.is_ok(), "{name}: the connection stays open");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_ways_in_are_open_too() {
    let running = start().await;
    let mut client = client(&running).await;
    let unified = r#"{"model":"openai/gpt-5","messages":[]}"#;
    let universal = r#"[{"provider":"openai","endpoint":"v1/chat/completions","query":{}}]"#;
    for (rest, more, body) in [
        ("compat/chat/completions", "", unified),
        ("", "", universal),
        ("openai/chat/completions", "2", unified),
    ] {
        let request = request(&running, rest).method("POST");
        let request = match more {
            "" => request,
            attempts => request.header("cf-aig-max-attempts", attempts),
        };
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{rest}");
    }
    running.stop().await;
}
