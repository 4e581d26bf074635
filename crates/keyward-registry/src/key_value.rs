//! The value of a provider key as somebody pastes it.

use keyward_secret::SecretBytes;

/// A provider key's value: trimmed, and fit to stand in a header.
#[expect(
    missing_debug_implementations,
    reason = "a secret has no printable form"
)]
pub struct KeyValue {
    value: SecretBytes,
    trimmed: usize,
}

/// The pasted text cannot be a provider key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot store this value: {0}")]
pub struct KeyValueError(Kind);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("it is empty; enter the key")]
    Empty,
    #[error("it is {length} bytes long; at most {MAX_LENGTH} are kept")]
    TooLong { length: usize },
    #[error(
        "character {position} of {length} is {what}; copy the key again, without line breaks or blanks inside"
    )]
    Character {
        position: usize,
        length: usize,
        what: &'static str,
    },
    #[error("it is a token of Keyward's own; store the key that the provider gave you")]
    OwnToken,
}

/// The Secrets Store's limit since 2026-09-25 (wire-spec §4.8).
const MAX_LENGTH: usize = 65_536;

impl KeyValue {
    /// Takes what was pasted: blanks and line breaks at both ends are cut off, those inside are refused with
    /// their position (counted from 1).
    ///
    /// # Errors
    ///
    /// When nothing is left, more than 65,536 bytes are, a blank, a control character or a byte outside ASCII
    /// stands inside, or the value is one of Keyward's own tokens.
    pub fn parse(pasted: &SecretBytes) -> Result<Self, KeyValueError> {
        let text = pasted.expose().trim_ascii();
        // A byte order mark comes along with files that an editor saved.
        let text = text
            .strip_prefix(b"\xEF\xBB\xBF")
            .unwrap_or(text)
            .trim_ascii();
        if text.is_empty() {
            return Err(KeyValueError(Kind::Empty));
        }
        let length = text.len();
        if length > MAX_LENGTH {
            return Err(KeyValueError(Kind::TooLong { length }));
        }
        if let Some(index) = text.iter().position(|byte| !byte.is_ascii_graphic()) {
            let what = match text.get(index) {
                Some(b' ') => "a blank",
                Some(b'\n' | b'\r') => "a line break",
                Some(b'\t') => "a tab",
                Some(byte) if byte.is_ascii() => "a control character",
                _ => "not an ASCII character",
            };
            return Err(KeyValueError(Kind::Character {
                position: index + 1,
                length,
                what,
            }));
        }
        if keyward_auth::is_ours(text) {
            return Err(KeyValueError(Kind::OwnToken));
        }
        Ok(Self {
            value: SecretBytes::copy_from(text),
            trimmed: pasted.len() - length,
        })
    }

    /// What is shown of a value of which nothing may be shown.
    pub(crate) const HIDDEN: &'static str = "••••";

    /// Checks what holds of every value, also of one that is no key.
    pub(crate) fn check_length(value: &SecretBytes) -> Result<(), KeyValueError> {
        match value.len() {
            0 => Err(KeyValueError(Kind::Empty)),
            length if length > MAX_LENGTH => Err(KeyValueError(Kind::TooLong { length })),
            _ => Ok(()),
        }
    }

    /// The value, taken out.
    pub(crate) fn into_secret(self) -> SecretBytes {
        self.value
    }

    /// How many bytes were cut off at the ends.
    #[must_use]
    pub const fn trimmed(&self) -> usize {
        self.trimmed
    }

    /// The value.
    #[must_use]
    pub const fn secret(&self) -> &SecretBytes {
        &self.value
    }

    /// What may be shown of the value: its last four characters behind dots, where at least twelve others
    /// stay hidden; else dots alone.
    #[must_use]
    pub fn preview(&self) -> String {
        mask(&self.value)
    }
}

/// What stands for what is not shown. No provider key and no header's value begins so: it is not ASCII.
pub(crate) const MASK: &str = "••••";

/// What may be shown of a value: its last four characters, where at least twelve others stay hidden.
pub(crate) fn mask(value: &SecretBytes) -> String {
    let text = value.expose();
    let tail = match text.len().checked_sub(4) {
        Some(start) if start >= 12 => text.get(start..).unwrap_or_default(),
        _ => &[],
    };
    format!("{MASK}{}", String::from_utf8_lossy(tail))
}

#[cfg(test)]
mod tests {
    use keyward_secret::SecretBytes;

    use super::{KeyValue, KeyValueError};

    fn parse(text: &str) -> Result<KeyValue, KeyValueError> {
        KeyValue::parse(&SecretBytes::copy_from(text.as_bytes()))
    }

    #[test]
    fn the_ends_are_trimmed_and_counted() {
        let value = parse("\u{feff} sk-0123456789abcdefghij\r\n").unwrap();
        assert_eq!(value.secret().expose(), b"sk-0123456789abcdefghij");
        assert_eq!(value.trimmed(), 6);
        assert_eq!(value.preview(), "••••ghij");
    }

    #[test]
    fn short_values_show_nothing() {
        assert_eq!(parse("sk-012345678").unwrap().preview(), "••••");
    }

    #[test]
    fn what_stands_inside_is_refused_with_its_position() {
        for (text, expected) in [
            ("", "empty"),
            (" \n", "empty"),
            ("sk-a b", "character 5 of 6 is a blank"),
            ("sk-a\nb", "character 5 of 6 is a line break"),
            ("sk-a\tb", "character 5 of 6 is a tab"),
            ("sk\0-a", "character 3 of 5 is a control character"),
            ("sk-ä", "not an ASCII character"),
            ("kw_gw_abc", "token of Keyward's own"),
        ] {
            let error = parse(text).err().expect(text).to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(parse(&"a".repeat(65_536)).is_ok());
        assert!(parse(&"a".repeat(65_537)).is_err());
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{KeyValueError, Kind};

        keyward_testing::assert_texts!("KeyValueError", Kind {
            Kind::Empty => Kind::Empty,
            Kind::TooLong { .. } => Kind::TooLong { length: 70_000 },
            Kind::Character { .. } => Kind::Character { position: 3, length: 9, what: "a line break" },
            Kind::OwnToken => Kind::OwnToken,
        }, |kind| keyward_testing::told(&KeyValueError(kind)));
    }
}
