//! Which URL and class a path becomes.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue, Method, uri::PathAndQuery};
use keyward_providers::{Catalogue, Class, Support};
use keyward_secret::Origin;
use proptest::prelude::*;

use crate::support::catalogue;

const PATHS: &str = include_str!("paths.txt");

fn rows() -> impl Iterator<Item = [&'static str; 5]> {
    PATHS
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            fields
                .try_into()
                .unwrap_or_else(|_| panic!("five fields: {line}"))
        })
}

#[test]
fn real_paths_lead_where_the_provider_documents_them() {
    let catalogue = catalogue();
    for [slug, method, rest, url, class] in rows() {
        let rest = if rest == "-" { "" } else { rest };
        let method: Method = method.parse().unwrap();
        let provider = catalogue.find(slug).unwrap();
        match provider.route(&method, rest, &HeaderMap::new()) {
            Ok(route) => {
                let joined = format!("{}{}{rest}", route.upstream.origin(), route.prefix);
                assert_eq!(
                    (joined.as_str(), route.class.name()),
                    (url, class),
                    "{slug} {method} {rest}"
                );
            }
            Err(error) => {
                assert_eq!(url, "!", "{slug} {rest}: {error}");
                assert_eq!(error.is_path_refused(), class == "path", "{error}");
                assert_eq!(error.is_provider_refused(), class == "provider", "{error}");
            }
        }
    }
}

#[test]
fn every_provider_has_a_row() {
    let catalogue = catalogue();
    let rows: BTreeSet<_> = rows()
        .map(|[slug, ..]| catalogue.find(slug).unwrap().slug())
        .collect();
    let all: BTreeSet<_> = catalogue.iter().map(|provider| provider.slug()).collect();
    assert_eq!(rows, all);
    assert_eq!(all.len(), 26);
}

#[test]
fn workers_ai_says_where_its_account_is_set() {
    let catalogue = Catalogue::built_in().unwrap();
    let workers_ai = catalogue.find("workers-ai").unwrap();
    let error = workers_ai
        .route(&Method::POST, "@cf/x", &HeaderMap::new())
        .unwrap_err();
    assert!(
        error.to_string().contains("[providers.workers-ai]"),
        "{error}"
    );
    assert!(error.to_string().contains("account_id"), "{error}");
}

#[track_caller]
fn check_websocket(slug: &str, expected: &str) {
    let catalogue = catalogue();
    let headers =
        HeaderMap::from_iter([(http::header::UPGRADE, HeaderValue::from_static("WebSocket"))]);
    let route = catalogue
        .find(slug)
        .unwrap()
        .route(&Method::GET, "", &headers)
        .unwrap();
    assert_eq!((route.prefix, route.class), (expected, Class::Realtime));
}

#[test]
fn a_websocket_on_the_bare_provider_is_its_realtime_endpoint() {
    check_websocket("openai", "/v1/realtime");
    check_websocket("cartesia", "/tts/websocket");
    check_websocket("elevenlabs", "/v1/convai/conversation");
    check_websocket(
        "google",
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
    );
}

fn fal(target: &str) -> Result<(String, Class), bool> {
    let catalogue = catalogue();
    let mut headers = HeaderMap::new();
    headers.insert("x-fal-target-url", HeaderValue::from_str(target).unwrap());
    match catalogue
        .find("fal")
        .unwrap()
        .route(&Method::POST, "", &headers)
    {
        Ok(route) => {
            let path = route.path_override.unwrap();
            Ok((format!("{}{path}", route.upstream.origin()), route.class))
        }
        Err(error) => Err(error.is_target_refused()),
    }
}

#[test]
fn a_target_within_fal_is_taken_as_it_is() {
    for (url, class) in [
        ("https://fal.run/fal-ai/flux", Class::Inference),
        (
            "https://queue.fal.run/fal-ai/flux/dev?logs=1",
            Class::Inference,
        ),
        (
            "https://rest.alpha.fal.ai/storage/upload/initiate?storage_type=gcs",
            Class::Files,
        ),
        (
            "https://rest.alpha.fal.ai/billing/user_balance",
            Class::Account,
        ),
        ("https://rest.alpha.fal.ai/tokens/", Class::Other),
        ("https://rest.fal.ai/%62illing/x", Class::Other),
    ] {
        assert_eq!(fal(url), Ok((url.to_owned(), class)));
    }
}

#[test]
fn a_target_outside_fal_is_refused() {
    for url in [
        "https://evil.example/fal-ai/flux",
        "https://fal.run.evil.example/x",
        "https://x.fal.run/x",
        "https://fal.run:444/x",
        "http://fal.run/x",
        "https://fal.run@evil.example/x",
        "https://fal.run\\@evil.example/x",
        "https://fal.run/a/../b",
        "fal.run/x",
        "",
    ] {
        assert_eq!(fal(url), Err(true), "{url:?}");
    }
}

#[test]
fn other_providers_ignore_the_target_header() {
    let catalogue = catalogue();
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-fal-target-url",
        HeaderValue::from_static("https://evil.example/x"),
    );
    for provider in catalogue.iter().filter(|provider| provider.slug() != "fal") {
        if let Ok(route) = provider.route(&Method::POST, "x", &headers) {
            assert_eq!(route.path_override, None);
        }
    }
}

#[test]
fn a_redirect_within_the_base_leads_back_through_the_gateway() {
    let catalogue = catalogue();
    let check = |slug, origin, path, expected| {
        let provider = catalogue.find(slug).unwrap();
        assert_eq!(
            provider.location(&Origin::parse(origin).unwrap(), path),
            expected,
            "{slug} {path}"
        );
    };
    check(
        "openai",
        "https://api.openai.com",
        "/v1/files/x?y=1",
        Some("v1/files/x?y=1"),
    );
    check("openai", "https://api.openai.com", "/files/x", None);
    check("openai", "https://evil.example", "/v1/files/x", None);
    check("openai", "https://api.openai.com", "/v1/../../x", None);
    check(
        "groq",
        "https://api.groq.com",
        "/openai/v1/models",
        Some("v1/models"),
    );
    check("groq", "https://api.groq.com", "/v1/models", None);
    check(
        "anthropic",
        "https://api.anthropic.com",
        "/login?next=/",
        Some("login?next=/"),
    );
    check("aws-bedrock", "https://aws-bedrock.invalid", "/x", None);
}

/// Segments as the gateway lets them pass: no dot segment, no broken escape, no separator.
fn rest() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        "[a-zA-Z0-9_~@:!$&'()*+,;=-]{0,8}",
        "(%[2-7][0-9A-F]){1,3}".prop_filter("no dots and separators", |text| {
            !["%2E", "%2F", "%5C", "%25"]
                .iter()
                .any(|odd| text.contains(odd))
        }),
        prop_oneof![
            "v1",
            "v2",
            "api",
            "openai",
            "inference",
            "run",
            "model",
            "@cf",
            "models"
        ]
        .prop_map(|text| text),
    ];
    proptest::collection::vec(segment, 0..6).prop_map(|segments| segments.join("/"))
}

proptest! {
    #[test]
    fn the_joined_path_is_below_the_base_and_holds_the_rest_unchanged(rest in rest(), websocket: bool) {
        let catalogue = catalogue();
        let mut headers = HeaderMap::new();
        if websocket {
            headers.insert(http::header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        for provider in catalogue.iter() {
            let Ok(route) = provider.route(&Method::POST, &rest, &headers) else { continue };
            let joined = format!("{}{rest}", route.prefix);
            let below = joined.strip_prefix(route.upstream.base_path());
            prop_assert!(below.is_some_and(|below| below.starts_with('/')), "{joined}");
            prop_assert!(joined.ends_with(&rest));
            let parsed = PathAndQuery::try_from(joined.as_str()).unwrap();
            prop_assert_eq!(parsed.as_str(), &joined);
            prop_assert!(provider.destination().contains(route.upstream.origin()));
        }
    }

    #[test]
    fn a_location_leads_where_it_came_from(rest in rest(), below in "(v1|v2|api|openai|x)?") {
        let catalogue = catalogue();
        for provider in catalogue.iter().filter(|provider| *provider.support() == Support::Ready) {
            let upstream = &provider.upstreams()[0];
            let path = format!("{}/{below}/{rest}", upstream.base_path());
            let Some(back) = provider.location(upstream.origin(), &path) else { continue };
            let route = provider.route(&Method::GET, back, &HeaderMap::new());
            let Ok(route) = route else { continue };
            prop_assert_eq!(format!("{}{back}", route.prefix), path);
        }
    }

    #[test]
    fn spelling_the_version_out_never_changes_url_or_class(rest in "[a-z_]{1,12}(/[a-z_]{1,12}){0,3}") {
        let catalogue = catalogue();
        for slug in ["openai", "groq", "openrouter", "grok", "cerebras", "replicate", "fireworks", "cohere", "echo"] {
            let provider = catalogue.find(slug).unwrap();
            let full = format!("v1/{rest}");
            for method in [Method::GET, Method::POST] {
                let short = provider.route(&method, &rest, &HeaderMap::new()).unwrap();
                let long = provider.route(&method, &full, &HeaderMap::new()).unwrap();
                if rest.starts_with("alpha/") || rest == "alpha" { continue }
                prop_assert_eq!(format!("{}{rest}", short.prefix), format!("{}{full}", long.prefix));
                prop_assert_eq!(short.class, long.class);
            }
        }
    }

    #[test]
    fn an_escaped_letter_never_reaches_a_named_class(at in 0_usize..64) {
        let catalogue = catalogue();
        for [slug, method, rest, ..] in rows() {
            let Some(byte) = rest.as_bytes().get(at).filter(|byte| byte.is_ascii_alphanumeric()) else { continue };
            let escaped = format!("{}%{byte:02x}{}", &rest[..at], &rest[at + 1..]);
            let provider = catalogue.find(slug).unwrap();
            let route = provider.route(&method.parse().unwrap(), &escaped, &HeaderMap::new());
            if let Ok(route) = route {
                prop_assert_eq!(route.class, Class::Other, "{} {}", slug, escaped);
            }
        }
    }
}
