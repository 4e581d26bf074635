//! The head of a request: strip first, inject last.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use http::{HeaderMap, HeaderName, HeaderValue};
use keyward_forward::{
    AcceptEncoding, CdnLoop, Endpoint, Rules, Scrubber, StripList, headers::prepare_request,
};
use keyward_secret::{BoundCredential, Destination, Origin, SecretBytes};

use crate::fields::{self, Field, Name, folded, nominated};

static OWN_LOOP: HeaderValue = HeaderValue::from_static("keyward");
const INJECTED: &[u8] = b"Bearer sk-injected";

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    /// The header of the stored key; none where the client's own goes through.
    credential: Option<Name>,
    strip: Vec<Name>,
    strip_prefix: Option<Name>,
    sends_loop: bool,
    wants_identity: bool,
    /// The credential is bound to another origin.
    is_elsewhere: bool,
    fields: Vec<Field<'a>>,
}

/// Headers of a request that never pass, whatever the rules say.
const GONE: &[&str] = &[
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "cookie",
    "cookie2",
    "expect",
    "via",
    "forwarded",
    "x-forwarded",
    "x-real-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "max-forwards",
    "http2-settings",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];
const GONE_PREFIXES: &[&str] = &["cf-aig-", "proxy-", "x-forwarded-", "sec-websocket-"];
/// What `Connection` may not take away.
const FIXED: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "content-encoding",
    "cdn-loop",
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
];

/// Reads `data` as the fields of a head and the rules for it, rewrites, and compares.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let endpoint = endpoint();
    let credential = input
        .credential
        .and_then(|name| bind(name, input.is_elsewhere));
    let strip = strip_list(&input);
    let scrubber = credential
        .as_ref()
        .map(|credential| Arc::new(Scrubber::new(credential)));
    let mut rules = Rules::new(&strip);
    if let (Some(credential), Some(scrubber)) = (&credential, &scrubber) {
        rules = rules.with_credential(credential, scrubber);
    }
    if input.sends_loop {
        rules.cdn_loop = CdnLoop::Send(&OWN_LOOP);
    }
    if input.wants_identity {
        rules.accept_encoding = AcceptEncoding::Identity;
    }

    let before = fields::map(&input.fields);
    let mut after = before.clone();
    let prepared = prepare_request(&mut after, &endpoint, &rules);
    if input.is_elsewhere && credential.is_some() {
        assert!(prepared.is_err(), "a credential left its destination");
        assert_eq!(after, before, "a refused head was changed");
        return;
    }
    prepared.expect("the credential is bound to this origin");

    check_gone(&after, &strip, &rules);
    check_put_in(&after, &endpoint, &rules);
    check_kept(&before, &after, &strip, &rules);
    check_again(&after, &endpoint, &rules);
}

fn endpoint() -> Endpoint {
    let origin = Origin::parse("https://api.example.com:8443").expect("an origin");
    Endpoint::new(origin).expect("an endpoint")
}

fn bind(name: Name, is_elsewhere: bool) -> Option<BoundCredential> {
    let name = name.header();
    // A provider's key never stands in a header that frames or routes; the catalogue decides that.
    if ["host", "connection", "cdn-loop", "accept-encoding"].contains(&name.as_str()) {
        return None;
    }
    let place = match is_elsewhere {
        false => "https://api.example.com:8443",
        true => "https://api.example.com",
    };
    let destination = Destination::parse([place]).expect("a destination");
    let secret = SecretBytes::copy_from(b"sk-injected");
    BoundCredential::build(name, "Bearer ", secret, destination).ok()
}

fn strip_list(input: &Input<'_>) -> StripList {
    let names: Vec<_> = input
        .strip
        .iter()
        .take(16)
        .map(|name| name.text())
        .collect();
    let prefix = input.strip_prefix.map(Name::text);
    StripList::new(names.iter().map(String::as_str), prefix.as_deref())
}

/// Whether a header of this name never passes under these rules.
fn is_gone(name: &HeaderName, strip: &StripList, rules: &Rules<'_>) -> bool {
    let folded = folded(name);
    let loops = folded == "cdn-loop" && matches!(rules.cdn_loop, CdnLoop::Drop);
    let look_alike = rules.credential.is_some_and(|credential| {
        let own = credential.header_name();
        name != own && folded == self::folded(own)
    });
    let unframed = folded == "content-length" && name.as_str() != "content-length";
    GONE.contains(&folded.as_str())
        || GONE_PREFIXES
            .iter()
            .any(|prefix| folded.starts_with(prefix))
        || strip.matches(name.as_str())
        || loops
        || look_alike
        || unframed
}

fn is_injected(name: &HeaderName, rules: &Rules<'_>) -> bool {
    rules
        .credential
        .is_some_and(|credential| credential.header_name() == name)
}

fn check_gone(after: &HeaderMap, strip: &StripList, rules: &Rules<'_>) {
    for name in after.keys() {
        let put_in = is_injected(name, rules)
            || name == "host"
            || name == "accept-encoding"
            || name == "cdn-loop";
        assert!(put_in || !is_gone(name, strip, rules), "{name} passed");
    }
}

fn check_put_in(after: &HeaderMap, endpoint: &Endpoint, rules: &Rules<'_>) {
    let hosts: Vec<_> = after.get_all("host").iter().collect();
    assert_eq!(
        hosts,
        [endpoint.host()],
        "the Host is not the destination's alone"
    );
    if let Some(credential) = rules.credential {
        let values: Vec<_> = after.get_all(credential.header_name()).iter().collect();
        assert_eq!(
            values,
            [credential.header_value()],
            "the credential is not there exactly once"
        );
        let count = after
            .values()
            .filter(|value| value.as_bytes() == INJECTED)
            .count();
        assert_eq!(count, 1, "the credential stands in another header too");
    }
    if let AcceptEncoding::Identity = rules.accept_encoding {
        let codings: Vec<_> = after.get_all("accept-encoding").iter().collect();
        assert_eq!(codings, ["identity"]);
    }
    if let CdnLoop::Send(own) = rules.cdn_loop {
        assert_eq!(after.get_all("cdn-loop").iter().next_back(), Some(own));
    }
}

/// What no rule is about stays as it was, and what was nominated is gone.
fn check_kept(before: &HeaderMap, after: &HeaderMap, strip: &StripList, rules: &Rules<'_>) {
    let nominated = nominated(before);
    for name in before.keys() {
        let was_put_in = is_injected(name, rules)
            || name == "host"
            || (name == "accept-encoding" && rules.accept_encoding == AcceptEncoding::Identity)
            || name == "cdn-loop";
        if was_put_in || is_gone(name, strip, rules) {
            continue;
        }
        if nominated.iter().any(|nominated| nominated == name.as_str()) {
            let fixed = FIXED.contains(&folded(name).as_str());
            assert!(
                fixed || !after.contains_key(name),
                "{name} was nominated and passed"
            );
            if !FIXED.contains(&name.as_str()) {
                continue;
            }
        }
        let (old, new) = (before.get_all(name), after.get_all(name));
        assert!(old.iter().eq(new.iter()), "{name} was changed");
    }
    for name in after.keys() {
        let ours = is_injected(name, rules)
            || ["host", "accept-encoding", "cdn-loop"].contains(&name.as_str());
        assert!(
            ours || before.contains_key(name),
            "{name} came from nowhere"
        );
    }
}

/// Rewriting what was rewritten changes nothing, but for the loop that is counted.
fn check_again(after: &HeaderMap, endpoint: &Endpoint, rules: &Rules<'_>) {
    let mut again = after.clone();
    prepare_request(&mut again, endpoint, rules).expect("as before");
    let mut first = after.clone();
    if let CdnLoop::Send(_) = rules.cdn_loop {
        first.remove("cdn-loop");
        again.remove("cdn-loop");
    }
    assert_eq!(again, first, "a second rewriting changed something");
}
