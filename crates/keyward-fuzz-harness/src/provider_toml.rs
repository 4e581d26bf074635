//! A catalogue file: refused with a reason, or a provider whose paths stay below its base path.

use std::sync::Arc;

use http::{HeaderMap, Method};
use keyward_forward::{Endpoint, Target};
use keyward_providers::fuzzing;
use keyward_secret::SecretBytes;

const RESTS: [&str; 5] = [
    "",
    "v1/chat/completions",
    "chat/completions",
    "models/x:generate",
    "a//b",
];

/// Reads `data` as a catalogue file, and routes through the provider that it makes.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let provider = match fuzzing::provider(text) {
        Ok(provider) => provider,
        Err(error) => {
            let _told = format!("{error} {error:?}");
            return;
        }
    };
    for upstream in provider.upstreams() {
        let origin = upstream.origin();
        assert!(
            provider.destination().contains(origin),
            "keys are not sealed for {origin}"
        );
    }
    let key = SecretBytes::copy_from(b"sk-example");
    if let Ok(credential) = provider.bind(key, provider.destination().clone()) {
        assert!(
            provider
                .credential_headers()
                .contains(credential.header_name())
        );
    }
    for rest in RESTS {
        let Ok(route) = provider.route(&Method::POST, rest, &HeaderMap::new()) else {
            continue;
        };
        let endpoint = Endpoint::new(route.upstream.origin().clone()).expect("an endpoint");
        let base = route.upstream.base_path();
        if let Ok(target) = Target::join(Arc::new(endpoint), route.prefix, rest, None) {
            let path = target.path_and_query().as_str();
            assert!(path.starts_with(base), "{path} is not below {base}");
        }
    }
}
