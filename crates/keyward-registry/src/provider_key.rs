//! Provider keys: (gateway, provider, alias) → secret.

use std::time::SystemTime;

use keyward_routes::{Limit, SpendLimits, Technique};
use keyward_secret::AccountId;
use keyward_vault::SecretId;

use crate::{Alias, GatewayId, ProviderKeyId, ProviderSlug};

/// Which secret a gateway uses for a provider under an alias. Cloudflare's "provider config".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKeyRecord {
    /// Kept through every rotation.
    pub id: ProviderKeyId,
    /// The account it belongs to.
    pub account: AccountId,
    /// The gateway it serves.
    pub gateway: GatewayId,
    /// The provider it is for.
    pub provider: ProviderSlug,
    /// Which of several keys for that provider.
    pub alias: Alias,
    /// Where the value is.
    pub secret: SecretId,
    /// Cloudflare's flag, kept and returned; Keyward chooses by alias alone.
    pub default_config: bool,
    /// Requests per period, at most; none, or 0, is no limit.
    pub rate_limit: Option<u64>,
    /// Seconds; none is [`DEFAULT_PERIOD`](Self::DEFAULT_PERIOD).
    pub rate_limit_period: Option<u64>,
    /// How much may be spent with it.
    pub spend_limits: Option<SpendLimits>,
    /// Since when an operator has it switched off.
    pub disabled_at: Option<SystemTime>,
    /// Its date, and what happens then is [`expires_action`](Self::expires_action).
    pub expires_at: Option<SystemTime>,
    /// What happens at its date.
    pub expires_action: ExpiresAction,
    /// What the provider's answers say about it.
    pub status: KeyStatus,
    /// Why the status is what it is, in words.
    pub status_reason: Option<String>,
    /// The status code of the answer that decided it.
    pub status_code: Option<u16>,
    /// Since when.
    pub status_since: Option<SystemTime>,
    /// When it was made.
    pub created_at: SystemTime,
    /// When it, or its value, last changed.
    pub modified_at: SystemTime,
}

/// What the provider's answers say about a key. An operator's `disabled` stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever shows or uses a key must decide for each"
)]
pub enum KeyStatus {
    /// Nothing speaks against it.
    Active,
    /// Its date has passed, or the provider says so.
    Expired,
    /// The provider refuses it.
    Invalid,
}

impl KeyStatus {
    /// The text that the store and the wire carry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Invalid => "invalid",
        }
    }

    /// Reads [`as_str`](Self::as_str) back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Expired, Self::Invalid]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// What happens when a key's date has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever shows or uses a key must decide for each"
)]
pub enum ExpiresAction {
    /// It is used no more.
    #[default]
    Stop,
    /// It goes on being used; people are warned.
    Warn,
}

impl ExpiresAction {
    /// The text that the store and the wire carry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Warn => "warn",
        }
    }

    /// Reads [`as_str`](Self::as_str) back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = [Self::Stop, Self::Warn].into_iter();
        all.find(|action| action.as_str() == text)
    }
}

impl ProviderKeyRecord {
    /// The period of a limit for which none is set, in seconds.
    pub const DEFAULT_PERIOD: u64 = 60;

    /// A key as it is made at `now`: active, without limits and a date, and not Cloudflare's default.
    #[must_use]
    pub fn new(
        id: ProviderKeyId,
        (account, gateway): (AccountId, GatewayId),
        (provider, alias): (ProviderSlug, Alias),
        secret: SecretId,
        now: SystemTime,
    ) -> Self {
        Self {
            id,
            account,
            gateway,
            provider,
            alias,
            secret,
            default_config: false,
            rate_limit: None,
            rate_limit_period: None,
            spend_limits: None,
            disabled_at: None,
            expires_at: None,
            expires_action: ExpiresAction::default(),
            status: KeyStatus::Active,
            status_reason: None,
            status_code: None,
            status_since: None,
            created_at: now,
            modified_at: now,
        }
    }

    /// How many requests may be sent with it. What is stored out of bounds is brought into them.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        let longest = Limit::LONGEST_WINDOW.as_secs();
        let period = self.rate_limit_period.unwrap_or(Self::DEFAULT_PERIOD);
        let limit = self.rate_limit?.min(Limit::MOST);
        Limit::new(limit, period.clamp(1, longest), Technique::Fixed).ok()
    }

    /// Whether the key's date has come, and it stops being used then.
    #[must_use]
    pub fn is_stopped_by_date(&self, now: SystemTime) -> bool {
        self.expires_action == ExpiresAction::Stop
            && self.expires_at.is_some_and(|expires| now >= expires)
    }

    /// Whether the key may be used at `now`, by what stands in the record.
    #[must_use]
    pub fn is_usable(&self, now: SystemTime) -> bool {
        self.disabled_at.is_none()
            && self.status == KeyStatus::Active
            && !self.is_stopped_by_date(now)
    }
}
