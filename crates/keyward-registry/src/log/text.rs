//! Texts of a log entry.

use std::{fmt, ops::Deref};

use super::mask::mask;

/// A text of a log entry: at most 256 bytes, without control characters, and without what looks like a key or a token.
///
/// ```
/// use keyward_registry::LogText;
///
/// assert_eq!(LogText::new("curl/8.14.1").as_str(), "curl/8.14.1");
/// assert_eq!(LogText::new("x sk-proj-0123456789ab y\n").as_str(), "x ******************** y ");
/// assert_eq!(LogText::new(&"a".repeat(300)).as_str().len(), 256);
/// assert_eq!(LogText::path("/v1beta/models?key=secret").as_str(), "/v1beta/models");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogText(Box<str>);

impl LogText {
    /// The most bytes that are kept.
    pub const MOST: usize = 256;

    /// Takes what fits of a text: masks keys and tokens, puts a blank for every control character, cuts the rest off.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(tame(text, Self::MOST).into())
    }

    /// Takes a path up to its query, which may hold a key.
    #[must_use]
    pub fn path(path: &str) -> Self {
        let end = path.find(['?', '#']).unwrap_or(path.len());
        Self::new(path.get(..end).unwrap_or_default())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As [`LogText::new`], with another bound. Looks a little beyond it, so that a key across it is seen as one.
pub(super) fn tame(text: &str, most: usize) -> String {
    let looked_at = up_to(text, most + 64).to_owned();
    let mut bytes = looked_at.into_bytes();
    mask(&mut bytes);
    // Whole ASCII words became `*`: it is a text still.
    let masked = String::from_utf8(bytes).unwrap_or_default();
    let plain = |character: char| match character.is_control() {
        true => ' ',
        false => character,
    };
    up_to(&masked, most).chars().map(plain).collect()
}

/// The start of a text: at most so many bytes, whole characters.
fn up_to(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

impl Deref for LogText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LogText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::LogText;

    #[test]
    fn a_key_across_the_end_leaves_nothing() {
        let text = format!(
            "{} sk-proj-0123456789abcdef",
            "a".repeat(LogText::MOST - 10)
        );
        assert!(LogText::new(&text).ends_with("a *********"));
    }

    proptest! {
        #[test]
        fn every_text_is_bounded_and_taken_again_as_it_is(text in "(?s).{0,400}") {
            let kept = LogText::new(&text);
            prop_assert!(kept.len() <= LogText::MOST);
            prop_assert!(!kept.chars().any(char::is_control));
            prop_assert_eq!(LogText::new(&kept), kept);
        }
    }
}
