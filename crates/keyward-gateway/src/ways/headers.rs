//! Headers of requests that are made of a client's, and of the answers to them.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

const STEP: HeaderName = HeaderName::from_static("cf-aig-step");
const PROVIDER: HeaderName = HeaderName::from_static("cf-aig-provider");
const MODEL: HeaderName = HeaderName::from_static("cf-aig-model");

/// What belongs to the request that a client sent and to no other: how its body is framed, and what its connection does.
const FRAMING: [HeaderName; 7] = [
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONNECTION,
    UPGRADE,
    EXPECT,
    TRAILER,
    TE,
];

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
