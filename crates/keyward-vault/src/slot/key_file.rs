//! The text of a key file.

use keyward_secret::SecretBytes;
use zeroize::Zeroizing;

use crate::{RandomError, committed::Key, keyring::random_key};

const PREFIX: &[u8] = b"KEYWARD-KEY-FILE-1 ";
/// 256 bits and their CRC-32.
const PAYLOAD: usize = 32 + 4;

/// A key file: 256 random bits, as one line of text with a checksum.
///
/// ```
/// let file = keyward_vault::KeyFile::generate()?;
/// let text = file.to_text();
/// assert!(text.expose().starts_with(b"KEYWARD-KEY-FILE-1 "));
/// keyward_vault::KeyFile::parse(text.expose())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(
    missing_debug_implementations,
    reason = "a secret has no printable form"
)]
pub struct KeyFile(Key);

/// The bytes are not a key file. Nothing of them is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key file: {0}")]
pub struct ParseKeyFileError(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("it does not begin with `KEYWARD-KEY-FILE-1 `")]
    Prefix,
    #[error("it is cut short, or a character was changed")]
    Checksum,
}

impl KeyFile {
    /// A new one.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, RandomError> {
        random_key().map(Self)
    }

    pub(crate) const fn key(&self) -> &Key {
        &self.0
    }

    /// Parses a file's content; a line break at the end is tolerated.
    ///
    /// # Errors
    ///
    /// When it is something else, is cut short, or fails its checksum.
    pub fn parse(content: &[u8]) -> Result<Self, ParseKeyFileError> {
        let text = content
            .trim_ascii_end()
            .strip_prefix(PREFIX)
            .ok_or(ParseKeyFileError(Kind::Prefix))?;
        let wrong = ParseKeyFileError(Kind::Checksum);
        let mut payload = Zeroizing::new([0; PAYLOAD]);
        if data_encoding::BASE64URL_NOPAD.decode_len(text.len()) != Ok(PAYLOAD) {
            return Err(wrong);
        }
        data_encoding::BASE64URL_NOPAD
            .decode_mut(text, payload.as_mut_slice())
            .map_err(|_partial| wrong)?;
        let (key, checksum) = payload.split_first_chunk::<32>().ok_or(wrong)?;
        if crc32fast::hash(key).to_be_bytes() != checksum {
            return Err(wrong);
        }
        Ok(Self(Zeroizing::new(*key)))
    }

    /// The file's content, with a line break at its end.
    #[must_use]
    pub fn to_text(&self) -> SecretBytes {
        let mut payload = Zeroizing::new([0; PAYLOAD]);
        let (key, checksum) = payload.split_at_mut(32);
        key.copy_from_slice(self.0.as_slice());
        checksum.copy_from_slice(&crc32fast::hash(self.0.as_slice()).to_be_bytes());
        let length = data_encoding::BASE64URL_NOPAD.encode_len(PAYLOAD);
        let mut text = Vec::with_capacity(PREFIX.len() + length + 1);
        text.extend_from_slice(PREFIX);
        text.resize(PREFIX.len() + length, 0);
        let (_, place) = text.split_at_mut(PREFIX.len());
        data_encoding::BASE64URL_NOPAD.encode_mut(payload.as_slice(), place);
        text.push(b'\n');
        SecretBytes::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::KeyFile;

    #[test]
    fn the_text_round_trips_and_no_character_can_be_changed() {
        let file = KeyFile::generate().unwrap();
        let text = file.to_text();
        let parsed = KeyFile::parse(text.expose()).ok().unwrap();
        assert_eq!(parsed.0.as_slice(), file.0.as_slice());
        for index in 0..text.len() - 1 {
            let mut changed = text.expose().to_vec();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert!(KeyFile::parse(&changed).is_err(), "character {index}");
        }
        for length in 0..text.len() - 1 {
            assert!(KeyFile::parse(&text.expose()[..length]).is_err());
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, ParseKeyFileError};

        keyward_testing::assert_texts!("ParseKeyFileError", Kind {
            Kind::Prefix => Kind::Prefix,
            Kind::Checksum => Kind::Checksum,
        }, |kind| keyward_testing::told(&ParseKeyFileError(kind)));
    }
}
