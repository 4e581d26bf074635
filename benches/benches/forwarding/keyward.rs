//! Keyward as a subject: a gateway with one worker and a store in memory, inside this process.

#[path = "../routes/elements.rs"]
mod elements;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, mpsc},
    thread,
    time::SystemTime,
};

use keyward_auth::{Grant, Kind, Permission, Permissions};
use keyward_benches::{job, load::Target};
use keyward_forward::{SystemDial, TlsConfig};
use keyward_gateway::{Config, Gateway};
use keyward_providers::{Catalogue, Override};
use keyward_registry::{
    AccountRecord, Actor, Alias, ExpiresAction, GatewayId, GatewaySettings, KeySource, KeyValue,
    Member, NewProviderKey, NewRoute, NewTokenRequest, Pool, PoolStrategy, Pools, ProviderSlug,
    Registry, Weight, testing::MemoryStore,
};
use keyward_routes::{Limit, LimitError, RouteName, Technique};
use keyward_secret::{AccountId, SecretBytes};
use keyward_vault::{
    Vault,
    rotation::{self, RequestId, RotationRequest},
};
use tokio::{net::TcpListener, runtime::Builder};
use tokio_util::sync::CancellationToken;

use self::elements::elements;

const ACCOUNT: AccountId = AccountId::from_bytes([0x01; 16]);
const ACTOR: Actor = Actor::Command("benchmark");

/// How it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// One key, and the log.
    Plain,
    /// As before, in front of what passes for the provider itself: streams are asked what they take, for which each body is
    /// read.
    Asked,
    /// One key, and no log: nobody is told of requests.
    Unlogged,
    /// One key, and a log that has no room: each request is counted as lost.
    FullLog,
    /// One, and a budget of the gateway's with room for everything: each request's body is read.
    Budget,
    /// One, whose value is being replaced: each request's body is held.
    Overlapping,
    /// Three that stand in for each other, drawn by weight: each request's body is held.
    PoolOfThree,
    /// One, and a limit that lets everything through, on the gateway and on the key.
    Limited,
    /// One, and requests by the unified endpoint: each request's body is read, and its model replaced.
    Unified,
    /// As before, by a route of twenty elements.
    Route,
}

impl Setting {
    /// The target's path, and the model of its requests.
    const fn way(self) -> (&'static str, &'static str) {
        match self {
            Self::Unified => ("compat", "openai/bench"),
            Self::Route => ("compat", "dynamic/bench"),
            // One that has a price.
            Self::Budget => ("openai", "gpt-4o"),
            _ => ("openai", job::MODEL),
        }
    }

    /// The aliases of its keys.
    const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::PoolOfThree => &["default", "blue", "green"],
            _ => &["default"],
        }
    }

    fn of_gateway(self) -> Result<GatewaySettings, Failed> {
        let mut settings = GatewaySettings {
            collect_logs: self != Self::Unlogged,
            ..GatewaySettings::default()
        };
        if self == Self::Budget {
            let rules = r#"{"enabled":true,"rules":[{"id":"all","limitType":"cost","limit":1000000,"calendar":"month"}]}"#;
            settings.spend_limits = Some(serde_json::from_str(rules)?);
        }
        if self == Self::Limited {
            let limit = limit()?;
            settings.rate_limiting_limit = limit.limit().get();
            settings.rate_limiting_interval = limit.window().as_secs();
        }
        if self == Self::PoolOfThree {
            let mut members = Vec::new();
            for alias in self.aliases() {
                members.push(Member {
                    alias: Alias::parse(alias)?,
                    weight: Weight::default(),
                });
            }
            let openai = ProviderSlug::parse("openai")?;
            let pool = Pool::new(openai, PoolStrategy::Weighted, members)?;
            settings.pools = Pools::new(vec![pool])?;
        }
        Ok(settings)
    }
}

fn limit() -> Result<Limit, LimitError> {
    Limit::new(1_000_000_000, 60, Technique::Fixed)
}

/// Starts it on a thread of its own, in front of `upstream`, and says how it is reached.
pub(crate) fn start(upstream: SocketAddr, setting: Setting) -> io::Result<Target> {
    let (started, when_started) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (registry, token) = registry(upstream, setting)
                .await
                .map_err(io::Error::other)?;
            let dial = SystemDial::build(TlsConfig::default()).map_err(io::Error::other)?;
            let config = Config {
                workers: NonZeroUsize::MIN,
                log_queue_bytes: match setting {
                    Setting::FullLog => 0,
                    _ => Config::default().log_queue_bytes,
                },
                ..Config::default()
            };
            let gateway =
                Gateway::build(registry, Arc::new(dial), config).map_err(io::Error::other)?;
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let (provider, model) = setting.way();
            let path = format!("/v1/{ACCOUNT}/default/{provider}/chat/completions");
            let headers = vec![format!("cf-aig-authorization: Bearer {token}")];
            let target = Target::new(listener.local_addr()?, &path, headers).for_model(model);
            started.send(target).map_err(io::Error::other)?;
            let gateway = Arc::new(gateway);
            record(Arc::clone(&gateway));
            gateway
                .serve(listener, CancellationToken::new())
                .await
                .map_err(io::Error::other)
        })
    });
    when_started.recv().map_err(io::Error::other)
}

/// What is done beside requests, on a thread of its own. It ends with the process.
fn record(gateway: Arc<Gateway>) {
    thread::spawn(move || -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(gateway.record(CancellationToken::new()));
        Ok(())
    });
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One account, one gateway, what is stored for `openai` at `upstream`, and a token.
async fn registry(
    upstream: SocketAddr,
    setting: Setting,
) -> Result<(Arc<Registry>, String), Failed> {
    let here = Override {
        base_url: Some(format!("http://{upstream}/v1")),
        relay: setting == Setting::Asked,
        ..Override::default()
    };
    let catalogue = Catalogue::with_overrides(&BTreeMap::from([("openai".to_owned(), here)]))?;
    let (vault, _root) = Vault::create()?;
    let store = Arc::new(MemoryStore::new());
    let registry = Registry::open(store, Arc::new(vault), Arc::new(catalogue)).await?;
    let now = SystemTime::UNIX_EPOCH;
    let account = AccountRecord {
        id: ACCOUNT,
        name: "benchmark".to_owned(),
        created_at: now,
    };
    registry.create_account(account, ACTOR).await?;
    let gateway = GatewayId::parse("default")?;
    let aliases = setting.aliases();
    let settings = setting.of_gateway()?;
    registry
        .create_gateway(ACCOUNT, gateway.clone(), settings, ACTOR, now)
        .await?;
    let value = || KeyValue::parse(&SecretBytes::copy_from(job::PROVIDER_KEY.as_bytes()));
    for alias in aliases {
        let key = NewProviderKey {
            account: ACCOUNT,
            gateway: gateway.clone(),
            provider: ProviderSlug::parse("openai")?,
            alias: Alias::parse(alias)?,
            source: KeySource::Value(value()?),
            description: String::new(),
            default_config: true,
            expires_at: None,
            expires_action: ExpiresAction::default(),
            rate_limit: (setting == Setting::Limited).then_some(limit()?),
            spend_limits: None,
        };
        let key = registry.create_provider_key(key, ACTOR, now).await?;
        if setting == Setting::Overlapping {
            let asked = RotationRequest {
                request: RequestId::parse("benchmark")?,
                overlap: rotation::MAX_OVERLAP,
                verify: false,
            };
            registry
                .begin_rotation(ACCOUNT, key.record.id, &value()?, asked, ACTOR, now)
                .await?;
        }
    }
    if setting == Setting::Route {
        let route = NewRoute {
            account: ACCOUNT,
            gateway: gateway.clone(),
            name: RouteName::parse("bench")?,
            elements: elements("metadata.plan").to_string(),
            comment: None,
        };
        registry.create_route(route, ACTOR, now).await?;
    }
    let token = NewTokenRequest {
        name: "benchmark".to_owned(),
        kind: Kind::Gateway,
        grant: Grant::new(ACCOUNT, Permissions::from_iter([Permission::AiGatewayRun])),
        spend_limits: None,
    };
    let minted = registry.create_token(token, None, ACTOR, now).await?;
    Ok((
        Arc::new(registry),
        String::from_utf8(minted.text.expose().to_vec())?,
    ))
}
