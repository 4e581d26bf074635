//! The public id of a token.

use std::{fmt, str::FromStr};

use crate::base62;

/// The public id of a token: 12 base62 digits (71 bits). Stands in the token's text, and may be logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId([u8; Self::LENGTH]);

/// The text is not 12 base62 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token id is 12 letters and digits")]
pub struct ParseTokenIdError;

impl TokenId {
    /// Length of the text form, in bytes.
    pub const LENGTH: usize = 12;

    /// Parses the text form; upper and lower case are different digits. Allocates nothing.
    ///
    /// # Errors
    ///
    /// When `text` is anything but 12 digits of `0-9A-Za-z`.
    pub fn parse(text: &str) -> Result<Self, ParseTokenIdError> {
        text.as_bytes()
            .first_chunk()
            .filter(|digits: &&[u8; Self::LENGTH]| digits.len() == text.len())
            .and_then(Self::from_digits)
            .ok_or(ParseTokenIdError)
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        #[expect(
            clippy::expect_used,
            reason = "only base62 digits enter, and they are ASCII"
        )]
        std::str::from_utf8(&self.0).expect("base62 digits are ASCII")
    }

    pub(crate) fn from_digits(digits: &[u8; Self::LENGTH]) -> Option<Self> {
        digits
            .iter()
            .all(|digit| base62::value(*digit).is_some())
            .then_some(Self(*digits))
    }

    /// The id for 128 random bits. 62^12 divides them so nearly that the bias is below 2^-56.
    pub(crate) fn from_random(random: [u8; 16]) -> Self {
        let mut number = u128::from_be_bytes(random);
        Self(std::array::from_fn(|_position| {
            let [.., low] = (number % 62).to_be_bytes();
            number /= 62;
            base62::digit(low)
        }))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

impl FromStr for TokenId {
    type Err = ParseTokenIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TokenId;

    proptest! {
        #[test]
        fn every_random_id_round_trips(random: [u8; 16]) {
            let id = TokenId::from_random(random);
            prop_assert_eq!(TokenId::parse(id.as_str()), Ok(id));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn only_twelve_digits_are_an_id(text in "\\PC{0,14}") {
            let good = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            prop_assert_eq!(TokenId::parse(&text).is_ok(), good);
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::ParseTokenIdError;

        keyward_testing::assert_texts!("ParseTokenIdError", [
            "an id" => ParseTokenIdError,
        ]);
    }
}
