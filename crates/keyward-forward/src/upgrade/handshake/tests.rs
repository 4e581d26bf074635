use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};
use http_body_util::{Empty, Full};

use super::{Asked, Handshake};
use crate::AcceptEncoding;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// RFC 6455 §1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn request(lines: &[(&'static str, &str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = headers(lines);
    request
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        })
        .collect()
}

#[track_caller]
fn check_asked(lines: &[(&'static str, &str)], expected: Asked) {
    assert_eq!(Asked::of(&request(lines)), expected, "{lines:?}");
}

#[test]
fn an_upgrade_counts_only_where_connection_names_it() {
    check_asked(
        &[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
        ],
        Asked::WebSocket,
    );
    check_asked(
        &[("connection", "upgrade"), ("upgrade", "h2c, websocket")],
        Asked::WebSocket,
    );
    check_asked(&[("upgrade", "websocket")], Asked::Nothing);
    check_asked(
        &[("connection", "upgrades"), ("upgrade", "websocket")],
        Asked::Nothing,
    );
    check_asked(&[("connection", "upgrade")], Asked::Nothing);
    check_asked(
        &[("connection", "upgrade"), ("upgrade", "h2c")],
        Asked::Nothing,
    );
    for other in ["TLS/1.0", "h2c, IRC/6.9", "HTTP/3.0", "websocket/13"] {
        check_asked(
            &[("connection", "upgrade"), ("upgrade", other)],
            Asked::Other,
        );
    }
}

#[test]
fn an_upgrade_over_http_1_0_is_ignored() {
    let mut request = request(&[("connection", "upgrade"), ("upgrade", "websocket")]);
    *request.version_mut() = Version::HTTP_10;
    assert_eq!(Asked::of(&request), Asked::Nothing);
}

const GOOD: [(&str, &str); 2] = [("sec-websocket-version", "13"), ("sec-websocket-key", KEY)];

#[test]
fn what_is_no_handshake_is_refused_and_left_as_it_was() {
    let version = GOOD[0];
    let key = GOOD[1];
    for lines in [
        &[version][..],
        &[key],
        &[("sec-websocket-version", "8"), key],
        &[version, version, key],
        &[version, key, key],
        &[version, ("sec-websocket-key", "c2hvcnQ=")],
        &[version, ("sec-websocket-key", "no base64")],
        &[version, key, ("sec-websocket-protocol", "a b")],
        &[version, key, ("sec-websocket-protocol", "a;b")],
    ] {
        let mut request = request(lines);
        assert!(Handshake::take(&mut request).is_err(), "{lines:?}");
        assert_eq!(request.headers(), &headers(lines));
    }
    let mut post = request(&GOOD);
    *post.method_mut() = http::Method::POST;
    assert!(Handshake::take(&mut post).is_err());
    let mut with_body = request(&GOOD).map(|_| Full::new(Bytes::from("x")));
    assert!(Handshake::take(&mut with_body).is_err());
}

#[test]
fn offers_are_split_in_order_and_kept_by_place() {
    let mut request = request(&[
        GOOD[0],
        GOOD[1],
        ("sec-websocket-protocol", "realtime, x.kw_gw_secret"),
        ("sec-websocket-protocol", "beta,,"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ]);
    let mut handshake = Handshake::take(&mut request).unwrap();
    assert_eq!(
        handshake.protocols(),
        ["realtime", "x.kw_gw_secret", "beta"]
    );
    assert!(!format!("{handshake:?}").contains("kw_gw_secret"));
    handshake.retain_protocols(|place| place != 1);
    let mut written = HeaderMap::new();
    handshake.write(&mut written, AcceptEncoding::Client);
    let offered: Vec<_> = written.get_all("sec-websocket-protocol").iter().collect();
    assert_eq!(offered, ["realtime", "beta"]);
    assert_eq!(written["sec-websocket-extensions"], "permessage-deflate");
    handshake.write(&mut written, AcceptEncoding::Identity);
    assert!(!written.contains_key("sec-websocket-extensions"));
    assert_eq!(written["upgrade"], "websocket");
    assert_eq!(written["connection"], "Upgrade");
    // What went out of the request is gone from it.
    assert!(!request.headers().contains_key("sec-websocket-key"));
    assert_eq!(request.headers()["upgrade"], "websocket");
}

#[track_caller]
fn completes(lines: &[(&'static str, &str)]) -> bool {
    let mut request = request(&[GOOD[0], GOOD[1], ("sec-websocket-protocol", "realtime")]);
    let handshake = Handshake::take(&mut request).unwrap();
    handshake.complete(&headers(lines), true).is_ok()
}

#[test]
fn only_an_answer_to_this_handshake_completes_it() {
    let connection = ("connection", "upgrade");
    let upgrade = ("upgrade", "WebSocket");
    let accept = ("sec-websocket-accept", ACCEPT);
    let protocol = ("sec-websocket-protocol", "realtime");
    assert!(completes(&[connection, upgrade, accept]));
    assert!(completes(&[connection, upgrade, accept, protocol]));
    for lines in [
        &[connection, upgrade][..],
        &[connection, accept],
        &[upgrade, accept],
        &[connection, ("upgrade", "h2c"), accept],
        &[connection, ("upgrade", "websocket, h2c"), accept],
        &[connection, upgrade, ("sec-websocket-accept", KEY)],
        &[connection, upgrade, accept, accept],
        &[
            connection,
            upgrade,
            accept,
            ("sec-websocket-protocol", "other"),
        ],
        &[connection, upgrade, accept, protocol, protocol],
        &[
            connection,
            upgrade,
            accept,
            ("sec-websocket-extensions", "permessage-deflate"),
        ],
    ] {
        assert!(!completes(lines), "{lines:?}");
    }
}

#[test]
fn every_text_says_what_is_wrong() {
    use super::{CompleteError, HandshakeError};

    keyward_testing::assert_texts!("HandshakeError", [
        "a request" => HandshakeError { problem: "its method is not GET" },
    ]);
    keyward_testing::assert_texts!("CompleteError", [
        "an answer" => CompleteError { problem: "its status is not 101" },
    ]);
}
