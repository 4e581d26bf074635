//! The request target: address, route, and the path that is sent.

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, Method};
use keyward_forward::{Endpoint, Target};
use keyward_gateway::GatewayAddress;
use keyward_providers::Catalogue;
use url::Url;

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::built_in().expect("the catalogue is right"));
const BASE: &str = "/v1/0123456789abcdef0123456789abcdef/prod/";
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::DELETE, Method::HEAD];

/// Reads `data` as a request target (after a byte that chooses the method) and follows it to the upstream's
/// path. What does not begin with `/` stands behind a good front, so that most inputs reach the rest.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let text = match text.starts_with('/') {
        true => text.to_owned(),
        false => format!("{BASE}{text}"),
    };
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text.as_str(), None),
    };
    let Ok(address) = GatewayAddress::parse(path) else {
        return;
    };
    check_address(path, &address);
    let method = &METHODS[usize::from(*choice) % METHODS.len()];
    let Some(provider) = CATALOGUE.find(address.provider) else {
        return;
    };
    let Ok(route) = provider.route(method, address.rest, &HeaderMap::new()) else {
        return;
    };
    let endpoint = Arc::new(Endpoint::new(route.upstream.origin().clone()).expect("an endpoint"));
    let Ok(target) = Target::join(endpoint, route.prefix, address.rest, query) else {
        return;
    };
    let sent = target.path_and_query().as_str();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    assert_eq!(
        sent,
        format!("{}{}{query}", route.prefix, address.rest),
        "bytes were changed"
    );
    check_below(
        route.upstream.base_path(),
        sent,
        &route.upstream.origin().to_string(),
    );
}

fn check_address(path: &str, address: &GatewayAddress<'_>) {
    let GatewayAddress {
        account,
        gateway,
        provider,
        rest,
    } = address;
    let whole = format!("/v1/{account}/{gateway}/{provider}/{rest}");
    assert!(
        whole == path || whole == format!("{path}/"),
        "the parts are not the path"
    );
    let mut text = rest.as_bytes().to_vec();
    // As it stands, and decoded once and twice.
    for _decoding in 0..3 {
        assert!(
            !text.iter().any(u8::is_ascii_control),
            "a control character passed"
        );
        let climbs = text
            .split(|byte| matches!(byte, b'/' | b'\\'))
            .map(|segment| {
                segment
                    .split(|byte| *byte == b';')
                    .next()
                    .unwrap_or_default()
            })
            .any(|segment| matches!(segment, b"." | b".."));
        assert!(!climbs, "{rest:?} climbs");
        text = percent_encoding::percent_decode(&text).collect();
    }
}

/// Another implementation of URLs agrees on where this goes.
fn check_below(base_path: &str, sent: &str, origin: &str) {
    let Ok(url) = Url::parse(&format!("{origin}{sent}")) else {
        return;
    };
    assert_eq!(
        url.origin().ascii_serialization(),
        origin,
        "{sent} changes the authority"
    );
    let below = url.path().strip_prefix(base_path);
    let below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    assert!(
        below || base_path.ends_with('/'),
        "{sent} leads out of {base_path}"
    );
}
