//! A limit, and the name under which it is counted.

use std::{fmt, hash::Hasher as _, num::NonZeroU64, time::Duration};

use keyward_secret::AccountId;
use siphasher::sip::SipHasher24;

use crate::{Partition, Technique, window::Bounds};

/// So much per window, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    limit: NonZeroU64,
    window_seconds: NonZeroU64,
    technique: Technique,
}

/// Why numbers make no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// The limit is 0, or above [`Limit::MOST`].
    #[error("a limit is 1 to {most}", most = Limit::MOST)]
    Limit,
    /// The window is 0, or longer than [`Limit::LONGEST_WINDOW`].
    #[error("a window is 1 to {longest} seconds", longest = Limit::LONGEST_WINDOW.as_secs())]
    Window,
}

impl Limit {
    /// The highest limit.
    pub const MOST: u64 = 1_000_000_000_000;
    /// The longest window: 366 days.
    pub const LONGEST_WINDOW: Duration = Duration::from_hours(366 * 24);

    /// `limit` per `window_seconds`.
    ///
    /// # Errors
    ///
    /// When one of the numbers is 0 or above its bound.
    pub fn new(limit: u64, window_seconds: u64, technique: Technique) -> Result<Self, LimitError> {
        let is_bounded = |number: &NonZeroU64, most: u64| number.get() <= most;
        Ok(Self {
            limit: NonZeroU64::new(limit)
                .filter(|limit| is_bounded(limit, Self::MOST))
                .ok_or(LimitError::Limit)?,
            window_seconds: NonZeroU64::new(window_seconds)
                .filter(|window| is_bounded(window, Self::LONGEST_WINDOW.as_secs()))
                .ok_or(LimitError::Window)?,
            technique,
        })
    }

    /// How much one window lets through: 1 to [`MOST`](Self::MOST).
    #[must_use]
    pub const fn limit(&self) -> NonZeroU64 {
        self.limit
    }

    /// The window, in whole seconds: 1 s to [`LONGEST_WINDOW`](Self::LONGEST_WINDOW).
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_secs(self.window_seconds.get())
    }

    /// How windows follow each other.
    #[must_use]
    pub const fn technique(&self) -> Technique {
        self.technique
    }

    /// This limit for one of `instances` that share it: at least 1.
    #[must_use]
    pub fn share(self, instances: NonZeroU64) -> Self {
        Self {
            limit: NonZeroU64::new(self.limit.get() / instances).unwrap_or(NonZeroU64::MIN),
            ..self
        }
    }

    pub(crate) const fn bounds(&self) -> Bounds {
        Bounds {
            limit: self.limit.get(),
            // The longest window is far from the end of the numbers.
            window_ms: self.window_seconds.get() * 1000,
            technique: self.technique,
        }
    }
}

/// What a limit is of.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "each is told apart in the digest")]
pub enum Limited<'a> {
    /// All requests of a gateway.
    Gateway,
    /// The requests that are sent with a provider key: its id.
    ProviderKey(&'a [u8; 16]),
    /// What is spent under a rule of a gateway: its id.
    Rule(&'a str),
    /// What is spent under a rule of a provider key.
    KeyRule {
        /// The key's id.
        key: &'a [u8; 16],
        /// The rule's.
        rule: &'a str,
    },
    /// What is spent under a rule of a token, in whatever gateway.
    TokenRule {
        /// The token's id.
        token: &'a str,
        /// The rule's.
        rule: &'a str,
    },
    /// The requests that come by an element of a route.
    Element {
        /// The route's name.
        route: &'a str,
        /// The element's id.
        element: &'a str,
    },
}

impl Limited<'_> {
    /// What metrics and logs call it: one of six words.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::ProviderKey(_) => "provider_key",
            Self::Rule(_) => "rule",
            Self::KeyRule { .. } => "provider_key_rule",
            Self::TokenRule { .. } => "token_rule",
            Self::Element { .. } => "route",
        }
    }
}

/// Makes [`CounterKey`]s, under a secret of its own: who does not know it can neither tell which value was counted nor
/// find two that count as one.
#[derive(Clone)]
pub struct CounterKeys(SipHasher24);

/// The name of a counter: a keyed digest of what is limited, 64 bits, and of the value by which requests are counted
/// apart, 64 more. Values are what clients send: they are kept nowhere but in here.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CounterKey {
    scope: u64,
    partition: u64,
}

impl CounterKeys {
    /// Keys under this secret. Instances that share counters must have the same one.
    #[must_use]
    pub fn new(secret: &[u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(secret))
    }

    /// The counter of a limit for such requests. Allocates nothing; a value takes time by its length.
    #[must_use]
    pub fn key(
        &self,
        account: AccountId,
        gateway: &str,
        limited: Limited<'_>,
        partition: &Partition<'_>,
    ) -> CounterKey {
        let mut scope = self.0;
        scope.write(account.as_bytes());
        write(&mut scope, gateway);
        scope.write(limited.name().as_bytes());
        match limited {
            Limited::Gateway => {}
            Limited::ProviderKey(id) => scope.write(id),
            Limited::Rule(id) => write(&mut scope, id),
            Limited::KeyRule { key, rule } => {
                scope.write(key);
                write(&mut scope, rule);
            }
            Limited::TokenRule { token, rule } => {
                write(&mut scope, token);
                write(&mut scope, rule);
            }
            Limited::Element { route, element } => {
                write(&mut scope, route);
                write(&mut scope, element);
            }
        }
        let scope = scope.finish();
        let mut digest = self.0;
        digest.write_u64(scope);
        match partition {
            Partition::All => digest.write(b"all"),
            Partition::Absent => digest.write(b"absent"),
            Partition::Value(value) => {
                digest.write(b"value");
                digest.write(value.as_bytes());
            }
        }
        CounterKey {
            scope,
            partition: digest.finish(),
        }
    }
}

/// A text with its length before it, so that two texts are never read as two others.
fn write(digest: &mut SipHasher24, text: &str) {
    digest.write_u64(u64::try_from(text.len()).unwrap_or(u64::MAX));
    digest.write(text.as_bytes());
}

impl CounterKey {
    /// A key as [`to_bytes`](Self::to_bytes) gave it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "the half that is meant")]
        Self {
            scope: (both >> 64) as u64,
            partition: both as u64,
        }
    }

    /// What a store keeps of it: the digits of its text.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        (((self.scope as u128) << 64) | self.partition as u128).to_be_bytes()
    }

    /// The counter that stands in for those of the same limit and behind the same lock that find no room.
    pub(crate) const fn overflow(self) -> Self {
        Self {
            // The high bits stay, by which counters are spread over locks.
            partition: self.partition | (u64::MAX >> 4),
            ..self
        }
    }

    /// All of it as one number.
    pub(crate) const fn mixed(self) -> u64 {
        self.scope ^ self.partition
    }
}

impl fmt::Debug for CounterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CounterKeys").finish_non_exhaustive()
    }
}

impl fmt::Display for CounterKey {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.scope, self.partition)
    }
}

impl fmt::Debug for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CounterKey({self})")
    }
}
