//! How the values of stored keys fare, as far as every request has to know: shared by all workers, read without a
//! lock.
//!
//! What is stored of a key (its status, its date) is in the snapshot. This is what changes faster than that and does
//! not outlive the process: whether a success would be news, whether a provider limits the key.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keyward_registry::{ProviderKey, Snapshot};
use keyward_secret::AccountId;
use keyward_vault::{SecretId, VersionNumber};
use rustc_hash::FxHashMap;

use crate::pool::limit;

/// One value of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ValueId {
    pub(crate) account: AccountId,
    pub(crate) secret: SecretId,
    pub(crate) version: VersionNumber,
}

/// How one value fares.
#[derive(Debug)]
pub(crate) struct Health {
    id: ValueId,
    flags: AtomicU8,
    /// Milliseconds since 1970; 0 where it is not limited, or has the money it needs.
    limited_until: AtomicU64,
    out_of_funds_until: AtomicU64,
    /// How often in a row it was out of money.
    times_out_of_funds: AtomicU8,
}

/// What of a value is worth a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Refusals.
    Refusals,
    /// Successes too: they would be news.
    Successes,
    /// The same, and other keys are taken before this one: it was refused, and nobody is sure.
    Suspect,
}

impl ValueId {
    /// This version of a key's value.
    pub(crate) fn of(key: &ProviderKey, version: VersionNumber) -> Self {
        Self {
            account: key.record.account,
            secret: key.record.secret,
            version,
        }
    }
}

/// A success with it would be news.
const WATCHED: u8 = 1;
/// It was refused, and nobody is sure.
const SUSPECT: u8 = 2;
/// One request may try it although its status says no.
const TRIAL: u8 = 4;

impl Health {
    fn new(id: ValueId) -> Self {
        Self {
            id,
            flags: AtomicU8::new(0),
            limited_until: AtomicU64::new(0),
            out_of_funds_until: AtomicU64::new(0),
            times_out_of_funds: AtomicU8::new(0),
        }
    }

    pub(crate) const fn id(&self) -> ValueId {
        self.id
    }

    /// Whether a success with it would be news. One load.
    pub(crate) fn is_watched(&self) -> bool {
        self.has(WATCHED)
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.has(SUSPECT)
    }

    /// Until when the provider limits it, if that is after `now`.
    pub(crate) fn limited_until(&self, now: SystemTime) -> Option<SystemTime> {
        until(&self.limited_until, now)
    }

    /// Until when it is taken to be out of money, if that is after `now`.
    pub(crate) fn out_of_funds_until(&self, now: SystemTime) -> Option<SystemTime> {
        until(&self.out_of_funds_until, now)
    }

    /// Whether there is a trial to be taken.
    pub(crate) fn has_trial(&self) -> bool {
        self.has(TRIAL)
    }

    /// Takes the one trial that there may be.
    pub(crate) fn take_trial(&self) -> bool {
        self.has(TRIAL) && self.flags.fetch_and(!TRIAL, Ordering::Relaxed) & TRIAL != 0
    }

    pub(crate) fn allow_trial(&self) {
        self.flags.fetch_or(TRIAL, Ordering::Relaxed);
    }

    pub(crate) fn watch(&self, watch: Watch) {
        self.set(WATCHED, watch != Watch::Refusals);
        self.set(SUSPECT, watch == Watch::Suspect);
        if watch == Watch::Refusals {
            self.set(TRIAL, false);
        }
    }

    /// A shorter limit does not end a longer one, unless that is none: the clock was set back since.
    pub(crate) fn limit(&self, until: SystemTime, now: SystemTime) {
        if self.limited_until(now).is_none_or(|known| known < until) {
            self.limited_until.store(millis(until), Ordering::Relaxed);
        }
    }

    /// There is no money. Requests that were under way when it ran out find it out together: that is once.
    pub(crate) fn note_no_funds(&self, now: SystemTime) {
        if self.out_of_funds_until(now).is_none() {
            let before = self.times_out_of_funds.load(Ordering::Relaxed);
            let times = before.saturating_add(1);
            let until = limit::out_of_funds_until(u32::from(times), now);
            self.times_out_of_funds.store(times, Ordering::Relaxed);
            self.out_of_funds_until
                .store(millis(until), Ordering::Relaxed);
        }
    }

    /// There is money. One load where there always was.
    pub(crate) fn note_funds(&self) {
        if self.times_out_of_funds.load(Ordering::Relaxed) != 0 {
            self.times_out_of_funds.store(0, Ordering::Relaxed);
            self.out_of_funds_until.store(0, Ordering::Relaxed);
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    fn set(&self, flag: u8, is_set: bool) {
        if is_set {
            self.flags.fetch_or(flag, Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!flag, Ordering::Relaxed);
        }
    }
}

/// What is further away than anything is limited for was noted before the clock was set back.
fn until(at: &AtomicU64, now: SystemTime) -> Option<SystemTime> {
    let at = at.load(Ordering::Relaxed);
    let last = millis(now + limit::LONGEST);
    (at > millis(now) && at <= last).then(|| UNIX_EPOCH + Duration::from_millis(at))
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How all values fare that are or were in use.
#[derive(Debug, Default)]
pub(crate) struct Healths(Mutex<FxHashMap<ValueId, Arc<Health>>>);

impl Healths {
    /// The one health of a value. Asked when a worker opens it, and for events; not for each request.
    pub(crate) fn of(&self, id: ValueId) -> Arc<Health> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let health = known.entry(id).or_insert_with(|| Arc::new(Health::new(id)));
        Arc::clone(health)
    }

    /// Lets go of values that no key uses any more.
    pub(crate) fn retain(&self, snapshot: &Snapshot) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|id, health| {
            // A worker may hold an opened one for a moment longer.
            Arc::strong_count(health) > 1 || is_used(snapshot, *id)
        });
        known.shrink_to_fit();
    }
}

fn is_used(snapshot: &Snapshot, id: ValueId) -> bool {
    let mut keys = snapshot.keys_of_secret(id.account, id.secret);
    keys.any(|key| {
        let mut values = key.current.iter().chain(key.previous());
        values.any(|value| value.version == id.version)
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use keyward_secret::AccountId;
    use keyward_vault::{SecretId, VersionNumber};

    use super::{Health, Healths, ValueId, Watch, limit};

    fn id(byte: u8) -> ValueId {
        ValueId {
            account: AccountId::from_bytes([1; 16]),
            secret: SecretId::from_bytes([byte; 16]),
            version: VersionNumber::FIRST,
        }
    }

    #[test]
    fn a_limit_ends_by_itself_and_lack_of_money_with_a_success() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let health = Health::new(id(1));
        assert_eq!(health.limited_until(now), None);
        let wait = Duration::from_secs(5);
        health.limit(now + wait, now);
        health.limit(now + wait / 2, now);
        assert_eq!(health.limited_until(now), Some(now + wait));
        assert_eq!(health.limited_until(now + wait), None);
        // Noted before the clock was set back by more than anything is limited for.
        assert_eq!(health.limited_until(now - limit::LONGEST), None);

        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let until = |now| {
            health
                .out_of_funds_until(now)
                .map(|until| until.duration_since(now).unwrap())
        };
        // Five requests find it out at the same time.
        for _ in 0..5 {
            health.note_no_funds(now);
        }
        assert_eq!(until(now), Some(minutes(5)));
        let later = now + minutes(5);
        health.note_no_funds(later);
        assert_eq!(until(later), Some(minutes(10)));
        health.note_funds();
        assert_eq!(until(later), None);
        health.note_no_funds(later);
        assert_eq!(until(later), Some(minutes(5)));
    }

    #[test]
    fn one_trial_is_taken_once() {
        let health = Health::new(id(1));
        assert!(!health.take_trial());
        health.watch(Watch::Successes);
        health.allow_trial();
        assert!(health.take_trial() && !health.take_trial());
        health.allow_trial();
        health.watch(Watch::Refusals);
        assert!(!health.take_trial());
    }

    #[test]
    fn a_value_has_one_health() {
        let healths = Healths::default();
        healths.of(id(1)).watch(Watch::Suspect);
        assert!(healths.of(id(1)).is_suspect() && healths.of(id(1)).is_watched());
        assert!(!healths.of(id(2)).is_watched());
    }
}
