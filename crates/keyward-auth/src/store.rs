//! Where tokens are kept: the seam to a store.
//!
//! Deliberately small: the request path never comes here (see [`TokenIndex`](crate::TokenIndex)). What a
//! store adds of its own (revision, feed, audit line) it does inside [`apply`](TokenStore::apply).

use std::{error::Error, fmt, pin::Pin, time::SystemTime};

use keyward_secret::AccountId;

use crate::{TokenId, TokenRecord};

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A change of the tokens.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store or an index that skips a kind of change is wrong"
)]
#[expect(
    clippy::large_enum_variant,
    reason = "changes are few and rare, and nearly all of them are puts"
)]
pub enum Change {
    /// Adds the token, or replaces the one with its id.
    PutToken(TokenRecord),
    /// Removes the token, if `account` has one with this id.
    DeleteToken {
        /// The account it belongs to.
        account: AccountId,
        /// Its id.
        id: TokenId,
    },
}

/// Keeps tokens. The module `testing` (feature of that name) has the suite that every implementation passes.
///
/// Times are kept to the second at least; a store may cut the rest. A record whose stored form does not
/// authenticate counts as absent in [`list_tokens`](Self::list_tokens), and the store reports it there.
pub trait TokenStore: Send + Sync + fmt::Debug {
    /// The tokens of `account`, or all of them, in no promised order.
    fn list_tokens(
        &self,
        account: Option<AccountId>,
    ) -> BoxFuture<'_, Result<Vec<TokenRecord>, StoreError>>;

    /// The token `id`, if `account` has it.
    fn find_token(
        &self,
        account: AccountId,
        id: TokenId,
    ) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>>;

    /// Makes all the changes, in their order, or none.
    ///
    /// A conflict: a put whose id is a token of another account, or whose digest is another token's.
    /// To delete what is not there is no error and changes nothing.
    ///
    /// A put replaces without looking: who reads, changes and puts back must keep others from deleting the
    /// token in between.
    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The last uses that were saved, of tokens that still exist.
    fn list_last_used(&self) -> BoxFuture<'_, Result<Vec<(TokenId, SystemTime)>, StoreError>>;

    /// Saves last uses, best effort. Never moves one back; leaves out tokens that do not exist. Is no change
    /// of a token: no revision, no audit line. A put keeps what was saved.
    fn save_last_used<'a>(
        &'a self,
        used: &'a [(TokenId, SystemTime)],
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// The store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct StoreError {
    kind: StoreErrorKind,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum StoreErrorKind {
    #[error("the change conflicts with another token")]
    Conflict,
    #[error("the token store is unavailable")]
    Unavailable,
    #[error("the token store holds a damaged record")]
    Damaged,
}

impl StoreError {
    /// The change contradicts what is stored; nothing was changed.
    pub fn conflict(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(StoreErrorKind::Conflict, source)
    }

    /// The store does not answer, or is read-only or full.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(StoreErrorKind::Unavailable, source)
    }

    /// What is stored cannot be read or does not authenticate.
    pub fn damaged(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(StoreErrorKind::Damaged, source)
    }

    fn new(kind: StoreErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            source: source.into(),
        }
    }

    /// Whether the change contradicts what is stored.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Conflict)
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Unavailable)
    }

    /// Whether what is stored cannot be read or does not authenticate.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Damaged)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{StoreError, StoreErrorKind};

        keyward_testing::assert_texts!("StoreError", StoreErrorKind {
            StoreErrorKind::Conflict => StoreErrorKind::Conflict,
            StoreErrorKind::Unavailable => StoreErrorKind::Unavailable,
            StoreErrorKind::Damaged => StoreErrorKind::Damaged,
        }, |kind| keyward_testing::told(&StoreError { kind, source: "the disk is full".into() }));
    }
}
