//! What a request's headers hold, found in one pass. Pure.
//!
//! Several questions are asked about every request, and nearly always the answer is that the header is not there. A
//! glance at each name answers all of them for less than one look-up each.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{EXPECT, HOST},
};
use keyward_providers::is_credential_header;

use crate::{
    caller::{TOKEN_HEADER, is_stray_token},
    handling::{ATTEMPTS, BACKOFF, DELAY, TIMEOUT},
    log,
    loops::CDN_LOOP,
};

/// Chooses the stored key (wire-spec §2.1).
const ALIAS_HEADER: HeaderName = HeaderName::from_static("cf-aig-byok-alias");

/// What stands in the headers of one request. Not `Debug`: a token may be among it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Head<'a> {
    /// `Host`.
    pub(crate) host: Field<'a>,
    /// The header that is for tokens alone.
    pub(crate) token: Field<'a>,
    /// The header that chooses the stored key.
    pub(crate) alias: Field<'a>,
    /// Whether there is an `Expect`.
    pub(crate) has_expect: bool,
    /// Whether there is a `CDN-Loop`.
    pub(crate) has_cdn_loop: bool,
    /// Whether there is a header in which some provider takes a key.
    pub(crate) has_credential: bool,
    /// Whether a token of ours stands elsewhere than in the header that is for tokens alone.
    pub(crate) has_stray_token: bool,
    /// Whether the client says how often, or with how much patience, the request is sent.
    pub(crate) has_handling: bool,
    /// Whether the client says something for the log.
    pub(crate) has_said: bool,
}

/// How often a header stands there.
#[derive(Clone, Copy, Default)]
pub(crate) enum Field<'a> {
    #[default]
    Absent,
    Once(&'a HeaderValue),
    Repeated,
}

impl<'a> Head<'a> {
    /// Looks at every name and value once. Allocates nothing.
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            // By length first: names differ in it more often than not.
            match name.as_str().len() {
                4 if *name == HOST => head.host.add(value),
                6 if *name == EXPECT => head.has_expect = true,
                8 if *name == CDN_LOOP => head.has_cdn_loop = true,
                14 if *name == BACKOFF => head.has_handling = true,
                17 if *name == ALIAS_HEADER => head.alias.add(value),
                15 | 18 | 26 if log::is_said(name) => head.has_said = true,
                18 if *name == DELAY => head.has_handling = true,
                19 if *name == ATTEMPTS => head.has_handling = true,
                22 if *name == TIMEOUT => head.has_handling = true,
                20 if *name == TOKEN_HEADER => {
                    head.token.add(value);
                    continue;
                }
                20 if log::is_said(name) => head.has_said = true,
                _ => {}
            }
            head.has_credential |= is_credential_header(name);
            head.has_stray_token |= is_stray_token(name, value);
        }
        head
    }
}

impl<'a> Field<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::Absent => Self::Once(value),
            Self::Once(_) | Self::Repeated => Self::Repeated,
        };
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::{Field, Head};
    use crate::caller::remove_tokens;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    #[test]
    fn what_stands_there_is_seen_and_nothing_else() {
        let headers = map(&[
            ("host", "a.example"),
            ("accept", "*/*"),
            ("content-type", "application/json"),
            ("cf-aig-authorization", "Bearer kw_gw_1"),
        ]);
        let head = Head::of(&headers);
        assert!(matches!(head.host, Field::Once(host) if host == "a.example"));
        assert!(matches!(head.token, Field::Once(_)));
        assert!(matches!(head.alias, Field::Absent));
        let is_seen = [
            head.has_expect,
            head.has_cdn_loop,
            head.has_credential,
            head.has_stray_token,
        ];
        assert_eq!(is_seen, [false; 4]);
    }

    #[test]
    fn each_header_is_seen_by_itself_and_behind_others() {
        for filling in [&[][..], &[("x-filling", "1"), ("accept", "*/*")]] {
            let of = |name, value| {
                let mut lines = filling.to_vec();
                lines.push((name, value));
                map(&lines)
            };
            assert!(Head::of(&of("expect", "100-continue")).has_expect);
            assert!(Head::of(&of("cdn-loop", "a")).has_cdn_loop);
            assert!(Head::of(&of("authorization", "Bearer x")).has_credential);
            assert!(Head::of(&of("x-api-key", "x")).has_credential);
            assert!(Head::of(&of("x-filling", "a=kw_gw_1")).has_stray_token);
            assert!(Head::of(&of("kw_gw_1", "")).has_stray_token);
            let alias = of("cf-aig-byok-alias", "a");
            assert!(matches!(Head::of(&alias).alias, Field::Once(_)));
        }
    }

    #[test]
    fn a_second_line_is_seen() {
        let headers = map(&[
            ("host", "a.example"),
            ("host", "b.example"),
            ("accept", "a"),
            ("accept", "kw_gw_1"),
            ("cf-aig-authorization", "kw_gw_1"),
            ("cf-aig-authorization", "kw_gw_1"),
            ("cf-aig-byok-alias", "a"),
            ("cf-aig-byok-alias", "a"),
        ]);
        let head = Head::of(&headers);
        assert!(matches!(head.host, Field::Repeated));
        assert!(matches!(head.token, Field::Repeated));
        assert!(matches!(head.alias, Field::Repeated));
        assert!(head.has_stray_token);
    }

    /// Some servers read `_` as `-`. Here it authenticates nothing and chooses nothing, and a token in it is removed.
    #[test]
    fn a_look_alike_is_another_header() {
        for name in ["cf_aig_authorization", "cf-aig_authorization", "x_api_key"] {
            let headers = map(&[(name, "Bearer kw_gw_1")]);
            let head = Head::of(&headers);
            assert!(matches!(head.token, Field::Absent), "{name}");
            assert!(!head.has_credential && head.has_stray_token, "{name}");
        }
        let headers = map(&[("cf_aig_byok_alias", "a"), ("cdn_loop", "a")]);
        let head = Head::of(&headers);
        assert!(matches!(head.alias, Field::Absent) && !head.has_cdn_loop);
    }

    proptest! {
        /// Where none is seen, nothing is looked for again and removed.
        #[test]
        fn a_stray_token_is_seen_exactly_where_one_is_removed(
            lines in proptest::collection::vec((
                "[a-z_-]{1,20}|cf-aig-authorization|authorization|x-api-key|kw_gw_[a-z]{0,3}",
                "[ -~]{0,12}|Bearer kw_gw_1|a=kw_gw_1|basic a3dfZ3dfMQ==",
            ), 0..6),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &lines {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            let is_seen = Head::of(&headers).has_stray_token;
            let before = headers.len();
            remove_tokens(&mut headers);
            prop_assert_eq!(is_seen, headers.len() < before);
        }
    }
}
