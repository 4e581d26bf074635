//! A provider's refusal: no body convicts a key unless it is JSON to its end.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, StatusCode};
use keyward_providers::{Catalogue, ProbeOutcome};

/// What the classifier says it looks at.
const MOST_BYTES: usize = 8 * 1024;

/// Read once: a fuzzer comes here a million times.
static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::built_in().expect("the embedded files are right"));

/// Reads `data` as a provider, a status, a wait and a body.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let [choice, high, low, wait, body @ ..] = data else {
        return;
    };
    let providers: Vec<_> = CATALOGUE.iter().collect();
    let provider = providers[usize::from(*choice) % providers.len()];
    let status = 100 + u16::from_be_bytes([*high, *low]) % 500;
    let status = StatusCode::from_u16(status).expect("a status");
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(&body[..usize::from(*wait).min(body.len())]) {
        headers.insert("retry-after", value);
    }
    let verdict = provider.judge(status, &headers, body);
    if verdict.class.convicts() {
        assert!(status.is_client_error(), "{status} convicts a key");
        assert!(verdict.source.is_some(), "no rule convicts a key");
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let json = serde_json::from_slice::<serde_json::Value>(body);
        assert!(json.is_ok(), "a broken body convicts a key");
        assert!(body.len() <= MOST_BYTES, "a long body convicts a key");
    }
    if status.as_u16() < 400 {
        assert_eq!(verdict.class.name(), "unknown");
    }
    if body.len() > MOST_BYTES {
        let more = [body, b"}]\"tail"].concat();
        assert_eq!(
            provider.judge(status, &headers, &more),
            verdict,
            "the tail counts"
        );
    }
    let outcome = provider.judge_probe(status, &headers, body);
    if status.is_server_error() {
        assert!(
            !matches!(outcome, ProbeOutcome::Dead(_)),
            "an outage kills a key"
        );
    }
}
