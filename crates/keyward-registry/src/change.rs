//! What a write consists of: changes, and the line that says who made them.

use keyward_auth::TokenId;
use keyward_secret::AccountId;
use keyward_vault::{SecretId, SecretsStoreId};

use crate::{
    AccountRecord, AuditLine, CustomProviderId, CustomProviderRecord, GatewayId, GatewayRecord,
    ProviderKeyId, ProviderKeyRecord, RouteDeploymentRecord, RouteId, RouteRecord,
    RouteVersionRecord, SecretsStoreRecord,
};

/// One change of one row. Parts return them as values; the store carries them out.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store that leaves one out loses writes"
)]
pub enum Change {
    /// Makes or replaces an account.
    PutAccount(AccountRecord),
    /// Makes or replaces a gateway.
    PutGateway(GatewayRecord),
    /// Removes a gateway.
    DeleteGateway {
        /// Its account.
        account: AccountId,
        /// Its name.
        id: GatewayId,
    },
    /// Makes or replaces a provider key.
    PutProviderKey(ProviderKeyRecord),
    /// Removes a provider key.
    DeleteProviderKey {
        /// Its account.
        account: AccountId,
        /// Its id.
        id: ProviderKeyId,
    },
    /// Makes or replaces a secrets store.
    PutSecretsStore(SecretsStoreRecord),
    /// Removes a secrets store. Its secrets are removed by changes of their own.
    DeleteSecretsStore {
        /// Its account.
        account: AccountId,
        /// Its id.
        id: SecretsStoreId,
    },
    /// Makes or replaces a custom provider.
    PutCustomProvider(Box<CustomProviderRecord>),
    /// Removes a custom provider.
    DeleteCustomProvider {
        /// Its account.
        account: AccountId,
        /// Its id.
        id: CustomProviderId,
    },
    /// A change of a dynamic route.
    Route(RouteChange),
    /// A change of the vault.
    Vault(keyward_vault::Change),
    /// A change of the tokens.
    Token(keyward_auth::Change),
}

/// One change of a dynamic route, or of what is kept of it.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store that leaves one out loses writes"
)]
pub enum RouteChange {
    /// Makes or replaces a route.
    PutRoute(RouteRecord),
    /// Removes a route, with its versions and deployments.
    DeleteRoute {
        /// Its account.
        account: AccountId,
        /// Its id.
        id: RouteId,
    },
    /// Makes a version of a route.
    PutVersion(RouteVersionRecord),
    /// Removes a version of a route.
    DeleteVersion {
        /// Its account.
        account: AccountId,
        /// Its route.
        route: RouteId,
        /// Its number.
        number: u32,
    },
    /// Makes a deployment of a route.
    PutDeployment(RouteDeploymentRecord),
    /// Removes a deployment of a route.
    DeleteDeployment {
        /// Its account.
        account: AccountId,
        /// Its route.
        route: RouteId,
        /// Its number.
        number: u32,
    },
}

/// What a change was about: the unit of the change feed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a reader of the feed that leaves one out serves stale rows"
)]
pub enum Subject {
    /// An account.
    Account(AccountId),
    /// A gateway.
    Gateway(AccountId, GatewayId),
    /// A provider key.
    ProviderKey(AccountId, ProviderKeyId),
    /// A secrets store.
    SecretsStore(AccountId, SecretsStoreId),
    /// A custom provider.
    CustomProvider(AccountId, CustomProviderId),
    /// A route, one of its versions or of its deployments.
    Route(AccountId, RouteId),
    /// A secret, one of its versions, or its rotation.
    Secret(AccountId, SecretId),
    /// A gateway token or an API token.
    Token(AccountId, TokenId),
}

impl Subject {
    /// The kind as the feed and the audit log name it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Gateway(..) => "gateway",
            Self::ProviderKey(..) => "provider_key",
            Self::CustomProvider(..) => "custom_provider",
            Self::SecretsStore(..) => "secrets_store",
            Self::Route(..) => "route",
            Self::Secret(..) => "secret",
            Self::Token(..) => "token",
        }
    }

    /// The account it belongs to.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        match self {
            Self::Account(account)
            | Self::Gateway(account, _)
            | Self::ProviderKey(account, _)
            | Self::CustomProvider(account, _)
            | Self::Route(account, _)
            | Self::SecretsStore(account, _)
            | Self::Secret(account, _)
            | Self::Token(account, _) => *account,
        }
    }

    /// Its id inside the account, as text.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Account(id) => id.to_string(),
            Self::Gateway(_, id) => id.to_string(),
            Self::ProviderKey(_, id) => id.to_string(),
            Self::CustomProvider(_, id) => id.to_string(),
            Self::SecretsStore(_, id) => id.to_string(),
            Self::Route(_, id) => id.to_string(),
            Self::Secret(_, id) => id.to_string(),
            Self::Token(_, id) => id.to_string(),
        }
    }

    /// Reads [`kind`](Self::kind) and [`id`](Self::id) back.
    #[must_use]
    pub fn parse(kind: &str, account: AccountId, id: &str) -> Option<Self> {
        Some(match kind {
            "account" => Self::Account(account),
            "gateway" => Self::Gateway(account, id.parse().ok()?),
            "provider_key" => Self::ProviderKey(account, id.parse().ok()?),
            "custom_provider" => Self::CustomProvider(account, id.parse().ok()?),
            "secrets_store" => Self::SecretsStore(account, id.parse().ok()?),
            "route" => Self::Route(account, id.parse().ok()?),
            "secret" => Self::Secret(account, id.parse().ok()?),
            "token" => Self::Token(account, id.parse().ok()?),
            _ => return None,
        })
    }
}

/// Changes that happen together or not at all, and the line that tells of them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The changes, in the order in which they are carried out.
    pub changes: Vec<Change>,
    /// The audit line, written in the same transaction.
    pub audit: AuditLine,
}

impl Change {
    /// The row that the change is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::PutAccount(account) => Subject::Account(account.id),
            Self::PutGateway(gateway) => Subject::Gateway(gateway.account, gateway.id.clone()),
            Self::DeleteGateway { account, id } => Subject::Gateway(*account, id.clone()),
            Self::PutProviderKey(key) => Subject::ProviderKey(key.account, key.id),
            Self::DeleteProviderKey { account, id } => Subject::ProviderKey(*account, *id),
            Self::PutSecretsStore(store) => Subject::SecretsStore(store.account, store.id),
            Self::DeleteSecretsStore { account, id } => Subject::SecretsStore(*account, *id),
            Self::PutCustomProvider(provider) => {
                Subject::CustomProvider(provider.account, provider.id)
            }
            Self::DeleteCustomProvider { account, id } => Subject::CustomProvider(*account, *id),
            Self::Route(change) => change.subject(),
            Self::Vault(change) => Self::vault_subject(change),
            Self::Token(keyward_auth::Change::PutToken(token)) => {
                Subject::Token(token.grant.account, token.id)
            }
            Self::Token(keyward_auth::Change::DeleteToken { account, id }) => {
                Subject::Token(*account, *id)
            }
        }
    }

    fn vault_subject(change: &keyward_vault::Change) -> Subject {
        match change {
            keyward_vault::Change::PutSecret(secret) => Subject::Secret(secret.account, secret.id),
            keyward_vault::Change::PutVersion(version) => {
                Subject::Secret(version.account, version.secret)
            }
            keyward_vault::Change::PutRotation(rotation) => {
                Subject::Secret(rotation.account, rotation.secret)
            }
            keyward_vault::Change::DeleteSecret { account, secret } => {
                Subject::Secret(*account, *secret)
            }
        }
    }
}

impl RouteChange {
    fn subject(&self) -> Subject {
        match self {
            Self::PutRoute(route) => Subject::Route(route.account, route.id),
            Self::DeleteRoute { account, id } => Subject::Route(*account, *id),
            Self::PutVersion(version) => Subject::Route(version.account, version.route),
            Self::PutDeployment(made) => Subject::Route(made.account, made.route),
            Self::DeleteVersion { account, route, .. }
            | Self::DeleteDeployment { account, route, .. } => Subject::Route(*account, *route),
        }
    }
}
