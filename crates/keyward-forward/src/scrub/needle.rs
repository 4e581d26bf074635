//! Finds one secret text in bytes, in linear time.
//!
//! `memchr::memmem` keeps its own copy of what it looks for, which nobody erases. What is kept here beside
//! the secret are positions and two of its bytes: candidates are found by the rarer one, and a text full of
//! candidates is searched by the two-way algorithm instead, which keeps no copy either.

use keyward_secret::SecretBytes;
use memchr::arch::all::twoway;

pub(super) struct Needle {
    text: SecretBytes,
    rare: Sample,
    second: Sample,
    linear: twoway::Finder,
}

/// A byte of the text and where it stands.
#[derive(Clone, Copy)]
struct Sample {
    at: usize,
    byte: u8,
}

impl Needle {
    /// None if the text is empty.
    pub(super) fn new(text: SecretBytes) -> Option<Self> {
        let samples = || {
            let bytes = text.expose().iter().copied().enumerate();
            bytes.map(|(at, byte)| Sample { at, byte })
        };
        let rare = samples().min_by_key(|sample| commonness(sample.byte))?;
        let second = samples()
            .filter(|sample| sample.byte != rare.byte)
            .min_by_key(|sample| commonness(sample.byte))
            .unwrap_or(rare);
        Some(Self {
            rare,
            second,
            linear: twoway::Finder::new(text.expose()),
            text,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Where the first occurrence at or behind `from` begins.
    pub(super) fn find(&self, hay: &[u8], from: usize) -> Option<usize> {
        let text = self.text.expose();
        let hay = hay.get(from..)?;
        let starts = hay.len().checked_sub(text.len())? + 1;
        let window = hay.get(self.rare.at..)?.get(..starts)?;
        let mut candidates_left = 8 + starts / 32;
        for at in memchr::memchr_iter(self.rare.byte, window) {
            let rest = hay.get(at..)?;
            if rest.get(self.second.at) == Some(&self.second.byte) && rest.starts_with(text) {
                return Some(from + at);
            }
            if candidates_left == 0 {
                return self
                    .linear
                    .find(rest, text)
                    .map(|further| from + at + further);
            }
            candidates_left -= 1;
        }
        None
    }

    /// How many bytes at the end of `hay` are a beginning of the text, but not all of it; the most there are.
    pub(super) fn open_end(&self, hay: &[u8]) -> usize {
        let text = self.text.expose();
        let Some(first) = text.first() else { return 0 };
        let longest = hay.len().min(text.len() - 1);
        let (_, end) = hay.split_at(hay.len() - longest);
        memchr::memchr_iter(*first, end)
            .filter_map(|at| end.get(at..))
            .find(|end| text.starts_with(end))
            .map_or(0, <[u8]>::len)
    }
}

/// How common a byte is in JSON and English text, roughly: a guess that decides speed alone.
const fn commonness(byte: u8) -> u8 {
    match byte {
        b'Q' | b'X' | b'Z' | b'J' | b'K' | b'V' | b'Y' | b'W' => 0,
        b'A'..=b'Z' => 1,
        b'q' | b'z' | b'j' | b'x' | b'%' | b'+' | b'~' | b'=' => 2,
        b'3'..=b'9' => 3,
        b'k' | b'v' | b'w' | b'y' | b'b' | b'/' | b'_' => 4,
        b'0'..=b'2' => 5,
        b'-' | b'g' | b'p' | b'f' | b'm' | b'u' | b'c' | b'd' => 6,
        b'h' | b'l' | b'r' => 7,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use keyward_secret::SecretBytes;
    use proptest::prelude::*;

    use super::Needle;

    proptest! {
        #[test]
        fn the_first_occurrence_is_found(
            needle in "[ab]{1,6}",
            hay in "[abc]{0,300}",
            from in 0_usize..40,
        ) {
            let found = Needle::new(SecretBytes::copy_from(needle.as_bytes())).unwrap().find(hay.as_bytes(), from);
            let expected = hay.get(from..).and_then(|rest| rest.find(&needle)).map(|at| from + at);
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn the_longest_open_end_is_found(needle in "[ab]{1,6}", hay in "[ab]{0,20}") {
            let open = Needle::new(SecretBytes::copy_from(needle.as_bytes())).unwrap().open_end(hay.as_bytes());
            let expected = (0..needle.len()).rev().find(|n| hay.ends_with(&needle[..*n])).unwrap();
            prop_assert_eq!(open, expected);
        }
    }
}
