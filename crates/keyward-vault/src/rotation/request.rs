//! What who asks for a rotation calls it.

use std::{fmt, str::FromStr};

use crate::RandomError;

/// Chosen by who asks for a rotation: asking twice with the same one begins one rotation. 1 to 64 of
/// `A-Z a-z 0-9 . _ -`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Box<str>);

/// The text is no id of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`")]
pub struct ParseRequestIdError;

const MAX_BYTES: usize = 64;

impl RequestId {
    /// Parses the text form.
    ///
    /// # Errors
    ///
    /// When the text is empty, longer than 64 bytes, or holds another character.
    pub fn parse(text: &str) -> Result<Self, ParseRequestIdError> {
        let is_allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_long_enough = (1..=MAX_BYTES).contains(&text.len());
        match is_long_enough && text.bytes().all(is_allowed) {
            true => Ok(Self(text.into())),
            false => Err(ParseRequestIdError),
        }
    }

    /// One of 128 random bits, for who does not care.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn random() -> Result<Self, RandomError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(RandomError::new)?;
        Ok(Self(data_encoding::HEXLOWER.encode(&bytes).into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl FromStr for RequestId {
    type Err = ParseRequestIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{ParseRequestIdError, RequestId};

    #[test]
    fn ids_are_read_back_and_strict() {
        for text in ["a", "2026-11-27.deploy_7", &"x".repeat(64)] {
            assert_eq!(RequestId::parse(text).unwrap().to_string(), text);
        }
        for text in ["", " ", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(RequestId::parse(text).is_err(), "{text:?}");
        }
        let random = RequestId::random().unwrap();
        assert_eq!(RequestId::parse(random.as_str()), Ok(random));
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        keyward_testing::assert_texts!("ParseRequestIdError", [
            "an id" => ParseRequestIdError,
        ]);
    }
}
