//! What exists in Keyward: accounts, gateways, provider keys and tokens, and who changed what.
//!
//! - [`GatewayRecord`], [`ProviderKeyRecord`]: the records, and [`RowAuthenticator`], which keeps anyone
//!   with write access to the database alone from changing what decides.
//! - [`naming`]: the contract that ties a secret's name to a gateway, a provider and an alias.
//! - [`Snapshot`]: the immutable picture that the request path reads; [`SnapshotReader`] is one worker's view.
//! - [`Registry`]: the handle through which everything is changed. A change is visible to every reader
//!   before the call that made it returns.
//! - [`RegistryStore`]: what a store must do; its one write is [`RegistryStore::commit`].
//!
//! The crate knows no SQL, no HTTP and no path of the wire. Reading `ARCHITECTURE.md` in the repository is
//! the way on.

mod account;
mod change;
mod error;
mod gateway;
mod id;
mod key_value;
pub mod naming;
mod provider_key;
mod registry;
mod row_mac;
mod snapshot;
mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use account::AccountRecord;
pub use change::{Actor, AuditLine, Batch, Change, Subject};
pub use error::{ChangeError, Refusal};
pub use gateway::{Backoff, GatewayRecord, GatewaySettings, RateLimitingTechnique};
pub use id::{Alias, GatewayId, ParseIdError, ProviderKeyId, ProviderSlug};
pub use key_value::{KeyValue, KeyValueError};
pub use provider_key::{KeyStatus, ProviderKeyRecord};
pub use registry::{KeyEdit, KeySource, NewProviderKey, NewTokenRequest, Registry, TokenMinted};
pub use row_mac::{RowAuthenticator, RowMac};
pub use snapshot::{Account, CurrentValue, Gateway, ProviderKey, Snapshot, SnapshotReader};
pub use store::{BoxFuture, Feed, KeyLastUsed, Loaded, RegistryStore, Row, StoreError, Tampered};
