//! What a secret becomes on the wire.

use keyward_providers::{Support, all_credential_headers};
use keyward_secret::SecretBytes;

use crate::support::catalogue;

#[track_caller]
fn check(slug: &str, header: &str, value: &str) {
    let catalogue = catalogue();
    let provider = catalogue.find(slug).unwrap();
    let secret = SecretBytes::copy_from(b"KEY");
    let credential = provider
        .bind(secret, provider.destination().clone())
        .unwrap();
    assert_eq!(credential.header_name().as_str(), header);
    assert_eq!(credential.header_value().as_bytes(), value.as_bytes());
    assert_eq!(
        provider.credential_headers().first(),
        Some(credential.header_name())
    );
}

#[test]
fn a_key_stands_where_the_provider_wants_it() {
    for slug in [
        "openai",
        "groq",
        "mistral",
        "cohere",
        "deepseek",
        "perplexity-ai",
        "openrouter",
        "grok",
        "cerebras",
        "replicate",
        "huggingface",
        "workers-ai",
        "baseten",
        "fireworks",
        "echo",
    ] {
        check(slug, "authorization", "Bearer KEY");
    }
    check("anthropic", "x-api-key", "KEY");
    check("google-ai-studio", "x-goog-api-key", "KEY");
    check("fal", "authorization", "Key KEY");
    check("ideogram", "api-key", "KEY");
    check("cartesia", "x-api-key", "KEY");
    check("elevenlabs", "xi-api-key", "KEY");
    check("deepgram", "authorization", "Token KEY");
    check("parallel", "x-api-key", "KEY");
}

#[test]
fn a_refused_provider_takes_no_key() {
    let catalogue = catalogue();
    for slug in ["aws-bedrock", "google-vertex-ai", "azure-openai"] {
        let provider = catalogue.find(slug).unwrap();
        assert!(matches!(provider.support(), Support::Refused { .. }));
        let secret = SecretBytes::copy_from(b"KEY");
        let error = provider
            .bind(secret, provider.destination().clone())
            .unwrap_err();
        assert!(error.is_provider_refused());
        assert!(
            provider
                .destination()
                .entries()
                .all(|entry| entry.ends_with(".invalid"))
        );
    }
}

#[test]
fn a_secret_that_would_break_the_header_is_refused_without_repeating_it() {
    let catalogue = catalogue();
    let openai = catalogue.find("openai").unwrap();
    for secret in [&b"CANARY\n"[..], b"", b"CANARY\r\nx: y"] {
        let secret = SecretBytes::copy_from(secret);
        let error = openai
            .bind(secret, openai.destination().clone())
            .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }
}

#[test]
fn the_union_covers_every_provider() {
    for provider in catalogue().iter() {
        assert!(
            provider
                .credential_headers()
                .iter()
                .all(|name| all_credential_headers().contains(name))
        );
        assert!(!provider.name().is_empty());
        assert!(
            provider
                .keys_page()
                .is_none_or(|page| page.starts_with("https://"))
        );
    }
}

#[test]
fn aliases_find_the_same_provider() {
    let catalogue = catalogue();
    for (alias, slug) in [
        ("xai", "grok"),
        ("perplexity", "perplexity-ai"),
        ("google", "google-ai-studio"),
    ] {
        assert_eq!(catalogue.find(alias).unwrap().slug(), slug);
    }
    for unknown in ["", "OpenAI", "openai ", "nebius", "openai/"] {
        assert!(catalogue.find(unknown).is_none(), "{unknown:?}");
    }
}
