//! Where the gateway token stands in a request, and whether the client brought a key of its own. Pure.
//!
//! A token stands in `cf-aig-authorization`, or where the provider's key would: in a credential header or a
//! query parameter. Recognition is by prefix, not by validity: whatever begins with our prefix is ours, is
//! always removed, and must verify, or the answer is 401. So nothing with our prefix goes upstream, not even
//! a mistyped or a revoked token. docs/credentials.md has the whole table.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use keyward_auth::TokenText;
use keyward_providers::{Provider, is_credential_header};
use percent_encoding::{percent_decode, percent_decode_str};

use crate::{
    head::{Field, Head},
    subprotocols::Offer,
};

/// The header that is for tokens alone (wire-spec §2.1).
pub(crate) const TOKEN_HEADER: HeaderName = HeaderName::from_static("cf-aig-authorization");

/// What a request says about who sends it. Not `Debug`: a key of the client's own may be among it.
pub(crate) struct Caller<'a> {
    /// The token.
    pub(crate) token: Presented<'a>,
    /// Whether the client brought a key of its own for this provider.
    pub(crate) own_key: OwnKey,
    /// Whether a parameter of the query must be cut before the request goes on.
    pub(crate) query: QueryCut,
    /// The client's own key where it stands in a WebSocket handshake and in no header: it goes on as one.
    pub(crate) loose_key: Option<&'a [u8]>,
}

/// The token of a request.
#[derive(Debug)]
pub(crate) enum Presented<'a> {
    /// None, or none that claims to be ours.
    Absent,
    /// One, of the right form. It is not verified yet.
    Token(TokenText<'a>),
    /// One that cannot be right: malformed, encoded, doubled, or two different ones.
    Bad,
}

/// A key that the client brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnKey {
    Absent,
    Present,
    /// One credential header stands there several times: which one counts is anyone's guess.
    Repeated,
}

/// Whether something in the query must not go upstream as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryCut {
    None,
    Needed,
}

impl<'a> Caller<'a> {
    /// Looks at every place where a token or a key may stand. Allocates only where a query is encoded.
    ///
    /// `head` is what was seen in `headers`. Without a provider, only tokens are looked for. `offers` are the
    /// sub-protocols of a WebSocket handshake.
    pub(crate) fn find(
        head: &Head<'a>,
        headers: &'a HeaderMap,
        query: Option<&'a str>,
        provider: Option<&Provider>,
        offers: Option<&[Offer<'a>]>,
    ) -> Self {
        let taken = provider.map_or(&[][..], Provider::credential_headers);
        let mut caller = Self {
            token: Presented::Absent,
            own_key: OwnKey::Absent,
            query: QueryCut::None,
            loose_key: None,
        };
        match head.token {
            Field::Absent => {}
            Field::Once(value) => caller.look_at_token_header(value),
            Field::Repeated => caller.token = Presented::Bad,
        }
        if head.has_credential {
            for name in headers.keys().filter(|name| is_credential_header(name)) {
                caller.look_at_credential_header(headers, name, taken.contains(name));
            }
        }
        if let Some(query) = query {
            caller.look_at_query(query, provider, offers.is_some());
        }
        for offer in offers.unwrap_or_default() {
            caller.look_at_offer(offer);
        }
        caller
    }

    fn look_at_token_header(&mut self, value: &'a HeaderValue) {
        // With or without `Bearer `: the WebSocket samples of wire-spec §1.6 send it bare.
        let text = value.as_bytes();
        let text = match text.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest,
            _ => text,
        };
        // Another service's token here is no token of ours, and is as good as none.
        if keyward_auth::is_ours(text.trim_ascii()) {
            self.present(text.trim_ascii());
        }
    }

    fn look_at_credential_header(
        &mut self,
        headers: &'a HeaderMap,
        name: &HeaderName,
        is_taken: bool,
    ) {
        let mut count = 0;
        for value in headers.get_all(name) {
            count += 1;
            match own_token(value) {
                Some(text) => self.present(text),
                None if hides_token(value) => self.token = Presented::Bad,
                None if value.as_bytes().trim_ascii().is_empty() => {}
                None if is_taken => self.own_key = self.own_key.max_with(OwnKey::Present),
                None => {}
            }
        }
        if count > 1 && is_taken {
            self.own_key = OwnKey::Repeated;
        }
    }

    fn look_at_offer(&mut self, offer: &Offer<'a>) {
        match offer {
            Offer::Token(text) => self.present(text),
            Offer::Hidden => self.token = Presented::Bad,
            Offer::Key(key) => self.find_loose(key),
            Offer::Plain | Offer::Placeholder | Offer::Foreign | Offer::Announces => {}
        }
    }

    fn find_loose(&mut self, key: &'a [u8]) {
        self.own_key = match self.own_key {
            OwnKey::Absent => OwnKey::Present,
            OwnKey::Present | OwnKey::Repeated => OwnKey::Repeated,
        };
        self.loose_key = Some(key);
    }

    fn look_at_query(&mut self, query: &'a str, provider: Option<&Provider>, is_handshake: bool) {
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if keyward_auth::is_ours(value.as_bytes()) {
                self.query = QueryCut::Needed;
                self.present(value.as_bytes());
            } else if hides_token_in_query(pair) {
                // No client encodes a token, all of its characters are unreserved; and none writes it where
                // only some readers of a query find it.
                self.query = QueryCut::Needed;
                self.token = Presented::Bad;
            } else if provider.is_some_and(|provider| names_a_key(name, provider)) {
                if value.is_empty() {
                    self.query = QueryCut::Needed;
                } else if is_handshake && name.ends_with("key") && !value.contains(['%', '+']) {
                    // `?api_key=` is Cloudflare's name for Google's `?key=` (wire-spec §1.6).
                    self.query = QueryCut::Needed;
                    self.find_loose(value.as_bytes());
                } else {
                    self.own_key = self.own_key.max_with(OwnKey::Present);
                }
            }
        }
    }

    /// Several places may hold the same token; two different ones cannot both be meant.
    fn present(&mut self, text: &'a [u8]) {
        let parsed = TokenText::parse(text);
        self.token = match (&self.token, parsed) {
            (Presented::Absent, Ok(token)) => Presented::Token(token),
            (Presented::Token(first), Ok(token)) if first.digest() == token.digest() => return,
            _ => Presented::Bad,
        };
    }
}

impl OwnKey {
    fn max_with(self, other: Self) -> Self {
        if self == Self::Repeated { self } else { other }
    }
}

/// The word of a header value that begins with our prefix: `Bearer kw_…`, `Key kw_…`, `Token kw_…`, `kw_…`.
fn own_token(value: &HeaderValue) -> Option<&[u8]> {
    value
        .as_bytes()
        .split(|byte| matches!(byte, b' ' | b'\t' | b','))
        .find(|word| keyward_auth::is_ours(word))
}

/// Whether a token of ours stands in a credential header where [`own_token`] does not see it: in quotes,
/// behind `=` or `:`, or in the Base64 of the scheme `Basic`.
fn hides_token(value: &HeaderValue) -> bool {
    is_basic_token(value.as_bytes()) || holds_token(value.as_bytes())
}

/// Whether `text` is the scheme `Basic` with a token of ours as name, or as password without a name.
fn is_basic_token(text: &[u8]) -> bool {
    const ENCODED: [&[u8]; 4] = [b"a3dfZ3df", b"a3dfYXBp", b"Omt3X2d3", b"Omt3X2Fw"];
    text.split_at_checked(6)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic "))
        .is_some_and(|(_, rest)| {
            let rest = rest.trim_ascii();
            ENCODED.iter().any(|start| rest.starts_with(start))
        })
}

/// Whether something in `text` is the beginning of a token, at whatever place a word may begin.
pub(crate) fn holds_token(text: &[u8]) -> bool {
    marks(text).any(|(front, from)| lets_word_begin(front) && begins_body(from))
}

/// The same at any place, also within a word: for what is only shown, and loses nothing by a mistake.
pub(crate) fn holds_token_anywhere(text: &[u8]) -> bool {
    marks(text).any(|(_front, from)| begins_body(from))
}

/// Every place in `text` where our prefix `kw_` stands, in any case: what is before it, and what follows from
/// its `_` on. Hardly a value has a `_`, so looking for one is nearly all it costs.
fn marks(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    memchr::memchr_iter(b'_', text).filter_map(|at| {
        let (before, from) = text.split_at_checked(at)?;
        let (front, mark) = before.split_last_chunk::<2>()?;
        mark.eq_ignore_ascii_case(b"kw").then_some((front, from))
    })
}

/// Whether `kw` continues as a token does; `from` begins with the `_` behind it.
fn begins_body(from: &[u8]) -> bool {
    const BODY: [&[u8]; 2] = [b"_gw_", b"_api_"];
    BODY.iter().any(|body| {
        from.get(..body.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(body))
    })
}

/// Whether a word may begin behind `front`: behind nothing, a separator, or anything percent-encoded. The
/// characters of keys and of Base64 are none of these, so no random text is taken for a token.
fn lets_word_begin(front: &[u8]) -> bool {
    match front {
        [] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., last] => !last.is_ascii_alphanumeric() && !matches!(last, b'_' | b'-'),
    }
}

fn hides_token_in_query(pair: &str) -> bool {
    if holds_token(pair.as_bytes()) {
        return true;
    }
    if !pair.contains(['%', '+']) {
        return false;
    }
    let decoded: Vec<u8> = percent_decode_str(pair).collect();
    // Twice, for a server behind us that does so.
    let twice: Vec<u8> = percent_decode(&decoded).collect();
    [decoded, twice].iter().any(|text| {
        holds_token(text)
            || text
                .split(|byte| matches!(byte, b' ' | b'+' | b'='))
                .skip(1)
                .any(keyward_auth::is_ours)
    })
}

/// The text as it stands, and as a server reads it that decodes once, and twice.
pub(crate) fn decodings(text: &str) -> [Cow<'_, [u8]>; 3] {
    let once: Cow<'_, [u8]> = percent_decode_str(text).into();
    let twice = percent_decode(&once).collect::<Vec<u8>>();
    [Cow::Borrowed(text.as_bytes()), once, Cow::Owned(twice)]
}

/// Whether a query parameter of this name carries a key of `provider`.
fn names_a_key(name: &str, provider: &Provider) -> bool {
    let names = provider.credential_query();
    if !name.contains('%') {
        return names.iter().any(|known| known.as_ref() == name);
    }
    let decoded: Vec<u8> = percent_decode_str(name).collect();
    names.iter().any(|known| known.as_bytes() == decoded)
}

/// Cuts from `query` every parameter that holds a token of ours, and with `keys` every one that holds a key
/// of `provider`; the other bytes stay as they are. `None` where nothing is left.
pub(crate) fn cut_query(query: &str, provider: &Provider, keys: Keys) -> Option<String> {
    let mut kept = String::with_capacity(query.len());
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let ours = keyward_auth::is_ours(value.as_bytes()) || hides_token_in_query(pair);
        if ours || (keys == Keys::Cut && names_a_key(name, provider)) {
            continue;
        }
        if !kept.is_empty() {
            kept.push('&');
        }
        kept.push_str(pair);
    }
    (!kept.is_empty()).then_some(kept)
}

/// Removes every header in which a token of ours stands, whether a stored key comes in or the client's own goes
/// through. [`TOKEN_HEADER`] stays: the forwarder strips it anyway, and so a usual request costs no list.
pub(crate) fn remove_tokens(headers: &mut HeaderMap) {
    // Names are collected first: a map lends them only while nobody changes it. An empty list costs nothing.
    let found: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| **name != TOKEN_HEADER && is_stray_token(name, value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in found {
        headers.remove(name);
    }
}

/// Whether a token of ours stands in this name, or in this value of another header than [`TOKEN_HEADER`].
#[inline]
pub(crate) fn is_stray_token(name: &HeaderName, value: &HeaderValue) -> bool {
    // Names are in lower case.
    name.as_str().starts_with("kw_") || carries_token(value.as_bytes())
}

/// Whether a value has a word that begins with our prefix, or the beginning of a token anywhere.
#[inline]
fn carries_token(text: &[u8]) -> bool {
    // Every value of every request comes by here, and many are as short as `0` or `false`.
    const LEAST: usize = b"kw_gw_".len();
    if text.len() < LEAST {
        return false;
    }
    let is_marked = marks(text).any(|(front, from)| {
        matches!(front, [] | [.., b' ' | b'\t' | b','])
            || (lets_word_begin(front) && begins_body(from))
    });
    is_marked || is_basic_token(text)
}

/// What happens to the client's own keys in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Cut,
    Keep,
}
