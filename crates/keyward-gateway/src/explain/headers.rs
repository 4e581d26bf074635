//! Which headers of a request go, come and stay, found by rewriting them as the forwarder does.

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response,
    header::{ACCEPT_ENCODING, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use http_body::Body as _;
use keyward_forward::{AcceptEncoding, Handshake, Rules, headers};

use super::{Announced, Credential, Forwarded, SetHeader, shown_target};
use crate::{
    Gateway,
    loops::CDN_LOOP,
    request::{Plan, shown},
    respond::Refusal,
};

/// What may be cut from an answer: what it is called, and one of its names to try.
const ANSWER: &[(&str, &str)] = &[
    ("set-cookie", "set-cookie"),
    ("cf-aig-*", "cf-aig-cache-status"),
    ("proxy-*", "proxy-authenticate"),
    ("strict-transport-security", "strict-transport-security"),
    ("alt-svc", "alt-svc"),
    ("clear-site-data", "clear-site-data"),
    ("nel", "nel"),
    ("report-to", "report-to"),
    ("reporting-endpoints", "reporting-endpoints"),
    ("connection", "connection"),
    ("keep-alive", "keep-alive"),
    ("transfer-encoding", "transfer-encoding"),
    ("upgrade", "upgrade"),
];

/// Rewrites the headers of `request`, out of which a handshake was taken, and compares them with `before`, which is
/// what the client sent.
pub(super) fn forwarded(
    gateway: &Gateway,
    plan: &Plan,
    (before, mut request): (&HeaderMap, Request<Announced>),
    handshake: Option<Handshake>,
    path: &str,
) -> Result<Forwarded, Refusal> {
    let mut headers = std::mem::take(request.headers_mut());
    let rules = plan.rules(gateway, plan.injected.as_deref(), &mut headers, path);
    headers::prepare_request(&mut headers, plan.target.endpoint(), &rules)
        .map_err(|error| Refusal::Upstream(error.to_string()))?;
    headers::frame_request(&mut headers, request.method(), request.body());
    if !request.body().is_end_stream() && !headers.contains_key(CONTENT_LENGTH) {
        // What is left is the connection's.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let is_handshake = handshake.is_some();
    if let Some(mut handshake) = handshake {
        if let Some(offers) = plan.offers.as_deref() {
            handshake.retain_protocols(|place| offers.keeps(place));
        }
        handshake.write(&mut headers, rules.accept_encoding);
    }
    let own: Vec<&HeaderName> = plan
        .injected
        .iter()
        .flat_map(|injected| injected.more.iter().chain(&injected.credential))
        .map(|credential| credential.header_name())
        .collect();
    let is_same = |name: &HeaderName| before.get_all(name).iter().eq(headers.get_all(name).iter());
    let is_dropped = |name: &&HeaderName| !headers.contains_key(*name) || own.contains(name);
    let set = headers
        .iter()
        .filter(|(name, _)| own.contains(name) || !is_same(name));
    let mut set: Vec<_> = set
        .map(|(name, value)| SetHeader {
            name: shown(name.as_str()),
            value: shown_value(name, value),
        })
        .collect();
    // Of `CDN-Loop` there may be the client's lines too; ours is the last.
    let ours = gateway.loop_mark().value().to_str().ok();
    set.retain(|header| header.name != CDN_LOOP.as_str() || header.value.as_deref() == ours);
    set.dedup_by(|second, first| second.name == first.name);
    let kept = headers
        .keys()
        .filter(|name| !own.contains(name) && is_same(name));
    let target = plan.target.path_and_query();
    Ok(Forwarded {
        provider: plan.provider.provider.slug().to_owned(),
        origin: plan.target.endpoint().origin().clone(),
        target: shown_target(target.path(), target.query(), None),
        credential: Credential::of(plan, before),
        is_custom: plan.used.custom.is_some(),
        is_handshake,
        dropped: before
            .keys()
            .filter(is_dropped)
            .map(|name| shown(name.as_str()))
            .collect(),
        kept: kept.map(|name| shown(name.as_str())).collect(),
        set,
        cut_from_answer: cut_from_answer(plan, &rules),
        may_be_compressed: rules.accept_encoding == AcceptEncoding::Client,
    })
}

/// The value, where it is of the gateway's own making. What else is set is a credential, or the client's handshake.
fn shown_value(name: &HeaderName, value: &HeaderValue) -> Option<String> {
    const OWN: [&HeaderName; 4] = [&HOST, &ACCEPT_ENCODING, &CONTENT_LENGTH, &TRANSFER_ENCODING];
    let is_own = OWN.contains(&name) || *name == CDN_LOOP;
    let value = value.to_str().ok().filter(|_text| is_own)?;
    Some(value.to_owned())
}

fn cut_from_answer(plan: &Plan, rules: &Rules<'_>) -> Vec<&'static str> {
    let mut answer = HeaderMap::new();
    for (_, name) in ANSWER {
        answer.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static("close"),
        );
    }
    // Only a redirect is refused, and this is none.
    let _never =
        headers::prepare_response(&mut answer, Response::new(()).status(), &plan.target, rules);
    let cut = ANSWER
        .iter()
        .filter(|(_, name)| !answer.contains_key(*name));
    cut.map(|(shown, _)| *shown).collect()
}
