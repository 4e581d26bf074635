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

/// A custom provider's name in its account: `[a-z0-9][a-z0-9-]{0,56}`, and does not begin with `custom-`. In paths,
/// provider keys and scopes it stands behind `custom-`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomSlug(Box<str>);

/// A custom provider's public id: a random UUID, in lower case with its four hyphens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomProviderId([u8; 16]);

/// A text is not the name or id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {rule}")]
pub struct ParseIdError {
    what: &'static str,
    rule: &'static str,
}

impl ParseIdError {
    pub(crate) const fn new(what: &'static str, rule: &'static str) -> Self {
        Self { what, rule }
    }
}

const SLUG_RULE: &str = "1 to 64 of `a-z`, `0-9` and `-`, and does not begin with `-`";
const ALIAS_RULE: &str =
    "1 to 64 of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`, and begins with a letter or a digit";

const CUSTOM_SLUG_RULE: &str = "1 to 57 of `a-z`, `0-9` and `-`, and begins with neither `-` nor `custom-`, which is put before it in paths";

fn is_custom_slug(text: &str) -> bool {
    is_slug(text)
        && text.len() + CustomSlug::PREFIX.len() <= 64
        && !text.starts_with(CustomSlug::PREFIX)
}

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
text_id!(
    CustomSlug,
    "the slug of a custom provider",
    is_custom_slug,
    CUSTOM_SLUG_RULE
);

impl CustomSlug {
    /// What stands before the slug in paths, provider keys and scopes.
    pub const PREFIX: &'static str = "custom-";

    /// The slug by which paths, provider keys and scopes name the provider.
    #[must_use]
    pub fn provider_slug(&self) -> ProviderSlug {
        ProviderSlug(format!("{}{self}", Self::PREFIX).into())
    }
}

impl Alias {
    /// `default`: the alias of a request that names none.
    pub const DEFAULT: &'static str = "default";
}

impl Default for Alias {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl CustomProviderId {
    /// A new id from the system's randomness.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self::from_bytes(bytes))
    }

    /// The id with these bits, but for the six that say that it is a random UUID (RFC 9562 §5.4).
    #[must_use]
    pub const fn from_bytes(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// The 128 bits.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Parses the text form.
    ///
    /// # Errors
    ///
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, ParseIdError> {
        let digits: String = text.chars().filter(|digit| *digit != '-').collect();
        let bytes = data_encoding::HEXLOWER
            .decode(digits.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self::from_bytes)
            .filter(|id| id.to_string() == text)
            .ok_or(ParseIdError {
                what: "the id of a custom provider",
                rule: "a random UUID in lower case, such as `c9a1f3f0-5b1e-4a53-9d0c-0d6a2f4c7e11`",
            })
    }
}

impl fmt::Display for CustomProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = data_encoding::HEXLOWER.encode(&self.0);
        let mut rest = digits.as_str();
        for length in [8, 4, 4, 4] {
            let (part, after) = rest.split_at(length);
            write!(f, "{part}-")?;
            rest = after;
        }
        f.write_str(rest)
    }
}

impl fmt::Debug for CustomProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomProviderId({self})")
    }
}

impl FromStr for CustomProviderId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type([u8; 16]);

        impl $type {
            /// A new id from the system's randomness.
            pub(crate) fn random() -> Result<Self, getrandom::Error> {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes)?;
                Ok(Self(bytes))
            }

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
                let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
                let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
                bytes.map(Self).ok_or(ParseIdError {
                    what: $what,
                    rule: "32 lower-case hexadecimal digits",
                })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
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

hex_id!(
    /// A provider key's public id: 128 random bits as 32 lower-case hexadecimal digits. Kept through every
    /// rotation.
    ProviderKeyId,
    "a provider key id"
);
hex_id!(
    /// A route's public id: 128 random bits as 32 lower-case hexadecimal digits.
    RouteId,
    "a route id"
);
hex_id!(
    /// The public id of a route's version: 128 random bits as 32 lower-case hexadecimal digits.
    RouteVersionId,
    "the id of a route's version"
);
hex_id!(
    /// The public id of a route's deployment: 128 random bits as 32 lower-case hexadecimal digits.
    RouteDeploymentId,
    "the id of a route's deployment"
);

#[cfg(test)]
mod tests {
    use super::{Alias, CustomProviderId, CustomSlug, GatewayId, ProviderKeyId, ProviderSlug};

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

    #[test]
    fn custom_slugs_are_provider_slugs_behind_their_prefix() {
        let longest = "a".repeat(57);
        for text in ["a", "my-llm", "customs", &longest] {
            let slug = CustomSlug::parse(text).unwrap().provider_slug();
            assert_eq!(ProviderSlug::parse(slug.as_str()), Ok(slug), "{text}");
        }
        for text in ["", "-a", "A", "a_b", "custom-", "custom-a", &"a".repeat(58)] {
            assert!(CustomSlug::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ids_of_custom_providers_are_random_uuids() {
        let id = CustomProviderId::from_bytes([0xff; 16]);
        let text = "ffffffff-ffff-4fff-bfff-ffffffffffff";
        assert_eq!(id.to_string(), text);
        assert_eq!(CustomProviderId::parse(text), Ok(id));
        for text in [
            "",
            "ffffffffffff4fffbfffffffffffffff",
            "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF",
            "ffffffff-ffff-1fff-bfff-ffffffffffff",
            "ffffffff-ffff-4fff-bfff-ffffffffffff-",
        ] {
            assert!(CustomProviderId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{
            Alias, CustomProviderId, CustomSlug, GatewayId, ProviderKeyId, ProviderSlug,
            RouteDeploymentId, RouteId, RouteVersionId,
        };

        keyward_testing::assert_texts!("ParseIdError", [
            "a gateway" => GatewayId::parse("A").unwrap_err(),
            "a provider" => ProviderSlug::parse("A B").unwrap_err(),
            "an alias" => Alias::parse("a b").unwrap_err(),
            "a custom slug" => CustomSlug::parse("A").unwrap_err(),
            "a custom provider" => CustomProviderId::parse("x").unwrap_err(),
            "a provider key" => ProviderKeyId::parse("x").unwrap_err(),
            "a route" => RouteId::parse("x").unwrap_err(),
            "a route's version" => RouteVersionId::parse("x").unwrap_err(),
            "a route's deployment" => RouteDeploymentId::parse("x").unwrap_err(),
        ]);
    }
}
