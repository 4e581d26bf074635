//! Which headers pass, and the injection that comes last. Edits a header map in place.
//!
//! One pass over the names finds what goes, by length and first byte; on a usual request nothing is
//! allocated. What always goes from a request:
//!
//! - hop-by-hop headers (RFC 9110 §7.6.1), and ordinary ones that `Connection` nominates; nominations of
//!   framing, host, credential and `cf-aig-*` names are ignored;
//! - `cf-aig-*`, `Cookie`, `Forwarded`, `X-Forwarded-*`, `X-Real-IP`, `True-Client-IP`, `CF-Connecting-IP`,
//!   `Via`, `Proxy-*`, `Max-Forwards`, `Expect`, `TE`, `Trailer` (trailers of requests are not forwarded);
//! - `Sec-WebSocket-*`, which mean nothing without the `Upgrade` that goes, and may hold a token;
//! - `X-HTTP-Method-Override` and its like: what a request may do was decided by its method;
//! - the provider's [`StripList`](crate::StripList), and the header the credential is injected as;
//! - every look-alike of these (`_` for `-`).
//!
//! `Content-Length` is framing and the forwarder's: [`Forwarder::forward`](crate::Forwarder::forward) sets
//! it from the body.

mod coding;
mod length;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT_ENCODING, CONNECTION, HOST},
};

pub use self::length::frame_request;
pub(crate) use self::{
    coding::{Coding, coding, is_plain},
    length::frame_response,
};
use crate::{
    AcceptEncoding, CdnLoop, Endpoint, Rules, Scrubber, Target,
    location::{self, RedirectOutside},
    strip::{COMMON_CREDENTIALS, begins_like, looks_like},
};

const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// The credential is bound to other origins than the one the request goes to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the credential is bound to {bound_to}, and the request goes to {origin}")]
pub struct WrongDestination {
    bound_to: String,
    origin: String,
}

/// Rewrites the headers of a request to `endpoint`: strips, sets `Host`, injects the credential last.
///
/// Afterwards the credential's header stands there exactly once, whatever the client sent.
///
/// # Errors
///
/// When the credential may not go to the endpoint's origin. The map is then left as it was.
pub fn prepare_request(
    headers: &mut HeaderMap,
    endpoint: &Endpoint,
    rules: &Rules<'_>,
) -> Result<(), WrongDestination> {
    let origin = endpoint.origin();
    if let Some(credential) = rules.injected().find(|bound| !bound.may_go_to(origin)) {
        return Err(WrongDestination {
            bound_to: credential.destination().to_string(),
            origin: origin.to_string(),
        });
    }
    if has(headers, &CONNECTION) {
        remove_nominated(headers, |name| is_kept_by_request(name, rules));
    }
    remove_all(headers, |name| goes_from_request(name, rules));
    headers.insert(HOST, endpoint.host().clone());
    if let AcceptEncoding::Identity = rules.accept_encoding {
        headers.insert(ACCEPT_ENCODING, IDENTITY);
    }
    if let CdnLoop::Send(own) = rules.cdn_loop {
        headers.append(CDN_LOOP, own.clone());
    }
    // The credential goes in last: nothing a client sends may remove or duplicate it.
    for credential in rules.injected() {
        headers.insert(
            credential.header_name().clone(),
            credential.header_value().clone(),
        );
    }
    Ok(())
}

/// Rewrites the headers of an answer from `target`: strips, maps addresses, scrubs the credential.
///
/// # Errors
///
/// When the answer is a redirect that leads outside ([`LocationRule`](crate::LocationRule)).
pub fn prepare_response(
    headers: &mut HeaderMap,
    status: StatusCode,
    target: &Target,
    rules: &Rules<'_>,
) -> Result<(), RedirectOutside> {
    if has(headers, &CONNECTION) {
        remove_nominated(headers, is_kept_by_response);
    }
    remove_all(headers, goes_from_response);
    location::rewrite(headers, status, target, rules)?;
    if let Some(scrubber) = rules.scrubber {
        scrub(headers, scrubber);
    }
    Ok(())
}

/// Removes from trailers what answers lose, and the credential.
pub(crate) fn prepare_trailers(trailers: &mut HeaderMap, scrubber: Option<&Scrubber>) {
    remove_all(trailers, |name| {
        goes_from_response(name) || is_framing(name)
    });
    if let Some(scrubber) = scrubber {
        scrub(trailers, scrubber);
    }
}

fn scrub(headers: &mut HeaderMap, scrubber: &Scrubber) {
    for value in headers.values_mut() {
        if let Some(scrubbed) = scrubber.scrub_value(value) {
            *value = scrubbed;
        }
    }
}

/// `CONNECT` opens a tunnel, `TRACE` sends the credential back.
pub(crate) fn is_never_forwarded(method: &Method) -> bool {
    matches!(*method, Method::CONNECT | Method::TRACE)
}

/// Whether there is such a header. For those that hardly a message has: a glance at its few names costs less than
/// a look-up, which computes a hash.
pub(crate) fn has(headers: &HeaderMap, wanted: &HeaderName) -> bool {
    headers.keys().any(|name| name == wanted)
}

/// Removes every header whose name `goes` says goes.
fn remove_all(headers: &mut HeaderMap, goes: impl Fn(&str) -> bool) {
    // Names are collected before they are removed, a few at a time and on the stack: a map lends its names
    // only while nobody changes it.
    loop {
        let mut names = headers.keys().filter(|name| goes(name.as_str()));
        let Some(first) = names.next() else {
            return;
        };
        let first = first.clone();
        let mut found: [Option<HeaderName>; 7] = [const { None }; 7];
        let mut slots = found.iter_mut();
        let full = loop {
            match (slots.next(), names.next()) {
                (Some(slot), Some(name)) => *slot = Some(name.clone()),
                (slot, _) => break slot.is_none(),
            }
        };
        headers.remove(first);
        for name in found.into_iter().map_while(|name| name) {
            headers.remove(name);
        }
        if !full {
            return;
        }
    }
}

/// Removes the headers that `Connection` nominates, but for those that `is_kept` protects.
fn remove_nominated(headers: &mut HeaderMap, is_kept: impl Fn(&str) -> bool) {
    let usual = |value: &HeaderValue| {
        let value = value.as_bytes();
        value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
    };
    if headers.get_all(CONNECTION).iter().all(usual) {
        return;
    }
    // Rare enough for a copy of the values; the bytes are shared.
    let values: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    let tokens = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    for token in tokens {
        if let Ok(name) = HeaderName::from_bytes(token.trim_ascii())
            && !is_kept(name.as_str())
        {
            headers.remove(name);
        }
    }
}

fn is_kept_by_request(name: &str, rules: &Rules<'_>) -> bool {
    is_framing(name)
        || is_credential(name)
        || looks_like(name.as_bytes(), b"cdn-loop")
        || goes_from_request(name, rules)
}

fn is_kept_by_response(name: &str) -> bool {
    is_framing(name) || matches!(name, "location" | "content-encoding" | "content-type")
}

fn is_framing(name: &str) -> bool {
    matches!(
        name,
        "host" | "content-length" | "transfer-encoding" | "content-encoding"
    )
}

/// Headers that carry a provider's key somewhere. Protected even where the client's own key goes through
/// and no list names them.
fn is_credential(name: &str) -> bool {
    COMMON_CREDENTIALS
        .iter()
        .any(|listed| looks_like(name.as_bytes(), listed.as_bytes()))
}

fn goes_from_request(name: &str, rules: &Rules<'_>) -> bool {
    let bytes = name.as_bytes();
    let named: &[&[u8]] = match bytes.len() {
        2 => &[b"te"],
        3 => &[b"via"],
        6 => &[b"cookie", b"expect"],
        7 => &[b"upgrade", b"trailer", b"cookie2"],
        9 => &[b"forwarded", b"x-real-ip"],
        10 => &[b"connection", b"keep-alive"],
        11 => &[b"x-forwarded"],
        12 => &[b"max-forwards"],
        13 => &[b"x-http-method"],
        14 => &[b"true-client-ip", b"http2-settings"],
        16 => &[b"cf-connecting-ip"],
        17 => &[b"transfer-encoding", b"x-method-override"],
        18 => &[b"cf-connecting-ipv6"],
        22 => &[b"x-http-method-override"],
        _ => &[],
    };
    let prefix: &[u8] = match bytes.first() {
        Some(b'c') => b"cf-aig-",
        Some(b'p') => b"proxy-",
        Some(b's') => b"sec-websocket-",
        Some(b'x') => b"x-forwarded-",
        _ => b"\0",
    };
    named.iter().any(|listed| looks_like(bytes, listed))
        || begins_like(bytes, prefix)
        || is_look_alike_of_kept(bytes)
        || drops_cdn_loop(bytes, rules)
        || rules.strip.matches(name)
        || rules.injected().any(|credential| {
            // The exact name is replaced by the injection, which is cheaper than removing it first.
            let own = credential.header_name().as_str().as_bytes();
            bytes != own && looks_like(bytes, own)
        })
}

/// `content_length` and `transfer_encoding` would frame the body for a server that reads `_` as `-`.
fn is_look_alike_of_kept(name: &[u8]) -> bool {
    name.len() == 14 && name != b"content-length" && looks_like(name, b"content-length")
}

fn drops_cdn_loop(name: &[u8], rules: &Rules<'_>) -> bool {
    matches!(rules.cdn_loop, CdnLoop::Drop) && looks_like(name, b"cdn-loop")
}

fn goes_from_response(name: &str) -> bool {
    let bytes = name.as_bytes();
    let named: &[&[u8]] = match bytes.len() {
        2 => &[b"te"],
        3 => &[b"nel"],
        7 => &[b"alt-svc", b"upgrade"],
        9 => &[b"report-to"],
        10 => &[b"connection", b"keep-alive", b"set-cookie"],
        11 => &[b"set-cookie2"],
        15 => &[b"clear-site-data"],
        17 => &[b"transfer-encoding"],
        19 => &[b"reporting-endpoints"],
        25 => &[b"strict-transport-security"],
        _ => &[],
    };
    let prefix: &[u8] = match bytes.first() {
        Some(b'c') => b"cf-aig-",
        Some(b'p') => b"proxy-",
        _ => b"\0",
    };
    named.iter().any(|listed| looks_like(bytes, listed)) || begins_like(bytes, prefix)
}

#[cfg(test)]
mod tests;
