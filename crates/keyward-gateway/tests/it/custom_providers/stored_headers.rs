//! The headers that are stored with a provider: who is served with them, beside what, and until when.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use keyward_forward::{Endpoint, Rules, StripList, headers::prepare_request};
use keyward_registry::{CustomProviderEdit, GatewaySettings, HeaderInput, NewCustomProvider, Use};
use keyward_secret::{Origin, SecretBytes};
use keyward_testing::{Behaviour, Canary, Placement, register_named_canary};

use super::{World, headers};
use crate::support::{ACCOUNT, ACTOR, CHAT, code, now, value, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_for_authenticated_requests_alone() {
    let world = World::new(Placement::bearer()).await;
    let origin = world.running.provider.origin();
    let secret = Canary::new("header");
    world.running.provider.accept_keys(["own-key"]);
    let json = format!(r#"{{"X-Org":"{}"}}"#, secret.text());
    let new = NewCustomProvider {
        headers: headers(&json),
        ..world.new_provider(&origin)
    };
    world.add(new).await;
    let open = keyward_registry::GatewayId::parse("open").unwrap();
    let settings = GatewaySettings {
        authentication: false,
        ..GatewaySettings::default()
    };
    let registry = &world.running.registry;
    let made = registry.create_gateway(ACCOUNT, open, settings, ACTOR, now());
    made.await.unwrap();
    let path = format!("/v1/{ACCOUNT}/open/custom-mine/x");
    let mut client = world.running.client().await;
    for sent in [&[][..], &[("authorization", "Bearer own-key")]] {
        let answer = client.post(&path, sent, CHAT).await.unwrap();
        assert_eq!(code(&answer), 2009);
    }
    assert_eq!(world.running.provider.count(), 0);

    // The client's own key goes along with them; what it sends under their name does not.
    let sent = [
        ("authorization", "Bearer own-key"),
        ("x-org", "mine"),
        ("x_org", "mine"),
        ("connection", "x-org"),
    ];
    assert_eq!(world.chat(&sent).await.status, 200);
    // And where there is no key at all, they go alone.
    world
        .running
        .provider
        .behave(Behaviour::Status(200, "{}".to_owned()));
    assert_eq!(world.chat(&[("x-api-key", "left over")]).await.status, 200);
    let seen = world.running.provider.take_recorded();
    assert_eq!(seen[0].header("authorization"), Some("Bearer own-key"));
    assert_eq!(seen[1].header("authorization"), None);
    assert_eq!(seen[1].header("x-api-key"), None);
    for request in &seen {
        assert_eq!(request.header_all("x-org"), [secret.text().as_bytes()]);
        assert_eq!(request.header("x_org"), None);
    }
    // An echo of them is masked, in errors and successes.
    for status in [200, 400] {
        let echoed = format!(r#"{{"debug":"{}"}}"#, secret.text());
        world
            .running
            .provider
            .behave(Behaviour::Status(status, echoed));
        let answer = world.chat(&[]).await;
        assert_eq!(answer.status, status);
        assert!(
            !answer.text().contains(secret.random_part()),
            "{}",
            answer.text()
        );
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_go_beside_the_stored_key_and_are_replaced_at_once() {
    let world = World::new(Placement::bearer()).await;
    let origin = world.running.provider.origin();
    let new = NewCustomProvider {
        headers: headers(r#"{"X-Org":"first-value-of-it","X-More":"stays-as-it-is-1"}"#),
        ..world.new_provider(&origin)
    };
    let provider = world.add(new).await;
    let (key, stored) = world.running.store_key("mine", "default").await;
    assert_eq!(world.chat(&[]).await.status, 200);
    let changed = headers(r#"{"x-more":"••••is-1","X-Org":"second-value"}"#);
    let edit = CustomProviderEdit {
        headers: Some(changed),
        ..CustomProviderEdit::default()
    };
    world.edit(&provider, edit).await;
    assert_eq!(world.chat(&[]).await.status, 200);
    // A new value of the key is used with the headers that are there.
    let second = register_named_canary("second", "sk-0123456789-second");
    world.running.provider.accept_keys([second.text()]);
    let registry = &world.running.registry;
    registry
        .rotate_provider_key(ACCOUNT, stored.record.id, &value(&second), ACTOR, now())
        .await
        .unwrap();
    assert_eq!(world.chat(&[]).await.status, 200);
    let seen = world.running.provider.take_recorded();
    let orgs: Vec<_> = seen
        .iter()
        .map(|seen| seen.header("x-org").unwrap())
        .collect();
    assert_eq!(orgs, ["first-value-of-it", "second-value", "second-value"]);
    let keys: Vec<_> = seen
        .iter()
        .map(|seen| seen.header("authorization").unwrap())
        .collect();
    let first = format!("Bearer {}", key.text());
    let second = format!("Bearer {}", second.text());
    assert_eq!(keys, [&first, &first, &second]);
    assert!(
        seen.iter()
            .all(|seen| seen.header("x-more") == Some("stays-as-it-is-1"))
    );
    world.end().await;
}

/// Neither a key of ours nor a changed token would end them.
#[tokio::test(flavor = "multi_thread")]
async fn what_carries_headers_alone_is_cut_with_them() {
    let world = World::new(Placement::bearer()).await;
    let origin = world.running.provider.origin();
    let new = NewCustomProvider {
        headers: headers(r#"{"X-Org":"first-value-of-it"}"#),
        ..world.new_provider(&origin)
    };
    let provider = world.add(new).await;
    let id = provider.record.id;
    let registry = Arc::clone(&world.running.registry);
    let all = Use::CustomProvider(id);
    let fake = &world.running.provider;
    fake.accept_keys(["own-key"]);

    // A stream beside the client's own key, and a request that is not answered yet.
    fake.behave_once(Behaviour::GatedSse);
    let mut stream = world.running.client().await;
    let body = r#"{"model":"m","stream":true,"messages":[]}"#;
    let lines = format!(
        "Authorization: Bearer own-key\r\nContent-Length: {}\r\n",
        body.len()
    );
    let head = world
        .running
        .head("POST", "custom-mine/chat/completions", &lines);
    stream
        .send(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
    let mut came = Vec::new();
    while !came.windows(6).any(|bytes| bytes == b"data: ") {
        let more = stream.read_some().await.unwrap();
        assert!(!more.is_empty(), "{}", String::from_utf8_lossy(&came));
        came.extend(more);
    }
    fake.behave(Behaviour::StallBeforeHead);
    let old = world.unanswered().await;
    wait_until("both wait", || registry.requests_open(all) == 2).await;

    let edit = CustomProviderEdit {
        headers: Some(headers(r#"{"X-Org":"second-value-of-it"}"#)),
        ..CustomProviderEdit::default()
    };
    world.edit(&provider, edit).await;
    let new = world.unanswered().await;
    wait_until("all wait", || registry.requests_open(all) == 3).await;
    let snapshot = registry.snapshot();
    let record = &snapshot.custom_provider(ACCOUNT, "mine").unwrap().record;
    let keeps = record.headers.as_ref().map(|headers| headers.number);
    assert_eq!(registry.cut_requests(Use::CustomHeaders { id, keeps }), 2);
    let cut = old.await.unwrap();
    assert_eq!((cut.status, code(&cut)), (424, 9014));
    assert!(
        cut.text().contains("provider was changed"),
        "{}",
        cut.text()
    );
    let mut rest = Vec::new();
    while let Ok(more) = stream.read_some().await {
        if more.is_empty() {
            break;
        }
        rest.extend(more);
    }
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the stream has a proper end");

    let deleted = registry.delete_custom_provider(ACCOUNT, id, ACTOR, now());
    deleted.await.unwrap();
    assert_eq!(registry.requests_open(all), 1);
    assert_eq!(registry.cut_requests(all), 1);
    assert_eq!(code(&new.await.unwrap()), 9014);
    world.end().await;
}

/// Two lists in two crates: what the forwarder takes out of every request, and what an operator may not set.
#[test]
fn what_is_taken_out_of_every_request_cannot_be_set() {
    let endpoint = Endpoint::new(Origin::parse("https://a.example").unwrap()).unwrap();
    for name in [
        "te",
        "via",
        "cookie",
        "cookie2",
        "expect",
        "upgrade",
        "trailer",
        "forwarded",
        "x-real-ip",
        "connection",
        "keep-alive",
        "x-forwarded",
        "x-forwarded-for",
        "max-forwards",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "true-client-ip",
        "http2-settings",
        "cf-connecting-ip",
        "cf-connecting-ipv6",
        "cf-aig-authorization",
        "transfer-encoding",
        "proxy-authorization",
        "sec-websocket-key",
        "cdn-loop",
    ] {
        for name in [name.to_owned(), name.replace('-', "_")] {
            let header = HeaderName::from_bytes(name.as_bytes()).unwrap();
            let mut sent = HeaderMap::from_iter([(header.clone(), HeaderValue::from_static("x"))]);
            let strip = StripList::default();
            prepare_request(&mut sent, &endpoint, &Rules::new(&strip)).unwrap();
            assert!(!sent.contains_key(&header), "{name}");
            let json = SecretBytes::new(format!(r#"{{"{name}":"x"}}"#).into_bytes());
            assert!(HeaderInput::parse(&json).is_err(), "{name}");
        }
    }
}
