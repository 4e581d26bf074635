//! The name of a route, as it stands behind `dynamic/` in a request's `model`.

use std::{fmt, str::FromStr};

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// A route's name: 1 to 64 letters, digits, `.`, `_` or `-`, of which the first is a letter or a digit. Upper and lower
/// case differ. Unique within a gateway.
///
/// ```
/// use keyward_routes::RouteName;
///
/// assert!(RouteName::parse("Support-Bot_2.1").is_ok());
/// assert!(RouteName::parse("support bot").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteName(Box<str>);

/// A text that is no [`RouteName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a route's name is 1 to 64 letters, digits, `.`, `_` or `-`, and begins with a letter or a digit; choose one of these"
)]
pub struct ParseRouteNameError;

impl RouteName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// When the text is empty, longer than 64 bytes, begins with another character than an ASCII letter or digit, or holds
    /// one that is neither of these nor `.`, `_` or `-`.
    pub fn parse(text: &str) -> Result<Self, ParseRouteNameError> {
        let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        match begins && text.len() <= LONGEST && text.bytes().all(is_plain) {
            true => Ok(Self(text.into())),
            false => Err(ParseRouteNameError),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RouteName {
    type Err = ParseRouteNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for RouteName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{ParseRouteNameError, RouteName};

    #[test]
    fn the_refusal_says_what_a_name_is() {
        keyward_testing::assert_texts!("ParseRouteNameError", ["a b" => ParseRouteNameError]);
    }

    #[test]
    fn a_name_has_no_character_that_a_path_or_a_model_would_read_otherwise() {
        for name in ["a", "A", "0", "support-bot", "v1.2_x", &"a".repeat(64)] {
            assert_eq!(RouteName::parse(name).expect(name).as_str(), name);
        }
        for name in [
            "",
            ".",
            "-a",
            "_a",
            "a/b",
            "a b",
            "a%",
            "caf\u{e9}",
            &"a".repeat(65),
        ] {
            assert!(RouteName::parse(name).is_err(), "{name}");
        }
    }
}
