//! Links that sign a browser in once. In memory, bounded; no clock and no randomness of its own.

use std::time::{Duration, SystemTime};

use super::{nonce::Digest, sessions::Who};

/// How long a link is good.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(10 * 60);
/// How many there may be. One more, and the oldest goes.
const MOST: usize = 16;

/// The links that are good, the oldest first.
#[derive(Default)]
pub(crate) struct Links(Vec<Link>);

struct Link {
    code: Digest,
    who: Who,
    until: SystemTime,
}

impl Links {
    pub(crate) fn add(&mut self, code: Digest, who: Who, now: SystemTime) {
        self.0.retain(|link| now < link.until);
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        let until = now + GOOD_FOR;
        self.0.push(Link { code, who, until });
    }

    /// Whose link it is; it is good for no one after that. What is compared is the digest of a random text, so that
    /// the time it takes tells nothing that helps.
    pub(crate) fn take(&mut self, code: &Digest, now: SystemTime) -> Option<Who> {
        self.0.retain(|link| now < link.until);
        let at = self.0.iter().position(|link| link.code == *code)?;
        Some(self.0.remove(at).who)
    }

    /// Whether the link is good, without using it up.
    pub(crate) fn is_good(&self, code: &Digest, now: SystemTime) -> bool {
        let mut links = self.0.iter();
        links.any(|link| link.code == *code && now < link.until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use keyward_auth::{TokenDigest, TokenId};

    use super::{GOOD_FOR, Links, MOST, Who};

    fn who() -> Who {
        Who {
            token: TokenId::parse("4pHFIHbBrKxd").unwrap(),
            text: TokenDigest::from_bytes([1; 32]),
        }
    }

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn a_link_is_good_once_and_looking_at_it_does_not_count() {
        let mut links = Links::default();
        links.add([1; 32], who(), start());
        assert!(links.is_good(&[1; 32], start()));
        assert!(!links.is_good(&[2; 32], start()));
        assert_eq!(links.take(&[2; 32], start()), None);
        assert_eq!(links.take(&[1; 32], start()), Some(who()));
        assert_eq!(links.take(&[1; 32], start()), None);
        assert!(!links.is_good(&[1; 32], start()));
    }

    #[test]
    fn a_link_is_good_for_ten_minutes() {
        let mut links = Links::default();
        links.add([1; 32], who(), start());
        let just = start() + GOOD_FOR - Duration::from_secs(1);
        assert!(links.is_good(&[1; 32], just));
        assert!(!links.is_good(&[1; 32], start() + GOOD_FOR));
        assert_eq!(links.take(&[1; 32], start() + GOOD_FOR), None);
    }

    #[test]
    fn one_too_many_takes_the_place_of_the_oldest() {
        let mut links = Links::default();
        for number in 0..=u8::try_from(MOST).unwrap() {
            links.add([number; 32], who(), start());
        }
        assert_eq!(links.take(&[0; 32], start()), None);
        assert_eq!(links.take(&[1; 32], start()), Some(who()));
    }
}
