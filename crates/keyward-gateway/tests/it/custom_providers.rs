//! Providers that an operator adds: where their requests go, what they carry, and what no change of them does.

#[cfg(test)]
mod moved;
#[cfg(test)]
mod stored_headers;

use std::{sync::Arc, time::Duration};

use keyward_auth::{Classes, Scope};
use keyward_forward::{SystemDial, TlsConfig, dial::Guard};
use keyward_gateway::Config;
use keyward_providers::{BaseUrl, CredentialPlacement};
use keyward_registry::{
    CustomProvider, CustomProviderDetails, CustomProviderEdit, CustomSlug, HeaderInput,
    NewCustomProvider,
};
use keyward_secret::SecretBytes;
use keyward_testing::{FakeProvider, Placement, TestCa, client::RawAnswer};
use tokio::task::JoinHandle;

use crate::support::{ACCOUNT, ACTOR, Base, CHAT, Running, code, mint, now};

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

    async fn move_to(&self, provider: &CustomProvider, base_url: BaseUrl) {
        let edit = CustomProviderEdit {
            base_url: Some(base_url),
            ..CustomProviderEdit::default()
        };
        self.edit(provider, edit).await;
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
        world.move_to(&provider, BaseUrl::parse(url).unwrap()).await;
        let answer = world.chat(&[("authorization", "Bearer own")]).await;
        assert_eq!((answer.status, code(&answer)), (502, 9023), "{url}");
    }
    assert_eq!(world.running.provider.accepted_connections(), 0);
    world.end().await;
}
