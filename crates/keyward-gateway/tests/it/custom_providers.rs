//! Providers that an operator adds: where their requests go, what they carry, and what no change of them does.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use keyward_auth::{Classes, Scope};
use keyward_forward::{
    Endpoint, Rules, StripList, SystemDial, TlsConfig, dial::Guard, headers::prepare_request,
};
use keyward_gateway::Config;
use keyward_providers::{BaseUrl, CredentialPlacement};
use keyward_registry::{
    CustomProvider, CustomProviderDetails, CustomProviderEdit, CustomSlug, GatewaySettings,
    HeaderInput, KeySource, NewCustomProvider, Refusal, Use,
};
use keyward_secret::{Origin, SecretBytes};
use keyward_testing::{
    Behaviour, Canary, FakeProvider, Placement, TestCa, client::RawAnswer, register_named_canary,
};
use tokio::task::JoinHandle;

use crate::support::{
    ACCOUNT, ACTOR, Base, CHAT, Running, code, mint, new_key, now, value, wait_until,
};

/// The gateway with its fake provider, and another one that nothing may ever reach.
struct World {
    running: Running,
    evil: FakeProvider,
}

async fn fake(ca: &TestCa, placement: Placement) -> FakeProvider {
    FakeProvider::start_tls(placement, Vec::<String>::new(), ca).await
}

impl World {
    async fn new(placement: Placement) -> Self {
        let ca = TestCa::new();
        let evil = fake(&ca, Placement::bearer()).await;
        let provider = fake(&ca, placement).await;
        let running = Running::over(&Base::new(), &[], provider, &ca, Config::default()).await;
        Self { running, evil }
    }

    fn new_provider(&self, origin: &str) -> NewCustomProvider {
        NewCustomProvider {
            account: ACCOUNT,
            slug: CustomSlug::parse("mine").unwrap(),
            base_url: BaseUrl::parse(&format!("{origin}/openai/v1")).unwrap(),
            placement: CredentialPlacement::default(),
            enabled: true,
            details: CustomProviderDetails::default(),
            headers: HeaderInput::none(),
        }
    }

    async fn add(&self, new: NewCustomProvider) -> Arc<CustomProvider> {
        let added = self
            .running
            .registry
            .create_custom_provider(new, ACTOR, now());
        added.await.unwrap()
    }

    async fn add_mine(&self) -> Arc<CustomProvider> {
        self.add(self.new_provider(&self.running.provider.origin()))
            .await
    }

    async fn edit(&self, provider: &CustomProvider, edit: CustomProviderEdit) {
        let id = provider.record.id;
        let registry = &self.running.registry;
        let edited = registry.edit_custom_provider(ACCOUNT, id, edit, ACTOR, now());
        edited.await.unwrap();
    }

    fn evil_url(&self) -> BaseUrl {
        BaseUrl::parse(&format!("{}/openai/v1", self.evil.origin())).unwrap()
    }

    async fn chat(&self, headers: &[(&str, &str)]) -> RawAnswer {
        self.running.authorized_chat("custom-mine", headers).await
    }

    /// A request that the provider has and does not answer.
    async fn unanswered(&self) -> JoinHandle<RawAnswer> {
        let seen = self.running.provider.count();
        let path = self.running.path("custom-mine/chat/completions");
        let bearer = self.running.bearer();
        let mut client = self.running.client().await;
        let asking = tokio::spawn(async move {
            let token = [("cf-aig-authorization", bearer.as_str())];
            client.post(&path, &token, CHAT).await.unwrap()
        });
        let deadline = Duration::from_secs(20);
        self.running.provider.wait_for(seen + 1, deadline).await;
        asking
    }

    /// Nothing arrived at the other provider, and something could have.
    async fn end(self) {
        assert_eq!(self.evil.count(), 0);
        assert_eq!(self.evil.accepted_connections(), 0);
        self.running.stop().await;
    }
}

fn headers(json: &str) -> HeaderInput {
    HeaderInput::parse(&SecretBytes::copy_from(json.as_bytes()))
        .ok()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_below_the_base_url_with_the_stored_key() {
    let world = World::new(Placement::bearer()).await;
    world.add_mine().await;
    let (key, _) = world.running.store_key("mine", "default").await;
    let path = world.running.path("custom-mine/chat/completions?a=b%20c");
    let bearer = world.running.bearer();
    let sent = [
        ("cf-aig-authorization", bearer.as_str()),
        ("accept-encoding", "gzip"),
        ("x-api-key", "left over"),
        ("cookie", "a=b"),
    ];
    let mut client = world.running.client().await;
    let answer = client.post(&path, &sent, CHAT).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = &world.running.provider.take_recorded()[0];
    assert_eq!(seen.target, "/openai/v1/chat/completions?a=b%20c");
    let authority = world.running.provider.addr().to_string();
    assert_eq!(seen.header("host"), Some(authority.as_str()));
    let expected = format!("Bearer {}", key.text());
    assert_eq!(seen.header_all("authorization"), [expected.as_bytes()]);
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert!(seen.header("cdn-loop").is_some());
    for gone in ["cf-aig-authorization", "x-api-key", "cookie"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    // The same warm: what was prepared is used again.
    assert_eq!(world.chat(&[]).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_stands_where_the_operator_says() {
    let world = World::new(Placement::x_api_key()).await;
    let origin = world.running.provider.origin();
    let placement = CredentialPlacement::XApiKey;
    let new = NewCustomProvider {
        placement,
        ..world.new_provider(&origin)
    };
    world.add(new).await;
    let (key, _) = world.running.store_key("custom-mine", "default").await;
    assert_eq!(world.chat(&[]).await.status, 200);
    let seen = &world.running.provider.take_recorded()[0];
    assert_eq!(seen.header("x-api-key"), Some(key.text()));
    assert_eq!(seen.header("authorization"), None);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_use_the_gateway_learns_what_there_is() {
    let world = World::new(Placement::bearer()).await;
    let origin = world.running.provider.origin();
    let new = NewCustomProvider {
        enabled: false,
        ..world.new_provider(&origin)
    };
    let provider = world.add(new).await;
    world.running.store_key("custom-mine", "default").await;
    let switched_off = world.chat(&[]).await;
    assert_eq!((switched_off.status, code(&switched_off)), (400, 2008));
    assert!(switched_off.text().contains("switched off"));
    let other = world.running.authorized_chat("custom-other", &[]).await;
    assert_eq!((other.status, code(&other)), (400, 2008));
    let bare = world.running.authorized_chat("mine", &[]).await;
    assert_eq!((bare.status, code(&bare)), (400, 2008));

    let mut foreign = Running::grant();
    foreign.gateways = Scope::only(["elsewhere"]);
    let foreign = mint(&world.running.registry, foreign).await.0;
    let foreign = format!("Bearer {}", foreign.text());
    let mut strangers = vec![vec![]];
    strangers.push(vec![("cf-aig-authorization", foreign.as_str())]);
    for sent in strangers {
        for slug in ["custom-mine", "custom-other"] {
            assert_eq!(code(&world.running.chat(slug, &sent).await), 2009, "{slug}");
        }
    }
    let enabled = Some(true);
    world
        .edit(
            &provider,
            CustomProviderEdit {
                enabled,
                ..CustomProviderEdit::default()
            },
        )
        .await;
    assert_eq!(world.chat(&[]).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_held_to_their_providers_and_classes() {
    let world = World::new(Placement::bearer()).await;
    world.add_mine().await;
    world.running.store_key("mine", "default").await;
    let mut grants = Vec::new();
    for (providers, classes, expected) in [
        (Scope::only(["custom-mine"]), Classes::ALL, 200),
        (Scope::only(["openai", "mine"]), Classes::ALL, 401),
        (Scope::All, Classes::from_bits(1), 401),
    ] {
        let mut grant = Running::grant();
        (grant.providers, grant.classes) = (providers, classes);
        grants.push((grant, expected));
    }
    for (grant, expected) in grants {
        let told = format!("{grant:?}");
        let token = mint(&world.running.registry, grant).await.0;
        let token = format!("Bearer {}", token.text());
        let sent = [("cf-aig-authorization", token.as_str())];
        let answer = world.running.chat("custom-mine", &sent).await;
        assert_eq!(answer.status, expected, "{told}: {}", answer.text());
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_base_url_takes_no_key_and_no_header_along() {
    let world = World::new(Placement::bearer()).await;
    let origin = world.running.provider.origin();
    let secret = Canary::new("header");
    let json = format!(r#"{{"X-Org":"{}"}}"#, secret.text());
    let new = NewCustomProvider {
        headers: headers(&json),
        ..world.new_provider(&origin)
    };
    let provider = world.add(new).await;
    let (_, key) = world.running.store_key("custom-mine", "default").await;
    assert_eq!(world.chat(&[]).await.status, 200);

    let base_url = Some(world.evil_url());
    world
        .edit(
            &provider,
            CustomProviderEdit {
                base_url,
                ..CustomProviderEdit::default()
            },
        )
        .await;
    let own = [("authorization", "Bearer own")];
    for sent in [&[][..], &own] {
        let refused = world.chat(sent).await;
        assert_eq!((refused.status, code(&refused)), (424, 9012));
        assert!(refused.text().contains(&origin), "{}", refused.text());
    }
    // The masks that an answer shows keep what is stored where it is, and move nothing.
    let record = &world.running.registry.snapshot();
    let record = &record.custom_provider(ACCOUNT, "mine").unwrap().record;
    let mask = record.headers.as_ref().unwrap().masks[0].1.clone();
    let kept = headers(&format!(r#"{{"x-org":"{mask}"}}"#));
    let with = |headers| CustomProviderEdit {
        headers: Some(headers),
        ..CustomProviderEdit::default()
    };
    world.edit(&provider, with(kept)).await;
    assert_eq!(code(&world.chat(&own).await), 9012);
    let mixed = headers(&format!(r#"{{"x-org":"{mask}","x-new":"a"}}"#));
    let registry = &world.running.registry;
    let id = provider.record.id;
    let edited = registry.edit_custom_provider(ACCOUNT, id, with(mixed), ACTOR, now());
    let refusal = edited.await.unwrap_err();
    let refusal = refusal.refusal();
    assert!(
        matches!(refusal, Refusal::HeadersElsewhere { .. }),
        "{refusal}"
    );
    // Without headers, the key is still for where it was entered.
    world.edit(&provider, with(HeaderInput::none())).await;
    assert_eq!(code(&world.chat(&[]).await), 9012);
    // A secret that is sealed for elsewhere is not bound to where the provider is now.
    let source = KeySource::Secret(key.record.secret);
    let mut bound = new_key("prod", "custom-mine", source);
    bound.alias = keyward_registry::Alias::parse("second").unwrap();
    let bound = registry.create_provider_key(bound, ACTOR, now()).await;
    assert!(matches!(
        bound.unwrap_err().refusal(),
        Refusal::WrongDestination { .. }
    ));

    // Back where they were entered, they are good again.
    let base_url = Some(provider.record.base_url.clone());
    world
        .edit(
            &provider,
            CustomProviderEdit {
                base_url,
                ..CustomProviderEdit::default()
            },
        )
        .await;
    assert_eq!(world.chat(&[]).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_made_anew_inherits_no_key() {
    let world = World::new(Placement::bearer()).await;
    let provider = world.add_mine().await;
    world.running.store_key("custom-mine", "team").await;
    world.running.store_key("custom-mine", "default").await;
    assert_eq!(world.chat(&[]).await.status, 200);
    let registry = &world.running.registry;
    let deleted = registry.delete_custom_provider(ACCOUNT, provider.record.id, ACTOR, now());
    assert_eq!(deleted.await.unwrap().1.len(), 2);
    assert_eq!(code(&world.chat(&[]).await), 2008);

    world.add(world.new_provider(&world.evil.origin())).await;
    assert_eq!(code(&world.chat(&[]).await), 2044);
    assert_eq!(
        code(&world.chat(&[("cf-aig-byok-alias", "team")]).await),
        2044
    );
    let account = registry.snapshot().account(ACCOUNT).cloned().unwrap();
    assert_eq!(account.provider_keys().count(), 0);
    world.end().await;
}

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

/// What a URL from the API names is dialled only where the configuration file names it too.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_not_public_are_refused() {
    let ca = TestCa::new();
    let tls = TlsConfig {
        extra_ca_pem: vec![ca.ca_pem().as_bytes().to_vec()],
    };
    let dial = SystemDial::build(tls).unwrap().with_guard(Guard::new());
    let provider = fake(&ca, Placement::bearer()).await;
    let evil = fake(&ca, Placement::bearer()).await;
    let own = provider.origin();
    let running = Running::dialling(
        &Base::new(),
        &[],
        provider,
        Arc::new(dial),
        Config::default(),
    )
    .await;
    let world = World { running, evil };
    let provider = world.add_mine().await;
    world.running.store_key("mine", "default").await;
    for url in [
        own.as_str(),
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]",
        "https://[::ffff:169.254.169.254]",
        "https://[64:ff9b::a9fe:a9fe]",
        "https://127.0.0.1",
        "https://localhost:1",
        "https://[::1]",
        "https://10.0.0.1",
        "https://192.168.0.1/v1",
        "https://0.0.0.0",
    ] {
        let base_url = Some(BaseUrl::parse(url).unwrap());
        world
            .edit(
                &provider,
                CustomProviderEdit {
                    base_url,
                    ..CustomProviderEdit::default()
                },
            )
            .await;
        let answer = world.chat(&[("authorization", "Bearer own")]).await;
        assert_eq!((answer.status, code(&answer)), (502, 9023), "{url}");
    }
    assert_eq!(world.running.provider.accepted_connections(), 0);
    world.end().await;
}
