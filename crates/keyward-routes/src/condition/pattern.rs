//! Patterns: compiled within bounds of memory, and of the time that a search may take.
//!
//! A search takes time in proportion to the text and, at worst, to the positions that a pattern may be at, all at once:
//! `[ab]*a[ab]{400}c` is at 400 of them, and 7 to 20 ns go by for each and each byte. So both are bounded: a thousand
//! positions of a graph and 16 KiB of a text are a quarter of a second, of a route that is written to take long.

use regex::{Regex, RegexBuilder};
use regex_syntax::{
    ParserBuilder,
    hir::{Hir, HirKind},
};

/// How much of a text `$regex` searches, in bytes.
const SEARCHED: usize = 16 * 1024;
/// The most positions of all patterns of a graph.
pub(super) const MOST_POSITIONS: usize = 1_000;
/// The longest pattern, in bytes.
const LONGEST: usize = 512;
/// The largest compiled pattern, and what a search may keep of its states, in bytes.
const LARGEST: usize = 256 * 1024;
/// What a small pattern counts as when compiled, in bytes; a larger one as twice that, or twice again, up to [`LARGEST`].
const SMALLEST: usize = 16 * 1024;
/// The most that all patterns of a graph take when compiled, in bytes: they are kept for as long as the route is.
pub(super) const MOST_BYTES: usize = 1024 * 1024;
/// How deep groups may stand in each other.
const DEEPEST: u32 = 50;

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("is longer than {LONGEST} bytes; write a shorter pattern")]
    Long,
    #[error("is no pattern: {reason}; there is no look-around and no back-reference")]
    Syntax { reason: String },
    #[error(
        "is too large when compiled, by itself or with the other patterns of the route; use smaller repetitions, or `(?-u:\\w)` for the letters of ASCII"
    )]
    Large,
    #[error(
        "takes a search too long: the patterns of a route have at most {MOST_POSITIONS} positions, each character counted as often as it is repeated; use smaller repetitions"
    )]
    Slow,
}

/// Compiles a pattern, and takes its positions and bytes from what is left of them.
pub(super) fn compile(
    pattern: &str,
    positions: &mut usize,
    bytes: &mut usize,
) -> Result<Regex, PatternError> {
    if pattern.len() > LONGEST {
        return Err(PatternError::Long);
    }
    let mut parser = ParserBuilder::new().nest_limit(DEEPEST).build();
    let parsed = parser.parse(pattern).map_err(|error| syntax(&error))?;
    *positions = positions
        .checked_sub(count(&parsed))
        .ok_or(PatternError::Slow)?;
    let mut builder = RegexBuilder::new(pattern);
    builder.dfa_size_limit(LARGEST).nest_limit(DEEPEST);
    // How large it is, the crate tells in no other way.
    let mut size = SMALLEST;
    let regex = loop {
        match builder.size_limit(size).build() {
            Ok(regex) => break regex,
            Err(regex::Error::CompiledTooBig(_)) if size < LARGEST => size *= 2,
            Err(regex::Error::CompiledTooBig(_)) => return Err(PatternError::Large),
            Err(error) => return Err(syntax(&error)),
        }
    };
    *bytes = bytes.checked_sub(size).ok_or(PatternError::Large)?;
    Ok(regex)
}

fn syntax(error: &dyn std::error::Error) -> PatternError {
    // The crate draws the pattern over several lines; the last one says what is wrong.
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default();
    PatternError::Syntax {
        reason: reason.trim_start_matches("error: ").to_owned(),
    }
}

/// How many positions a pattern has: characters and classes, each as often as it may be repeated. The parser's limit of
/// nesting bounds the recursion.
fn count(pattern: &Hir) -> usize {
    let sum = |parts: &[Hir]| parts.iter().map(count).fold(0, usize::saturating_add);
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(_) => 1,
        HirKind::Capture(capture) => count(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            count(&repetition.sub).saturating_mul(times)
        }
    }
}

/// The part of a text that is searched.
pub(super) fn searched(text: &str) -> &str {
    let end = text.floor_char_boundary(SEARCHED);
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::{LARGEST, MOST_BYTES, MOST_POSITIONS, PatternError, SMALLEST};

    /// The first pattern of a graph.
    fn first(pattern: &str) -> Result<Regex, PatternError> {
        compile(pattern, &mut MOST_POSITIONS.clone())
    }

    fn compile(pattern: &str, positions: &mut usize) -> Result<Regex, PatternError> {
        super::compile(pattern, positions, &mut MOST_BYTES.clone())
    }

    #[track_caller]
    fn check(pattern: &str, expected: usize) {
        let mut left = MOST_POSITIONS;
        let compiled = compile(pattern, &mut left).map(|_| MOST_POSITIONS - left);
        assert_eq!(compiled, Ok(expected), "{pattern}");
    }

    #[test]
    fn positions_are_characters_as_often_as_they_are_repeated() {
        check("", 0);
        check("^free$", 4);
        check("[ab]*a[ab]{400}c", 403);
        check("(a{1,3}|bc)+", 5);
        check("(x{10}){20}", 200);
        check("a{3,}", 3);
        check(r"(?i)\bfree\b", 4);
    }

    #[test]
    fn patterns_that_people_write_are_patterns() {
        for pattern in [
            r"\w+@\w+",
            r"^\d{3}-\d{4}$",
            r"(?i)\b(free|trial|beta)\b",
            r"^(gpt|claude|gemini)-[\w.-]+$",
            r".{1,200}",
            r"^[a-z0-9._-]{1,64}$",
            r"(?i)ignore (all|previous|prior) (instructions|prompts)",
            r"(?i)^[\w-]+@(?-u:[\w.-])+\.(?-u:\w){2,8}$",
        ] {
            let compiled = first(pattern);
            assert!(compiled.is_ok(), "{pattern}: {compiled:?}");
        }
    }

    #[test]
    fn positions_are_bounded_over_all_patterns_of_a_graph() {
        let mut left = 500;
        assert!(compile("a{300}", &mut left).is_ok());
        let second = compile("a{300}", &mut left).map(|_| ());
        assert_eq!(second, Err(PatternError::Slow));
        for pattern in ["((a{100}){100}){100}", "(a{1000}){1000}", "a{4294967295}"] {
            assert!(first(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn bytes_are_bounded_over_all_patterns_of_a_graph() {
        for (pattern, size) in [
            ("(?i)free|trial", SMALLEST),
            (r"\w+@\w+", 8 * SMALLEST),
            (".{1,200}", LARGEST),
        ] {
            let mut left = MOST_BYTES;
            for _ in 0..MOST_BYTES / size {
                let compiled = super::compile(pattern, &mut MOST_POSITIONS.clone(), &mut left);
                assert!(
                    compiled.is_ok(),
                    "{pattern} with {left} bytes: {compiled:?}"
                );
            }
            let more = super::compile(pattern, &mut MOST_POSITIONS.clone(), &mut left);
            assert_eq!(more.map(|_| ()), Err(PatternError::Large), "{pattern}");
        }
    }
}
