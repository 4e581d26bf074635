//! Keyward as a subject: a gateway with one worker and a store in memory, inside this process.

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
    NewProviderKey, NewTokenRequest, ProviderSlug, Registry, testing::MemoryStore,
};
use keyward_secret::{AccountId, SecretBytes};
use keyward_vault::Vault;
use tokio::{net::TcpListener, runtime::Builder};
use tokio_util::sync::CancellationToken;

const ACCOUNT: AccountId = AccountId::from_bytes([0x01; 16]);
const ACTOR: Actor = Actor::Command("benchmark");

/// Starts it on a thread of its own, in front of `upstream`, and says how it is reached.
pub(crate) fn start(upstream: SocketAddr) -> io::Result<Target> {
    let (started, when_started) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (registry, token) = registry(upstream).await.map_err(io::Error::other)?;
            let dial = SystemDial::build(TlsConfig::default()).map_err(io::Error::other)?;
            let config = Config {
                workers: NonZeroUsize::MIN,
                ..Config::default()
            };
            let gateway =
                Gateway::build(registry, Arc::new(dial), config).map_err(io::Error::other)?;
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let path = format!("/v1/{ACCOUNT}/default/openai/chat/completions");
            let headers = vec![format!("cf-aig-authorization: Bearer {token}")];
            let target = Target::new(listener.local_addr()?, &path, headers);
            started.send(target).map_err(io::Error::other)?;
            Arc::new(gateway)
                .serve(listener, CancellationToken::new())
                .await
                .map_err(io::Error::other)
        })
    });
    when_started.recv().map_err(io::Error::other)
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One account, one gateway, one stored key for `openai` at `upstream`, and a token.
async fn registry(upstream: SocketAddr) -> Result<(Arc<Registry>, String), Failed> {
    let here = Override {
        base_url: Some(format!("http://{upstream}/v1")),
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
    let settings = GatewaySettings::default();
    registry
        .create_gateway(ACCOUNT, gateway.clone(), settings, ACTOR, now)
        .await?;
    let value = KeyValue::parse(&SecretBytes::copy_from(job::PROVIDER_KEY.as_bytes()))?;
    let key = NewProviderKey {
        account: ACCOUNT,
        gateway,
        provider: ProviderSlug::parse("openai")?,
        alias: Alias::default(),
        source: KeySource::Value(value),
        description: String::new(),
        default_config: true,
        expires_at: None,
        expires_action: ExpiresAction::default(),
    };
    registry.create_provider_key(key, ACTOR, now).await?;
    let token = NewTokenRequest {
        name: "benchmark".to_owned(),
        kind: Kind::Gateway,
        grant: Grant::new(ACCOUNT, Permissions::from_iter([Permission::AiGatewayRun])),
    };
    let minted = registry.create_token(token, None, ACTOR, now).await?;
    Ok((
        Arc::new(registry),
        String::from_utf8(minted.text.expose().to_vec())?,
    ))
}
