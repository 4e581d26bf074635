//! Addresses in answers: inside they are mapped to the gateway's path, outside a redirect is refused.
//!
//! Reads text as a suspicious client might, not as a lenient one: blanks, control characters, `\` and dot
//! segments that a client may decode count as outside.

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_LOCATION, LOCATION},
};
use keyward_secret::{Origin, Scheme};

use crate::{LocationRule, Rules, Target, headers::has, target::has_dot_segment};

/// An upstream redirects to an address outside, where a client would carry its gateway token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream redirects to an address outside its own")]
pub struct RedirectOutside;

/// What an address turns out to be.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Inside; the gateway's own path for it.
    Inside(String),
    /// On an origin that the rule lists.
    Allowed,
    Outside,
}

/// Maps `Location` and `Content-Location`.
///
/// Outside, a redirect is an error. Other answers only name such an address: the header goes if
/// anything was injected (the address may be meant for its owner), and stays otherwise.
pub(crate) fn rewrite(
    headers: &mut HeaderMap,
    status: StatusCode,
    target: &Target,
    rules: &Rules<'_>,
) -> Result<(), RedirectOutside> {
    for name in [LOCATION, CONTENT_LOCATION] {
        if !has(headers, &name) {
            continue;
        }
        let redirects = status.is_redirection() && name == LOCATION;
        match judge_single(headers, &name, target, &rules.location) {
            Place::Allowed => {}
            Place::Inside(path) => match HeaderValue::try_from(path) {
                Ok(path) => drop(headers.insert(name, path)),
                Err(_invalid) => return Err(RedirectOutside),
            },
            Place::Outside if redirects => return Err(RedirectOutside),
            Place::Outside if rules.injects() => drop(headers.remove(name)),
            Place::Outside => {}
        }
    }
    Ok(())
}

fn judge_single(
    headers: &HeaderMap,
    name: &HeaderName,
    target: &Target,
    rule: &LocationRule<'_>,
) -> Place {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(text)), None) => judge(text, target, rule),
        _ => Place::Outside,
    }
}

fn judge(text: &str, target: &Target, rule: &LocationRule<'_>) -> Place {
    if text
        .bytes()
        .any(|byte| !byte.is_ascii_graphic() || byte == b'\\')
    {
        return Place::Outside;
    }
    let own = target.endpoint().origin();
    let Ok((origin, reference)) = split_origin(text, own.scheme()) else {
        return Place::Outside;
    };
    if let Some(origin) = &origin
        && origin != own
    {
        return if rule.allowed.contains(origin) {
            Place::Allowed
        } else {
            Place::Outside
        };
    }
    let end = reference.find(['?', '#']).unwrap_or(reference.len());
    let (path, rest) = reference.split_at(end);
    let base = target.path_and_query();
    let (path, query) = match path {
        "" if origin.is_some() => ("/".to_owned(), ""),
        // A reference without a path keeps the base's, and without a query that one too (RFC 3986 §5.2.2).
        "" if rest.starts_with('?') => (base.path().to_owned(), ""),
        "" => (base.path().to_owned(), base.query().unwrap_or_default()),
        path if path.starts_with('/') => (path.to_owned(), ""),
        path => {
            let directory = base.path().rsplit_once('/').map_or("", |(front, _)| front);
            (format!("{directory}/{path}"), "")
        }
    };
    // Clients resolve plain dot segments before they send; encoded ones some decode.
    let path = remove_dot_segments(&path);
    let Some(below) = below(&path, rule.prefix).filter(|_| !has_dot_segment(path.as_bytes()))
    else {
        return Place::Outside;
    };
    // What begins with `//` a client would read as another authority.
    if rule.mount.is_empty() && below.starts_with("//") {
        return Place::Outside;
    }
    let mut mapped = format!("{}{below}", rule.mount);
    if mapped.is_empty() {
        mapped.push('/');
    }
    if !query.is_empty() {
        mapped.push('?');
        mapped.push_str(query);
    }
    mapped.push_str(rest);
    Place::Inside(mapped)
}

/// Splits the origin off, where there is one. Errs where there is one that is none.
fn split_origin(text: &str, scheme: Scheme) -> Result<(Option<Origin>, &str), RedirectOutside> {
    let first = text.find([':', '/', '?', '#']);
    let authority_of = |scheme: &str, rest: &'_ str| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, _) = rest.split_at(end);
        Origin::parse(&format!("{scheme}://{authority}"))
            .map(|origin| (origin, end))
            .map_err(|_error| RedirectOutside)
    };
    let (scheme, rest) = match first.map(|at| text.split_at(at)) {
        Some((scheme, rest)) if rest.starts_with(':') => {
            (scheme, rest.strip_prefix("://").ok_or(RedirectOutside)?)
        }
        _ => match text.strip_prefix("//") {
            Some(rest) => (scheme.as_str(), rest),
            None => return Ok((None, text)),
        },
    };
    let (origin, end) = authority_of(scheme, rest)?;
    let (_, rest) = rest.split_at(end);
    Ok((Some(origin), rest))
}

/// The part of `path` below `prefix`: empty, or beginning with `/`.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .filter(|below| below.is_empty() || below.starts_with('/'))
}

/// RFC 3986 §5.2.4, for a path that begins with `/`.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    let mut clean = String::with_capacity(path.len());
    for segment in kept {
        clean.push('/');
        clean.push_str(segment);
    }
    clean
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyward_secret::Origin;
    use proptest::prelude::*;

    use super::{Place, judge};
    use crate::{Endpoint, LocationRule, Target};

    fn place(text: &str) -> Place {
        let origin = Origin::parse("https://api.example.com").unwrap();
        let endpoint = Arc::new(Endpoint::new(origin).unwrap());
        let target = Target::join(endpoint, "/base", "/files/1", Some("q=1")).unwrap();
        let allowed = [Origin::parse("https://files.example.net").unwrap()];
        let rule = LocationRule {
            prefix: "/base",
            mount: "/v1/acc/gw/custom",
            allowed: &allowed,
        };
        judge(text, &target, &rule)
    }

    #[test]
    fn inside_becomes_the_gateways_path() {
        for (text, expected) in [
            (
                "https://api.example.com/base/x?y=1#z",
                "/v1/acc/gw/custom/x?y=1#z",
            ),
            ("HTTPS://API.example.com:443/base/x", "/v1/acc/gw/custom/x"),
            ("//api.example.com/base/x", "/v1/acc/gw/custom/x"),
            ("/base/x", "/v1/acc/gw/custom/x"),
            ("/base", "/v1/acc/gw/custom"),
            ("/base/", "/v1/acc/gw/custom/"),
            ("2", "/v1/acc/gw/custom/files/2"),
            ("../y", "/v1/acc/gw/custom/y"),
            ("?page=2", "/v1/acc/gw/custom/files/1?page=2"),
            ("#top", "/v1/acc/gw/custom/files/1?q=1#top"),
            ("/base/a/../b/./c", "/v1/acc/gw/custom/b/c"),
            ("/base/a:b", "/v1/acc/gw/custom/a:b"),
        ] {
            assert_eq!(place(text), Place::Inside(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_outside() {
        for text in [
            "https://evil.example/base/x",
            "http://api.example.com/base/x",
            "https://api.example.com:444/base/x",
            "https://api.example.com@evil.example/base/x",
            "https://user@api.example.com/base/x",
            "https://api.example.com.evil.example/base",
            "https:api.example.com/base/x",
            "https:///base/x",
            "javascript:alert(1)",
            "//evil.example/base",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/other",
            "/basement",
            "/base/../other",
            "/base/%2e%2e/other",
            "/base/%252e%252e/other",
            "/base/..%2fother",
            "../../other",
            "/base/a b",
            "/base/\u{7f}",
            "https://api.example.com",
        ] {
            assert_eq!(place(text), Place::Outside, "{text}");
        }
    }

    #[test]
    fn a_listed_origin_is_allowed() {
        assert_eq!(place("https://files.example.net/x?sig=1"), Place::Allowed);
        assert_eq!(
            place("https://files.example.net.evil.example/x"),
            Place::Outside
        );
    }

    proptest! {
        #[test]
        fn whatever_is_mapped_stays_below_the_mount(text in "[-a-z0-9/.:?#%@\\\\]{0,40}") {
            if let Place::Inside(path) = place(&text) {
                prop_assert!(path.starts_with("/v1/acc/gw/custom"));
                let rest = path.strip_prefix("/v1/acc/gw/custom").unwrap();
                prop_assert!(rest.is_empty() || rest.starts_with(['/', '?', '#']), "{}", path);
                let path = rest.split(['?', '#']).next().unwrap();
                prop_assert!(!path.split('/').any(|segment| segment == ".." || segment == "."));
            }
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::RedirectOutside;

        keyward_testing::assert_texts!("RedirectOutside", [
            "a redirect" => RedirectOutside,
        ]);
    }
}
