//! What is kept of a token.

use std::time::SystemTime;

use crate::{Grant, Kind, TokenDigest, TokenId};

/// What is kept of a token. Its text is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// The public id. Stays through every change, also of the text.
    pub id: TokenId,
    /// Which plane it is for.
    pub kind: Kind,
    /// The digest of its text.
    pub digest: TokenDigest,
    /// The text before this one, where the token was rolled and the two overlap.
    pub retiring: Option<Retiring>,
    /// What an operator calls it.
    pub name: String,
    /// What it may do.
    pub grant: Grant,
    /// How much may be spent with it, in whatever words: who counts that reads them. Here they are only kept.
    pub spend_limits: Option<Box<str>>,
    /// When it was made.
    pub issued_at: SystemTime,
    /// When name, grant, limits or text last changed.
    pub modified_at: SystemTime,
}

/// A text that was replaced and stays good for a while, so that its users find time to change over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "who stores it must store all of it"
)]
pub struct Retiring {
    /// The digest of the text.
    pub digest: TokenDigest,
    /// The first moment it is good for no more.
    pub until: SystemTime,
}

/// What a token's verification answers (wire-spec §4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "Cloudflare's three; clients know no others"
)]
pub enum Status {
    /// In force, or about to be: a token before its `not_before` is active to Cloudflare too.
    Active,
    /// Switched off by an operator.
    Disabled,
    /// Past its end.
    Expired,
}

impl Status {
    /// `active`, `disabled` or `expired`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
        }
    }
}

impl TokenRecord {
    /// Whether one text would be good for both: what a store refuses for two tokens. Texts are compared with
    /// texts in force, and retiring ones with retiring ones.
    #[must_use]
    pub fn shares_digest_with(&self, other: &Self) -> bool {
        let retiring = |record: &Self| record.retiring.map(|retiring| retiring.digest);
        self.digest == other.digest
            || retiring(self).is_some_and(|digest| retiring(other) == Some(digest))
    }

    /// The status at `now`. Disabled comes before expired: it is what an operator wanted.
    #[must_use]
    pub fn status(&self, now: SystemTime) -> Status {
        if self.grant.disabled {
            Status::Disabled
        } else if self.grant.expires_at.is_some_and(|end| now >= end) {
            Status::Expired
        } else {
            Status::Active
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use keyward_secret::AccountId;

    use super::{Status, TokenRecord};
    use crate::{Grant, Kind, Permissions, TokenDigest, TokenId};

    #[test]
    fn status_follows_the_clock_and_the_operator() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let end = start + Duration::from_secs(60);
        let mut record = TokenRecord {
            id: TokenId::from_random([1; 16]),
            kind: Kind::Api,
            digest: TokenDigest::from_bytes([1; 32]),
            retiring: None,
            name: "t".into(),
            grant: Grant::new(AccountId::from_bytes([1; 16]), Permissions::NONE),
            spend_limits: None,
            issued_at: start,
            modified_at: start,
        };
        record.grant.not_before = Some(end);
        assert_eq!(record.status(start), Status::Active);
        record.grant.expires_at = Some(end);
        assert_eq!(record.status(end - Duration::from_secs(1)), Status::Active);
        assert_eq!(record.status(end), Status::Expired);
        record.grant.disabled = true;
        assert_eq!(record.status(end), Status::Disabled);
    }
}
