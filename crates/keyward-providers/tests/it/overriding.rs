//! What an operator may change, and what is said when it cannot be.

use std::{collections::BTreeMap, error::Error};

use http::{HeaderMap, Method};
use keyward_providers::{Catalogue, Override, Support};

use crate::support::{ACCOUNT, base_url, with};

#[track_caller]
fn check(slug: &str, url: &str, rest: &str, expected: &str) {
    let catalogue = with(slug, base_url(url)).unwrap();
    let provider = catalogue.find(slug).unwrap();
    let route = provider
        .route(&Method::POST, rest, &HeaderMap::new())
        .unwrap();
    assert_eq!(
        format!("{}{}{rest}", route.upstream.origin(), route.prefix),
        expected
    );
    assert!(provider.is_overridden());
    assert_eq!(
        provider.destination().single(),
        Some(route.upstream.origin())
    );
}

#[test]
fn a_base_url_replaces_origin_and_base_path() {
    for url in [
        "https://127.0.0.1:1",
        "https://127.0.0.1:1/",
        "https://127.0.0.1:1/v1",
        "https://127.0.0.1:1/v1/",
    ] {
        check(
            "openai",
            url,
            "chat/completions",
            "https://127.0.0.1:1/v1/chat/completions",
        );
        check(
            "openai",
            url,
            "v1/chat/completions",
            "https://127.0.0.1:1/v1/chat/completions",
        );
        check(
            "groq",
            url,
            "chat/completions",
            "https://127.0.0.1:1/v1/chat/completions",
        );
    }
    check(
        "xai",
        "http://localhost:9/x",
        "chat/completions",
        "http://localhost:9/x/v1/chat/completions",
    );
    check(
        "anthropic",
        "https://a.example/llm",
        "v1/messages",
        "https://a.example/llm/v1/messages",
    );
    check(
        "workers-ai",
        "https://127.0.0.1:1/ai",
        "@cf/x",
        "https://127.0.0.1:1/ai/run/@cf/x",
    );
    check(
        "fal",
        "https://127.0.0.1:1",
        "a/b",
        "https://127.0.0.1:1/a/b",
    );
}

#[test]
fn an_overridden_fal_takes_no_target_elsewhere() {
    let catalogue = with("fal", base_url("https://127.0.0.1:1/x")).unwrap();
    let fal = catalogue.find("fal").unwrap();
    for (target, taken) in [
        ("https://fal.run/a/b", false),
        ("https://127.0.0.1:1/a/b", false),
        ("https://127.0.0.1:1/x/a/b", true),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("x-fal-target-url", target.parse().unwrap());
        assert_eq!(
            fal.route(&Method::POST, "", &headers).is_ok(),
            taken,
            "{target}"
        );
    }
}

#[test]
fn only_the_named_provider_changes() {
    let catalogue = with("openai", base_url("https://127.0.0.1:1")).unwrap();
    assert!(
        catalogue
            .iter()
            .filter(|provider| provider.is_overridden())
            .count()
            == 1
    );
    let fresh = Catalogue::built_in().unwrap();
    let groq = |catalogue: &Catalogue| catalogue.find("groq").unwrap().destination().clone();
    assert_eq!(groq(&catalogue), groq(&fresh));
}

#[test]
fn plain_http_beyond_loopback_needs_its_danger_flag() {
    let url = "http://10.0.0.1:8000";
    let error = with("openai", base_url(url)).unwrap_err();
    assert!(
        error
            .source()
            .unwrap()
            .to_string()
            .contains("danger_plain_http")
    );
    let change = Override {
        danger_plain_http: true,
        ..base_url(url)
    };
    let catalogue = with("openai", change).unwrap();
    assert_eq!(
        catalogue
            .find("openai")
            .unwrap()
            .destination()
            .single()
            .unwrap()
            .to_string(),
        url
    );
}

#[track_caller]
fn refused(name: &str, change: Override, field: &str) {
    let error = with(name, change).unwrap_err();
    assert_eq!(error.field_name(), Some(field), "{error}");
    assert!(
        error.to_string().contains(field) && error.to_string().contains(name),
        "{error}"
    );
}

#[test]
fn an_error_names_the_provider_and_the_field() {
    let account = |id: &str| Override {
        account_id: Some(id.to_owned()),
        ..Override::default()
    };
    refused("openai", base_url("api.example.com"), "base_url");
    refused(
        "openai",
        base_url("https://a.example/{account_id}"),
        "base_url",
    );
    refused("openai", account(ACCOUNT), "account_id");
    refused("workers-ai", account("../../x"), "account_id");
    refused(
        "workers-ai",
        Override {
            base_url: base_url("https://a.example").base_url,
            ..account(ACCOUNT)
        },
        "account_id",
    );
    refused("aws-bedrock", base_url("https://a.example"), "base_url");
    refused("azure-openai", base_url("https://a.example"), "base_url");
    refused(
        "openai",
        Override {
            danger_plain_http: true,
            ..Override::default()
        },
        "danger_plain_http",
    );
    refused(
        "openai",
        Override {
            relay: true,
            ..Override::default()
        },
        "relay",
    );
}

#[test]
fn a_base_url_with_a_password_is_refused_without_repeating_it() {
    let error = with("openai", base_url("https://user:hunter2@a.example")).unwrap_err();
    let chain = format!("{error} {} {error:?}", error.source().unwrap());
    assert!(!chain.contains("hunter2"), "{chain}");
}

#[test]
fn an_unknown_name_brings_the_nearest_one() {
    let error = with("opnai", Override::default()).unwrap_err();
    assert_eq!(error.nearest(), Some("openai"));
    assert!(
        error.to_string().contains("did you mean `openai`"),
        "{error}"
    );
    assert_eq!(
        with("zzzzzzzzz", Override::default())
            .unwrap_err()
            .nearest(),
        None
    );
}

#[test]
fn one_provider_under_two_names_is_refused() {
    let overrides = ["grok", "xai"].map(|name| (name.to_owned(), Override::default()));
    assert!(Catalogue::with_overrides(&BTreeMap::from(overrides)).is_err());
}

#[test]
fn the_account_makes_workers_ai_ready() {
    let ready =
        |catalogue: &Catalogue| *catalogue.find("workers-ai").unwrap().support() == Support::Ready;
    assert!(!ready(&Catalogue::built_in().unwrap()));
    assert!(ready(&crate::support::catalogue()));
    let both = Override {
        account_id: Some(ACCOUNT.to_owned()),
        ..base_url("https://a.example/{account_id}/ai/run")
    };
    let catalogue = with("workers-ai", both).unwrap();
    let upstream = &catalogue.find("workers-ai").unwrap().upstreams()[0];
    assert_eq!(upstream.base_path(), format!("/{ACCOUNT}/ai"));
}

#[test]
fn the_configuration_text_refuses_unknown_fields() {
    let parse = toml::from_str::<Override>;
    assert_eq!(parse("").unwrap(), Override::default());
    assert_eq!(
        parse("base_url = 'https://a.example'").unwrap(),
        base_url("https://a.example")
    );
    assert!(parse("baseurl = 'https://a.example'").is_err());
}
