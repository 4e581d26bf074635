//! Names and ids that cannot hold a bad value.

use std::{fmt, str::FromStr};

/// A gateway's name in its account: `[a-z0-9][a-z0-9-]{0,63}`.
///
/// Narrower than Cloudflare's 64 characters of any kind, so that the first two `_` of a secret's name
/// (`{gateway}_{provider}_{alias}`) can be read in one way only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GatewayId(Box<str>);

/// A provider's slug, as in the request's path: `[a-z0-9][a-z0-9-]{0,63}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderSlug(Box<str>);

/// Which of several keys for one provider: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alias(Box<str>);

/// A provider key's public id: 128 random bits as 32 lower-case hexadecimal digits. Kept through every
/// rotation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderKeyId([u8; 16]);

/// A text is not the name or id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {rule}")]
pub struct ParseIdError {
    what: &'static str,
    rule: &'static str,
}

const SLUG_RULE: &str = "1 to 64 of `a-z`, `0-9` and `-`, and does not begin with `-`";
const ALIAS_RULE: &str =
    "1 to 64 of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`, and begins with a letter or a digit";

fn is_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=64).contains(&bytes.len())
        && bytes.first() != Some(&b'-')
        && bytes
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn is_alias(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=64).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

macro_rules! text_id {
    ($type:ident, $what:literal, $check:ident, $rule:ident) => {
        impl $type {
            /// Parses the text.
            ///
            /// # Errors
            ///
            /// When the text does not follow the grammar of the type.
            pub fn parse(text: &str) -> Result<Self, ParseIdError> {
                if $check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(ParseIdError {
                        what: $what,
                        rule: $rule,
                    })
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self.0)
            }
        }

        impl FromStr for $type {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
    };
}

text_id!(GatewayId, "a gateway id", is_slug, SLUG_RULE);
text_id!(ProviderSlug, "a provider slug", is_slug, SLUG_RULE);
text_id!(Alias, "an alias", is_alias, ALIAS_RULE);

impl Alias {
    /// `default`: the alias of a request that names none.
    pub const DEFAULT: &'static str = "default";
}

impl Default for Alias {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl ProviderKeyId {
    /// The id with these 128 bits.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 128 bits.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Parses 32 lower-case hexadecimal digits.
    ///
    /// # Errors
    ///
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, ParseIdError> {
        let bytes = data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(ParseIdError {
            what: "a provider key id",
            rule: "32 lower-case hexadecimal digits",
        })
    }
}

impl fmt::Display for ProviderKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ProviderKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProviderKeyId({self})")
    }
}

impl FromStr for ProviderKeyId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Alias, GatewayId, ProviderKeyId};

    #[test]
    fn gateway_ids_are_lower_case_slugs() {
        for text in ["a", "default", "0-prod-eu", &"a".repeat(64)] {
            assert!(GatewayId::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "-a",
            "A",
            "a_b",
            "a.b",
            "a/b",
            "a b",
            "é",
            &"a".repeat(65),
        ] {
            assert!(GatewayId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn aliases_hold_nothing_that_a_header_or_a_log_line_could_trip_over() {
        for text in ["default", "Team_A.2-x"] {
            assert!(Alias::parse(text).is_ok(), "{text}");
        }
        for text in ["", "_a", "a b", "a'b", "a\n", &"a".repeat(65)] {
            assert!(Alias::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn key_ids_round_trip() {
        let id = ProviderKeyId::from_bytes([7; 16]);
        assert_eq!(ProviderKeyId::parse(&id.to_string()), Ok(id));
        assert!(ProviderKeyId::parse("07").is_err());
    }
}
