//! The address guard, on every dial: what a name resolves to, and what was connected to.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use keyward_forward::{
    BoxFuture, Config, Endpoint, Fault, Forwarder, Kind, SystemDial, TlsConfig,
    dial::{Guard, Resolve},
};
use keyward_secret::Origin;

use crate::support::{Gateway, Upstream, Whole, post, text};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A resolver that gives one list of addresses after the other; the last one stays.
#[derive(Debug)]
struct Answers(Mutex<VecDeque<Vec<SocketAddr>>>);

impl Answers {
    fn new(answers: impl IntoIterator<Item = Vec<SocketAddr>>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(answers.into_iter().collect())))
    }
}

impl Resolve for Answers {
    fn resolve<'a>(
        &'a self,
        _host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let mut answer = answers.front().cloned().unwrap_or_default();
        if answers.len() > 1 {
            answers.pop_front();
        }
        for address in &mut answer {
            address.set_port(port);
        }
        Box::pin(async move { Ok(answer) })
    }
}

fn at(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 0)
}

fn guarded(origin: &Origin, guard: Guard, answers: Arc<Answers>) -> Gateway<Whole> {
    let dial = SystemDial::build(TlsConfig::default()).unwrap();
    let dial = dial.with_guard(guard).with_resolve(answers);
    let loopback = Origin::parse("http://127.0.0.1:1").unwrap();
    let mut gateway = Gateway::to(&loopback);
    gateway.endpoint = Arc::new(Endpoint::new(origin.clone()).unwrap());
    // Nothing is kept: every request dials.
    let config = Config {
        max_idle_per_origin: 0,
        ..Config::default()
    };
    gateway.forwarder = Forwarder::new(Arc::new(dial), config);
    gateway
}

fn named(port: u16) -> Origin {
    Origin::parse(&format!("http://upstream.localhost.example:{port}")).unwrap()
}

/// Without a credential: one is bound to no origin in clear beyond loopback.
async fn send(gateway: &Gateway<Whole>) -> Result<String, keyward_forward::ForwardError> {
    let mut rules = gateway.rules();
    rules.credential = None;
    rules.scrubber = None;
    let answer = gateway
        .forwarder
        .forward(post("x"), gateway.target(), rules)
        .await?;
    Ok(text(answer).await)
}

#[tokio::test]
async fn an_upstream_that_is_not_named_is_not_reached_on_a_private_address() {
    let upstream = Upstream::always(OK).await;
    let port = upstream.origin.port();
    let name = named(port);
    let literal = upstream.origin.clone();
    let local = Origin::parse(&format!("http://localhost:{port}")).unwrap();
    let below = Origin::parse(&format!("http://a.localhost:{port}")).unwrap();
    let mapped = Origin::parse(&format!("http://[::ffff:127.0.0.1]:{port}")).unwrap();
    for origin in [&name, &literal, &local, &below, &mapped] {
        let answers = Answers::new([vec![at("127.0.0.1")]]);
        let gateway = guarded(origin, Guard::new(), answers.clone());
        let error = send(&gateway).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.fault(), error.is_retryable()),
            (Kind::AddressForbidden, Fault::Us, false),
            "{origin}"
        );
        let cause = std::error::Error::source(&error).unwrap();
        let cause = std::error::Error::source(cause).unwrap().to_string();
        assert!(cause.contains("by name"), "{cause}");

        let guard = Guard::new().allow([origin.clone()]);
        let gateway = guarded(origin, guard, answers);
        assert_eq!(send(&gateway).await.unwrap(), "ok", "{origin}");
    }
    assert_eq!(upstream.accepted(), 5);
}

#[tokio::test]
async fn a_name_that_is_pointed_elsewhere_after_the_first_request_is_refused() {
    let upstream = Upstream::always(OK).await;
    let origin = named(upstream.origin.port());
    let answers = Answers::new([vec![at("127.0.0.1")], vec![at("169.254.169.254")]]);
    let gateway = guarded(&origin, Guard::new().allow([origin.clone()]), answers);
    assert_eq!(send(&gateway).await.unwrap(), "ok");
    let error = send(&gateway).await.unwrap_err();
    assert_eq!(error.kind(), Kind::AddressForbidden);
}

#[tokio::test]
async fn of_several_addresses_the_forbidden_ones_are_left_out() {
    let upstream = Upstream::always(OK).await;
    let origin = named(upstream.origin.port());
    let answers = Answers::new([vec![
        at("169.254.169.254"),
        at("fe80::1"),
        at("127.0.0.1"),
        at("::ffff:169.254.169.254"),
    ]]);
    let gateway = guarded(&origin, Guard::new().allow([origin.clone()]), answers);
    assert_eq!(send(&gateway).await.unwrap(), "ok");
}

/// The unspecified address connects to this machine: refused by what the name resolves to, and, were that not
/// so, by the address that the socket is connected to.
#[tokio::test]
async fn the_unspecified_address_is_no_way_around() {
    let upstream = Upstream::always(OK).await;
    let origin = named(upstream.origin.port());
    for address in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
        let answers = Answers::new([vec![at(address)]]);
        let gateway = guarded(&origin, Guard::new(), answers);
        let error = send(&gateway).await.unwrap_err();
        assert_eq!(error.kind(), Kind::AddressForbidden, "{address}");
    }
    assert_eq!(upstream.accepted(), 0);
}
