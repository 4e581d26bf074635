//! Which key of a pool a request takes, and which ones after it where that one is refused.
//!
//! Pure: a function of the pool, of how its keys stand, of the conversation or a random number, and of `now`. Allocates
//! nothing but the text of an error. How a key stands is for whoever reads the answers ([`limit`] reads how long a
//! limit lasts).

pub(crate) mod limit;
#[cfg(test)]
mod tests;

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use keyward_registry::{KeyStatus, Pool, PoolStrategy, ProviderKeyId};
use sha2::{Digest as _, Sha256};

/// How one member of a pool stands. One of these for each member, in the pool's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The key; none where there is no key with the member's alias.
    pub(crate) key: Option<ProviderKeyId>,
    pub(crate) health: Health,
}

/// Whether a key can be used, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Nothing speaks against it.
    Usable,
    /// It was refused, and it is not known yet what that means: taken where nothing healthier is left.
    Suspect,
    /// The provider takes no requests with it before then. From then on it is as good as usable.
    LimitedUntil(SystemTime),
    /// The account behind it has no money. From then on it is tried again.
    OutOfFundsUntil(SystemTime),
    /// The provider refuses it, or its date has passed. Never [`KeyStatus::Active`].
    NotActive(KeyStatus),
    /// An operator has switched it off.
    Disabled,
    /// It has no value that can be opened and sent to this provider.
    Unusable,
    /// There is no key with this alias.
    Missing,
    /// The request's token is not for this alias. Not told in any error, like everything a token may not see.
    Forbidden,
}

/// By what a weighted pool chooses. An ordered one needs neither.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    /// The conversation: the same one has the same order, on every worker and after a restart.
    Session(&'a [u8]),
    /// A random number, where the request names no conversation.
    Random(u64),
}

/// Members in the order in which they are tried: their places in the pool's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    places: [u8; Pool::MOST],
    count: usize,
}

/// No key of a pool can be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// Waiting helps: answered with 429, and `Retry-After` of this, in whole seconds.
    Until(Duration),
    /// Somebody must act: answered with 424. Waiting for a limit does not help either, as there is none.
    NotByWaiting,
}

impl Order {
    /// The places, the first choice first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + use<> {
        self.places.into_iter().take(self.count).map(usize::from)
    }

    /// The first choice.
    #[cfg(test)]
    pub(crate) fn first(&self) -> Option<usize> {
        self.iter().next()
    }
}

/// The order in which the members of `pool` are tried.
///
/// What is usable comes before what is suspect, and nothing else is tried. Among those that are alike, an ordered pool
/// keeps its own order. In a weighted pool the chance to be first is in proportion to the weight (weighted rendezvous
/// hashing: each member draws a number from the conversation and its key's id, on its own), so that a member that
/// leaves or comes back moves its own conversations and no others.
///
/// # Errors
///
/// When there is nothing to try: [`told`] says why, member by member.
pub(crate) fn order(
    pool: &Pool,
    standings: &[Standing],
    by: By<'_>,
    now: SystemTime,
) -> Result<Order, Exhausted> {
    let drawn = Drawn::by(by, pool.strategy());
    let mut ranks = [(true, f64::INFINITY, u8::MAX); Pool::MOST];
    let mut count = 0;
    let members = pool.members().iter().zip(standings).zip(0_u8..);
    for ((member, standing), place) in members {
        let (Some(key), Some(is_suspect)) = (standing.key, standing.health.tried(now)) else {
            continue;
        };
        let turn = drawn.turn(key, member.weight.get());
        if let Some(rank) = ranks.get_mut(count) {
            *rank = (is_suspect, turn, place);
            count += 1;
        }
    }
    if count == 0 {
        return Err(exhausted(standings, now));
    }
    // What was not filled in is behind everything that was.
    ranks.sort_unstable_by(|one, other| {
        (one.0.cmp(&other.0))
            .then(one.1.total_cmp(&other.1))
            .then(one.2.cmp(&other.2))
    });
    Ok(Order {
        places: ranks.map(|(_, _, place)| place),
        count,
    })
}

impl Health {
    /// Whether a key that stands so is tried, and then whether only after healthier ones.
    fn tried(self, now: SystemTime) -> Option<bool> {
        match self {
            Self::Usable => Some(false),
            Self::Suspect => Some(true),
            Self::LimitedUntil(until) | Self::OutOfFundsUntil(until) => {
                (until <= now).then_some(false)
            }
            Self::NotActive(_)
            | Self::Disabled
            | Self::Unusable
            | Self::Missing
            | Self::Forbidden => None,
        }
    }
}

/// What the members' numbers are drawn from.
enum Drawn {
    /// The pool's order decides.
    Nothing,
    Seed([u64; 2]),
}

impl Drawn {
    fn by(by: By<'_>, strategy: PoolStrategy) -> Self {
        match (strategy, by) {
            (PoolStrategy::Ordered, _) => Self::Nothing,
            (PoolStrategy::Weighted | PoolStrategy::Conversation, By::Random(number)) => {
                Self::Seed([number, 0])
            }
            (PoolStrategy::Weighted | PoolStrategy::Conversation, By::Session(session)) => {
                // A digest, as its texts may differ in a few bits only, and as it must stay the same in every release.
                Self::Seed(halves(Sha256::digest(session).as_slice()))
            }
        }
    }

    /// When a member's turn is: the smallest number is first. Exponentially distributed at the rate of its weight.
    fn turn(&self, key: ProviderKeyId, weight: u16) -> f64 {
        let Self::Seed([one, other]) = self else {
            return 0.0;
        };
        let [high, low] = halves(key.as_bytes());
        let mixed = mix(mix(one ^ high) ^ other ^ low);
        let bits = u32::try_from(mixed >> 32).unwrap_or(u32::MAX);
        // In the middle of its interval, so that it is neither 0 nor 1.
        let uniform = (f64::from(bits) + 0.5) / 4_294_967_296.0;
        -uniform.ln() / f64::from(weight)
    }
}

fn halves(bytes: &[u8]) -> [u64; 2] {
    let mut halves = [0; 2];
    for (half, bytes) in halves.iter_mut().zip(bytes.chunks_exact(8)) {
        *half = bytes.try_into().map_or(0, u64::from_be_bytes);
    }
    halves
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): every bit of the input moves half of the output's.
pub(crate) const fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn exhausted(standings: &[Standing], now: SystemTime) -> Exhausted {
    let limited = standings
        .iter()
        .filter_map(|standing| match standing.health {
            Health::LimitedUntil(until) if standing.key.is_some() => Some(until),
            _ => None,
        });
    // No money is not waited for: a client that comes back in five minutes finds none either.
    limited.min().map_or(Exhausted::NotByWaiting, |until| {
        Exhausted::Until(whole_seconds(until, now))
    })
}

/// Why no member can be used, one after the other: for the error that a client reads. Members that its token is not
/// for are left out.
pub(crate) fn told(pool: &Pool, standings: &[Standing], now: SystemTime) -> String {
    let mut text = String::new();
    for (member, standing) in pool.members().iter().zip(standings) {
        let state = match standing.health {
            Health::Forbidden => continue,
            Health::Usable => "is usable".to_owned(),
            Health::Suspect => "was refused".to_owned(),
            Health::LimitedUntil(until) => {
                format!("is limited for {} s more", seconds(until, now))
            }
            Health::OutOfFundsUntil(until) => format!(
                "is out of funds and tried again in {} s",
                seconds(until, now)
            ),
            Health::NotActive(status) => format!("is {}", status.as_str()),
            Health::Disabled => "is disabled".to_owned(),
            Health::Unusable => "has no value for this provider".to_owned(),
            Health::Missing => "does not exist".to_owned(),
        };
        let between = if text.is_empty() { "" } else { "; " };
        // A text takes whatever is written.
        let _written = write!(text, "{between}'{}' {state}", member.alias);
    }
    text
}

fn seconds(until: SystemTime, now: SystemTime) -> u64 {
    whole_seconds(until, now).as_secs()
}

/// Rounded up, and at least one: who comes back after it does not come too early.
fn whole_seconds(until: SystemTime, now: SystemTime) -> Duration {
    let left = until.duration_since(now).unwrap_or_default();
    let begun = u64::from(left.subsec_nanos() > 0);
    Duration::from_secs((left.as_secs() + begun).max(1))
}
