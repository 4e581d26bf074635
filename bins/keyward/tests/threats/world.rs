//! What the cases are run against.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_auth::{Grant, Kind, Permission, Permissions, Role, TokenId};
use keyward_control::Control;
use keyward_forward::{Dial, SystemDial, TlsConfig};
use keyward_gateway::Gateway;
use keyward_providers::{Catalogue, Override};
use keyward_registry::{
    AccountRecord, Actor, Alias, ExpiresAction, GatewayId, GatewaySettings, KeySource, KeyValue,
    NewProviderKey, NewTokenRequest, ProviderSlug, Registry, testing::MemoryStore,
};
use keyward_secret::{AccountId, SecretBytes};
use keyward_testing::{
    Canary, FakeProvider, LogCapture, Placement, RawRecorder, TestCa, register_named_canary,
};
use keyward_vault::Vault;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) const ACCOUNT: AccountId = AccountId::from_bytes([0xAC; 16]);
pub(crate) const ACTOR: Actor = Actor::Command("test");
pub(crate) const CHAT: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

/// A gateway and a control plane over one registry.
pub(crate) struct World {
    pub(crate) data: SocketAddr,
    pub(crate) control: SocketAddr,
    pub(crate) registry: Arc<Registry>,
    pub(crate) provider: FakeProvider,
    /// Where an attacker would like keys to go.
    pub(crate) attacker: RawRecorder,
    pub(crate) key: Canary,
    /// A gateway token.
    pub(crate) token: Canary,
    /// An API token that may do everything.
    pub(crate) admin: Canary,
    pub(crate) logs: LogCapture,
    stop: CancellationToken,
}

/// The limits under test.
#[derive(Clone, Copy)]
pub(crate) enum Limits {
    /// As they are by default.
    Usual,
    /// Connections that say nothing, and clients that take nothing, have half a second.
    Impatient,
}

impl Limits {
    fn apply(self, config: keyward_listen::Config) -> keyward_listen::Config {
        const SHORT: Duration = Duration::from_millis(500);
        match self {
            Self::Usual => config,
            Self::Impatient => keyward_listen::Config {
                header_timeout: SHORT,
                write_timeout: SHORT,
                idle_grace: Duration::from_millis(100),
                http2: config.http2.map(|http2| keyward_listen::Http2 {
                    ping_interval: SHORT,
                    ping_timeout: SHORT,
                    ..http2
                }),
                ..config
            },
        }
    }
}

impl World {
    pub(crate) async fn start(limits: Limits) -> Self {
        let ca = TestCa::new();
        let tls = TlsConfig {
            extra_ca_pem: vec![ca.ca_pem().as_bytes().to_vec()],
        };
        let dial = Arc::new(SystemDial::build(tls).unwrap());
        Self::with(limits, &ca, dial, None).await
    }

    /// As [`start`](Self::start), reaching providers through `dial`; OpenAI is at `base_url` if that is given.
    pub(crate) async fn with(
        limits: Limits,
        ca: &TestCa,
        dial: Arc<dyn Dial>,
        base_url: Option<&str>,
    ) -> Self {
        let logs = LogCapture::install();
        let provider = FakeProvider::start_tls(Placement::bearer(), Vec::<String>::new(), ca).await;
        let attacker = RawRecorder::start("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let base_url = base_url.map_or_else(|| provider.origin(), str::to_owned);
        let overrides = ["openai", "google-ai-studio"].map(|slug| {
            let base = Override {
                base_url: Some(base_url.clone()),
                ..Override::default()
            };
            (slug.to_owned(), base)
        });
        let catalogue = Catalogue::with_overrides(&BTreeMap::from(overrides)).unwrap();
        let (vault, _root) = Vault::create().unwrap();
        let store = Arc::new(MemoryStore::new());
        let registry = Registry::open(store, Arc::new(vault), Arc::new(catalogue))
            .await
            .unwrap();
        let registry = Arc::new(registry);
        let account = AccountRecord {
            id: ACCOUNT,
            name: "test".to_owned(),
            created_at: now(),
        };
        registry.create_account(account, ACTOR).await.unwrap();
        let open = GatewaySettings {
            authentication: false,
            ..GatewaySettings::default()
        };
        for (id, settings) in [("prod", GatewaySettings::default()), ("open", open)] {
            let id = GatewayId::parse(id).unwrap();
            registry
                .create_gateway(ACCOUNT, id, settings, ACTOR, now())
                .await
                .unwrap();
        }
        let stop = CancellationToken::new();
        let config = keyward_gateway::Config {
            workers: NonZeroUsize::new(2).unwrap(),
            listen: limits.apply(keyward_listen::Config::default()),
            ..keyward_gateway::Config::default()
        };
        let gateway = Gateway::build(Arc::clone(&registry), dial, config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let data = listener.local_addr().unwrap();
        tokio::spawn(Arc::new(gateway).serve(listener, stop.clone()));

        let mut config = keyward_control::Config::loopback(format!("http://{data}"), "0");
        config.listen = limits.apply(config.listen);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let control = listener.local_addr().unwrap();
        let serving = Control::new(Arc::clone(&registry), config);
        let stopped = stop.clone();
        tokio::spawn(async move { serving.serve(listener, stopped.cancelled()).await });

        let key = Canary::new("threats");
        provider.accept_keys([key.text()]);
        for slug in ["openai", "google-ai-studio"] {
            let new = new_key(slug, &key);
            registry
                .create_provider_key(new, ACTOR, now())
                .await
                .unwrap();
        }
        let run = Permissions::from_iter([Permission::AiGatewayRun]);
        Self {
            data,
            control,
            token: mint(&registry, run).await.0,
            admin: mint(&registry, Role::Admin.permissions()).await.0,
            registry,
            provider,
            attacker,
            key,
            logs,
            stop,
        }
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

pub(crate) fn new_key(slug: &str, value: &Canary) -> NewProviderKey {
    let value = SecretBytes::copy_from(value.text().as_bytes());
    NewProviderKey {
        account: ACCOUNT,
        gateway: GatewayId::parse("prod").unwrap(),
        provider: ProviderSlug::parse(slug).unwrap(),
        alias: Alias::parse("default").unwrap(),
        source: KeySource::Value(KeyValue::parse(&value).unwrap()),
        description: String::new(),
        default_config: true,
        expires_at: None,
        expires_action: ExpiresAction::default(),
        rate_limit: None,
        spend_limits: None,
    }
}

/// A token with these permissions, and its id.
pub(crate) async fn mint(registry: &Registry, permissions: Permissions) -> (Canary, TokenId) {
    let grant = Grant::new(ACCOUNT, permissions);
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
    (register_named_canary("token", &text), minted.record.id)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test plays the shell that reads the clock"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
