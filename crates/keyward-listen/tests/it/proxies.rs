//! Who speaks for others, and who only says so.

use keyward_listen::{Config, Networks};

use crate::support::{Running, SHORT, patient, read_to_end, read_until};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A PROXY header for a connection from `source`.
pub(crate) fn header(source: [u8; 4]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    bytes.extend(source);
    bytes.extend([127, 0, 0, 1, 0x30, 0x39, 0, 80]);
    bytes
}

fn loopback() -> Networks {
    Networks::parse(["127.0.0.0/8"]).unwrap()
}

fn behind_a_proxy() -> Config {
    Config {
        proxy_protocol_from: loopback(),
        ..patient()
    }
}

async fn text(running: &Running, sent: &[&[u8]]) -> String {
    let mut stream = running.connect_and_send(&sent.concat()).await;
    String::from_utf8(read_to_end(&mut stream).await).unwrap()
}

#[tokio::test]
async fn the_source_is_what_a_trusted_proxy_says() {
    let running = Running::start(behind_a_proxy()).await;
    let mut stream = running
        .connect_and_send(&[&header([192, 0, 2, 7])[..], GET].concat())
        .await;
    read_until(&mut stream, "192.0.2.7").await;
    // HTTP/2 begins after it, too.
    let request = crate::support::frame(1, 5, 1, &crate::support::get("/"));
    let bytes = [header([192, 0, 2, 8]), crate::support::hello(&[]), request].concat();
    let mut stream = running.connect_and_send(&bytes).await;
    read_until(&mut stream, "192.0.2.8").await;
    // The proxy itself, to see whether we are there.
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    let mut stream = running.connect_and_send(&[&local[..], GET].concat()).await;
    read_until(&mut stream, "127.0.0.1").await;
    running.stop().await;
}

#[tokio::test]
async fn a_header_that_is_wrong_or_absent_ends_the_connection() {
    let running = Running::start(behind_a_proxy()).await;
    let mut unknown = header([192, 0, 2, 7]);
    unknown[12] = 0x31;
    let text_form = b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 80\r\n";
    for begun in [
        &b""[..],
        &unknown,
        text_form,
        &[b"\n", &header([1; 4])[..]].concat(),
    ] {
        assert_eq!(text(&running, &[begun, GET]).await, "", "{begun:x?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_header_that_does_not_end_is_not_waited_for() {
    let running = Running::start(Config {
        header_timeout: SHORT,
        ..behind_a_proxy()
    })
    .await;
    let whole = header([192, 0, 2, 7]);
    for end in [0, 1, 12, 15, 16, 27] {
        assert_eq!(text(&running, &[&whole[..end]]).await, "", "{end}");
    }
    running.stop().await;
}

#[tokio::test]
async fn anyone_else_who_sends_a_header_is_refused() {
    let running = Running::start(Config {
        proxy_protocol_from: Networks::parse(["10.0.0.0/8"]).unwrap(),
        ..patient()
    })
    .await;
    let answer = text(&running, &[&header([10, 0, 0, 7]), GET]).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let mut stream = running.connect_and_send(GET).await;
    read_until(&mut stream, "127.0.0.1").await;
    running.stop().await;
}

#[tokio::test]
async fn connections_are_counted_by_the_source_that_the_proxy_names() {
    let running = Running::start(Config {
        max_connections_per_address: Some(1),
        ..behind_a_proxy()
    })
    .await;
    let mut held = Vec::new();
    for host in 1..=3 {
        let bytes = [&header([192, 0, 2, host])[..], GET].concat();
        let mut stream = running.connect_and_send(&bytes).await;
        read_until(&mut stream, &format!("192.0.2.{host}")).await;
        held.push(stream);
    }
    assert_eq!(text(&running, &[&header([192, 0, 2, 2]), GET]).await, "");
    running.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_tells_by_header_and_anyone_else_does_not() {
    let get = b"GET / HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 1.1.1.1, 192.0.2.7\r\n\r\n";
    let running = Running::start(Config {
        trusted_proxies: loopback(),
        max_connections_per_address: Some(1),
        ..patient()
    })
    .await;
    // It carries many clients: the cap of one address is not for it.
    let mut first = running.connect_and_send(get).await;
    read_until(&mut first, "192.0.2.7").await;
    let mut second = running.connect_and_send(get).await;
    read_until(&mut second, "192.0.2.7").await;
    running.stop().await;
    let running = Running::start(patient()).await;
    let mut stream = running.connect_and_send(get).await;
    read_until(&mut stream, "127.0.0.1").await;
    running.stop().await;
}
