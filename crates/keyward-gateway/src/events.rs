//! What happens to a provider key that somebody may want to be told of. Never holds a secret.

use std::time::SystemTime;

use keyward_registry::{Alias, GatewayId, ProviderKeyId, ProviderKeyRecord, ProviderSlug};
use keyward_secret::AccountId;
use sha2::{Digest as _, Sha256};

/// Something that happened to a provider key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyEvent {
    /// `evt_` and 32 hexadecimal digits. The same happening has the same id, however often and by whichever process it
    /// is told, so that whoever is told twice can tell.
    pub id: String,
    /// When it happened.
    pub at: SystemTime,
    /// The account of the key.
    pub account: AccountId,
    /// The key.
    pub key: ProviderKeyId,
    /// The gateway that it serves.
    pub gateway: GatewayId,
    /// The provider that it is for.
    pub provider: ProviderSlug,
    /// Its name among the gateway's keys for that provider.
    pub alias: Alias,
    /// What happened.
    pub what: What,
}

/// What can happen to a provider key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The provider refuses it: its status is `invalid` now.
    Invalid {
        /// The status code by which the provider said so.
        code: Option<u16>,
        /// In words.
        reason: String,
    },
    /// The provider says that it was good until some day: its status is `expired` now.
    Expired {
        /// The status code by which the provider said so.
        code: Option<u16>,
        /// In words.
        reason: String,
    },
    /// The provider takes it again: its status is `active` now.
    Active,
    /// The date that an operator gave it is near.
    ExpiresSoon {
        /// In how many days: 30, 7 or 1.
        days: u16,
        /// The date.
        expires_at: SystemTime,
    },
    /// The date that an operator gave it has passed.
    DatePassed,
    /// A new value was given, and is not used yet.
    RotationBegun,
    /// The new value is used from now on.
    RotationPromoted,
    /// The old value is destroyed.
    RotationFinished,
    /// The new value was not taken over, and nothing else changed.
    RotationRefused {
        /// In words.
        reason: String,
    },
    /// The old value is used again, and the new one destroyed.
    RolledBack {
        /// In words.
        reason: String,
    },
    /// The provider refuses both the new and the old value, so that there is nothing to go back to.
    BothRefused {
        /// The status code by which the provider refused the new one.
        code: Option<u16>,
    },
    /// A scheduled rotation could not be begun, as the command that gives new values failed.
    ScheduleFailed {
        /// In words; nothing of what the command wrote.
        reason: String,
    },
}

/// Whoever wants to know what happens to provider keys.
pub trait Notify: Send + Sync {
    /// Takes note of `event`.
    ///
    /// Called where requests are served: must not block, and puts what takes longer behind a bounded queue.
    fn notify(&self, event: &KeyEvent);
}

impl KeyEvent {
    /// Something that happened to the key of `record`.
    ///
    /// `occurrence` tells two happenings of one kind to one key apart, and is the same whenever the same one is told
    /// again: since when a status is in force, the request id of a rotation, a date.
    #[must_use]
    pub fn new(record: &ProviderKeyRecord, what: What, occurrence: &str, at: SystemTime) -> Self {
        let digest = Sha256::new()
            .chain_update(record.account.as_bytes())
            .chain_update(record.id.as_bytes())
            .chain_update(what.name())
            .chain_update([0])
            .chain_update(occurrence)
            .finalize();
        let digits = digest.iter().take(16).flat_map(|byte| {
            let digit = |bits: u8| char::from_digit(bits.into(), 16).unwrap_or('0');
            [digit(byte >> 4), digit(byte & 15)]
        });
        Self {
            id: "evt_".chars().chain(digits).collect(),
            at,
            account: record.account,
            key: record.id,
            gateway: record.gateway.clone(),
            provider: record.provider.clone(),
            alias: record.alias.clone(),
            what,
        }
    }
}

impl What {
    /// Every name, for whoever chooses among them.
    pub const NAMES: [&'static str; 12] = [
        "provider_key.invalid",
        "provider_key.expired",
        "provider_key.active",
        "provider_key.expires_soon",
        "provider_key.date_passed",
        "provider_key.rotation.begun",
        "provider_key.rotation.promoted",
        "provider_key.rotation.finished",
        "provider_key.rotation.refused",
        "provider_key.rotation.rolled_back",
        "provider_key.rotation.both_refused",
        "provider_key.rotation.schedule_failed",
    ];

    /// The name by which webhooks, metrics and filters call it. One of [`NAMES`](Self::NAMES).
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "provider_key.invalid",
            Self::Expired { .. } => "provider_key.expired",
            Self::Active => "provider_key.active",
            Self::ExpiresSoon { .. } => "provider_key.expires_soon",
            Self::DatePassed => "provider_key.date_passed",
            Self::RotationBegun => "provider_key.rotation.begun",
            Self::RotationPromoted => "provider_key.rotation.promoted",
            Self::RotationFinished => "provider_key.rotation.finished",
            Self::RotationRefused { .. } => "provider_key.rotation.refused",
            Self::RolledBack { .. } => "provider_key.rotation.rolled_back",
            Self::BothRefused { .. } => "provider_key.rotation.both_refused",
            Self::ScheduleFailed { .. } => "provider_key.rotation.schedule_failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use keyward_registry::{Alias, GatewayId, ProviderKeyId, ProviderKeyRecord, ProviderSlug};
    use keyward_secret::AccountId;
    use keyward_vault::SecretId;

    use super::{KeyEvent, What};

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn record(key: u8) -> ProviderKeyRecord {
        let place = (
            AccountId::from_bytes([1; 16]),
            GatewayId::parse("prod").unwrap(),
        );
        let name = (ProviderSlug::parse("openai").unwrap(), Alias::default());
        let secret = SecretId::from_bytes([3; 16]);
        let id = ProviderKeyId::from_bytes([key; 16]);
        ProviderKeyRecord::new(id, place, name, secret, at(0))
    }

    fn event(key: u8, what: What, occurrence: &str, seconds: u64) -> KeyEvent {
        let record = record(key);
        KeyEvent::new(&record, what, occurrence, at(seconds))
    }

    #[test]
    fn a_happening_that_is_told_again_has_the_same_id_and_no_other_has() {
        let told = event(1, What::Active, "7", 10);
        assert_eq!(told.id.len(), 36);
        assert_eq!(told.id, event(1, What::Active, "7", 20).id);
        for other in [
            event(2, What::Active, "7", 10),
            event(1, What::DatePassed, "7", 10),
            event(1, What::Active, "8", 10),
        ] {
            assert_ne!(told.id, other.id);
        }
    }

    #[test]
    fn names_are_all_listed() {
        let reason = String::new;
        let whats = [
            What::Invalid {
                code: None,
                reason: reason(),
            },
            What::Expired {
                code: None,
                reason: reason(),
            },
            What::Active,
            What::ExpiresSoon {
                days: 1,
                expires_at: at(0),
            },
            What::DatePassed,
            What::RotationBegun,
            What::RotationPromoted,
            What::RotationFinished,
            What::RotationRefused { reason: reason() },
            What::RolledBack { reason: reason() },
            What::BothRefused { code: None },
            What::ScheduleFailed { reason: reason() },
        ];
        assert_eq!(whats.map(|what| what.name()), What::NAMES);
    }
}
