//! Secrets stores: the collections that secrets stand in.

use std::time::SystemTime;

use keyward_secret::AccountId;
use keyward_vault::SecretsStoreId;

/// A collection of secrets, in which each has a name of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsStoreRecord {
    /// Its id.
    pub id: SecretsStoreId,
    /// The account it belongs to.
    pub account: AccountId,
    /// Its name, unique in the account.
    pub name: String,
    /// When it was made.
    pub created_at: SystemTime,
    /// When it last changed.
    pub modified_at: SystemTime,
}

/// How much of secrets an account may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretLimits {
    /// Secrets stores. Default 1, as in the reference.
    pub stores: u32,
    /// Secrets of all its stores together, those of provider keys among them. Default `None`: any number.
    pub secrets: Option<u64>,
}

impl Default for SecretLimits {
    fn default() -> Self {
        Self {
            stores: 1,
            secrets: None,
        }
    }
}

impl SecretsStoreRecord {
    /// The name of the store that every account begins with, as the reference has it (wire-spec §4.8).
    pub const FIRST_NAME: &'static str = "default_secrets_store";

    /// The store that an account begins with.
    #[must_use]
    pub fn first_of(account: AccountId, now: SystemTime) -> Self {
        Self {
            id: SecretsStoreId::first_of(account),
            account,
            name: Self::FIRST_NAME.to_owned(),
            created_at: now,
            modified_at: now,
        }
    }
}
