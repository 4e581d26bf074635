//! What a store must do.

use std::{error::Error, fmt, pin::Pin, time::SystemTime};

use keyward_auth::{TokenId, TokenRecord};
use keyward_secret::AccountId;
use keyward_vault::{SecretRecord, VaultStore, VersionRecord, rotation::Rotation};

use crate::{
    AccountRecord, AuditStore, Batch, BudgetStore, CustomProviderRecord, GatewayRecord, LogStore,
    ProviderKeyId, ProviderKeyRecord, RouteDeploymentRecord, RouteId, RouteRecord, RouteVersionId,
    RouteVersionRecord, SecretsStoreRecord, Subject, TrafficStore,
};

/// A future that a storage trait returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where everything is kept. Object-safe; its contract suite stands behind the feature `testing`.
///
/// A deciding row (gateway, provider key, secrets store, custom provider, route, its versions and deployments, secret, version, rotation, token) whose
/// authentication code does not match counts as absent, and is named in [`Loaded::tampered`] or logged as an error.
pub trait RegistryStore: VaultStore + AuditStore + TrafficStore + LogStore + BudgetStore {
    /// Reads everything the snapshot is made of, and the revision it stands at, in one transaction.
    fn load(&self) -> BoxFuture<'_, Result<Loaded, StoreError>>;

    /// The one write: carries out every change of the batch, gives the rows the next revision, appends to
    /// the change feed and to the audit log, all in one transaction. Returns when it is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::is_conflict`] where a unique key is taken (gateway id; slug of a custom provider; gateway, provider and alias; gateway and name of a route;
    /// version number; token digest); then nothing was written.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// What changed after `revision`, each subject once, and the newest revision.
    fn feed_after(&self, revision: u64) -> BoxFuture<'_, Result<Feed, StoreError>>;

    /// The row as it is now; `None` where it is absent, or fails its authentication.
    fn read<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Row>, StoreError>>;

    /// Versions of a route, the newest first.
    fn route_versions(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteVersionRecord>, StoreError>>;

    /// One version of a route.
    fn find_route_version(
        &self,
        account: AccountId,
        route: RouteId,
        id: RouteVersionId,
    ) -> BoxFuture<'_, Result<Option<RouteVersionRecord>, StoreError>>;

    /// Deployments of a route, the newest first.
    fn route_deployments(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteDeploymentRecord>, StoreError>>;

    /// Keeps when keys and tokens were last used. Not a change: no revision, no feed, no audit line.
    fn save_last_used<'a>(
        &'a self,
        keys: &'a [(ProviderKeyId, SystemTime)],
        tokens: &'a [(TokenId, SystemTime)],
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Which part of a list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is no more to a part")]
pub struct Part {
    /// How many are left out first.
    pub skipped: u32,
    /// The most that are read.
    pub most: u32,
}

/// Everything the snapshot is made of.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The revision it stands at.
    pub revision: u64,
    /// Accounts.
    pub accounts: Vec<AccountRecord>,
    /// Gateways.
    pub gateways: Vec<GatewayRecord>,
    /// Provider keys.
    pub provider_keys: Vec<ProviderKeyRecord>,
    /// Secrets stores.
    pub secrets_stores: Vec<SecretsStoreRecord>,
    /// Custom providers.
    pub custom_providers: Vec<CustomProviderRecord>,
    /// Routes with their deployed version.
    pub routes: Vec<(RouteRecord, Option<RouteVersionRecord>)>,
    /// Secrets with their current version.
    pub secrets: Vec<(SecretRecord, Option<VersionRecord>)>,
    /// The last rotation of every secret that had one.
    pub rotations: Vec<Rotation>,
    /// The versions that stand beside a current one: staged, or retiring.
    pub beside: Vec<VersionRecord>,
    /// Tokens.
    pub tokens: Vec<TokenRecord>,
    /// When keys were last used.
    pub keys_last_used: Vec<KeyLastUsed>,
    /// When tokens were last used.
    pub tokens_last_used: Vec<(TokenId, SystemTime)>,
    /// Rows that were left out because their authentication code does not match.
    pub tampered: Vec<Tampered>,
}

/// When a provider key was last used.
pub type KeyLastUsed = (ProviderKeyId, SystemTime);

/// A row that somebody changed behind Keyward's back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tampered {
    /// The kind of row, such as `token`.
    pub kind: &'static str,
    /// Its id as it stands in the row.
    pub id: String,
}

/// What changed since a revision.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// The newest revision.
    pub revision: u64,
    /// What changed, each once.
    pub subjects: Vec<Subject>,
}

/// One row.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "one per kind of subject")]
pub enum Row {
    /// An account.
    Account(AccountRecord),
    /// A gateway.
    Gateway(GatewayRecord),
    /// A provider key.
    ProviderKey(ProviderKeyRecord),
    /// A secrets store.
    SecretsStore(SecretsStoreRecord),
    /// A custom provider.
    CustomProvider(Box<CustomProviderRecord>),
    /// A route with its deployed version.
    Route(Box<(RouteRecord, Option<RouteVersionRecord>)>),
    /// A secret with its current version.
    Secret(Box<(SecretRecord, Option<VersionRecord>)>),
    /// A token.
    Token(TokenRecord),
}

/// A store could not do what was asked.
#[derive(Debug)]
pub struct StoreError {
    attempted: &'static str,
    kind: Kind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Conflict,
    Unavailable,
    Damaged,
}

impl StoreError {
    /// A unique key is taken, or somebody else was faster.
    #[must_use]
    pub fn conflict(attempted: &'static str) -> Self {
        Self::build(attempted, Kind::Conflict, None)
    }

    /// The store does not answer now, and may later.
    #[must_use]
    pub fn unavailable(
        attempted: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::build(attempted, Kind::Unavailable, Some(source.into()))
    }

    /// What the store holds cannot be read.
    #[must_use]
    pub fn damaged(
        attempted: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::build(attempted, Kind::Damaged, Some(source.into()))
    }

    fn build(
        attempted: &'static str,
        kind: Kind,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            attempted,
            kind,
            source,
        }
    }

    /// Whether a unique key was taken; nothing was written.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.kind == Kind::Conflict
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind == Kind::Unavailable
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.kind {
            Kind::Conflict => "it exists already",
            Kind::Unavailable => "the store did not answer",
            Kind::Damaged => "what is stored cannot be read",
        };
        write!(f, "cannot {}: {why}", self.attempted)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, StoreError};

        keyward_testing::assert_texts!("StoreError", Kind {
            Kind::Conflict => Kind::Conflict,
            Kind::Unavailable => Kind::Unavailable,
            Kind::Damaged => Kind::Damaged,
        }, |kind| keyward_testing::told(&StoreError::build("save a gateway", kind, Some("the disk is full".into()))));
    }
}
