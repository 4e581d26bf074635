//! A running gateway with a fake provider behind it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::FutureExt as _;
use keyward_auth::{Grant, Kind, Permission, Permissions};
use keyward_forward::{Dial, Protocol, SystemDial, TlsConfig};
use keyward_gateway::{Config, EchoDial, Gateway, Notify, Observe};
use keyward_providers::{Catalogue, Override};
use keyward_registry::{
    AccountRecord, Actor, Alias, ExpiresAction, GatewayId, GatewaySettings, KeySource, KeyValue,
    NewProviderKey, NewRoute, NewTokenRequest, ProviderKey, ProviderSlug, Registry, TokenMinted,
    testing::MemoryStore,
};
use keyward_routes::RouteName;
use keyward_secret::{AccountId, SecretBytes};
use keyward_testing::{
    Canary, FakeProvider, LogCapture, Placement, TestCa,
    client::{Client, RawAnswer},
    register_named_canary,
};
use keyward_vault::Vault;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(crate) const ACCOUNT: AccountId = AccountId::from_bytes([0xAC; 16]);
pub(crate) const ACTOR: Actor = Actor::Command("test");

/// How a gateway under test is set up.
pub(crate) struct Setup {
    pub(crate) settings: GatewaySettings,
    /// Providers that are played by the fake one.
    pub(crate) slugs: &'static [&'static str],
    pub(crate) placement: Placement,
    /// What the fake provider speaks at best.
    pub(crate) protocol: Protocol,
    /// Whether its answers count as the provider's own.
    pub(crate) relay: bool,
    /// Who is told what happens to its keys.
    pub(crate) notify: Option<Arc<dyn Notify>>,
    /// Who else is told of its requests.
    pub(crate) observer: Option<Arc<dyn Observe>>,
    pub(crate) config: Config,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settings: GatewaySettings::default(),
            slugs: &["openai"],
            placement: Placement::bearer(),
            protocol: Protocol::Http1,
            relay: false,
            notify: None,
            observer: None,
            config: Config {
                workers: NonZeroUsize::new(2).unwrap(),
                ..Config::default()
            },
        }
    }
}

/// A running gateway, its fake provider, and a token for it.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) registry: Arc<Registry>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) provider: FakeProvider,
    pub(crate) token: Canary,
    pub(crate) logs: LogCapture,
    stop: CancellationToken,
    /// Cancelled when it has ended, so that the recorder misses nothing.
    served: CancellationToken,
    task: JoinHandle<()>,
    /// The recorder with the keeper, where a test wants them.
    keeping: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) async fn start(setup: Setup) -> Self {
        let logs = LogCapture::install();
        let ca = TestCa::new();
        let keys = Vec::<String>::new();
        let provider = match setup.protocol {
            Protocol::Http1 => FakeProvider::start_tls(setup.placement, keys, &ca).await,
            Protocol::Http2 => FakeProvider::start_http2(setup.placement, keys, &ca).await,
        };
        let overrides: BTreeMap<_, _> = setup
            .slugs
            .iter()
            .map(|slug| {
                let base = Override {
                    base_url: Some(provider.origin()),
                    relay: setup.relay,
                    ..Override::default()
                };
                ((*slug).to_owned(), base)
            })
            .collect();
        let catalogue = Arc::new(Catalogue::with_overrides(&overrides).unwrap());
        let (vault, _root) = Vault::create().unwrap();
        let vault = Arc::new(vault);
        let store = Arc::new(MemoryStore::new());
        let registry = Registry::open(store, vault, catalogue).await.unwrap();
        let registry = Arc::new(registry);
        let now = now();
        let account = AccountRecord {
            id: ACCOUNT,
            name: "test".to_owned(),
            created_at: now,
        };
        registry.create_account(account, ACTOR).await.unwrap();
        let id = GatewayId::parse("prod").unwrap();
        registry
            .create_gateway(ACCOUNT, id, setup.settings, ACTOR, now)
            .await
            .unwrap();

        let tls = TlsConfig {
            extra_ca_pem: vec![ca.ca_pem().as_bytes().to_vec()],
        };
        let dial = Arc::new(SystemDial::build(tls).unwrap());
        let dial = Arc::new(EchoDial::new(Arc::clone(&registry), dial));
        let gateway = Gateway::build(Arc::clone(&registry), dial, setup.config).unwrap();
        let gateway = match setup.notify {
            Some(notify) => gateway.with_notify(notify),
            None => gateway,
        };
        let gateway = Arc::new(match setup.observer {
            Some(observer) => gateway.with_observer(observer),
            None => gateway,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = Arc::clone(&gateway).serve(listener, stop.clone());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        let token = mint(&registry, Self::grant()).await.0;
        Self {
            addr,
            registry,
            gateway,
            provider,
            token,
            logs,
            stop,
            served: CancellationToken::new(),
            task,
            keeping: None,
        }
    }

    /// What an ordinary gateway token of the account may do.
    pub(crate) fn grant() -> Grant {
        Grant::new(ACCOUNT, Permissions::from_iter([Permission::AiGatewayRun]))
    }

    /// Stores a fresh key that the fake provider accepts.
    pub(crate) async fn store_key(&self, slug: &str, alias: &str) -> (Canary, Arc<ProviderKey>) {
        let canary = Canary::new(&format!("{slug}-{alias}"));
        self.provider.accept_keys([canary.text()]);
        let new = NewProviderKey {
            account: ACCOUNT,
            gateway: GatewayId::parse("prod").unwrap(),
            provider: ProviderSlug::parse(slug).unwrap(),
            alias: Alias::parse(alias).unwrap(),
            source: KeySource::Value(value(&canary)),
            description: String::new(),
            default_config: alias == "default",
            expires_at: None,
            expires_action: ExpiresAction::default(),
            rate_limit: None,
            spend_limits: None,
        };
        let key = self
            .registry
            .create_provider_key(new, ACTOR, now())
            .await
            .unwrap();
        (canary, key)
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/{ACCOUNT}/prod/{rest}")
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.addr).await.unwrap()
    }

    /// One chat completion on a connection of its own.
    pub(crate) async fn chat(&self, slug: &str, headers: &[(&str, &str)]) -> RawAnswer {
        let path = self.path(&format!("{slug}/chat/completions"));
        self.client()
            .await
            .post(&path, headers, CHAT)
            .await
            .unwrap()
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token.text())
    }

    /// Runs the recorder beside it, and with it the keeper.
    pub(crate) fn keep(&mut self) {
        let mut recording = Box::pin(Arc::clone(&self.gateway).record(self.served.clone()));
        // Begun at once: the keeper takes what happened before its start for told.
        assert!((&mut recording).now_or_never().is_none(), "it goes on");
        self.keeping = Some(tokio::spawn(recording));
    }

    pub(crate) async fn stop(self) {
        drop(self.stop_and_take_provider().await);
    }

    /// Stops the gateway; its provider goes on.
    pub(crate) async fn stop_and_take_provider(self) -> FakeProvider {
        self.stop.cancel();
        let patience = Duration::from_secs(20);
        let ended = tokio::time::timeout(patience, self.task).await;
        ended.expect("a stop within the drain timeout").unwrap();
        self.served.cancel();
        if let Some(keeping) = self.keeping {
            let ended = tokio::time::timeout(patience, keeping).await;
            ended.expect("the recorder ends").unwrap();
        }
        self.provider
    }
}

/// What outlives one gateway: a vault and the store that it seals for.
pub(crate) struct Base {
    vault: Arc<Vault>,
    store: Arc<MemoryStore>,
}

impl Base {
    pub(crate) fn new() -> Self {
        let (vault, _root) = Vault::create().unwrap();
        let vault = Arc::new(vault);
        let store = Arc::new(MemoryStore::new());
        Self { vault, store }
    }
}

impl Running {
    /// A gateway over what `base` holds, with these base URLs by slug. Account and gateway are made where they
    /// are missing.
    pub(crate) async fn over(
        base: &Base,
        base_urls: &[(&str, &str)],
        provider: FakeProvider,
        ca: &TestCa,
        config: Config,
    ) -> Self {
        let tls = TlsConfig {
            extra_ca_pem: vec![ca.ca_pem().as_bytes().to_vec()],
        };
        let dial = Arc::new(SystemDial::build(tls).unwrap());
        Self::dialling(base, base_urls, provider, dial, config).await
    }

    /// As [`over`](Self::over); what stands at the base URLs passes for the providers themselves.
    pub(crate) async fn relayed(
        base: &Base,
        base_urls: &[(&str, &str)],
        provider: FakeProvider,
        ca: &TestCa,
    ) -> Self {
        let tls = TlsConfig {
            extra_ca_pem: vec![ca.ca_pem().as_bytes().to_vec()],
        };
        let dial = Arc::new(SystemDial::build(tls).unwrap());
        let config = Setup::default().config;
        Self::reaching(base, base_urls, provider, dial, config, true).await
    }

    /// As [`over`](Self::over), reaching upstreams through `dial`.
    pub(crate) async fn dialling(
        base: &Base,
        base_urls: &[(&str, &str)],
        provider: FakeProvider,
        dial: Arc<dyn Dial>,
        config: Config,
    ) -> Self {
        Self::reaching(base, base_urls, provider, dial, config, false).await
    }

    async fn reaching(
        base: &Base,
        base_urls: &[(&str, &str)],
        provider: FakeProvider,
        dial: Arc<dyn Dial>,
        config: Config,
        relay: bool,
    ) -> Self {
        let logs = LogCapture::install();
        let overrides: BTreeMap<_, _> = base_urls
            .iter()
            .map(|(slug, url)| {
                let change = Override {
                    base_url: Some((*url).to_owned()),
                    relay,
                    ..Override::default()
                };
                ((*slug).to_owned(), change)
            })
            .collect();
        let catalogue = Arc::new(Catalogue::with_overrides(&overrides).unwrap());
        let store = Arc::clone(&base.store);
        let registry = Registry::open(store, Arc::clone(&base.vault), catalogue)
            .await
            .unwrap();
        let registry = Arc::new(registry);
        if registry.snapshot().account(ACCOUNT).is_none() {
            let account = AccountRecord {
                id: ACCOUNT,
                name: "test".to_owned(),
                created_at: now(),
            };
            registry.create_account(account, ACTOR).await.unwrap();
            make_gateway(&registry, "prod").await;
        }
        let gateway = Arc::new(Gateway::build(Arc::clone(&registry), dial, config).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = Arc::clone(&gateway).serve(listener, stop.clone());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        let token = mint(&registry, Self::grant()).await.0;
        Self {
            addr,
            registry,
            gateway,
            provider,
            token,
            logs,
            stop,
            served: CancellationToken::new(),
            task,
            keeping: None,
        }
    }

    /// Makes a route of the gateway.
    pub(crate) async fn route(&self, name: &str, elements: &Value) {
        let new = NewRoute {
            account: ACCOUNT,
            gateway: GatewayId::parse("prod").unwrap(),
            name: RouteName::parse(name).unwrap(),
            elements: elements.to_string(),
            comment: None,
        };
        let made = self.registry.create_route(new, ACTOR, now());
        made.await.unwrap();
    }

    /// A gateway whose `openai` is at `base_url`, with a stored key.
    pub(crate) async fn at(base_url: &str, config: Config) -> (Self, Canary) {
        let ca = TestCa::new();
        let unused = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
        let running = Self::over(&Base::new(), &[("openai", base_url)], unused, &ca, config).await;
        let key = running.store_key("openai", "default").await.0;
        (running, key)
    }

    /// Tells the gateway to stop, and does not wait for it.
    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// A request's head with a token and the path's rest below the gateway; `more` are further lines.
    pub(crate) fn head(&self, method: &str, rest: &str, more: &str) -> String {
        format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\ncf-aig-authorization: {}\r\n{more}\r\n",
            self.path(rest),
            self.addr,
            self.bearer()
        )
    }

    /// A chat completion as bytes, with further header lines.
    pub(crate) fn raw_chat(&self, more: &str) -> Vec<u8> {
        let length = CHAT.len();
        let lines = format!("Content-Length: {length}\r\n{more}");
        let mut bytes = self
            .head("POST", "openai/chat/completions", &lines)
            .into_bytes();
        bytes.extend_from_slice(CHAT);
        bytes
    }

    /// One chat completion with the token, and these headers besides.
    pub(crate) async fn authorized_chat(&self, slug: &str, headers: &[(&str, &str)]) -> RawAnswer {
        let bearer = self.bearer();
        let token = [("cf-aig-authorization", bearer.as_str())];
        self.chat(slug, &[&token, headers].concat()).await
    }
}

/// A gateway with default settings beside `prod`.
pub(crate) async fn make_gateway(registry: &Registry, id: &str) {
    let id = GatewayId::parse(id).unwrap();
    let settings = GatewaySettings::default();
    registry
        .create_gateway(ACCOUNT, id, settings, ACTOR, now())
        .await
        .unwrap();
}

/// A provider key for `slug` in `gateway` under alias `default`.
pub(crate) fn new_key(gateway: &str, slug: &str, source: KeySource) -> NewProviderKey {
    NewProviderKey {
        account: ACCOUNT,
        gateway: GatewayId::parse(gateway).unwrap(),
        provider: ProviderSlug::parse(slug).unwrap(),
        alias: Alias::parse("default").unwrap(),
        source,
        description: String::new(),
        default_config: true,
        expires_at: None,
        expires_action: ExpiresAction::default(),
        rate_limit: None,
        spend_limits: None,
    }
}

/// Waits until `is_met`, and fails with `what` after twenty seconds.
pub(crate) async fn wait_until(what: &str, is_met: impl FnMut() -> bool) {
    wait_within(Duration::from_secs(20), what, is_met).await;
}

/// The same with another patience.
pub(crate) async fn wait_within(patience: Duration, what: &str, mut is_met: impl FnMut() -> bool) {
    let polling = async {
        let mut interval = tokio::time::interval(Duration::from_millis(2));
        while !is_met() {
            interval.tick().await;
        }
    };
    let met = tokio::time::timeout(patience, polling).await;
    assert!(met.is_ok(), "waited in vain: {what}");
}

/// As [`wait_until`], for a condition that has to be asked for.
pub(crate) async fn eventually(what: &str, is_met: impl AsyncFnMut() -> bool) {
    eventually_within(Duration::from_secs(20), what, is_met).await;
}

/// The same with another patience.
pub(crate) async fn eventually_within(
    patience: Duration,
    what: &str,
    mut is_met: impl AsyncFnMut() -> bool,
) {
    let polling = async {
        let mut interval = tokio::time::interval(Duration::from_millis(5));
        while !is_met().await {
            interval.tick().await;
        }
    };
    let met = tokio::time::timeout(patience, polling).await;
    assert!(met.is_ok(), "waited in vain: {what}");
}

/// How Fireworks, which has no probe, refuses a key.
pub(crate) const FIREWORKS_INVALID: &str =
    r#"{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"oauth.v2.InvalidApiKey"}}}"#;

pub(crate) const CHAT: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

pub(crate) fn value(canary: &Canary) -> KeyValue {
    KeyValue::parse(&SecretBytes::copy_from(canary.text().as_bytes())).unwrap()
}

/// A token with this grant, as text and as record.
pub(crate) async fn mint(registry: &Registry, grant: Grant) -> (Canary, TokenMinted) {
    let new = NewTokenRequest {
        name: "test".to_owned(),
        kind: Kind::of(&grant.permissions).unwrap(),
        grant,
        spend_limits: None,
    };
    let minted = registry
        .create_token(new, None, ACTOR, now())
        .await
        .unwrap();
    let text = String::from_utf8(minted.text.expose().to_vec()).unwrap();
    (register_named_canary("token", &text), minted)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test plays the shell that reads the clock"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The one code of a refusal, after checking the whole envelope.
#[track_caller]
pub(crate) fn code(answer: &RawAnswer) -> u64 {
    let body = answer.json();
    assert_eq!(
        answer.header("cf-aig-error-source"),
        Some("gateway"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("cf-aig-event-id").is_some());
    assert_eq!(body["success"], false);
    assert_eq!(body["name"], "AiGatewayError");
    assert_eq!(body["httpCode"], answer.status);
    assert_eq!(body["error"][0]["code"], body["internalCode"]);
    assert_eq!(body["error"][0]["message"], body["message"]);
    body["internalCode"].as_u64().unwrap()
}
