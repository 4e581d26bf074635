//! The data plane within another server: on a runtime with several threads, for any body.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use keyward_auth::{Grant, Network, Networks};
use keyward_forward::{BoxError, SystemDial, TlsConfig};
use keyward_gateway::{AnswerBody, Config, EchoDial, Gateway, GatewayService};
use keyward_testing::Canary;

use crate::support::{ACCOUNT, ACTOR, CHAT, Running, Setup, mint, now};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A service over the registry of `running`, and the stored key of its provider `echo`.
async fn service(running: &Running) -> (GatewayService<Full<Bytes>>, Canary) {
    let (key, _) = running.store_key("echo", "default").await;
    let dial = Arc::new(SystemDial::build(TlsConfig::default()).unwrap());
    let dial = Arc::new(EchoDial::new(Arc::clone(&running.registry), dial));
    let gateway = Gateway::build(Arc::clone(&running.registry), dial, Config::default()).unwrap();
    (Arc::new(gateway).service(), key)
}

fn chat(running: &Running, bearer: &str) -> Request<Full<Bytes>> {
    Request::post(running.path("echo/chat/completions"))
        .header("host", "gateway.example")
        .header("content-type", "application/json")
        .header("authorization", bearer)
        .body(Full::new(Bytes::from_static(CHAT)))
        .unwrap()
}

#[test]
fn a_service_and_its_futures_may_move_between_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    fn is_send<T: Send>(_: &T) {}
    fn answers(service: &GatewayService<Full<Bytes>>) {
        is_send(&service.answer(Request::default(), HERE));
    }
    let _compiles: fn(&GatewayService<Full<Bytes>>) = answers;
    is_send_and_sync::<GatewayService<hyper::body::Incoming>>();
    is_send_and_sync::<GatewayService<UnsyncBoxBody<Bytes, BoxError>>>();
    fn is_sent<T: Send>() {}
    is_sent::<AnswerBody>();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_at_once_on_several_threads_are_all_answered() {
    let running = Running::start(Setup::default()).await;
    let (service, key) = service(&running).await;
    let asked: Vec<_> = (0..64)
        .map(|_| {
            let (service, request) = (service.clone(), chat(&running, &running.bearer()));
            tokio::spawn(async move {
                let answer = service.answer(request, HERE).await;
                let status = answer.status();
                (
                    status,
                    answer.into_body().collect().await.unwrap().to_bytes(),
                )
            })
        })
        .collect();
    for answer in asked {
        let (status, body) = answer.await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert!(!String::from_utf8_lossy(&body).contains(key.random_part()));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_by_the_next_request() {
    let running = Running::start(Setup::default()).await;
    let (service, _key) = service(&running).await;
    let (token, minted) = mint(&running.registry, Running::grant()).await;
    let bearer = format!("Bearer {}", token.text());
    let answer = service.answer(chat(&running, &bearer), HERE).await;
    assert_eq!(answer.status(), StatusCode::OK);
    running
        .registry
        .delete_token(ACCOUNT, &minted.record.id, ACTOR, now())
        .await
        .unwrap();
    let answer = service.answer(chat(&running, &bearer), HERE).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    running.stop().await;
}

#[tokio::test]
async fn the_source_that_the_caller_tells_is_the_one_that_counts() {
    let running = Running::start(Setup::default()).await;
    let (service, _key) = service(&running).await;
    let networks = Networks {
        allow: vec![Network::parse("203.0.113.0/24").unwrap()],
        ..Networks::default()
    };
    let grant = Grant {
        networks,
        ..Running::grant()
    };
    let (token, _minted) = mint(&running.registry, grant).await;
    let bearer = format!("Bearer {}", token.text());
    for (source, expected) in [
        ("203.0.113.9", StatusCode::OK),
        ("127.0.0.1", StatusCode::UNAUTHORIZED),
    ] {
        let request = chat(&running, &bearer);
        let answer = service.answer(request, source.parse().unwrap()).await;
        assert_eq!(answer.status(), expected, "{source}");
    }
    running.stop().await;
}
