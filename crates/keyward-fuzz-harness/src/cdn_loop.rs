//! `CDN-Loop`: a request that was here before is known, whatever else is in the header.

use http::{HeaderMap, HeaderValue};
use keyward_gateway::fuzzing;
use keyward_vault::VaultId;

const OURS: VaultId = VaultId::from_bytes([7; 16]);
const OTHERS: VaultId = VaultId::from_bytes([8; 16]);

/// Reads `data` as lines of `CDN-Loop`, and adds marks to them as servers on the way do.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("cdn-loop", value);
        }
    }
    let came_first = fuzzing::comes_first(OURS, &headers);
    let mark = fuzzing::loop_mark(OURS);
    let text = mark.to_str().expect("a mark is text").to_owned();
    if came_first {
        let lower = |value: &HeaderValue| value.as_bytes().to_ascii_lowercase();
        let alone = headers
            .values()
            .any(|value| lower(value).trim_ascii() == text.as_bytes());
        assert!(!alone, "our own mark is not known");
        // Another installation's mark makes no loop of ours.
        let mut other = headers.clone();
        other.append("cdn-loop", fuzzing::loop_mark(OTHERS));
        assert!(
            fuzzing::comes_first(OURS, &other),
            "a mark of somebody else's is taken for ours"
        );
    }
    // We add a line of our own.
    let mut own_line = headers.clone();
    own_line.append("cdn-loop", mark);
    assert!(
        !fuzzing::comes_first(OURS, &own_line),
        "a loop is not noticed"
    );
    // Proxies join lines in order; who stands behind us adds himself.
    let lines: Vec<_> = own_line.values().map(HeaderValue::as_bytes).collect();
    let joined = [&lines.join(&b", "[..]), &b", other-cdn; a=\"b,c\""[..]].concat();
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        let mut headers = HeaderMap::new();
        headers.append("cdn-loop", value);
        assert!(
            !fuzzing::comes_first(OURS, &headers),
            "a joined loop is not noticed"
        );
    }
}
