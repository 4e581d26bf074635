//! Which models a token is for.

use std::{fmt, str::FromStr};

/// The longest pattern, in bytes.
const LONGEST: usize = 256;

/// Which models a token is for, by `provider/model`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "who shows or stores a scope must handle both"
)]
pub enum Models {
    /// Every model, and requests that name none.
    All,
    /// Models that one of these matches. None of them means nothing at all.
    Only(Box<[ModelPattern]>),
}

/// Models of providers: `PROVIDER/MODEL`, in which `*` stands for any run of characters without a `/`, and a last
/// segment `**` for one segment or more.
///
/// A model's own name may hold slashes. Upper and lower case differ.
///
/// ```
/// use keyward_auth::ModelPattern;
///
/// let pattern = ModelPattern::parse("openai/gpt-5*")?;
/// assert!(pattern.matches("openai", "gpt-5-mini"));
/// assert!(!pattern.matches("openai", "gpt-4.1"));
/// assert!(!pattern.matches("openrouter", "openai/gpt-5"));
///
/// let all_of_one = ModelPattern::parse("workers-ai/**")?;
/// assert!(all_of_one.matches("workers-ai", "@cf/meta/llama-3.1-8b-instruct"));
/// # Ok::<(), keyward_auth::ParseModelPatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelPattern(Box<str>);

/// A text that is no [`ModelPattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseModelPatternError(Fault);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("a pattern of models is PROVIDER/MODEL, such as `openai/gpt-5*`; write both")]
    Shape,
    #[error(
        "a pattern of models has at most 256 printable ASCII characters without blanks; write fewer, or `*`"
    )]
    Characters,
    #[error("`**` stands for all that follows, so it is a last segment by itself; write `*` here")]
    Rest,
}

impl Models {
    /// The scope of these patterns, sorted and once each.
    #[must_use]
    pub fn only(patterns: impl IntoIterator<Item = ModelPattern>) -> Self {
        let mut patterns: Vec<_> = patterns.into_iter().collect();
        patterns.sort_unstable();
        patterns.dedup();
        Self::Only(patterns.into())
    }

    /// Whether the model is in the scope. Allocates nothing.
    #[must_use]
    pub fn allows(&self, provider: &str, model: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(patterns) => patterns
                .iter()
                .any(|pattern| pattern.matches(provider, model)),
        }
    }

    /// Whether this scope allows nothing that `other` does not, as far as its patterns show one by one: a pattern that
    /// only several of the other's together would cover counts as beyond.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(narrow), Self::Only(wide)) => narrow
                .iter()
                .all(|narrow| wide.iter().any(|wide| narrow.is_within(wide))),
        }
    }
}

impl ModelPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// When the text is longer than 256 bytes, holds anything but printable ASCII without blanks, lacks the provider or
    /// the model, has an empty segment, or `**` elsewhere than as its last segment.
    pub fn parse(text: &str) -> Result<Self, ParseModelPatternError> {
        let refuse = |fault| Err(ParseModelPatternError(fault));
        if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse(Fault::Characters);
        }
        let Some((front, last)) = text.rsplit_once('/') else {
            return refuse(Fault::Shape);
        };
        if last.is_empty() || front.split('/').any(str::is_empty) {
            return refuse(Fault::Shape);
        }
        if front.contains(REST) || (last.contains(REST) && last != REST) {
            return refuse(Fault::Rest);
        }
        Ok(Self(text.into()))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the model is one of these. Allocates nothing.
    #[must_use]
    pub fn matches(&self, provider: &str, model: &str) -> bool {
        let mut segments = std::iter::once(provider).chain(model.split('/'));
        let mut patterns = self.0.split('/');
        loop {
            match (patterns.next(), segments.next()) {
                (None, None) => return true,
                (Some(REST), Some(_)) => return true,
                (Some(pattern), Some(segment)) if matches_segment(pattern, segment) => {}
                _ => return false,
            }
        }
    }

    /// Whether every model that this pattern matches is matched by `other` too. May say no where it is so.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let mut narrow = self.0.split('/');
        let mut wide = other.0.split('/');
        loop {
            match (wide.next(), narrow.next()) {
                (None, None) => return true,
                (Some(REST), Some(_)) => return true,
                // A `*` of the narrow one is a character here that only a `*` of the wide one matches.
                (Some(wide), Some(narrow)) if narrow != REST && matches_segment(wide, narrow) => {}
                _ => return false,
            }
        }
    }
}

const REST: &str = "**";

/// Whether the pattern, whose `*` stand for any run of characters, matches all of the segment.
fn matches_segment(pattern: &str, segment: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(last) = parts.next_back() else {
        return pattern == segment;
    };
    let Some(mut rest) = segment
        .strip_prefix(first)
        .and_then(|rest| rest.strip_suffix(last))
    else {
        return false;
    };
    // The earliest place of each part leaves the most for the next ones.
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else {
            return false;
        };
        rest = behind;
    }
    true
}

impl FromStr for ModelPattern {
    type Err = ParseModelPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ModelPattern, Models};

    fn pattern(text: &str) -> ModelPattern {
        ModelPattern::parse(text).expect(text)
    }

    #[test]
    fn a_star_does_not_cross_a_slash() {
        for (text, provider, model, expected) in [
            ("openai/gpt-5", "openai", "gpt-5", true),
            ("openai/gpt-5", "openai", "gpt-5-mini", false),
            ("openai/gpt-5", "openai", "GPT-5", false),
            ("openai/gpt-*-mini", "openai", "gpt-5-mini", true),
            ("openai/gpt-*-mini", "openai", "gpt-mini", false),
            ("openai/*", "openai", "gpt-5", true),
            ("openai/*", "openai", "ft/gpt-5", false),
            ("openai/*", "openai", "", true),
            ("openrouter/openai/*", "openrouter", "openai/gpt-5", true),
            ("openrouter/openai/*", "openai", "gpt-5", false),
            ("*/gpt-5", "azure-openai", "gpt-5", true),
            ("*/gpt-5", "openrouter", "openai/gpt-5", false),
            ("workers-ai/**", "workers-ai", "@cf/meta/llama", true),
            ("workers-ai/@cf/**", "workers-ai", "@cf", false),
            ("openai/a*a", "openai", "a", false),
            ("openai/a*b*c", "openai", "axbxbxc", true),
            ("openai/a*b*c", "openai", "acb", false),
        ] {
            assert_eq!(
                pattern(text).matches(provider, model),
                expected,
                "{text} {provider}/{model}"
            );
        }
    }

    #[test]
    fn other_texts_are_no_patterns() {
        for text in [
            "",
            "gpt-5",
            "/gpt-5",
            "openai/",
            "openai//x",
            "openai/a b",
            "openai/**/x",
            "openai/x**",
            "**",
            "**/x",
            "openai/caf\u{e9}",
        ] {
            assert!(ModelPattern::parse(text).is_err(), "{text}");
        }
        assert!(ModelPattern::parse(&format!("openai/{}", "x".repeat(249))).is_ok());
        assert!(ModelPattern::parse(&format!("openai/{}", "x".repeat(250))).is_err());
    }

    #[test]
    fn no_pattern_is_no_model_at_all() {
        assert!(!Models::only([]).allows("openai", "gpt-5"));
        assert!(Models::All.allows("openai", "gpt-5"));
    }

    #[test]
    fn what_is_within_another() {
        for (narrow, wide, expected) in [
            ("openai/gpt-5", "openai/gpt-*", true),
            ("openai/gpt-5*", "openai/gpt-*", true),
            ("openai/gpt-*", "openai/gpt-5*", false),
            ("openai/*", "openai/**", true),
            ("openai/**", "openai/*", false),
            ("openai/a/**", "openai/**", true),
            ("*/gpt-5", "openai/gpt-5", false),
            ("openai/gpt-5", "*/gpt-5", true),
            ("openai/*", "openai/?", false),
        ] {
            assert_eq!(
                pattern(narrow).is_within(&pattern(wide)),
                expected,
                "{narrow} in {wide}"
            );
        }
        assert!(!Models::All.is_within(&Models::only([pattern("*/**")])));
    }

    fn patterns() -> impl Strategy<Value = ModelPattern> {
        let segment = "[ab*]{1,3}".prop_filter("`**` is the rest", |text| !text.contains("**"));
        let last = prop_oneof![4 => segment.clone().boxed(), 1 => Just("**".to_owned()).boxed()];
        (proptest::collection::vec(segment, 1..3), last)
            .prop_map(|(front, last)| pattern(&format!("{}/{last}", front.join("/"))))
    }

    proptest! {
        #[test]
        fn within_means_never_more(
            narrow in proptest::collection::vec(patterns(), 0..3).prop_map(Models::only),
            wide in proptest::collection::vec(patterns(), 0..3).prop_map(Models::only),
            provider in "[ab]{0,3}",
            model in "[ab]{0,3}(/[ab]{0,3}){0,2}",
        ) {
            if narrow.is_within(&wide) && narrow.allows(&provider, &model) {
                prop_assert!(wide.allows(&provider, &model));
            }
            prop_assert!(narrow.is_within(&narrow) && narrow.is_within(&Models::All));
        }

        /// Against a matcher that tries every way.
        #[test]
        fn a_segment_matches_as_a_slow_matcher_says(pattern in "[ab*]{0,6}", segment in "[ab]{0,8}") {
            fn slow(pattern: &[u8], segment: &[u8]) -> bool {
                match (pattern.split_first(), segment.split_first()) {
                    (None, None) => true,
                    (Some((b'*', after)), _) => {
                        slow(after, segment)
                            || segment.split_first().is_some_and(|(_, rest)| slow(pattern, rest))
                    }
                    (Some((one, after)), Some((other, rest))) => one == other && slow(after, rest),
                    _ => false,
                }
            }
            let expected = slow(pattern.as_bytes(), segment.as_bytes());
            prop_assert_eq!(super::matches_segment(&pattern, &segment), expected);
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Fault, ParseModelPatternError};

        keyward_testing::assert_texts!("ParseModelPatternError", Fault {
            Fault::Shape => Fault::Shape,
            Fault::Characters => Fault::Characters,
            Fault::Rest => Fault::Rest,
        }, |fault| keyward_testing::told(&ParseModelPatternError(fault)));
    }
}
