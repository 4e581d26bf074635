//! Dates that come near, or passed.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use keyward_registry::{ProviderKeyId, Snapshot};
use keyward_secret::AccountId;

use super::{Keeper, clock, millis};
use crate::events::What;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many days before its date a key is told of; the fewest first.
const DAYS: [u16; 3] = [1, 7, 30];

/// What was told of which key.
#[derive(Default)]
pub(super) struct Expiry(HashMap<(AccountId, ProviderKeyId), (SystemTime, Near)>);

/// How near a date is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Near {
    Passed,
    /// At most so many days.
    Within(u16),
}

fn near(expires_at: SystemTime, now: SystemTime) -> Option<Near> {
    match expires_at.duration_since(now) {
        Err(_) => Some(Near::Passed),
        Ok(Duration::ZERO) => Some(Near::Passed),
        Ok(left) => DAYS
            .into_iter()
            .find(|days| left <= DAY * u32::from(*days))
            .map(Near::Within),
    }
}

impl Keeper {
    /// Tells of dates, each step of each date once; after a start once more.
    pub(super) fn look_at_dates(&mut self, snapshot: &Snapshot) {
        let now = clock();
        let mut told = std::mem::take(&mut self.expiry.0);
        let keys = snapshot
            .accounts()
            .flat_map(|account| account.provider_keys());
        for key in keys {
            let Some(expires_at) = key.record.expires_at else {
                continue;
            };
            let Some(near) = near(expires_at, now) else {
                continue;
            };
            let place = (key.record.account, key.record.id);
            let news = (expires_at, near);
            if told.remove(&place) != Some(news) {
                let (what, at) = match near {
                    Near::Passed => (What::DatePassed, expires_at),
                    Near::Within(days) => {
                        let before = expires_at.checked_sub(DAY * u32::from(days));
                        (
                            What::ExpiresSoon { days, expires_at },
                            before.unwrap_or(expires_at),
                        )
                    }
                };
                tracing::warn!(
                    gateway = %key.record.gateway,
                    provider = key.record.provider.as_str(),
                    alias = %key.record.alias,
                    has_passed = near == Near::Passed,
                    "the date of a stored key is near, or has passed"
                );
                self.tell(key, what, &millis(at), at);
            }
            self.expiry.0.insert(place, news);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{DAY, Near, near};

    #[track_caller]
    fn check(left: Duration, expected: Option<Near>) {
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        assert_eq!(near(now + left, now), expected, "{left:?}");
    }

    #[test]
    fn a_date_is_told_of_at_thirty_days_seven_and_one_and_when_it_passed() {
        let second = Duration::from_secs(1);
        check(DAY * 30 + second, None);
        check(DAY * 30, Some(Near::Within(30)));
        check(DAY * 7 + second, Some(Near::Within(30)));
        check(DAY * 7, Some(Near::Within(7)));
        check(DAY, Some(Near::Within(1)));
        check(second, Some(Near::Within(1)));
        check(Duration::ZERO, Some(Near::Passed));
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        assert_eq!(near(now - DAY, now), Some(Near::Passed));
    }
}
