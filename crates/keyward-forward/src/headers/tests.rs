use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use keyward_secret::{BoundCredential, Destination, Origin, SecretBytes};
use proptest::prelude::*;

use super::{prepare_request, prepare_response, prepare_trailers};
use crate::{AcceptEncoding, CdnLoop, Endpoint, LocationRule, Rules, Scrubber, StripList, Target};

const SECRET: &str = "sk-canary-0123456789abcdef";

fn endpoint() -> Endpoint {
    Endpoint::new(Origin::parse("https://api.example.com").unwrap()).unwrap()
}

fn credential(header: &'static str) -> BoundCredential {
    BoundCredential::build(
        HeaderName::from_static(header),
        "",
        SecretBytes::copy_from(SECRET.as_bytes()),
        Destination::parse(["https://api.example.com"]).unwrap(),
    )
    .unwrap()
}

fn strip() -> StripList {
    StripList::new(
        ["authorization", "x-api-key", "api-key", "x-goog-api-key"],
        ["x-internal-"],
    )
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let pairs = headers.iter().map(|(name, value)| {
        (
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    });
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name, value);
    }
    map
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

/// The names that are left of a request with `headers`.
fn sent(headers: &[(&str, &str)]) -> HeaderMap {
    let (mut headers, strip) = (map(headers), strip());
    prepare_request(&mut headers, &endpoint(), &Rules::new(&strip)).unwrap();
    headers
}

#[test]
fn what_always_goes_goes_with_its_look_alikes() {
    for name in [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-connection",
        "proxy-authorization",
        "proxy-anything",
        "cookie",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-whatever",
        "x-forwarded",
        "x-real-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "via",
        "max-forwards",
        "expect",
        "cf-aig-authorization",
        "cf-aig-x",
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "x-internal-a",
        "cdn-loop",
        "http2-settings",
    ] {
        for name in [
            name.to_owned(),
            name.replace('-', "_"),
            name.replacen('-', "_", 1),
        ] {
            let left = sent(&[(&name, "x"), ("accept", "*/*")]);
            assert_eq!(names(&left), ["accept", "host"], "{name}");
        }
    }
}

#[test]
fn end_to_end_headers_stay_as_they_are() {
    let given = [
        ("accept-encoding", "gzip, br"),
        ("content-type", "application/json"),
        ("openai-beta", "assistants=v2"),
        ("anthropic-version", "2023-06-01"),
        ("user-agent", "x"),
        ("range", "bytes=0-1"),
        ("x-forward", "y"),
        ("content-length", "5"),
        ("idempotency-key", "k"),
        ("viaduct", "1"),
        ("cf-ray", "1"),
    ];
    let left = sent(&given);
    assert_eq!(left.len(), given.len() + 1);
    for (name, value) in given {
        assert_eq!(left[name], value);
    }
    assert_eq!(left["host"], "api.example.com");
}

#[test]
fn more_headers_than_one_batch_are_all_removed() {
    let given: Vec<_> = (0..50).map(|n| (format!("cf-aig-{n}"), "x")).collect();
    let given: Vec<_> = given
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    assert_eq!(names(&sent(&given)), ["host"]);
}

/// Found by the fuzz target `header_rewrite`.
#[test]
fn a_credential_header_named_with_an_underscore_has_no_look_alike_beside_it() {
    let credential = credential("x_custom-key");
    let (scrubber, strip) = (Arc::new(Scrubber::new(&credential)), StripList::default());
    let rules = Rules::new(&strip).with_credential(&credential, &scrubber);
    let mut headers = map(&[("x-custom-key", "1"), ("x_custom_key", "2")]);
    prepare_request(&mut headers, &endpoint(), &rules).unwrap();
    assert_eq!(names(&headers), ["host", "x_custom-key"]);
}

#[test]
fn connection_nominates_ordinary_headers_and_nothing_else() {
    let left = sent(&[
        (
            "connection",
            "close, X-Hop , content-length,host,content-encoding",
        ),
        ("connection", "x-other, cf-aig-authorization, bad name, "),
        ("x-hop", "1"),
        ("x-other", "1"),
        ("x-stays", "1"),
        ("content-length", "1"),
        ("content-encoding", "gzip"),
        ("host", "client.example"),
    ]);
    assert_eq!(
        names(&left),
        ["content-encoding", "content-length", "host", "x-stays"]
    );
    assert_eq!(left["host"], "api.example.com");
}

#[test]
fn a_clients_own_key_cannot_be_nominated_away() {
    let mut headers = map(&[
        ("connection", "authorization"),
        ("authorization", "Bearer own"),
    ]);
    let strip = StripList::default();
    prepare_request(&mut headers, &endpoint(), &Rules::new(&strip)).unwrap();
    assert_eq!(headers["authorization"], "Bearer own");
}

#[test]
fn a_credential_bound_elsewhere_is_refused_and_nothing_changes() {
    let elsewhere = Endpoint::new(Origin::parse("https://api.example.com:444").unwrap()).unwrap();
    let (strip, credential) = (strip(), credential("x-api-key"));
    let scrubber = Arc::new(Scrubber::new(&credential));
    let rules = Rules::new(&strip).with_credential(&credential, &scrubber);
    let mut headers = map(&[("cookie", "a")]);
    let error = prepare_request(&mut headers, &elsewhere, &rules).unwrap_err();
    assert!(!error.to_string().contains(SECRET));
    assert_eq!(headers, map(&[("cookie", "a")]));
}

#[test]
fn further_headers_arrive_once_beside_the_credential_and_not_elsewhere() {
    let (strip, key) = (strip(), credential("x-api-key"));
    let more = [credential("x-org"), credential("x-team")];
    let mut rules = Rules::new(&strip);
    rules.credential = Some(&key);
    rules.more = &more;
    let mut headers = map(&[
        ("x-org", "a"),
        ("x-org", "b"),
        ("x_org", "c"),
        ("connection", "x-team"),
    ]);
    prepare_request(&mut headers, &endpoint(), &rules).unwrap();
    assert_eq!(names(&headers), ["host", "x-api-key", "x-org", "x-team"]);
    for bound in more.iter().chain([&key]) {
        let values: Vec<_> = headers.get_all(bound.header_name()).iter().collect();
        assert_eq!(values, [bound.header_value()]);
    }
    rules.credential = None;
    let elsewhere = Endpoint::new(Origin::parse("https://api.example.com:444").unwrap()).unwrap();
    assert!(prepare_request(&mut headers, &elsewhere, &rules).is_err());
}

#[test]
fn cdn_loop_is_added_behind_the_clients_where_it_is_sent() {
    let (strip, own) = (strip(), HeaderValue::from_static("keyward"));
    let mut rules = Rules::new(&strip);
    rules.cdn_loop = CdnLoop::Send(&own);
    rules.accept_encoding = AcceptEncoding::Identity;
    let mut headers = map(&[
        ("connection", "cdn-loop"),
        ("cdn-loop", "other"),
        ("accept-encoding", "gzip"),
    ]);
    prepare_request(&mut headers, &endpoint(), &rules).unwrap();
    let loops: Vec<_> = headers.get_all("cdn-loop").iter().collect();
    assert_eq!(loops, ["other", "keyward"]);
    assert_eq!(headers["accept-encoding"], "identity");
}

fn nasty_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "authorization|x[-_]api[-_]key|host|content[-_]length|transfer[-_]encoding|cf[-_]aig[-_][a-z]{1,4}",
        "connection|cookie|[a-z_-]{1,14}",
    ]
}

proptest! {
    #[test]
    fn the_credential_arrives_exactly_once(
        headers in proptest::collection::vec((nasty_name(), "[a-zA-Z, _-]{0,30}"), 0..20),
        nominated in proptest::collection::vec(nasty_name(), 0..6),
        header in prop_oneof![Just("authorization"), Just("x-api-key")],
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in &headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        map.append("connection", nominated.join(",").to_uppercase().parse().unwrap());
        let (strip, credential) = (StripList::default(), credential(header));
        let scrubber = Arc::new(Scrubber::new(&credential));
        let rules = Rules::new(&strip).with_credential(&credential, &scrubber);
        prepare_request(&mut map, &endpoint(), &rules).unwrap();
        let same: Vec<_> = map.iter()
            .filter(|(name, _)| name.as_str().replace('_', "-") == header)
            .collect();
        prop_assert_eq!(same.len(), 1);
        prop_assert_eq!(same[0].1, credential.header_value());
        prop_assert!(same[0].1.is_sensitive());
        prop_assert_eq!(map.get_all("host").iter().count(), 1);
        prop_assert_eq!(&map["host"], "api.example.com");
        let bad = |name: &str| name.replace('_', "-").starts_with("cf-aig-")
            || name.contains("content_length")
            || name.replace('_', "-") == "transfer-encoding";
        prop_assert!(!map.keys().any(|name| bad(name.as_str())));
    }
}

fn answered(status: u16, headers: &[(&str, &str)], with_credential: bool) -> Option<HeaderMap> {
    let (strip, credential) = (strip(), credential("x-api-key"));
    let scrubber = Arc::new(Scrubber::new(&credential));
    let mut rules = Rules::new(&strip);
    if with_credential {
        rules = rules.with_credential(&credential, &scrubber);
    }
    rules.location = LocationRule {
        prefix: "/v1",
        mount: "/v1/acc/gw/openai",
        allowed: &[],
    };
    let target = Target::join(Arc::new(endpoint()), "/v1", "/files", None).unwrap();
    let mut headers = map(headers);
    let status = StatusCode::from_u16(status).unwrap();
    prepare_response(&mut headers, status, &target, &rules).ok()?;
    Some(headers)
}

#[test]
fn answers_lose_what_is_the_upstreams_alone() {
    for name in [
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "te",
        "proxy-authenticate",
        "set-cookie",
        "alt-svc",
        "strict-transport-security",
        "clear-site-data",
        "nel",
        "report-to",
        "cf-aig-cache-status",
        "cf_aig_step",
        "x-hop",
    ] {
        let left = answered(
            200,
            &[("connection", "x-hop"), (name, "x"), ("x-request-id", "1")],
            true,
        );
        assert_eq!(names(&left.unwrap()), ["x-request-id"], "{name}");
    }
    let left = answered(
        200,
        &[
            ("connection", "content-type, content-length"),
            ("content-type", "a/b"),
            ("content-length", "1"),
        ],
        true,
    );
    assert_eq!(names(&left.unwrap()), ["content-length", "content-type"]);
}

#[test]
fn redirects_inside_are_mapped_and_outside_refused() {
    for status in [301, 302, 303, 307, 308] {
        let left = answered(
            status,
            &[("location", "https://api.example.com/v1/x?y")],
            true,
        )
        .unwrap();
        assert_eq!(left["location"], "/v1/acc/gw/openai/x?y");
        assert!(answered(status, &[("location", "https://evil.example/")], true).is_none());
        assert!(answered(status, &[("location", "https://evil.example/")], false).is_none());
        let twice = [("location", "/v1/a"), ("location", "https://evil.example")];
        assert!(answered(status, &twice, true).is_none());
    }
}

#[test]
fn other_answers_name_outside_addresses_only_where_no_credential_was_injected() {
    let outside = [
        ("location", "https://other.example/x"),
        ("content-location", "//other.example"),
    ];
    assert!(answered(201, &outside, true).unwrap().is_empty());
    assert_eq!(answered(201, &outside, false).unwrap().len(), 2);
    let inside = answered(
        201,
        &[("location", "/v1/jobs/1"), ("content-location", "jobs")],
        true,
    )
    .unwrap();
    assert_eq!(inside["location"], "/v1/acc/gw/openai/jobs/1");
    assert_eq!(inside["content-location"], "/v1/acc/gw/openai/jobs");
}

#[test]
fn an_outside_address_goes_too_where_only_further_headers_were_injected() {
    let (strip, more) = (strip(), [credential("x-org")]);
    let mut rules = Rules::new(&strip);
    rules.more = &more;
    let target = Target::join(Arc::new(endpoint()), "/v1", "/files", None).unwrap();
    let mut headers = map(&[("content-location", "https://other.example/x")]);
    prepare_response(&mut headers, StatusCode::OK, &target, &rules).unwrap();
    assert!(headers.is_empty());
}

#[test]
fn headers_and_trailers_lose_the_credential() {
    let text = format!("key {SECRET} is bad");
    let left = answered(200, &[("x-echo", &text), ("x-id", "1")], true).unwrap();
    assert_eq!(
        left["x-echo"],
        format!("key {} is bad", "*".repeat(SECRET.len()))
    );

    let mut trailers = map(&[
        ("x-echo", &text),
        ("set-cookie", "a"),
        ("content-length", "1"),
        ("host", "x"),
    ]);
    prepare_trailers(
        &mut trailers,
        Some(&Scrubber::new(&credential("x-api-key"))),
    );
    assert_eq!(names(&trailers), ["x-echo"]);
    assert!(!trailers["x-echo"].to_str().unwrap().contains("canary"));
}

#[test]
fn what_would_change_the_method_or_speak_of_a_websocket_goes() {
    let left = sent(&[
        ("x-http-method-override", "DELETE"),
        ("x_http_method_override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("sec-websocket-protocol", "openai-insecure-api-key.sk-1"),
        ("sec-websocket-key", "x"),
        ("x-http-methods", "kept"),
        ("sec-fetch-mode", "kept"),
    ]);
    assert_eq!(names(&left), ["host", "sec-fetch-mode", "x-http-methods"]);
}

#[test]
fn every_text_says_what_is_wrong() {
    use super::WrongDestination;

    keyward_testing::assert_texts!("WrongDestination", [
        "a credential" => WrongDestination { bound_to: "https://api.openai.com".to_owned(), origin: "https://a.example".to_owned() },
    ]);
}
