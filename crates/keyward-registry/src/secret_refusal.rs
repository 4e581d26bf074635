//! Why nothing was changed in a secrets store.

use crate::KeyValueError;

/// Why nothing was changed in a secrets store. The texts may be shown to the caller; each begins with the token by
/// which clients of the reference know it, where it has one (wire-spec §4.8).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretRefusal {
    /// There is no such store.
    #[error(
        "store_not_found: there is no secrets store `{0}`; the list of stores shows those there are"
    )]
    StoreNotFound(String),
    /// A store of this name exists.
    #[error(
        "store_name_already_exists: a secrets store named `{0}` exists already; choose another name"
    )]
    StoreExists(String),
    /// The account has as many stores as it may have.
    #[error(
        "maximum_stores_exceeded: an account has at most {0} secrets stores here; delete one, or raise `[secrets_store] max_stores`"
    )]
    TooManyStores(u32),
    /// Secrets stand in the store that is to be deleted.
    #[error(
        "store_not_empty: {secrets} secrets stand in this store, and {keys} provider keys use them; with force=true they are deleted with it, and those keys stop at once"
    )]
    StoreNotEmpty {
        /// How many.
        secrets: usize,
        /// How many provider keys use them.
        keys: usize,
    },
    /// There is no such secret in the store.
    #[error(
        "secret_not_found: there is no secret `{0}` in this store; `keyward secrets list` shows those there are"
    )]
    NotFound(String),
    /// A secret of this name stands in the store.
    #[error(
        "secret_name_already_exists: a secret named `{name}` exists already in this store; give that one a new value, or choose another name"
    )]
    NameTaken {
        /// Which of several new secrets, from 0; none where there is one alone.
        index: Option<usize>,
        /// The name.
        name: String,
    },
    /// The account has as many secrets as it may have.
    #[error(
        "maximum_secrets_exceeded: this account may have {0} secrets; delete some, or raise `[secrets_store] quota`"
    )]
    QuotaReached(u64),
    /// The name says more than one thing.
    #[error(
        "secret_name_ambiguous: the name `{name}` can be read as {}; choose another name, or store the value as a provider config",
        readings.join(" and as ")
    )]
    Ambiguous {
        /// Which of several new secrets, from 0.
        index: Option<usize>,
        /// The name.
        name: String,
        /// What it says.
        readings: Vec<String>,
    },
    /// The value cannot be a provider key, and the name says that it is one.
    #[error("{error}")]
    Value {
        /// Which of several new secrets, from 0; none where there is one alone.
        index: Option<usize>,
        /// Why.
        error: KeyValueError,
    },
    /// Where the value may go is not known, because the stored one is missing or not genuine.
    #[error(
        "secret_value_missing: the stored value is missing or was changed outside Keyward, so it is not known where a new one may go; delete the secret and store it again"
    )]
    ValueMissing,
}
