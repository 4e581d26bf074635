//! What a store of counters is told.

use std::{fmt, num::NonZeroU64, time::Duration};

use keyward_secret::SecretBytes;

use crate::RedisUrl;

/// What becomes of requests while Redis does not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who asks must handle each case")]
pub enum OnLoss {
    /// They are let through, uncounted.
    Open,
    /// They are refused.
    Closed,
    /// This process counts them by itself, with the limit divided by the number of instances. What was counted before is
    /// not known to it, so a window in which Redis is lost or comes back can have up to twice the limit; three times, where
    /// it came back without its data.
    Share(NonZeroU64),
}

impl OnLoss {
    /// In one word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Share(_) => "share",
        }
    }
}

/// What a [`RedisCounters`](crate::RedisCounters) is told.
pub struct Settings {
    /// Where Redis is.
    pub url: RedisUrl,
    /// The password, where Redis asks for one: UTF-8, of the user that `url` names, else of the default user.
    pub password: Option<SecretBytes>,
    /// PEM texts with certificate authorities to trust besides the system's, for `rediss://`.
    pub extra_ca_pem: Vec<Vec<u8>>,
    /// What becomes of requests while Redis does not decide.
    pub on_loss: OnLoss,
    /// How long a decision waits for Redis at most: [`RedisCounters::DEADLINE`](crate::RedisCounters::DEADLINE), where a
    /// client waits behind it.
    pub deadline: Duration,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url)
            .field("has_password", &self.password.is_some())
            .field("extra_ca_pem", &self.extra_ca_pem.len())
            .field("on_loss", &self.on_loss)
            .field("deadline", &self.deadline)
            .finish()
    }
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The password is not UTF-8.
    #[error("the password of Redis is not UTF-8")]
    Password,
    /// TLS cannot be set up.
    #[error("cannot set up TLS for Redis: {0}")]
    Tls(&'static str),
}

#[cfg(test)]
mod tests {
    use super::SettingsError;

    #[test]
    fn what_is_told_of_settings() {
        keyward_testing::assert_texts!("SettingsError", SettingsError {
            SettingsError::Password => SettingsError::Password,
            SettingsError::Tls(_) => SettingsError::Tls("an authority cannot be parsed"),
        }, |error| keyward_testing::told(&error));
    }
}
