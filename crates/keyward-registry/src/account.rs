//! Accounts: the tenants.

use std::time::SystemTime;

use keyward_secret::AccountId;

/// A tenant. Every other record belongs to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// The account's id.
    pub id: AccountId,
    /// A name for people.
    pub name: String,
    /// When it was made.
    pub created_at: SystemTime,
}
