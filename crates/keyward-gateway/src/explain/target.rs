//! A path and query as they may be repeated: without what may be a token or a key.
//!
//! Whoever pastes a request may have put a key anywhere. So of a query only known settings are repeated; of a path
//! what is no longer than a name, or holds no digit, and does not begin as keys do. That is a guess, and it errs
//! towards hiding.

use keyward_secret::AccountId;

use crate::caller::{decodings, holds_token_anywhere};

const HIDDEN: &str = "***";

/// Parameters whose values are settings.
const SETTINGS: &[&str] = &[
    "alt",
    "api-version",
    "beta",
    "channels",
    "encoding",
    "format",
    "include",
    "intent",
    "language",
    "limit",
    "model",
    "offset",
    "order",
    "output_format",
    "page",
    "pageSize",
    "page_size",
    "per_page",
    "purpose",
    "sample_rate",
    "stream",
    "version",
];

/// `path` and `query` without what may be secret; `account` may stand in the path.
pub(super) fn shown_target(path: &str, query: Option<&str>, account: Option<AccountId>) -> String {
    let mut shown = match hides_token(path) {
        true => HIDDEN.to_owned(),
        false => shown_path(path, account),
    };
    if let Some(query) = query {
        let pairs: Vec<_> = query.split('&').map(shown_pair).collect();
        shown.push('?');
        shown.push_str(&pairs.join("&"));
    }
    shown
}

fn shown_path(path: &str, account: Option<AccountId>) -> String {
    let is_account = |segment| account.is_some() && AccountId::parse(segment).ok() == account;
    let segments: Vec<_> = path
        .split('/')
        .map(
            |segment| match may_be_key(segment) && !is_account(segment) {
                true => HIDDEN,
                false => segment,
            },
        )
        .collect();
    segments.join("/")
}

fn shown_pair(pair: &str) -> String {
    let (name, value) = match pair.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (pair, None),
    };
    if hides_token(pair) || !is_name(name) {
        return HIDDEN.to_owned();
    }
    let is_setting = SETTINGS.contains(&name);
    match value {
        None if is_setting => pair.to_owned(),
        // What has no value may be one itself.
        None => HIDDEN.to_owned(),
        Some("") => pair.to_owned(),
        Some(value) if is_setting && may_be_shown(value) => pair.to_owned(),
        Some(_) => format!("{name}={HIDDEN}"),
    }
}

/// Whether a parameter is called so, and this is not a key in its place.
fn is_name(name: &str) -> bool {
    /// Names are short, and those with a digit shorter. A guess.
    const LONGEST: usize = 24;
    const LONGEST_WITH_DIGIT: usize = 12;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]$".contains(&byte);
    let longest = match name.bytes().any(|byte| byte.is_ascii_digit()) {
        true => LONGEST_WITH_DIGIT,
        false => LONGEST,
    };
    name.len() <= longest && name.bytes().all(is_plain) && !may_be_key(name)
}

/// Whether the value of a setting is one.
fn may_be_shown(value: &str) -> bool {
    /// What is longer is more likely a key. A guess.
    const LONGEST: usize = 32;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/@,".contains(&byte);
    value.len() <= LONGEST && value.bytes().all(is_plain) && !may_be_key(value)
}

/// Whether `text` is as long as keys are and holds a digit, or something in it begins as keys do.
fn may_be_key(text: &str) -> bool {
    /// The shortest keys that begin like nothing else have as many. An id of a resource may have more, and is hidden.
    const SHORTEST: usize = 32;
    decodings(text).iter().any(|text| {
        let name = without_verb(text);
        let is_long = name.len() >= SHORTEST && name.iter().any(u8::is_ascii_digit);
        is_long || words(text).any(keyward_providers::begins_as_key)
    })
}

/// What stands before the verb of a custom method, such as `:generateContent`.
fn without_verb(text: &[u8]) -> &[u8] {
    let mut parts = text.rsplitn(2, |byte| *byte == b':');
    match (parts.next(), parts.next()) {
        (Some(verb), Some(name)) if verb.iter().all(u8::is_ascii_alphabetic) => name,
        _ => text,
    }
}

/// Whether a token of ours, or what was meant as one, stands anywhere in `text`.
fn hides_token(text: &str) -> bool {
    decodings(text)
        .iter()
        .any(|text| holds_token_anywhere(text) || words(text).any(keyward_auth::is_ours))
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use keyward_secret::AccountId;

    use super::shown_target;

    #[track_caller]
    fn check(target: &str, expected: &str) {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let account = AccountId::from_bytes([0xA1; 16]);
        assert_eq!(
            shown_target(path, query, Some(account)),
            expected,
            "{target}"
        );
    }

    #[test]
    fn what_can_be_no_key_is_repeated() {
        let account = AccountId::from_bytes([0xA1; 16]);
        for target in [
            "/v1/models".to_owned(),
            format!("/v1/{account}/prod/openai/v1/chat/completions"),
            "/m/gemini-2.5-flash:generateContent?alt=sse&api-version=2024-10-21".to_owned(),
            "/m/a%2Fb?limit=20&stream&model=@cf/meta/llama-3&key=".to_owned(),
        ] {
            check(&target, &target);
        }
    }

    #[test]
    fn what_may_be_a_key_is_not_repeated() {
        let key = "AIzaSyA1234567890abcdefghijklmnopqrstuvw";
        let hex = "0123456789abcdef0123456789abcdef";
        for name in [
            key,
            hex,
            "AIza1",
            "aiza1",
            "%41Iza1",
            "YWJjZDEyMzQ1Njc4",
            "c2VjcmV0LWtleS0xMjM0NQ",
        ] {
            check(&format!("/m?{name}="), "/m?***");
            check(&format!("/m?{name}"), "/m?***");
            check(&format!("/m?{name}==&alt=sse"), "/m?***&alt=sse");
        }
        for (pair, shown) in [
            ("key=AIza1", "key=***"),
            ("Access_Token=2", "Access_Token=***"),
            ("code=1", "code=***"),
            ("pwd=1", "pwd=***"),
            ("cred=1", "cred=***"),
            ("session=a", "session=***"),
            ("x", "***"),
            ("%6bey=1", "***"),
            ("a=1;key=SECRET", "a=***"),
            ("alt=1;key=SECRET", "alt=***"),
            ("alt=sk-1", "alt=***"),
            ("model=x:AIza1", "model=***"),
            ("a=kw_gw_1", "***"),
            ("%6bw_gw_1=", "***"),
            ("alt=%256bw_gw_1", "***"),
            ("kw_x", "***"),
        ] {
            check(&format!("/m?{pair}"), &format!("/m?{shown}"));
        }
        check("/m/kw_gw_1?alt=1", "***?alt=1");
        check("/m/%6Bw_gw_1/x", "***");
        check("/m/%256Bw%5fgw_1/x", "***");
        check("/m/xkw_gw_1/x", "***");
        for segment in [key, hex, "AIza1", "key=AIza1", "%41Iza1", "x:sk-1"] {
            check(&format!("/m/{segment}/x"), "/m/***/x");
        }
    }
}
