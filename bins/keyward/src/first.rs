//! What a vault begins with: an account, the gateway `default`, tokens, and a key for the provider `echo`.

use std::time::SystemTime;

use keyward_auth::{Grant, Kind, Permission, Permissions, Role, TokenText};
use keyward_registry::{
    AccountRecord, Actor, Alias, ChangeError, ExpiresAction, GatewayId, GatewaySettings, KeySource,
    KeyValue, NewProviderKey, NewTokenRequest, ProviderSlug, Registry, TokenMinted,
};
use keyward_secret::{AccountId, SecretBytes};
use keyward_vault::{PassphraseParams, RecoveryKey, SealState, Slot, Unlock, Vault};
use zeroize::Zeroizing;

use crate::{failure::Failure, open::Key};

/// The gateway that `dev` and `vault init` make.
pub(crate) const GATEWAY: &str = "default";
/// The provider inside the process.
const ECHO: &str = "echo";

/// Makes what a vault begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First<'a> {
    pub(crate) registry: &'a Registry,
    /// The command that makes it; written to the audit log.
    pub(crate) command: &'static str,
    pub(crate) now: SystemTime,
}

/// A new vault with a slot for `key`, another one for a recovery key where there is one, and what to store of its
/// seal.
pub(crate) fn create_vault(
    key: &Key,
    recovery: Option<&RecoveryKey>,
) -> Result<(Vault, SealState), Failure> {
    let fail = |error: &dyn std::error::Error| Failure::new("cannot make a vault").caused_by(error);
    let (vault, root) = Vault::create().map_err(|error| fail(&error))?;
    let params = PassphraseParams::default();
    let unlocks = [Some(key.unlock()), recovery.map(Unlock::Recovery)];
    let wrap = |(id, unlock)| Slot::wrap(id, vault.id(), &root, &unlock, params);
    let slots: Result<Vec<_>, _> = (1..).zip(unlocks.into_iter().flatten()).map(wrap).collect();
    let state = vault
        .seal_state(&root, slots.map_err(|error| fail(&error))?)
        .map_err(|error| fail(&error))?;
    Ok((vault, state))
}

impl First<'_> {
    const fn actor(&self) -> Actor {
        Actor::Command(self.command)
    }

    /// The account `known` if it exists, else the one there is, else a new one.
    pub(crate) async fn account(&self, known: Option<AccountId>) -> Result<AccountId, Failure> {
        let snapshot = self.registry.snapshot();
        let mut accounts: Vec<_> = snapshot
            .accounts()
            .map(|account| account.record().id)
            .collect();
        accounts.sort_unstable();
        let found = known.filter(|id| accounts.contains(id));
        if let Some(id) = found.or_else(|| accounts.first().copied()) {
            return Ok(id);
        }
        let id = AccountId::from_bytes(random()?);
        let record = AccountRecord {
            id,
            name: "default".to_owned(),
            created_at: self.now,
        };
        let made = self.registry.create_account(record, self.actor()).await;
        made.map_err(|error| refuse("make an account", &error))?;
        Ok(id)
    }

    /// Makes the gateway `default` if the account has none.
    pub(crate) async fn gateway(&self, account: AccountId) -> Result<GatewayId, Failure> {
        let id = GatewayId::parse(GATEWAY)
            .map_err(|error| Failure::new("cannot name the gateway").caused_by(&error))?;
        if self.registry.snapshot().gateway(account, GATEWAY).is_none() {
            let settings = GatewaySettings::default();
            let made = self
                .registry
                .create_gateway(account, id.clone(), settings, self.actor(), self.now)
                .await;
            made.map_err(|error| refuse("make the gateway `default`", &error))?;
        }
        Ok(id)
    }

    /// Makes a gateway token for every gateway of the account.
    pub(crate) async fn gateway_token(&self, account: AccountId) -> Result<TokenMinted, Failure> {
        let permissions = Permissions::from_iter([Permission::AiGatewayRun]);
        self.token(account, Kind::Gateway, permissions).await
    }

    /// Makes an API token with every permission.
    pub(crate) async fn api_token(&self, account: AccountId) -> Result<TokenMinted, Failure> {
        self.token(account, Kind::Api, Role::Admin.permissions())
            .await
    }

    async fn token(
        &self,
        account: AccountId,
        kind: Kind,
        permissions: Permissions,
    ) -> Result<TokenMinted, Failure> {
        let new = NewTokenRequest {
            name: format!("made by keyward {}", self.command),
            kind,
            grant: Grant::new(account, permissions),
            spend_limits: None,
        };
        let made = self
            .registry
            .create_token(new, None, self.actor(), self.now);
        made.await.map_err(|error| refuse("make a token", &error))
    }

    /// Whether `text` is a token of this kind and account that is in force.
    pub(crate) fn is_in_force(&self, text: &str, kind: Kind, account: AccountId) -> bool {
        let Ok(parsed) = TokenText::parse(text.as_bytes()) else {
            return false;
        };
        let snapshot = self.registry.snapshot();
        snapshot
            .tokens()
            .find(&parsed.digest(), self.now)
            .is_some_and(|entry| {
                entry.record.kind == kind
                    && entry.record.grant.account == account
                    && entry.record.status(self.now) == keyward_auth::Status::Active
            })
    }

    /// Whether echo has a key under the alias of a request that names none.
    pub(crate) fn has_echo_key(&self, account: AccountId) -> bool {
        let snapshot = self.registry.snapshot();
        snapshot
            .gateway(account, GATEWAY)
            .is_some_and(|gateway| gateway.key(ECHO, Alias::DEFAULT).is_some())
    }

    /// Stores a random key for the provider `echo`.
    pub(crate) async fn echo_key(
        &self,
        account: AccountId,
        gateway: GatewayId,
    ) -> Result<(), Failure> {
        let fail = |error: &dyn std::error::Error| {
            Failure::new("cannot make a key for the provider `echo`").caused_by(error)
        };
        let value = KeyValue::parse(&random_key()?).map_err(|error| fail(&error))?;
        let new = NewProviderKey {
            account,
            gateway,
            provider: ProviderSlug::parse(ECHO).map_err(|error| fail(&error))?,
            alias: Alias::default(),
            source: KeySource::Value(value),
            description: "made by keyward dev for a first request".to_owned(),
            default_config: true,
            expires_at: None,
            expires_action: ExpiresAction::default(),
            rate_limit: None,
            spend_limits: None,
        };
        let stored = self
            .registry
            .create_provider_key(new, self.actor(), self.now)
            .await;
        stored.map_err(|error| fail(&error))?;
        Ok(())
    }
}

fn refuse(attempted: &str, error: &ChangeError) -> Failure {
    Failure::new(format!("cannot {attempted}")).caused_by(error)
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new("the system gave no randomness").caused_by(&error))?;
    Ok(bytes)
}

/// Looks like a provider's key, so that what is done to those is done to it.
fn random_key() -> Result<SecretBytes, Failure> {
    const PREFIX: &[u8] = b"sk-echo-";
    let bytes = Zeroizing::new(random::<16>()?);
    let mut text = Vec::with_capacity(PREFIX.len() + 2 * bytes.len());
    text.extend_from_slice(PREFIX);
    for byte in bytes.iter() {
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(match digit {
                0..=9 => b'0' + digit,
                _ => b'a' + (digit - 10),
            });
        }
    }
    Ok(SecretBytes::new(text))
}
