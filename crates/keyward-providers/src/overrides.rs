//! What an operator changes about a built-in provider.

use keyward_secret::{Origin, Scheme};
use serde::Deserialize;

/// What an operator changes about a provider: one `[providers.<slug>]` table of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Override {
    /// A URL that takes the place of the provider's origins and base path, such as
    /// `https://llm.example.com/openai`. A closing version segment that the catalogue inserts by itself is
    /// dropped: `https://llm.example.com/v1` and `https://llm.example.com` are the same for `openai`.
    /// `{account_id}` in it stands for the field of that name. https, or http to a loopback address.
    pub base_url: Option<String>,
    /// The account at the provider, where its URLs name one (`workers-ai`): 32 lower-case hexadecimal digits.
    pub account_id: Option<String>,
    /// Takes a `base_url` of plain http beyond loopback. Whoever stands on the way reads the provider key.
    pub danger_plain_http: bool,
    /// Says that what stands at `base_url` passes everything on to the provider itself, requests and answers alike:
    /// then its answers count as the provider's own ([`Provider::answers_count`](crate::Provider::answers_count)).
    /// Default `false`: something else may stand there, whose refusals say nothing about a key.
    pub relay: bool,
}

/// Splits a `base_url` into origin and base path without closing slash.
pub(crate) fn parse_base_url(
    url: &str,
    insert: Option<&str>,
    danger_plain_http: bool,
) -> Result<(Origin, String), Box<dyn std::error::Error + Send + Sync>> {
    let (scheme, after) = url.split_once("://").ok_or("the scheme is missing")?;
    let end = after.find(['/', '?', '#', '\\']).unwrap_or(after.len());
    let (origin, path) = url
        .split_at_checked(scheme.len() + 3 + end)
        .ok_or("it is not a URL")?;
    let origin = Origin::parse(origin)?;
    if origin.scheme() == Scheme::Http && !origin.is_loopback() && !danger_plain_http {
        return Err("a provider key goes over https; plain http beyond loopback needs `danger_plain_http = true`".into());
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    check_base_path(path)?;
    let version = insert.map(|insert| format!("/{insert}"));
    let path = version
        .and_then(|version| path.strip_suffix(version.as_str()))
        .unwrap_or(path);
    Ok((origin, path.to_owned()))
}

/// A base path is empty, or plain segments with a slash before each.
pub(crate) fn check_base_path(path: &str) -> Result<(), &'static str> {
    let Some(segments) = path.strip_prefix('/') else {
        return if path.is_empty() {
            Ok(())
        } else {
            Err("a path begins with `/`; a query or fragment has no place here")
        };
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,=".contains(&byte);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    if segments.split('/').all(is_segment) {
        Ok(())
    } else {
        Err(
            "a segment of the path is empty, `.`, `..`, or holds more than letters, digits and `-._~:@!$&'()*+,=`",
        )
    }
}

/// The name among `names` that a mistyped `name` most likely meant.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names
        .map(|known| (strsim::levenshtein(name, known), known))
        .min()?;
    let most = (name.chars().count() / 3).max(2);
    (near.0 <= most).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::{nearest, parse_base_url};

    #[track_caller]
    fn check(url: &str, expected: Option<(&str, &str)>) {
        let parsed = parse_base_url(url, Some("v1"), false).ok();
        let parsed = parsed.map(|(origin, path)| (origin.to_string(), path));
        let expected = expected.map(|(origin, path)| (origin.to_owned(), path.to_owned()));
        assert_eq!(parsed, expected, "{url}");
    }

    #[test]
    fn the_version_may_close_a_base_url() {
        check("https://127.0.0.1:1", Some(("https://127.0.0.1:1", "")));
        check("https://127.0.0.1:1/", Some(("https://127.0.0.1:1", "")));
        check("https://127.0.0.1:1/v1", Some(("https://127.0.0.1:1", "")));
        check("https://127.0.0.1:1/v1/", Some(("https://127.0.0.1:1", "")));
        check("https://a.example/x/v1", Some(("https://a.example", "/x")));
        check("https://a.example/xv1", Some(("https://a.example", "/xv1")));
        check("http://127.0.0.1:1/x", Some(("http://127.0.0.1:1", "/x")));
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for url in [
            "a.example",
            "http://a.example",
            "https://user:secret@a.example",
            "https://a.example?x",
            "https://a.example/x?y",
            "https://a.example/x#y",
            "https://a.example//x",
            "https://a.example/x/../y",
            "https://a.example/%2e",
            "https://a.example/{account_id}",
            "https://a.example\\x",
        ] {
            check(url, None);
        }
        assert!(parse_base_url("http://a.example", None, true).is_ok());
    }

    #[test]
    fn a_slip_of_the_keys_is_near_and_another_word_is_not() {
        let names = || ["openai", "openrouter", "groq", "grok"].into_iter();
        assert_eq!(nearest("opnai", names()), Some("openai"));
        assert_eq!(nearest("groqq", names()), Some("groq"));
        assert_eq!(nearest("bedrock", names()), None);
    }
}
