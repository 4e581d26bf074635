//! How often keys may be asked about: nobody hammers a provider with a form of ours, or tries stolen keys at speed.
//!
//! One question per key at a time, and one per second: who asks meanwhile gets the same answer. What a token may ask in a
//! minute is limited, of values that are not stored much more than of those that are.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use keyward_auth::TokenId;
use keyward_registry::ProviderKeyId;
use keyward_secret::AccountId;
use keyward_vault::VersionNumber;

use crate::verify::Answered;

/// How long an answer stands for further questions about the same value.
const FRESH: Duration = Duration::from_secs(1);
/// Over this time a token's questions are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Questions of one token within the window about values that are not stored. A guess: more than a person enters.
const MOST_UNSTORED: usize = 10;
/// The same about stored keys.
const MOST_STORED: usize = 60;
/// Of so many keys and tokens something is kept before what is of no use any more is looked for.
const SWEPT_FROM: usize = 256;

/// Where a value that is asked about comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Stored,
    Unstored,
}

/// What is known of the questions of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Verifier {
    flights: Mutex<HashMap<(AccountId, ProviderKeyId), Arc<Flight>>>,
    spent: Mutex<HashMap<TokenId, Spent>>,
}

/// The last answer about one key. Locked while it is asked about.
type Flight = tokio::sync::Mutex<Option<Told>>;

/// An answer, and when it came.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) version: VersionNumber,
    pub(crate) asked: SystemTime,
    pub(crate) took: Duration,
    pub(crate) answered: Answered,
    came: Instant,
}

impl Told {
    pub(crate) fn new(
        version: VersionNumber,
        asked: SystemTime,
        begun: Instant,
        answered: Answered,
    ) -> Self {
        let came = Instant::now();
        Self {
            version,
            asked,
            took: came.saturating_duration_since(begun),
            answered,
            came,
        }
    }

    fn is_fresh(&self, version: VersionNumber) -> bool {
        self.version == version && self.came.elapsed() < FRESH
    }
}

impl Verifier {
    /// The answer about a value of a key: one that came just now, or what `ask` brings. `may` is called where `ask` is
    /// to be: a refusal by it stands for the answer.
    pub(crate) async fn once<E>(
        &self,
        key: (AccountId, ProviderKeyId),
        version: VersionNumber,
        may: impl FnOnce() -> Result<(), E>,
        ask: impl AsyncFnOnce() -> Told,
    ) -> Result<(Told, IsNew), E> {
        let flight = self.flight(key);
        let mut last = flight.lock().await;
        if let Some(told) = last.as_ref().filter(|told| told.is_fresh(version)) {
            return Ok((told.clone(), IsNew::No));
        }
        may()?;
        let told = ask().await;
        *last = Some(told.clone());
        Ok((told, IsNew::Yes))
    }

    fn flight(&self, key: (AccountId, ProviderKeyId)) -> Arc<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.len() >= SWEPT_FROM {
            flights.retain(|_, flight| is_of_use(flight));
        }
        Arc::clone(flights.entry(key).or_default())
    }

    /// Counts a question of `token`; over its limit it is not counted, and the error says when the next one may be.
    pub(crate) fn count(
        &self,
        token: TokenId,
        origin: Origin,
        now: SystemTime,
    ) -> Result<(), Duration> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= SWEPT_FROM {
            spent.retain(|_, spent| spent.is_of_use(now));
        }
        spent.entry(token).or_default().count(origin, now)
    }
}

/// Whether the provider was asked for this answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsNew {
    Yes,
    No,
}

/// Whether somebody holds it, or its answer still stands.
fn is_of_use(flight: &Arc<Flight>) -> bool {
    Arc::strong_count(flight) > 1
        || flight.try_lock().is_ok_and(|last| {
            last.as_ref()
                .is_some_and(|told| told.came.elapsed() < FRESH)
        })
}

/// When one token asked.
#[derive(Debug, Default)]
struct Spent {
    stored: VecDeque<SystemTime>,
    unstored: VecDeque<SystemTime>,
}

impl Spent {
    fn count(&mut self, origin: Origin, now: SystemTime) -> Result<(), Duration> {
        let (asked, most) = match origin {
            Origin::Stored => (&mut self.stored, MOST_STORED),
            Origin::Unstored => (&mut self.unstored, MOST_UNSTORED),
        };
        // What lies in the future by a clock that was set back is as old as can be.
        let left = |at: &SystemTime| {
            let passed = now.duration_since(*at).ok()?;
            WINDOW.checked_sub(passed).filter(|left| !left.is_zero())
        };
        asked.retain(|at| left(at).is_some());
        match asked.front().and_then(left) {
            Some(wait) if asked.len() >= most => Err(wait),
            _ => {
                asked.push_back(now);
                Ok(())
            }
        }
    }

    fn is_of_use(&self, now: SystemTime) -> bool {
        let newest = self.stored.back().max(self.unstored.back());
        newest.is_some_and(|at| now.duration_since(*at).is_ok_and(|passed| passed < WINDOW))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use keyward_auth::TokenId;

    use super::{MOST_STORED, MOST_UNSTORED, Origin, SWEPT_FROM, Verifier};

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        START + Duration::from_secs(1_000 + seconds)
    }

    fn token(number: u32) -> TokenId {
        TokenId::parse(&format!("{number:012}")).unwrap()
    }

    #[test]
    fn values_that_are_not_stored_are_few_a_minute() {
        let verifier = Verifier::default();
        let ask = |of, second| verifier.count(token(of), Origin::Unstored, at(second));
        for second in 0..MOST_UNSTORED as u64 {
            assert_eq!(ask(1, second), Ok(()));
        }
        assert_eq!(ask(1, 20), Err(Duration::from_secs(40)));
        // What was refused does not count, and neither does what others ask.
        assert_eq!(ask(1, 59), Err(Duration::from_secs(1)));
        assert_eq!(ask(2, 59), Ok(()));
        assert_eq!(ask(1, 60), Ok(()));
        assert_eq!(ask(1, 60), Err(Duration::from_secs(1)));
    }

    #[test]
    fn stored_ones_have_a_limit_of_their_own() {
        let verifier = Verifier::default();
        for _ in 0..MOST_UNSTORED {
            verifier.count(token(1), Origin::Unstored, at(0)).unwrap();
        }
        for _ in 0..MOST_STORED {
            verifier.count(token(1), Origin::Stored, at(0)).unwrap();
        }
        assert!(verifier.count(token(1), Origin::Stored, at(1)).is_err());
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let verifier = Verifier::default();
        for _ in 0..MOST_UNSTORED {
            verifier
                .count(token(1), Origin::Unstored, at(5_000))
                .unwrap();
        }
        assert_eq!(verifier.count(token(1), Origin::Unstored, at(0)), Ok(()));
    }

    #[test]
    fn what_is_kept_of_tokens_does_not_grow() {
        let verifier = Verifier::default();
        for number in 0..2_560 {
            let now = at(u64::from(number));
            verifier
                .count(token(number), Origin::Unstored, now)
                .unwrap();
        }
        assert!(verifier.spent.lock().unwrap().len() <= SWEPT_FROM);
    }
}
