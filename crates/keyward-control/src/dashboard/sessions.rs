//! Who is signed in. In memory, bounded; no clock and no randomness of its own.
//!
//! A session names an API token by its id and the digest of its text; what it may do is what the token may do when it is
//! asked. A token that is rolled has another digest, and the session is over.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_auth::{TokenDigest, TokenId};

use super::nonce::{Digest, Nonce};

/// How long a session lasts that nobody uses.
pub(crate) const IDLE: Duration = Duration::from_secs(30 * 60);
/// How long a session lasts at most.
pub(crate) const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// How many there may be. One more, and the one that was idle longest goes.
const MOST: usize = 1_024;

/// Everyone who is signed in, by the digest of what the cookie holds.
#[derive(Default)]
pub(crate) struct Sessions(HashMap<Digest, Session>);

/// Somebody who is signed in.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) who: Who,
    /// Stands in every form, and shows that the form is ours.
    pub(crate) csrf: Arc<Nonce>,
    began: SystemTime,
    used: SystemTime,
}

/// The API token that somebody signed in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) token: TokenId,
    /// The digest of its text then.
    pub(crate) text: TokenDigest,
}

impl Session {
    pub(crate) fn new(who: Who, csrf: Nonce, now: SystemTime) -> Self {
        Self {
            who,
            csrf: Arc::new(csrf),
            began: now,
            used: now,
        }
    }

    /// Whether it lasts at `now`. A clock that was put back ends nothing and prolongs nothing.
    fn lasts(&self, now: SystemTime) -> bool {
        let since = |then| now.duration_since(then).unwrap_or_default();
        since(self.used) < IDLE && since(self.began) < LONGEST
    }
}

impl Sessions {
    pub(crate) fn begin(&mut self, cookie: Digest, session: Session, now: SystemTime) {
        self.0.retain(|_, known| known.lasts(now));
        if self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, known)| known.used);
            if let Some(oldest) = oldest.map(|(cookie, _)| *cookie) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(cookie, session);
    }

    /// The session of a cookie. With `is_use` it counts as used now; a page that refreshes itself does not count.
    pub(crate) fn find(
        &mut self,
        cookie: &Digest,
        is_use: bool,
        now: SystemTime,
    ) -> Option<Session> {
        let session = self.0.get_mut(cookie)?;
        if !session.lasts(now) {
            self.0.remove(cookie);
            return None;
        }
        if is_use {
            session.used = session.used.max(now);
        }
        Some(session.clone())
    }

    pub(crate) fn end(&mut self, cookie: &Digest) {
        self.0.remove(cookie);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use keyward_auth::{TokenDigest, TokenId};

    use super::{IDLE, LONGEST, MOST, Session, Sessions, Who};
    use crate::dashboard::nonce::Nonce;

    const COOKIE: [u8; 32] = [7; 32];

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn session(now: SystemTime) -> Session {
        let who = Who {
            token: TokenId::parse("4pHFIHbBrKxd").unwrap(),
            text: TokenDigest::from_bytes([1; 32]),
        };
        Session::new(who, Nonce::generate().unwrap(), now)
    }

    fn begun() -> Sessions {
        let mut sessions = Sessions::default();
        sessions.begin(COOKIE, session(start()), start());
        sessions
    }

    #[test]
    fn a_session_that_nobody_uses_ends_after_half_an_hour() {
        let mut sessions = begun();
        let just = start() + IDLE - Duration::from_secs(1);
        assert!(sessions.find(&COOKIE, false, just).is_some());
        assert!(sessions.find(&COOKIE, true, start() + IDLE).is_none());
        assert!(sessions.find(&COOKIE, true, just).is_none(), "it is gone");
    }

    #[test]
    fn use_prolongs_it_to_half_a_day_and_a_refresh_does_not() {
        let mut sessions = begun();
        let mut now = start();
        let step = IDLE - Duration::from_secs(60);
        while now + step < start() + LONGEST {
            now += step;
            assert!(sessions.find(&COOKIE, true, now).is_some());
        }
        assert!(sessions.find(&COOKIE, true, start() + LONGEST).is_none());

        let mut sessions = begun();
        assert!(sessions.find(&COOKIE, false, start() + IDLE / 2).is_some());
        assert!(sessions.find(&COOKIE, false, start() + IDLE).is_none());
    }

    #[test]
    fn an_ended_session_and_another_cookie_find_nothing() {
        let mut sessions = begun();
        assert!(sessions.find(&[8; 32], true, start()).is_none());
        sessions.end(&COOKIE);
        assert!(sessions.find(&COOKIE, true, start()).is_none());
    }

    #[test]
    fn one_too_many_takes_the_place_of_the_one_that_was_idle_longest() {
        let mut sessions = begun();
        for at in 1..=MOST {
            let mut cookie = [0; 32];
            cookie[..8].copy_from_slice(&at.to_be_bytes());
            let now = start() + Duration::from_millis(u64::try_from(at).unwrap());
            sessions.begin(cookie, session(now), now);
        }
        assert_eq!(sessions.0.len(), MOST);
        assert!(sessions.find(&COOKIE, true, start()).is_none());
    }
}
