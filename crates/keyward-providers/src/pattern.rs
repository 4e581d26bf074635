//! Patterns over method and path, such as `POST v1/chat/completions`.
//!
//! `*` stands for one segment, `*:suffix` for one segment that ends so, and a closing `**` for any number of
//! further segments, none included. The method `*` stands for every method. Everything else is compared byte
//! for byte; nothing is decoded.

use std::cmp::Reverse;

use http::Method;

/// A path below a provider's base, seen as if the version segment had been sent.
#[derive(Clone, Copy)]
pub(crate) struct Canonical<'a> {
    /// The path without leading slash.
    pub(crate) rest: &'a str,
    /// Whether the version stands before `rest` on the way upstream but not in it.
    pub(crate) inserted: bool,
}

#[derive(Debug)]
pub(crate) struct Pattern {
    method: Option<Method>,
    /// The literal segments before the first wildcard, joined.
    head: Box<str>,
    /// `head` without the version, where it begins with it.
    unversioned: Option<Box<str>>,
    tail: Box<[Part]>,
}

#[derive(Debug)]
enum Part {
    Literal(Box<str>),
    Suffix(Box<str>),
    Any,
    Rest,
}

impl Pattern {
    /// Parses `text`. `insert` is the version that requests may leave out.
    pub(crate) fn parse(text: &str, insert: Option<&str>) -> Result<Self, &'static str> {
        let (method, path) = text
            .split_once(' ')
            .ok_or("a pattern is a method, a blank and a path")?;
        let method = match method {
            "*" => None,
            "GET" | "POST" | "PUT" | "PATCH" | "DELETE" => {
                Some(Method::from_bytes(method.as_bytes()).map_err(|_invalid| "not a method")?)
            }
            _ => return Err("the method is none of GET, POST, PUT, PATCH, DELETE and *"),
        };
        let literals = path
            .split('/')
            .take_while(|segment| !segment.contains('*'))
            .count();
        let mut head = String::new();
        let mut tail = Vec::new();
        for (index, segment) in path.split('/').enumerate() {
            if let Some(Part::Rest) = tail.last() {
                return Err("`**` stands last");
            }
            if index < literals {
                let slash = if index == 0 { "" } else { "/" };
                head.push_str(slash);
                head.push_str(literal(segment)?);
                continue;
            }
            tail.push(match segment.strip_prefix('*') {
                None => Part::Literal(literal(segment)?.into()),
                Some("") => Part::Any,
                Some("*") => Part::Rest,
                Some(suffix) => Part::Suffix(literal(suffix)?.into()),
            });
        }
        let unversioned = insert.and_then(|insert| match head.strip_prefix(insert)? {
            "" => Some(""),
            below => below.strip_prefix('/'),
        });
        Ok(Self {
            unversioned: unversioned.map(Into::into),
            method,
            head: head.into(),
            tail: tail.into(),
        })
    }

    /// Sorts the patterns that say more before those that say less: literals before wildcards, segment by
    /// segment, then a named method before every method.
    pub(crate) fn rank(&self) -> impl Ord + use<> {
        let tail = self.tail.iter().map(|part| match part {
            Part::Literal(_) => (0, Reverse(0)),
            Part::Suffix(suffix) => (1, Reverse(suffix.len())),
            Part::Any => (2, Reverse(0)),
            Part::Rest => (3, Reverse(0)),
        });
        let head = self.head.split('/').filter(|segment| !segment.is_empty());
        let kinds: Vec<_> = head.map(|_literal| (0, Reverse(0))).chain(tail).collect();
        (kinds, self.method.is_none())
    }

    /// Whether a request for `path` by `method` is meant. Allocates nothing.
    pub(crate) fn matches(&self, method: &Method, path: Canonical<'_>) -> bool {
        let head = if path.inserted {
            self.unversioned.as_deref()
        } else {
            Some(self.head.as_ref())
        };
        let Some(after) = head
            .filter(|head| ends_where(head, path.rest))
            .and_then(|head| path.rest.strip_prefix(head).map(|rest| (head, rest)))
        else {
            return false;
        };
        if self.method.as_ref().is_some_and(|own| own != method) {
            return false;
        }
        let rest = match after {
            (_, "") => None,
            ("", rest) => Some(rest),
            (_, rest) => match rest.strip_prefix('/') {
                Some(rest) => Some(rest),
                None => return false,
            },
        };
        self.tail_matches(rest)
    }

    fn tail_matches(&self, mut rest: Option<&str>) -> bool {
        for part in &self.tail {
            if let Part::Rest = part {
                return true;
            }
            let Some(path) = rest else { return false };
            let (segment, after) = match path.split_once('/') {
                Some((segment, after)) => (segment, Some(after)),
                None => (path, None),
            };
            let fits = match part {
                Part::Literal(text) => segment == text.as_ref(),
                Part::Suffix(suffix) => {
                    segment.len() > suffix.len() && segment.ends_with(suffix.as_ref())
                }
                Part::Any | Part::Rest => !segment.is_empty(),
            };
            if !fits {
                return false;
            }
            rest = after;
        }
        rest.is_none()
    }
}

/// Whether `path` is as long as `head` and has its last byte in the same place: turns most patterns away for less
/// than comparing them costs.
fn ends_where(head: &str, path: &str) -> bool {
    let Some(last) = head.len().checked_sub(1) else {
        return true;
    };
    let path = path.as_bytes().get(last);
    path.is_some() && path == head.as_bytes().get(last)
}

/// A literal holds only bytes that [`is_decidable`] refuses to see percent-encoded.
fn literal(text: &str) -> Result<&str, &'static str> {
    let known = |byte: u8| is_unreserved(byte) || matches!(byte, b':' | b'@');
    if text.is_empty() || !text.bytes().all(known) {
        return Err("a segment is `*`, `**`, `*suffix` or letters, digits and `-._~:@`");
    }
    Ok(text)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether every reader of `rest` sees the segments that we see.
///
/// A provider may decode `%61dmin` or `%2F`, merge `//`, cut `;parameters` off or read `\` as `/`. A path that
/// holds any of these could be matched by one pattern here and served as another there.
pub(crate) fn is_decidable(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    let odd = memchr::memchr3(b'%', b';', b'\\', bytes).is_some();
    if odd && !escapes_are_harmless(bytes) {
        return false;
    }
    rest.is_empty()
        || !(rest.starts_with('/')
            || rest.ends_with('/')
            || memchr::memmem::find(bytes, b"//").is_some())
}

fn escapes_are_harmless(bytes: &[u8]) -> bool {
    if memchr::memchr2(b';', b'\\', bytes).is_some() {
        return false;
    }
    memchr::memchr_iter(b'%', bytes).all(|at| {
        let digits = bytes
            .get(at + 1..at + 3)
            .and_then(|two| str::from_utf8(two).ok());
        let Some(digits) = digits.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()))
        else {
            return false;
        };
        let structural = |byte| {
            matches!(
                byte,
                b'/' | b'\\' | b':' | b';' | b'@' | b'%' | b'?' | b'#' | 0x7f
            )
        };
        u8::from_str_radix(digits, 16)
            .is_ok_and(|byte| byte >= b' ' && !is_unreserved(byte) && !structural(byte))
    })
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{Canonical, Pattern, is_decidable};

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        let pattern = Pattern::parse(pattern, Some("v1")).unwrap();
        let whole = Canonical {
            rest: path,
            inserted: false,
        };
        assert_eq!(pattern.matches(&Method::GET, whole), expected, "{path}");
        if let Some(rest) = path.strip_prefix("v1/") {
            let cut = Canonical {
                rest,
                inserted: true,
            };
            assert_eq!(
                pattern.matches(&Method::GET, cut),
                expected,
                "{rest} after v1"
            );
        }
    }

    #[test]
    fn literals_match_byte_for_byte() {
        check("GET v1/models", "v1/models", true);
        for path in [
            "v1/model",
            "v1/modelss",
            "v1/models/",
            "v1/models/x",
            "v1/Models",
            "models",
            "",
            "v1",
        ] {
            check("GET v1/models", path, false);
        }
    }

    #[test]
    fn one_star_is_one_segment() {
        check("GET v1/models/*", "v1/models/x", true);
        check("GET v1/models/*/*/versions", "v1/models/a/b/versions", true);
        check("GET */*", "a/b", true);
        for path in ["v1/models", "v1/models/", "v1/models/x/y", "v1/modelsx"] {
            check("GET v1/models/*", path, false);
        }
    }

    #[test]
    fn a_suffix_needs_something_before_it() {
        check("GET v1/models/*:generate", "v1/models/x:generate", true);
        check("GET v1/models/*:generate", "v1/models/:generate", false);
        check(
            "GET v1/models/*:generate",
            "v1/models/x:generateMore",
            false,
        );
    }

    #[test]
    fn two_stars_are_the_rest() {
        for path in ["v1/files", "v1/files/x", "v1/files/x/content"] {
            check("* v1/files/**", path, true);
        }
        check("* v1/files/**", "v1/filesx", false);
        check("GET **", "", true);
        check("GET v1/**", "v1/x", true);
        check("GET */**", "", false);
    }

    #[test]
    fn other_methods_do_not_match() {
        check("POST v1/models", "v1/models", false);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "v1/models",
            "get v1/x",
            "GET ",
            "GET a//b",
            "GET **/a",
            "GET a%20",
            "GET a*",
            "GET ***",
            "HEAD a",
        ] {
            assert!(Pattern::parse(text, None).is_err(), "{text:?}");
        }
    }

    #[test]
    fn paths_that_another_reader_may_split_otherwise_are_undecidable() {
        for path in [
            "",
            "a",
            "a/b",
            "a/x%20y",
            "@cf/meta/x",
            "a/x%C3%A9",
            "models/x:y",
        ] {
            assert!(is_decidable(path), "{path}");
        }
        for path in [
            "%61dmin", "a/%2e", "a%2Fb", "a%2fb", "a%5cb", "a%3Ab", "a%3Bb", "a%2561", "a;b",
            "a\\b", "a//b", "/a", "a/", "a%4", "a%", "a%zz", "a%+1", "a%00", "a%0a", "a%7f",
            "a%40b",
        ] {
            assert!(!is_decidable(path), "{path}");
        }
    }
}
