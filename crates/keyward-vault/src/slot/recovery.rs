//! The text of a recovery key: something a person can write down, keep in a safe, and type again.

use hkdf::Hkdf;
use keyward_secret::SecretBytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{RandomError, committed::Key};

const LABEL: &[u8] = b"keyward recovery key v1";
/// Crockford's base 32 (<https://www.crockford.com/base32.html>): no `I`, `L`, `O` and `U`.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 160 bits.
const BYTES: usize = 20;
/// 160 bits at five each.
const KEY_SYMBOLS: usize = 32;
/// 20 bits: one mistyped text in a million passes.
const CHECK_SYMBOLS: usize = 4;
const SYMBOLS: usize = KEY_SYMBOLS + CHECK_SYMBOLS;
const GROUP: usize = 4;

/// A recovery key: 160 random bits that a person can copy by hand, as nine groups of four characters, the last
/// of them a checksum.
///
/// It needs no costly derivation: nobody tries 2^160 keys.
///
/// ```
/// let key = keyward_vault::RecoveryKey::generate()?;
/// let text = key.to_text();
/// assert_eq!(text.expose().split(|byte| *byte == b'-').count(), 9);
/// keyward_vault::RecoveryKey::parse(text.expose())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(
    missing_debug_implementations,
    reason = "a secret has no printable form"
)]
pub struct RecoveryKey(Zeroizing<[u8; BYTES]>);

/// The text is not a recovery key. Nothing of it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a recovery key: {0}")]
pub struct ParseRecoveryKeyError(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("character {0} is neither a digit nor one of its letters")]
    Character(usize),
    #[error("it has {SYMBOLS} digits and letters, in groups of {GROUP}")]
    Length,
    #[error(
        "the last group does not fit the others: a character was mistyped, or two were swapped"
    )]
    Checksum,
}

impl RecoveryKey {
    /// A new one.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(RandomError::new)?;
        Ok(Self(bytes))
    }

    /// Reads what somebody typed: case does not count, `I` and `L` are read as `1`, `O` as `0`, and hyphens and
    /// blanks may stand anywhere.
    ///
    /// # Errors
    ///
    /// When it holds another character, too few or too many, or fails its checksum.
    pub fn parse(text: &[u8]) -> Result<Self, ParseRecoveryKeyError> {
        let mut values = Zeroizing::new([0_u8; SYMBOLS]);
        let mut places = values.iter_mut();
        for (index, byte) in text.iter().enumerate() {
            if *byte == b'-' || byte.is_ascii_whitespace() {
                continue;
            }
            let value = value_of(*byte).ok_or(ParseRecoveryKeyError(Kind::Character(index + 1)))?;
            *places.next().ok_or(ParseRecoveryKeyError(Kind::Length))? = value;
        }
        if places.next().is_some() {
            return Err(ParseRecoveryKeyError(Kind::Length));
        }
        let mut bytes = Zeroizing::new([0; BYTES]);
        // Eight values of five bits make five bytes.
        for (place, eight) in bytes
            .as_chunks_mut::<5>()
            .0
            .iter_mut()
            .zip(values.as_chunks::<8>().0)
        {
            let number = eight
                .iter()
                .fold(0_u64, |all, value| (all << 5) | u64::from(*value));
            let number = Zeroizing::new(number.to_be_bytes());
            if let Some((_, low)) = number.split_first_chunk::<3>() {
                place.copy_from_slice(low);
            }
        }
        let key = Self(bytes);
        let (_, claimed) = values.split_at(KEY_SYMBOLS);
        if bool::from(key.checksum().as_slice().ct_eq(claimed)) {
            Ok(key)
        } else {
            Err(ParseRecoveryKeyError(Kind::Checksum))
        }
    }

    /// The text to write down: upper case, groups of four, hyphens between them.
    #[must_use]
    pub fn to_text(&self) -> SecretBytes {
        let mut text = Vec::with_capacity(SYMBOLS + SYMBOLS / GROUP);
        let checksum = self.checksum();
        for (index, value) in self.values().iter().chain(checksum.iter()).enumerate() {
            if index > 0 && index % GROUP == 0 {
                text.push(b'-');
            }
            text.extend(ALPHABET.get(usize::from(*value)));
        }
        SecretBytes::new(text)
    }

    /// The key that wraps the root key: HKDF-SHA256 without salt.
    pub(super) fn derive(&self) -> Option<Key> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand(LABEL, key.as_mut_slice())
            .ok()?;
        Some(key)
    }

    fn values(&self) -> Zeroizing<[u8; KEY_SYMBOLS]> {
        let mut values = Zeroizing::new([0; KEY_SYMBOLS]);
        for (eight, five) in values
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip(self.0.as_chunks::<5>().0)
        {
            let number = five
                .iter()
                .fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
            for (place, shift) in eight.iter_mut().rev().zip((0..).step_by(5)) {
                *place = low_five_bits(number >> shift);
            }
        }
        values
    }

    /// The first 20 bits of SHA-256 over a label and the key.
    fn checksum(&self) -> Zeroizing<[u8; CHECK_SYMBOLS]> {
        let mut digest = Sha256::new();
        digest.update(LABEL);
        digest.update(self.0.as_slice());
        let digest = Zeroizing::new(<[u8; 32]>::from(digest.finalize()));
        let number = digest
            .iter()
            .take(3)
            .fold(0_u64, |all, byte| (all << 8) | u64::from(*byte))
            >> 4;
        let mut values = Zeroizing::new([0; CHECK_SYMBOLS]);
        for (place, shift) in values.iter_mut().rev().zip((0..).step_by(5)) {
            *place = low_five_bits(number >> shift);
        }
        values
    }
}

fn low_five_bits(number: u64) -> u8 {
    let [.., low] = number.to_be_bytes();
    low & 31
}

fn value_of(symbol: u8) -> Option<u8> {
    let symbol = match symbol.to_ascii_uppercase() {
        b'I' | b'L' => b'1',
        b'O' => b'0',
        symbol => symbol,
    };
    let at = ALPHABET.iter().position(|known| *known == symbol)?;
    u8::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::{ALPHABET, BYTES, Kind, ParseRecoveryKeyError, RecoveryKey};

    fn error(text: &str) -> Kind {
        let ParseRecoveryKeyError(kind) = RecoveryKey::parse(text.as_bytes()).err().unwrap();
        kind
    }

    fn text(bytes: [u8; BYTES]) -> String {
        let key = RecoveryKey(Zeroizing::new(bytes));
        String::from_utf8(key.to_text().expose().to_vec()).unwrap()
    }

    #[test]
    fn what_is_wrong_is_told_without_the_text() {
        let good = text([7; BYTES]);
        assert_eq!(error(&good[..good.len() - 1]), Kind::Length);
        assert_eq!(error(&format!("{good}0")), Kind::Length);
        assert_eq!(error(&good.replacen('-', "u", 1)), Kind::Character(5));
        assert_eq!(error(""), Kind::Length);
    }

    #[test]
    fn it_may_be_typed_as_people_type() {
        let good = text([0x39; BYTES]);
        for typed in [
            good.to_lowercase(),
            good.replace('-', " "),
            good.replace('-', ""),
            format!(" {good}\r\n"),
            good.replace('0', "o").replace('1', "l"),
        ] {
            let parsed = RecoveryKey::parse(typed.as_bytes()).ok().unwrap();
            assert_eq!(parsed.0.as_slice(), [0x39; BYTES]);
        }
    }

    #[test]
    fn no_character_can_be_mistyped_and_no_two_swapped() {
        // Fixed: 20 bits of checksum let one wrong text in a million pass.
        let good = text(std::array::from_fn(|index| {
            11 * u8::try_from(index).unwrap()
        }));
        for index in (0..good.len()).filter(|index| good.as_bytes()[*index] != b'-') {
            for other in ALPHABET {
                let mut typed = good.clone().into_bytes();
                if typed[index] == *other {
                    continue;
                }
                typed[index] = *other;
                let refused = RecoveryKey::parse(&typed).is_err();
                assert!(refused, "character {index}");
            }
        }
        for index in 1..good.len() {
            let mut swapped = good.clone().into_bytes();
            swapped.swap(index - 1, index);
            let same = swapped
                .iter()
                .filter(|byte| **byte != b'-')
                .eq(good.as_bytes().iter().filter(|byte| **byte != b'-'));
            assert_eq!(RecoveryKey::parse(&swapped).is_ok(), same, "{index}");
        }
    }

    proptest! {
        #[test]
        fn the_text_round_trips(bytes: [u8; BYTES]) {
            let text = text(bytes);
            prop_assert_eq!(text.len(), 36 + 8);
            let parsed = RecoveryKey::parse(text.as_bytes()).ok().unwrap();
            prop_assert_eq!(parsed.0.as_slice(), bytes);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _may_be_refused = RecoveryKey::parse(&bytes);
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, ParseRecoveryKeyError};

        keyward_testing::assert_texts!("ParseRecoveryKeyError", Kind {
            Kind::Character(_) => Kind::Character(7),
            Kind::Length => Kind::Length,
            Kind::Checksum => Kind::Checksum,
        }, |kind| keyward_testing::told(&ParseRecoveryKeyError(kind)));
    }
}
