//! What an operator sets up once: vault, store, account, gateway, provider key and token.

use std::{
    collections::BTreeMap,
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use keyward_auth::{Grant, Kind, Permission, Permissions};
use keyward_examples::provider_key;
use keyward_providers::{Catalogue, Override};
use keyward_registry::{
    AccountRecord, Actor, Alias, ExpiresAction, GatewayId, GatewaySettings, KeySource, KeyValue,
    NewProviderKey, NewTokenRequest, ProviderSlug, Registry, TokenMinted,
};
use keyward_secret::{AccountId, Origin};
use keyward_store::{Database, SqliteStore};
use keyward_vault::Vault;

/// Who the audit trail says it was.
const ACTOR: Actor = Actor::Command("example");

pub(crate) struct Setup {
    pub(crate) registry: Arc<Registry>,
    pub(crate) account: AccountId,
    store: Arc<SqliteStore>,
    token: TokenMinted,
    now: SystemTime,
}

impl Setup {
    /// Makes everything in `directory`. The provider `openai` is at `origin`.
    pub(crate) async fn make(directory: &Path, origin: &Origin) -> Result<Self, Box<dyn Error>> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let (vault, _root_key) = Vault::create()?;
        let vault = Arc::new(vault);
        let database = Database::open(&directory.join("keyward.db")).await?;
        let store = Arc::new(database.unlock(Arc::clone(&vault)).await?);

        let overrides = BTreeMap::from([(
            "openai".to_owned(),
            Override {
                base_url: Some(format!("{origin}/v1")),
                ..Override::default()
            },
        )]);
        let catalogue = Arc::new(Catalogue::with_overrides(&overrides)?);
        let registry = Arc::new(Registry::open(store.clone(), vault, catalogue).await?);

        let account = AccountId::from_bytes([0xAC; 16]);
        let record = AccountRecord {
            id: account,
            name: "default".to_owned(),
            created_at: now,
        };
        registry.create_account(record, ACTOR).await?;
        let gateway = GatewayId::parse("default")?;
        let settings = GatewaySettings::default();
        registry
            .create_gateway(account, gateway.clone(), settings, ACTOR, now)
            .await?;
        let key = NewProviderKey {
            account,
            gateway,
            provider: ProviderSlug::parse("openai")?,
            alias: Alias::default(),
            source: KeySource::Value(KeyValue::parse(&provider_key()?)?),
            description: String::new(),
            default_config: true,
            expires_at: None,
            expires_action: ExpiresAction::default(),
            rate_limit: None,
            spend_limits: None,
        };
        registry.create_provider_key(key, ACTOR, now).await?;
        let wanted = NewTokenRequest {
            name: "the chat service".to_owned(),
            kind: Kind::Gateway,
            grant: Grant::new(account, Permissions::from_iter([Permission::AiGatewayRun])),
            spend_limits: None,
        };
        let token = registry.create_token(wanted, None, ACTOR, now).await?;
        Ok(Self {
            registry,
            account,
            store,
            token,
            now,
        })
    }

    /// What the application sends, where a provider's key would stand otherwise.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, Box<dyn Error>> {
        let text = [b"Bearer ", self.token.text.expose()].concat();
        let mut value = HeaderValue::from_bytes(&text)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Deletes the application's token. In force when this returns.
    pub(crate) async fn revoke(&self) -> Result<(), Box<dyn Error>> {
        let id = &self.token.record.id;
        self.registry
            .delete_token(self.account, id, ACTOR, self.now)
            .await?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.store.close().await;
    }
}
