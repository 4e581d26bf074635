//! What the fuzz harness calls. No part of the interface: it may change with any release.

use http::HeaderMap;
use keyward_providers::Provider;

use crate::caller::{Caller, Keys, OwnKey, Presented, QueryCut, cut_query, remove_tokens};

/// What of a client's request may go on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Passed {
    /// The query.
    pub query: Option<String>,
    /// Whether a stored key comes in, so that the client's credential headers go.
    pub injects: bool,
}

/// Takes tokens and keys out of a request as the gateway does before it forwards. `None` where it refuses
/// the request for what stands in these places.
#[must_use]
pub fn without_tokens(
    headers: &mut HeaderMap,
    query: Option<&str>,
    provider: &Provider,
) -> Option<Passed> {
    let caller = Caller::find(headers, query, Some(provider), None);
    let keys = match (&caller.token, caller.own_key) {
        (Presented::Bad, _) | (_, OwnKey::Repeated) => return None,
        (_, OwnKey::Present) => Keys::Keep,
        (_, OwnKey::Absent) => Keys::Cut,
    };
    let query = match (query, caller.query) {
        (Some(query), QueryCut::Needed) => cut_query(query, provider, keys),
        (query, _) => query.map(str::to_owned),
    };
    remove_tokens(headers, keys);
    let injects = keys == Keys::Cut;
    Some(Passed { query, injects })
}
