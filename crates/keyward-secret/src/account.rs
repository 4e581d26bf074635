//! The tenant that a record belongs to.

use std::{fmt, str::FromStr};

/// An account: 128 bits, written as 32 lower-case hexadecimal digits.
///
/// Cloudflare's account tags have the same form (wire-spec §1), so clients that check it are satisfied.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId([u8; 16]);

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an account id is 32 lower-case hexadecimal digits")]
pub struct ParseAccountIdError;

impl AccountId {
    /// The account with these 128 bits.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 128 bits, for storage and for associated data.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Parses the text form. Allocates nothing.
    ///
    /// # Errors
    ///
    /// When `text` is anything but 32 digits of `0-9a-f`.
    pub fn parse(text: &str) -> Result<Self, ParseAccountIdError> {
        let digits: &[u8; 32] = text
            .as_bytes()
            .try_into()
            .map_err(|_length| ParseAccountIdError)?;
        let mut bytes = [0; 16];
        let (pairs, _none_left) = digits.as_chunks::<2>();
        let mut seen = 0;
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = (nibble(*high), nibble(*low));
            seen |= high | low;
            *byte = (high << 4) | (low & 0xf);
        }
        match seen & NO_DIGIT {
            0 => Ok(Self(bytes)),
            _ => Err(ParseAccountIdError),
        }
    }
}

/// Stands in [`nibble`] for what is no digit; no nibble has this bit.
const NO_DIGIT: u8 = 0x80;

/// Without a branch: every request has an account in its path.
const fn nibble(digit: u8) -> u8 {
    let number = digit.wrapping_sub(b'0');
    let letter = digit.wrapping_sub(b'a');
    if number < 10 {
        number
    } else if letter < 6 {
        letter + 10
    } else {
        NO_DIGIT
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({self})")
    }
}

impl FromStr for AccountId {
    type Err = ParseAccountIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::AccountId;

    proptest! {
        #[test]
        fn text_and_bytes_round_trip(bytes: [u8; 16]) {
            let id = AccountId::from_bytes(bytes);
            prop_assert_eq!(AccountId::parse(&id.to_string()), Ok(id));
        }

        #[test]
        fn whatever_parses_prints_the_same(text in "[0-9a-fA-F]{31,33}") {
            if let Ok(id) = AccountId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn upper_case_short_and_long_texts_are_refused() {
        for text in [
            "",
            "0",
            &"A".repeat(32),
            &"a".repeat(31),
            &"a".repeat(33),
            &"é".repeat(16),
        ] {
            assert!(AccountId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::ParseAccountIdError;

        keyward_testing::assert_texts!("ParseAccountIdError", [
            "an id" => ParseAccountIdError,
        ]);
    }
}
