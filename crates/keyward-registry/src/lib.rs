//! What exists in Keyward: accounts, gateways, provider keys and tokens, and who changed what.
//!
//! - [`GatewayRecord`], [`ProviderKeyRecord`]: the records, and [`RowAuthenticator`], which keeps anyone
//!   with write access to the database alone from changing what decides.
//! - [`naming`]: the contract that ties a secret's name to a gateway, a provider and an alias.
//! - [`Snapshot`]: the immutable picture that the request path reads; [`SnapshotReader`] is one worker's view.
//! - [`Registry`]: the handle through which everything is changed. A change is visible to every reader
//!   before the call that made it returns.
//! - [`InUse`], [`Use`]: requests under way, and how a revocation cuts them.
//! - [`RegistryStore`]: what a store must do; its one write is [`RegistryStore::commit`].
//! - [`BudgetStore`]: what was spent of budgets that are counted in memory, kept over a restart.
//! - [`TrafficStore`]: how many requests there were and how long they took, which decides nothing.
//! - [`LogEntry`]: what is told of one request; [`LogFilter`] finds it again, [`LogStore`] keeps it. It decides nothing either.
//!
//! The crate knows no SQL, no HTTP and no path of the wire. `ARCHITECTURE.md` in the repository is the way on.
//!
//! ```
//! use std::{sync::Arc, time::{Duration, SystemTime}};
//!
//! use keyward_providers::Catalogue;
//! use keyward_registry::{AccountRecord, Actor, GatewayId, GatewaySettings, Registry};
//! use keyward_secret::AccountId;
//! use keyward_vault::Vault;
//!
//! # async fn example(
//! #     store: Arc<dyn keyward_registry::RegistryStore>,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! // Over any store: `keyward-store` has one on SQLite.
//! let (vault, _root_key) = Vault::create()?;
//! let catalogue = Arc::new(Catalogue::built_in()?);
//! let registry = Registry::open(store, Arc::new(vault), catalogue).await?;
//!
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
//! const ACTOR: Actor = Actor::Command("example");
//! let account = AccountId::from_bytes([1; 16]);
//! let record = AccountRecord { id: account, name: "default".to_owned(), created_at: now };
//! registry.create_account(record, ACTOR).await?;
//! let gateway = GatewayId::parse("prod")?;
//! registry.create_gateway(account, gateway, GatewaySettings::default(), ACTOR, now).await?;
//!
//! // Whoever reads sees it from here on.
//! assert!(registry.snapshot().gateway(account, "prod").is_some());
//! # Ok(())
//! # }
//! # #[cfg(feature = "testing")]
//! # {
//! # use std::{pin::pin, task::{Context, Poll, Waker}};
//! # let store = Arc::new(keyward_registry::testing::MemoryStore::new());
//! # let mut run = pin!(example(store));
//! # let done = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
//! # assert!(matches!(done, Poll::Ready(Ok(()))));
//! # }
//! ```
//!
//! # What it is not
//!
//! No database and no API: it decides on changes and publishes them, a [`RegistryStore`] keeps them, and a control plane
//! speaks to people.
//!
//! # Features
//!
//! - `testing` (off): [`testing`] has a store in memory, and the contract suite that every store should run.

mod account;
mod audit;
mod audit_store;
mod budget;
mod change;
mod custom_provider;
mod error;
mod gateway;
mod id;
mod in_use;
mod key_value;
mod log;
pub mod naming;
mod owner;
mod pool;
mod provider_key;
mod refusals;
mod registry;
mod route;
mod row_mac;
mod secret;
mod secret_list;
mod secret_refusal;
mod secrets_store;
mod snapshot;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod traffic;

pub use account::AccountRecord;
pub use audit::{Actor, AuditLine, AuditResult, RefusedAttempt};
pub use audit_store::{
    AuditEntry, AuditFinding, AuditQuery, AuditRow, AuditState, AuditStore, CheckpointState,
};
pub use budget::BudgetStore;
pub use change::{Batch, Change, RouteChange, Subject};
pub use custom_provider::{
    CustomProvider, CustomProviderDetails, CustomProviderRecord, HeaderInput, HeadersError, Link,
    Logo, OpenHeadersError, ParseTextError, SealedHeaders,
};
pub use error::{ChangeError, Refusal};
pub use gateway::{
    Backoff, GatewayRecord, GatewaySettings, RateLimitingTechnique, StoredKeyRefused,
};
pub use id::{
    Alias, CustomProviderId, CustomSlug, GatewayId, ParseIdError, ProviderKeyId, ProviderSlug,
    RouteDeploymentId, RouteId, RouteVersionId,
};
pub use in_use::{InUse, Use};
pub use key_value::{KeyValue, KeyValueError};
pub use log::{
    LogBody, LogDeletion, LogDirection, LogEntry, LogField, LogFieldKind, LogFilter,
    LogFilterError, LogGroup, LogId, LogLimit, LogMark, LogMetadata, LogMetadataValue, LogOperator,
    LogOrder, LogPage, LogPatch, LogPlace, LogQuery, LogRange, LogRanges, LogRecord, LogScan,
    LogSeries, LogSeriesName, LogSide, LogStore, LogSum, LogSumQuery, LogSums, LogText, LogTrim,
    LogValue,
};
pub use pool::{Member, Pool, PoolError, PoolStrategy, Pools, SessionHeader, Weight};
pub use provider_key::{ExpiresAction, KeyStatus, ProviderKeyRecord};
pub use registry::{
    Contents, CustomProviderEdit, DeletedSecret, DeletedSecretsStore, KeyEdit, KeySource,
    MAX_OVERLAP, NewCustomProvider, NewProviderKey, NewRoute, NewSecret, NewTokenRequest, Registry,
    SecretCopy, SecretEdit, StatusReason, TokenMinted, TokenUpdate,
};
pub use route::{
    KEPT_DEPLOYMENTS, KEPT_VERSIONS, LONGEST_COMMENT, MOST_ROUTES, Route, RouteDeploymentRecord,
    RouteRecord, RouteVersionRecord,
};
pub use row_mac::{Canonical, DecidingRow, RowAuthenticator, RowMac, row_digest};
pub use secret::{ParseNameError, SecretName, SecretScope, SecretsStoreName};
pub use secret_refusal::SecretRefusal;
pub use secrets_store::{SecretLimits, SecretsStoreRecord};
pub use snapshot::{
    Account, CurrentValue, Gateway, MissingValue, ProviderKey, Snapshot, SnapshotReader,
};
pub use store::{
    BoxFuture, Feed, KeyLastUsed, Loaded, Part, RegistryStore, Row, StoreError, Tampered,
};
pub use traffic::{
    Latencies, TrafficClass, TrafficQuery, TrafficRow, TrafficSeries, TrafficSpan, TrafficStore,
    TrafficSum, TrafficSums, traffic_secs,
};
