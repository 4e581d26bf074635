//! Pools: several provider keys of a gateway that stand in for each other.
//!
//! A request that names no alias takes one of the keys of its provider's pool, where the gateway has one; which one is
//! for whoever sends it. An alias that is named selects exactly that key, pool or none.

use std::fmt;

use http::HeaderName;
use serde::{Deserialize, Serialize};

use crate::{Alias, ProviderSlug, custom_provider::is_forbidden_header};

/// The pools of a gateway: at most [`Pools::MOST`], and one for a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Pool>", into = "Vec<Pool>")]
pub struct Pools(Vec<Pool>);

/// The keys of one provider that stand in for each other: [`Pool::FEWEST`] to [`Pool::MOST`], none twice.
///
/// A member is named by its alias. There may be no such key, yet or any more: it is passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawPool", into = "RawPool")]
pub struct Pool {
    provider: ProviderSlug,
    strategy: PoolStrategy,
    members: Vec<Member>,
}

/// One key of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which of the provider's keys.
    pub alias: Alias,
    /// How much of the traffic it has, where the pool is not [ordered](PoolStrategy::Ordered).
    pub weight: Weight,
}

/// How much of a pool's traffic a key has, in relation to the others: 1 to 1,000. Default 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u16);

/// How the first key to be tried is chosen from those that are healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever chooses a key must know each"
)]
pub enum PoolStrategy {
    /// The first one, in the order of the list.
    Ordered,
    /// By weight: a conversation that a header names stays with its key, and conversations are shared out by weight.
    Weighted,
    /// By weight as well; without that header a conversation is known by how it begins, for which short bodies are read
    /// before they go on.
    Conversation,
}

/// The header that says to which conversation a request belongs.
///
/// In lower case, at most 64 characters. It is none that carries a credential, frames the message, or tells of the
/// connection or the client; of names that begin with `cf-` it is [`SessionHeader::DEFAULT`] alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionHeader(HeaderName);

/// The text or list is not what a pool may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PoolError(Kind);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("must be at most {most} pools", most = Pools::MOST)]
    Pools,
    #[error("there are two pools for `{0}`; list all of its keys in one")]
    ProviderTwice(ProviderSlug),
    #[error("must list {fewest} to {most} keys", fewest = Pool::FEWEST, most = Pool::MOST)]
    Members,
    #[error("lists the alias `{0}` twice; give it a weight instead")]
    AliasTwice(Alias),
    #[error("must be a whole number from 1 to {most}", most = Weight::MOST)]
    Weight,
    #[error("must be `ordered`, `weighted` or `conversation`")]
    Strategy,
    #[error("must be the name of a header, of at most {most} characters", most = SessionHeader::MOST)]
    HeaderName,
    #[error(
        "must not be a header that carries a credential, frames the message, or is a proxy's or Keyward's own"
    )]
    HeaderForbidden,
    #[error("{0}")]
    Id(crate::ParseIdError),
}

impl Pools {
    /// How many pools a gateway has at most. A guess: more providers than one gateway sensibly has.
    pub const MOST: usize = 32;

    /// The pools in this order.
    ///
    /// # Errors
    ///
    /// When there are more than [`MOST`](Self::MOST), or two for one provider.
    pub fn new(pools: Vec<Pool>) -> Result<Self, PoolError> {
        if pools.len() > Self::MOST {
            return Err(PoolError(Kind::Pools));
        }
        let mut providers: Vec<_> = pools.iter().map(|pool| &pool.provider).collect();
        match twice(&mut providers) {
            Some(provider) => Err(PoolError(Kind::ProviderTwice(provider.clone()))),
            None => Ok(Self(pools)),
        }
    }

    /// The pool for a provider. Allocates nothing.
    #[must_use]
    pub fn find(&self, provider: &str) -> Option<&Pool> {
        self.0
            .iter()
            .find(|pool| pool.provider.as_str() == provider)
    }

    /// Each, in the order in which they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Pool> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pool {
    /// A pool of one key is none.
    pub const FEWEST: usize = 2;
    /// How many keys a pool has at most. A guess.
    pub const MOST: usize = 16;

    /// A pool of these keys.
    ///
    /// # Errors
    ///
    /// When there are fewer than [`FEWEST`](Self::FEWEST) or more than [`MOST`](Self::MOST), or one stands there twice.
    pub fn new(
        provider: ProviderSlug,
        strategy: PoolStrategy,
        members: Vec<Member>,
    ) -> Result<Self, PoolError> {
        if !(Self::FEWEST..=Self::MOST).contains(&members.len()) {
            return Err(PoolError(Kind::Members));
        }
        let mut aliases: Vec<_> = members.iter().map(|member| &member.alias).collect();
        match twice(&mut aliases) {
            Some(alias) => Err(PoolError(Kind::AliasTwice(alias.clone()))),
            None => Ok(Self {
                provider,
                strategy,
                members,
            }),
        }
    }

    /// The provider whose keys these are.
    #[must_use]
    pub const fn provider(&self) -> &ProviderSlug {
        &self.provider
    }

    /// How the first key is chosen.
    #[must_use]
    pub const fn strategy(&self) -> PoolStrategy {
        self.strategy
    }

    /// The keys, in their order: 2 to 16.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }
}

fn twice<'a, T: Ord>(items: &mut [&'a T]) -> Option<&'a T> {
    items.sort_unstable();
    items
        .windows(2)
        .find_map(|pair| (pair.first() == pair.last()).then(|| pair.first().copied())?)
}

impl Weight {
    /// The greatest.
    pub const MOST: u16 = 1000;

    /// A weight.
    ///
    /// # Errors
    ///
    /// When it is not 1 to [`MOST`](Self::MOST).
    pub fn new(weight: u16) -> Result<Self, PoolError> {
        if (1..=Self::MOST).contains(&weight) {
            Ok(Self(weight))
        } else {
            Err(PoolError(Kind::Weight))
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PoolStrategy {
    /// Every strategy.
    pub const ALL: [Self; 3] = [Self::Ordered, Self::Weighted, Self::Conversation];

    /// The text that the store and the wire carry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Weighted => "weighted",
            Self::Conversation => "conversation",
        }
    }

    /// Reads [`as_str`](Self::as_str) back.
    ///
    /// # Errors
    ///
    /// When it is none of these texts.
    pub fn parse(text: &str) -> Result<Self, PoolError> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == text)
            .ok_or(PoolError(Kind::Strategy))
    }
}

impl SessionHeader {
    /// The header of gateways that name none. Like everything that begins with `cf-aig-` it never goes upstream.
    pub const DEFAULT: &'static str = "cf-aig-session-id";
    const MOST: usize = 64;

    /// Parses a header's name, in any case.
    ///
    /// # Errors
    ///
    /// When it is no header name, longer than 64 characters, or that of a header which may not be one (see
    /// [`SessionHeader`]), also with `_` for `-`.
    pub fn parse(name: &str) -> Result<Self, PoolError> {
        let header = (1..=Self::MOST)
            .contains(&name.len())
            .then(|| HeaderName::try_from(name).ok())
            .flatten()
            .ok_or(PoolError(Kind::HeaderName))?;
        if header.as_str() != Self::DEFAULT && is_forbidden_header(header.as_str()) {
            return Err(PoolError(Kind::HeaderForbidden));
        }
        Ok(Self(header))
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &HeaderName {
        &self.0
    }
}

impl Default for SessionHeader {
    fn default() -> Self {
        Self(HeaderName::from_static(Self::DEFAULT))
    }
}

impl TryFrom<String> for SessionHeader {
    type Error = PoolError;

    fn try_from(name: String) -> Result<Self, PoolError> {
        Self::parse(&name)
    }
}

impl From<SessionHeader> for String {
    fn from(header: SessionHeader) -> Self {
        header.0.as_str().to_owned()
    }
}

impl TryFrom<Vec<Pool>> for Pools {
    type Error = PoolError;

    fn try_from(pools: Vec<Pool>) -> Result<Self, PoolError> {
        Self::new(pools)
    }
}

impl From<Pools> for Vec<Pool> {
    fn from(pools: Pools) -> Self {
        pools.0
    }
}

/// A pool as rows and answers have it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPool {
    provider: String,
    strategy: PoolStrategy,
    members: Vec<RawMember>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    alias: String,
    weight: u16,
}

impl TryFrom<RawPool> for Pool {
    type Error = PoolError;

    fn try_from(raw: RawPool) -> Result<Self, PoolError> {
        let id = |error| PoolError(Kind::Id(error));
        let member = |member: RawMember| {
            Ok(Member {
                alias: Alias::parse(&member.alias).map_err(id)?,
                weight: Weight::new(member.weight)?,
            })
        };
        Self::new(
            ProviderSlug::parse(&raw.provider).map_err(id)?,
            raw.strategy,
            raw.members
                .into_iter()
                .map(member)
                .collect::<Result<_, _>>()?,
        )
    }
}

impl From<Pool> for RawPool {
    fn from(pool: Pool) -> Self {
        let member = |member: Member| RawMember {
            alias: member.alias.to_string(),
            weight: member.weight.get(),
        };
        Self {
            provider: pool.provider.to_string(),
            strategy: pool.strategy,
            members: pool.members.into_iter().map(member).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Member, Pool, PoolError, PoolStrategy, Pools, SessionHeader, Weight};
    use crate::{Alias, ProviderSlug};

    fn pool(provider: &str, aliases: &[&str]) -> Result<Pool, PoolError> {
        let member = |alias: &&str| Member {
            alias: Alias::parse(alias).unwrap(),
            weight: Weight::default(),
        };
        Pool::new(
            ProviderSlug::parse(provider).unwrap(),
            PoolStrategy::Weighted,
            aliases.iter().map(member).collect(),
        )
    }

    #[test]
    fn a_pool_has_two_to_sixteen_keys_and_none_twice() {
        let names: Vec<_> = (0..17).map(|number| format!("k{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        for (count, is_fit) in [(0, false), (1, false), (2, true), (16, true), (17, false)] {
            assert_eq!(pool("openai", &names[..count]).is_ok(), is_fit, "{count}");
        }
        assert!(pool("openai", &["a", "b", "a"]).is_err());
        // Aliases are told apart by case, as everywhere.
        assert!(pool("openai", &["a", "A"]).is_ok());
    }

    #[test]
    fn a_provider_has_one_pool() {
        let of = |provider: &str| pool(provider, &["a", "b"]).unwrap();
        assert!(Pools::new(vec![of("openai"), of("anthropic"), of("openai")]).is_err());
        let pools = Pools::new(vec![of("openai"), of("anthropic")]).unwrap();
        assert_eq!(pools.find("anthropic"), Some(&of("anthropic")));
        assert_eq!(pools.find("groq"), None);
        let many = |count| (0..count).map(|number| of(&format!("p{number}"))).collect();
        assert!(Pools::new(many(32)).is_ok());
        assert!(Pools::new(many(33)).is_err());
    }

    #[test]
    fn weights_are_one_to_a_thousand() {
        for (weight, is_fit) in [
            (0, false),
            (1, true),
            (1000, true),
            (1001, false),
            (u16::MAX, false),
        ] {
            assert_eq!(Weight::new(weight).is_ok(), is_fit, "{weight}");
        }
    }

    /// Never to be changed: rows with such texts are out there, under codes made of them.
    #[test]
    fn pools_are_serialised_as_rows_have_them() {
        let text = r#"[{"provider":"openai","strategy":"weighted","members":[{"alias":"a","weight":1},{"alias":"b","weight":1}]}]"#;
        let pools = Pools::new(vec![pool("openai", &["a", "b"]).unwrap()]).unwrap();
        assert_eq!(serde_json::to_string(&pools).unwrap(), text);
        assert_eq!(serde_json::from_str::<Pools>(text).unwrap(), pools);
        for (part, bad) in [
            ("openai", "open ai"),
            ("weighted", "random"),
            (r#""b""#, r#""a""#),
            (r#""b""#, r#""b b""#),
            (r#""weight":1}]"#, r#""weight":0}]"#),
            (r#""weight":1}]"#, r#""weight":1001}]"#),
            (r#""weight":1}]"#, r#""weight":1,"more":1}]"#),
            (r#"},{"alias":"b","weight":1}"#, "}"),
        ] {
            let text = text.replace(part, bad);
            assert!(serde_json::from_str::<Pools>(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_session_header_carries_no_credential_and_frames_nothing() {
        for name in ["X-Session-Id", "session_id", "cf-aig-session-id", "user"] {
            let header = SessionHeader::parse(name).unwrap();
            assert_eq!(header.name().as_str(), name.to_lowercase());
        }
        for name in [
            "",
            "a b",
            "ä",
            "authorization",
            "Authorization",
            "x-api-key",
            "x_api_key",
            "x-goog-api-key",
            "api-key",
            "cookie",
            "proxy-authorization",
            "cf-aig-authorization",
            "cf-aig-byok-alias",
            "cf_aig_session_id",
            "sec-websocket-protocol",
            "host",
            "content-length",
            "connection",
            "x-forwarded-for",
            &"a".repeat(65),
        ] {
            assert!(SessionHeader::parse(name).is_err(), "{name}");
        }
        assert_eq!(
            SessionHeader::default(),
            SessionHeader::parse("CF-AIG-Session-Id").unwrap()
        );
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        let of = |provider: &str| pool(provider, &["a", "b"]).unwrap();
        let bad_alias = r#"{"provider":"a","strategy":"ordered","members":[{"alias":"","weight":1},{"alias":"b","weight":1}]}"#;
        let raw: super::RawPool = serde_json::from_str(bad_alias).unwrap();
        keyward_testing::assert_texts!("PoolError", [
            "too many pools" => Pools::new((0..33).map(|n| of(&format!("p{n}"))).collect()).unwrap_err(),
            "two pools of a provider" => Pools::new(vec![of("openai"), of("openai")]).unwrap_err(),
            "one member" => pool("openai", &["a"]).unwrap_err(),
            "an alias twice" => pool("openai", &["a", "a"]).unwrap_err(),
            "a weight" => Weight::new(0).unwrap_err(),
            "a strategy" => PoolStrategy::parse("random").unwrap_err(),
            "a header name" => SessionHeader::parse("a b").unwrap_err(),
            "a header that may not be" => SessionHeader::parse("cookie").unwrap_err(),
            "an alias" => Pool::try_from(raw).unwrap_err(),
        ]);
    }
}
