//! Headers of requests that are made of a client's, and of the answers to them.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        TRANSFER_ENCODING, UPGRADE,
    },
};
use keyward_providers::is_credential_header;

use crate::caller::holds_token;

const STEP: HeaderName = HeaderName::from_static("cf-aig-step");
const PROVIDER: HeaderName = HeaderName::from_static("cf-aig-provider");
const MODEL: HeaderName = HeaderName::from_static("cf-aig-model");

/// What belongs to the request that a client sent and to no other: how its body is framed, and what becomes of its
/// connection. What else is for one hop the forwarder removes.
const FRAMING: [HeaderName; 4] = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE];

/// The headers of a request with another frame.
pub(crate) fn without_framing(mut headers: HeaderMap) -> HeaderMap {
    for name in FRAMING {
        headers.remove(name);
    }
    headers
}

/// The headers of a request whose body is another one, of which is known that it is JSON.
pub(crate) fn for_json(headers: HeaderMap) -> HeaderMap {
    let mut headers = without_framing(headers);
    let json = HeaderValue::from_static("application/json");
    headers.insert(CONTENT_TYPE, json);
    headers
}

/// The headers of a request without a body, whose answer is read here.
pub(crate) fn for_reading(headers: HeaderMap) -> HeaderMap {
    let mut headers = without_framing(headers);
    for name in [CONTENT_TYPE, CONTENT_ENCODING, ACCEPT_ENCODING] {
        headers.remove(name);
    }
    headers
}

/// The headers without those in which a provider takes a key, unless they hold a token of ours: a key is for one provider,
/// and must not come to another.
pub(crate) fn without_own_keys(headers: HeaderMap) -> HeaderMap {
    let mut last = None;
    let kept = headers.into_iter().filter_map(|(name, value)| {
        // Of several with one name, the first alone has it.
        last = name.or(last.take());
        let name = last.clone()?;
        let is_own_key = is_credential_header(&name) && !holds_token(value.as_bytes());
        (!is_own_key).then_some((name, value))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in kept {
        headers.append(name, value);
    }
    headers
}

/// Says which step answered, and which provider and model that was.
pub(crate) fn mark(headers: &mut HeaderMap, step: usize, of: Option<(&str, &str)>) {
    headers.insert(STEP, HeaderValue::from(step));
    if let Some((provider, model)) = of {
        for (name, value) in [(PROVIDER, provider), (MODEL, model)] {
            // A model's name may be no header: then nothing is said of it.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}
