//! The requests that tell whether a key is alive, and what their answers say.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use keyward_providers::{Catalogue, ErrorClass, Override, ProbeOutcome};

use crate::support::{base_url, catalogue, with};

#[track_caller]
fn check(slug: &str, status: u16, body: &str, expected: ProbeOutcome) {
    let catalogue = catalogue();
    let provider = catalogue.find(slug).unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    let outcome = provider.judge_probe(status, &HeaderMap::new(), body.as_bytes());
    assert_eq!(outcome, expected, "{slug} {status} {body}");
}

#[test]
fn a_probe_is_a_request_that_the_provider_serves() {
    let mut probed = Vec::new();
    for provider in catalogue().iter() {
        let Some(probe) = provider.probe() else {
            continue;
        };
        let rest = probe.path().strip_prefix('/').unwrap();
        let route = provider
            .route(probe.method(), rest, probe.headers())
            .unwrap();
        let joined = format!("{}{rest}", route.prefix);
        let base = provider.upstreams().first().unwrap().base_path();
        assert_eq!(
            joined,
            format!("{base}{}", probe.path()),
            "a version is missing"
        );
        assert_eq!(probe.method(), Method::GET);
        probed.push(provider.slug().to_owned());
    }
    let expected = "anthropic cerebras deepgram deepseek elevenlabs google-ai-studio grok groq mistral openai openrouter replicate";
    assert_eq!(probed.join(" "), expected);
}

#[test]
fn the_page_lists_every_probe() {
    let page = include_str!("../../../../docs/providers.md");
    for provider in catalogue().iter() {
        let slug = provider.slug();
        let line = provider.probe().map(|probe| {
            let base = provider.upstreams().first().unwrap().base_path();
            format!("| `{slug}` | `{} {base}{}` |", probe.method(), probe.path())
        });
        match line {
            Some(line) => assert!(page.contains(&line), "the page lacks {line}"),
            None => assert!(!page.contains(&format!("| `{slug}` | `GET")), "{slug}"),
        }
    }
}

#[test]
fn where_the_base_is_replaced_nothing_is_known_of_a_probe() {
    let catalogue = with("openai", base_url("https://llm.example.com")).unwrap();
    let openai = catalogue.find("openai").unwrap();
    assert!(openai.probe().is_none());
    let outcome = openai.judge_probe(StatusCode::OK, &HeaderMap::new(), b"{}");
    assert_eq!(outcome, ProbeOutcome::Unclear(ErrorClass::Unknown));
}

#[test]
fn a_relay_answers_as_the_provider_itself() {
    let relay = Override {
        relay: true,
        ..base_url("https://llm.example.com/openai/v1")
    };
    let replaced = with("openai", base_url("https://llm.example.com")).unwrap();
    let relayed = with("openai", relay).unwrap();
    let openai = |catalogue: &Catalogue| Arc::clone(catalogue.find("openai").unwrap());
    assert!(openai(&catalogue()).answers_count());
    assert!(!openai(&replaced).answers_count());

    let openai = openai(&relayed);
    assert!(openai.answers_count() && openai.is_overridden());
    let base = openai.upstreams().first().unwrap().base_path();
    let probe = openai.probe().unwrap();
    assert_eq!(format!("{base}{}", probe.path()), "/openai/v1/models");
    let outcome = openai.judge_probe(StatusCode::OK, &HeaderMap::new(), b"{}");
    assert_eq!(outcome, ProbeOutcome::Live);
}

#[test]
fn a_key_that_lacks_rights_or_money_is_alive() {
    check("openai", 200, "{}", ProbeOutcome::Live);
    let scopes = r#"{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: api.model.read.","type":"invalid_request_error","param":null,"code":null}}"#;
    check("openai", 401, scopes, ProbeOutcome::Live);
    let scoped = r#"{"detail":{"status":"missing_permissions","message":"The API key you used is missing the permission user_read to execute this operation."}}"#;
    check("elevenlabs", 401, scoped, ProbeOutcome::Live);
}

#[test]
fn a_refused_key_is_dead() {
    let dead = ProbeOutcome::Dead(ErrorClass::CredentialRejected);
    let invalid = r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
    check("openai", 401, invalid, dead);
    // Its 401 proves it there, whatever the provider says; a page of some front door is not the provider's.
    check("replicate", 401, r#"{"detail":"no"}"#, dead);
    for other in ["", "<html>401 Authorization Required</html>"] {
        check(
            "replicate",
            401,
            other,
            ProbeOutcome::Unclear(ErrorClass::Unknown),
        );
    }
    check("grok", 200, r#"{"name":"x","api_key_blocked":true}"#, dead);
    check(
        "grok",
        200,
        r#"{"name":"x","api_key_blocked":false}"#,
        ProbeOutcome::Live,
    );
}

#[test]
fn an_outage_proves_nothing() {
    for slug in ["openai", "anthropic", "replicate", "grok", "openrouter"] {
        for status in [500, 502, 503, 529] {
            check(
                slug,
                status,
                "<html>",
                ProbeOutcome::Unclear(ErrorClass::ProviderFault),
            );
        }
        check(
            slug,
            429,
            "",
            ProbeOutcome::Unclear(ErrorClass::RateLimited),
        );
        check(
            slug,
            403,
            "<html>",
            ProbeOutcome::Unclear(ErrorClass::Unknown),
        );
    }
}
