//! WebSockets through the gateway, with a real client and a real server; and what is no WebSocket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use keyward_forward::TunnelLimits;
use keyward_gateway::Config;
use keyward_testing::{Canary, client::RawAnswer, client::send_raw};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        handshake::client::{Request, Response},
        handshake::server,
        http::HeaderValue,
    },
};

use crate::{
    support::{Running, Setup, code},
    upstream::{Link, Upstream, write_until_standstill},
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// RFC 6455 §1.3.
const SWITCHES: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
const ASKS: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A provider that echoes messages. It chooses the first sub-protocol it is offered.
struct Realtime {
    listener: TcpListener,
}

impl Realtime {
    async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    fn base_url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Takes one handshake, and echoes until its connection ends; what it was asked.
    async fn echo_one(&self) -> server::Request {
        let (stream, _) = self.listener.accept().await.unwrap();
        let (asked, when_asked) = tokio::sync::oneshot::channel();
        #[expect(clippy::result_large_err, reason = "tungstenite's own signature")]
        let look = |request: &server::Request, mut response: server::Response| {
            let chosen = request
                .headers()
                .get("sec-websocket-protocol")
                .and_then(|offers| offers.to_str().unwrap().split(',').next())
                .map(|first| HeaderValue::from_str(first.trim()).unwrap());
            if let Some(chosen) = chosen {
                response
                    .headers_mut()
                    .insert("sec-websocket-protocol", chosen);
            }
            response
                .headers_mut()
                .insert("set-cookie", HeaderValue::from_static("a=b"));
            let seen = server::Request::from_parts(request.clone().into_parts().0, ());
            asked.send(seen).unwrap();
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, look).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
        when_asked.await.unwrap()
    }
}

async fn connect(
    running: &Running,
    rest: &str,
    headers: &[(&'static str, &str)],
) -> (WebSocketStream<TcpStream>, Response) {
    let stream = TcpStream::connect(running.addr).await.unwrap();
    let request = asking(running, rest, headers);
    client_async(request, stream).await.unwrap()
}

fn asking(running: &Running, rest: &str, headers: &[(&'static str, &str)]) -> Request {
    let url = format!("ws://{}{}", running.addr, running.path(rest));
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().append(*name, value);
    }
    request
}

async fn echoes(socket: &mut WebSocketStream<TcpStream>, message: Message) {
    socket.send(message.clone()).await.unwrap();
    let came = tokio::time::timeout(Duration::from_secs(20), socket.next()).await;
    assert!(came.unwrap().unwrap().unwrap() == message);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_pass_both_ways_with_the_stored_key() {
    let provider = Realtime::listen().await;
    let (running, key) = Running::at(&provider.base_url(), Config::default()).await;
    let using = async {
        // Without `Bearer `, as Cloudflare's samples send it.
        let token = running.token.text().to_owned();
        let headers = [("cf-aig-authorization", token.as_str()), ("x-mark", "kept")];
        let (mut socket, response) = connect(&running, "openai?model=m", &headers).await;
        assert!(!response.headers().contains_key("set-cookie"));
        echoes(&mut socket, Message::text("hello")).await;
        echoes(&mut socket, Message::binary(vec![7; 3_000_000])).await;
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    };
    let ((), seen) = tokio::join!(using, provider.echo_one());
    assert_eq!(seen.uri(), "/v1/realtime?model=m");
    let header = |name: &str| {
        seen.headers()
            .get(name)
            .map(|value| value.to_str().unwrap())
    };
    let bearer = format!("Bearer {}", key.text());
    assert_eq!(header("authorization"), Some(bearer.as_str()));
    assert_eq!(header("x-mark"), Some("kept"));
    assert_eq!(header("cf-aig-authorization"), None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_among_the_sub_protocols_authenticates_and_goes_no_further() {
    let provider = Realtime::listen().await;
    let (running, key) = Running::at(&provider.base_url(), Config::default()).await;
    let token = running.token.text().to_owned();
    let authorization = format!("cf-aig-authorization.{token}");
    let native = format!("openai-insecure-api-key.{token}");
    for (offers, chosen) in [
        (format!("realtime, {authorization}"), "realtime"),
        (
            format!("{native}, realtime, openai-beta.realtime-v1"),
            "realtime",
        ),
        (format!("keyward, {authorization}"), "keyward"),
        // Browsers and `ws` fail a handshake in which nothing is chosen.
        (authorization.clone(), authorization.as_str()),
    ] {
        let using = async {
            let headers = [("sec-websocket-protocol", offers.as_str())];
            let (mut socket, response) = connect(&running, "openai?model=m", &headers).await;
            assert_eq!(response.headers()["sec-websocket-protocol"], chosen);
            echoes(&mut socket, Message::text("hello")).await;
            socket.close(None).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
        };
        let ((), seen) = tokio::join!(using, provider.echo_one());
        let head = format!("{:?}", seen.headers());
        assert!(!head.contains("kw_"), "{head}");
        assert!(!head.contains("insecure"), "{head}");
        let bearer = format!("Bearer {}", key.text());
        assert_eq!(seen.headers()["authorization"], bearer);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_own_key_among_the_sub_protocols_goes_on_as_a_header() {
    let provider = Realtime::listen().await;
    let (running, _key) = Running::at(&provider.base_url(), Config::default()).await;
    let own = Canary::new("own");
    let token = running.token.text().to_owned();
    let offers = format!(
        "realtime, openai-insecure-api-key.{}, cf-aig-authorization.{token}",
        own.text()
    );
    let using = async {
        let headers = [("sec-websocket-protocol", offers.as_str())];
        let (mut socket, _) = connect(&running, "openai?model=m", &headers).await;
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    };
    let ((), seen) = tokio::join!(using, provider.echo_one());
    let bearer = format!("Bearer {}", own.text());
    assert_eq!(seen.headers()["authorization"], bearer);
    assert_eq!(seen.headers()["sec-websocket-protocol"], "realtime");

    // In two places it is nobody's.
    let twice = format!(
        "{ASKS}Sec-WebSocket-Protocol: {offers}\r\nAuthorization: Bearer {}\r\n",
        own.text()
    );
    let answer = ask(&running, "openai", &twice).await;
    assert_eq!((answer.status, code(&answer)), (400, 9003));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_among_the_sub_protocols_are_refused() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let token = running.token.text().to_owned();
    for offers in [
        "realtime".to_owned(),
        "cf-aig-authorization.other-service".to_owned(),
        format!("cf-aig-authorization.{token}x"),
        format!("x.{token}"),
        format!("realtime, cf-aig-authorization.{token}, kw_gw_x"),
    ] {
        let path = running.path("openai");
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\n{ASKS}Sec-WebSocket-Protocol: {offers}\r\n\r\n"
        );
        let answer = send_raw(running.addr, head.as_bytes()).await.unwrap();
        assert_eq!((answer.status, code(&answer)), (401, 2009), "{offers}");
    }
    running.stop().await;
}

async fn ask(running: &Running, rest: &str, lines: &str) -> RawAnswer {
    let head = running.head("GET", rest, lines);
    send_raw(running.addr, head.as_bytes()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_upgrades_are_not_implemented() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    for lines in [
        "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n",
        "Connection: upgrade\r\nUpgrade: h2c, IRC/6.9\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\n",
        &format!("Connection: upgrade\r\nUpgrade: websocket\r\n{key}"),
        &format!("Connection: upgrade\r\nUpgrade: websocket\r\n{key}Sec-WebSocket-Version: 8\r\n"),
        &format!("{ASKS}{key}"),
    ] {
        let answer = ask(&running, "openai", lines).await;
        assert_eq!((answer.status, code(&answer)), (501, 9009), "{lines}");
    }
    // A handshake, and an endpoint that takes none.
    let answer = ask(&running, "openai/v1/models", ASKS).await;
    assert_eq!((answer.status, code(&answer)), (501, 9009));
    assert_eq!(running.provider.recorded().len(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_does_not_count_is_dropped() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    for lines in [
        "Upgrade: websocket\r\n",
        "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    ] {
        let head = running.head("GET", "openai/v1/models", lines);
        let playing = async {
            let mut link = upstream.accept().await;
            let head = link.head().await.to_lowercase();
            assert!(!head.contains("upgrade"), "{head}");
            assert!(!head.contains("http2-settings"), "{head}");
            link.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                .await;
        };
        let (answer, ()) = tokio::join!(send_raw(running.addr, head.as_bytes()), playing);
        assert_eq!(answer.unwrap().status, 200);
    }
    running.stop().await;
}

/// What a client sends behind its handshake waits for the 101, and never reaches a provider that declines.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_tunneled_before_the_provider_switches() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    let smuggled = "GET /v1/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = running.head("GET", "openai", ASKS);
    let mut client = TcpStream::connect(running.addr).await.unwrap();
    client
        .write_all(format!("{head}{smuggled}").as_bytes())
        .await
        .unwrap();
    let mut link = upstream.accept().await;
    link.head().await;
    link.write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\nrefuse")
        .await;
    let mut came = Vec::new();
    while !String::from_utf8_lossy(&came).contains("refuse") {
        assert!(client.read_buf(&mut came).await.unwrap() > 0);
    }
    assert!(came.starts_with(b"HTTP/1.1 401"));
    // The rest is a request to the gateway, which has no token; or the connection ends before it is read.
    while !String::from_utf8_lossy(&came).contains("HTTP/1.1 400") {
        if !matches!(client.read_buf(&mut came).await, Ok(1..)) {
            break;
        }
    }
    drop(client);
    running.stop().await;
    assert_eq!(link.rest().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_does_not_answer_the_handshake_is_refused() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    for (asks, answer) in [
        (ASKS, SWITCHES.replace("s3pP", "AAAA")),
        (ASKS, SWITCHES.replace("Upgrade: websocket", "Upgrade: h2c")),
        (ASKS, SWITCHES.replace("Connection: Upgrade\r\n", "")),
        (ASKS, format!("{SWITCHES}Sec-WebSocket-Protocol: x\r\n")),
        (ASKS, "HTTP/1.1 101 Switching Protocols\r\n".to_owned()),
        ("", SWITCHES.to_owned()),
        ("Upgrade: websocket\r\n", SWITCHES.to_owned()),
    ] {
        let playing = async {
            let mut link = upstream.accept().await;
            link.head().await;
            link.write(&format!("{answer}\r\n")).await;
            link.rest().await;
        };
        let (got, ()) = tokio::join!(ask(&running, "openai", asks), playing);
        assert_eq!((got.status, code(&got)), (502, 9020), "{answer}");
    }
    running.stop().await;
}

/// A handshake of ours that a played provider completes; both ends as raw streams.
async fn open(running: &Running, upstream: &Upstream) -> (TcpStream, Link) {
    tunnel(running, upstream, &running.bearer()).await
}

pub(crate) async fn tunnel(
    running: &Running,
    upstream: &Upstream,
    bearer: &str,
) -> (TcpStream, Link) {
    let path = running.path("openai");
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: a\r\ncf-aig-authorization: {bearer}\r\n{ASKS}\r\n");
    let mut client = TcpStream::connect(running.addr).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    let mut link = upstream.accept().await;
    link.head().await;
    link.write(&format!("{SWITCHES}\r\n")).await;
    let mut came = Vec::new();
    while !came.ends_with(b"\r\n\r\n") {
        came.push(client.read_u8().await.unwrap());
    }
    assert!(came.starts_with(b"HTTP/1.1 101"));
    (client, link)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_one_side_leaves_the_other_open() {
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    let (mut client, mut link) = open(&running, &upstream).await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(link.rest().await, b"last words");
    link.write("\x01\x05hello").await;
    let mut came = [0; 7];
    client.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"\x01\x05hello");
    drop(link);
    assert_eq!(client.read(&mut came).await.unwrap_or(0), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_does_not_read_stops_the_other() {
    const MOST: usize = 64 * 1024 * 1024;
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), Config::default()).await;
    let (mut client, mut link) = open(&running, &upstream).await;
    let down = link.write_until_standstill(MOST).await;
    assert!(down < MOST / 2, "{down} bytes found room");
    let up = write_until_standstill(&mut client, MOST).await;
    assert!(up < MOST / 2, "{up} bytes found room");
    // Whoever reads then gets all of it.
    link.read_exactly(up).await;
    drop((client, link));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_websocket_is_closed() {
    let mut config = Config::default();
    config.forward.tunnel = TunnelLimits {
        idle_timeout: Duration::from_millis(200),
        ..TunnelLimits::default()
    };
    let upstream = Upstream::listen().await;
    let (running, _key) = Running::at(&upstream.base_url(), config).await;
    let (mut client, mut link) = open(&running, &upstream).await;
    assert_eq!(link.rest().await, b"");
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_of_the_key_in_a_message_is_masked() {
    let provider = Realtime::listen().await;
    let (running, key) = Running::at(&provider.base_url(), Config::default()).await;
    let using = async {
        let bearer = running.bearer();
        let headers = [("cf-aig-authorization", bearer.as_str())];
        let (mut socket, _) = connect(&running, "openai?model=m", &headers).await;
        let text = format!("bad key {}!", key.text());
        socket.send(Message::text(text)).await.unwrap();
        let came = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let stars = "*".repeat(key.text().len());
        assert_eq!(came.as_str(), format!("bad key {stars}!"));
        drop(socket);
    };
    tokio::join!(using, provider.echo_one());
    running.stop().await;
}

/// A connection stays counted while its WebSocket is open, and is free again after.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_websocket_holds_its_connections_slot() {
    let upstream = Upstream::listen().await;
    let mut config = Config::default();
    config.listen.max_connections_per_address = Some(1);
    let (running, _key) = Running::at(&upstream.base_url(), config).await;
    let (client, mut link) = open(&running, &upstream).await;
    let refused = send_raw(running.addr, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(refused.is_err());
    drop(client);
    link.rest().await;
    drop(link);
    crate::support::eventually("the slot is free", async || {
        send_raw(running.addr, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .is_ok()
    })
    .await;
    running.stop().await;
}
