//! What the fuzz harness calls. No part of the interface: it may change with any release.

use http::{HeaderMap, HeaderValue};
use keyward_forward::Handshake;
use keyward_providers::Provider;
use keyward_vault::VaultId;

use crate::{
    caller::{Caller, Keys, OwnKey, Presented, QueryCut, cut_query, remove_tokens},
    head::Head,
    loops::{Came, LoopMark},
    subprotocols,
    upgrade::Offers,
};

/// What of a client's request may go on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Passed {
    /// The query.
    pub query: Option<String>,
    /// The sub-protocols of a WebSocket handshake.
    pub protocols: Vec<HeaderValue>,
    /// Whether a credential comes in, so that the client's credential headers go.
    pub injects: bool,
}

/// Takes tokens and keys out of a request as the gateway does before it forwards. `None` where it refuses
/// the request for what stands in these places.
#[must_use]
pub fn without_tokens(
    headers: &mut HeaderMap,
    query: Option<&str>,
    handshake: Option<&Handshake>,
    provider: &Provider,
) -> Option<Passed> {
    let offers =
        handshake.map(|handshake| subprotocols::read(handshake.protocols(), Some(provider)));
    let head = Head::of(headers);
    let holds_stray = head.has_stray_token;
    let caller = Caller::find(&head, headers, query, Some(provider), offers.as_deref());
    let keys = match (&caller.token, caller.own_key) {
        (Presented::Bad, _) | (_, OwnKey::Repeated) => return None,
        (_, OwnKey::Present) if caller.loose_key.is_none() => Keys::Keep,
        (_, OwnKey::Present | OwnKey::Absent) => Keys::Cut,
    };
    let query = match (query, caller.query) {
        (Some(query), QueryCut::Needed) => cut_query(query, provider, keys),
        (query, _) => query.map(str::to_owned),
    };
    let protocols = match (handshake, &offers) {
        (Some(handshake), Some(offers)) => {
            let kept = Offers::new(handshake, offers);
            let mut handshake = handshake.clone();
            handshake.retain_protocols(|place| kept.keeps(place));
            handshake.protocols().to_vec()
        }
        _ => Vec::new(),
    };
    if holds_stray {
        remove_tokens(headers);
    }
    Some(Passed {
        query,
        protocols,
        injects: keys == Keys::Cut,
    })
}

/// Whether a request with these headers is taken for one that was not here before.
#[must_use]
pub fn comes_first(vault: VaultId, headers: &HeaderMap) -> bool {
    LoopMark::new(vault).came(headers) == Came::First
}

/// The mark that is sent on.
#[must_use]
pub fn loop_mark(vault: VaultId) -> HeaderValue {
    LoopMark::new(vault).value().clone()
}
