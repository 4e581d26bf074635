//! The data plane within another server: on a runtime with several threads, for any body.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use keyward_auth::{
    Entry, Grant, Kind, LastUsed, Network, Networks, Permissions, Scope, TokenRecord,
};
use keyward_forward::{BoxError, SystemDial, TlsConfig};
use keyward_gateway::{
    AnswerBody, Config, EchoDial, Gateway, GatewayService,
    explain::{Credential, Outcome, Token},
};
use keyward_registry::TokenMinted;
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

/// The entry of a token as whoever runs the gateway may make one.
fn entry(minted: &TokenMinted, kind: Kind, grant: Grant) -> Arc<Entry> {
    Arc::new(Entry {
        record: TokenRecord {
            kind,
            grant,
            ..minted.record.clone()
        },
        last_used: LastUsed::default(),
    })
}

fn without_token(running: &Running) -> Request<Full<Bytes>> {
    let mut request = chat(running, "");
    request.headers_mut().remove("authorization");
    request
}

#[tokio::test]
async fn a_request_of_a_known_token_goes_the_way_of_every_other() {
    let running = Running::start(Setup::default()).await;
    let (service, key) = service(&running).await;
    let (_text, minted) = mint(&running.registry, Running::grant()).await;
    let token = entry(&minted, Kind::Gateway, Running::grant());
    let (told, answer) = service
        .answer_to(without_token(&running), HERE, Arc::clone(&token))
        .await;
    assert_eq!(answer.status(), StatusCode::OK);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(!String::from_utf8_lossy(&body).contains(key.random_part()));
    let told = told.unwrap();
    assert_eq!(told.token, Token::Known(token.record.id));
    let Outcome::Forwarded(forwarded) = told.outcome else {
        panic!("{told:?}");
    };
    assert!(matches!(forwarded.credential, Credential::Stored { .. }));
    let authorization = forwarded.set.iter().find(|set| set.name == "authorization");
    assert_eq!(authorization.unwrap().value, None);
    assert!(token.last_used.get().is_some());
    let snapshot = running.registry.snapshot();
    let account = snapshot.account(ACCOUNT).unwrap();
    let mut echo = account
        .provider_keys()
        .filter(|key| key.record.provider.as_str() == "echo");
    assert!(echo.next().unwrap().last_used.get().is_some());
    running.stop().await;
}

#[tokio::test]
async fn a_known_token_may_no_more_than_its_grant() {
    let running = Running::start(Setup::default()).await;
    let (service, _key) = service(&running).await;
    let (_text, minted) = mint(&running.registry, Running::grant()).await;
    let elsewhere = |change: fn(&mut Grant)| {
        let mut grant = Running::grant();
        change(&mut grant);
        entry(&minted, Kind::Gateway, grant)
    };
    for (token, why) in [
        (entry(&minted, Kind::Api, Running::grant()), "wrong kind"),
        (
            elsewhere(|grant| grant.permissions = Permissions::NONE),
            "lacks the permission",
        ),
        (
            elsewhere(|grant| grant.gateways = Scope::only(["x".to_owned()])),
            "not for this gateway",
        ),
        (
            elsewhere(|grant| grant.providers = Scope::only(["x".to_owned()])),
            "not for this provider",
        ),
        (
            elsewhere(|grant| grant.aliases = Scope::only(["x".to_owned()])),
            "not for this alias",
        ),
        (elsewhere(|grant| grant.disabled = true), "is disabled"),
    ] {
        let (told, answer) = service
            .answer_to(without_token(&running), HERE, token)
            .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{why}");
        match told.unwrap().outcome {
            Outcome::Refused(refused) => {
                let reason = refused.reason.unwrap();
                assert!(reason.contains(why), "{reason}");
            }
            other => panic!("{why}: {other:?}"),
        }
    }
    // A token in the request beside it: two cannot both be meant.
    let token = entry(&minted, Kind::Gateway, Running::grant());
    let request = chat(&running, &running.bearer());
    let (_told, answer) = service.answer_to(request, HERE, token).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    running.stop().await;
}
