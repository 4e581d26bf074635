//! Providers' own OpenAI-compatible endpoints, and how each takes a key there.

use http::{HeaderMap, Method};
use keyward_providers::{Class, PathModel, Support, Surface};
use keyward_secret::SecretBytes;

use crate::support::{ACCOUNT, catalogue};

/// Provider, URL, and the header that carries the key.
const CHATS: &str = "openai https://api.openai.com/v1/chat/completions authorization: Bearer KEY
anthropic https://api.anthropic.com/v1/chat/completions authorization: Bearer KEY
google-ai-studio https://generativelanguage.googleapis.com/v1beta/openai/chat/completions authorization: Bearer KEY
groq https://api.groq.com/openai/v1/chat/completions authorization: Bearer KEY
mistral https://api.mistral.ai/v1/chat/completions authorization: Bearer KEY
cohere https://api.cohere.com/compatibility/v1/chat/completions authorization: Bearer KEY
deepseek https://api.deepseek.com/chat/completions authorization: Bearer KEY
perplexity https://api.perplexity.ai/chat/completions authorization: Bearer KEY
openrouter https://openrouter.ai/api/v1/chat/completions authorization: Bearer KEY
grok https://api.x.ai/v1/chat/completions authorization: Bearer KEY
cerebras https://api.cerebras.ai/v1/chat/completions authorization: Bearer KEY
fireworks https://api.fireworks.ai/inference/v1/chat/completions authorization: Bearer KEY
baseten https://inference.baseten.co/v1/chat/completions authorization: Bearer KEY
huggingface https://router.huggingface.co/v1/chat/completions authorization: Bearer KEY
workers-ai https://api.cloudflare.com/client/v4/accounts/ACCOUNT/ai/v1/chat/completions authorization: Bearer KEY
parallel https://api.parallel.ai/v1beta/chat/completions x-api-key: KEY
echo http://echo.localhost/v1/chat/completions authorization: Bearer KEY";

#[test]
fn chats_go_where_each_provider_takes_them_in_openais_form() {
    let catalogue = catalogue();
    for line in CHATS.lines() {
        let (slug, rest) = line.split_once(' ').unwrap();
        let (url, header) = rest.split_once(' ').unwrap();
        let url = url.replace("ACCOUNT", ACCOUNT);
        let provider = catalogue.find(slug).unwrap();
        let chat = provider.compat().unwrap().chat();
        let route = provider
            .route(&Method::POST, chat, &HeaderMap::new())
            .unwrap();
        assert_eq!(
            format!("{}{}{chat}", route.upstream.origin(), route.prefix),
            url
        );
        let key = SecretBytes::copy_from(b"KEY");
        let bound = provider
            .bind_on(route.surface, key, provider.destination().clone())
            .unwrap();
        let value = bound.header_value().to_str().unwrap();
        assert_eq!(
            format!("{}: {value}", bound.header_name()),
            header,
            "{slug}"
        );
        assert!(
            provider.credential_headers().contains(bound.header_name()),
            "{slug}"
        );
    }
}

#[test]
fn every_compatible_path_has_its_class() {
    for provider in catalogue().iter() {
        let Some(compat) = provider.compat() else {
            continue;
        };
        assert_eq!(*provider.support(), Support::Ready, "{}", provider.slug());
        let class = |method, path| {
            let route = provider.route(&method, path, &HeaderMap::new()).unwrap();
            route.class
        };
        assert_eq!(
            class(Method::POST, compat.chat()),
            Class::Inference,
            "{}",
            provider.slug()
        );
        if let Some(models) = compat.models() {
            assert_eq!(
                class(Method::GET, models),
                Class::Models,
                "{}",
                provider.slug()
            );
        }
    }
}

#[test]
fn a_key_stands_elsewhere_on_compatible_paths_alone() {
    let catalogue = catalogue();
    for (slug, rest, surface) in [
        ("anthropic", "v1/messages", Surface::Own),
        ("anthropic", "v1/models", Surface::Own),
        ("anthropic", "v1/chat/completions", Surface::Compat),
        (
            "google-ai-studio",
            "v1beta/models/gemini-2.5-pro:generateContent",
            Surface::Own,
        ),
        (
            "google-ai-studio",
            "v1beta/openai/chat/completions",
            Surface::Compat,
        ),
        (
            "google-ai-studio",
            "v1beta/openai/embeddings",
            Surface::Compat,
        ),
        ("openai", "chat/completions", Surface::Own),
    ] {
        let provider = catalogue.find(slug).unwrap();
        let route = provider
            .route(&Method::POST, rest, &HeaderMap::new())
            .unwrap();
        assert_eq!(route.surface, surface, "{slug}/{rest}");
    }
}

#[test]
fn a_path_names_its_model() {
    let named = |slug: &str, rest: &str| {
        let catalogue = catalogue();
        match catalogue.find(slug).unwrap().model_in_path(rest) {
            PathModel::Absent => "-".to_owned(),
            PathModel::Unclear => "?".to_owned(),
            PathModel::Named(model) => model.into_owned(),
        }
    };
    for (slug, rest, model) in [
        (
            "google-ai-studio",
            "v1beta/models/gemini-2.5-pro:generateContent",
            "gemini-2.5-pro",
        ),
        (
            "google-ai-studio",
            "v1beta/tunedModels/mine:generateContent",
            "tunedModels/mine",
        ),
        ("google-ai-studio", "v1beta/openai/chat/completions", "-"),
        ("google-ai-studio", "v1beta/models%2Fx:generateContent", "?"),
        ("huggingface", "meta-llama/Llama-3", "meta-llama/Llama-3"),
        (
            "huggingface",
            "hf-inference/models/a/b/pipeline/feature-extraction",
            "a/b",
        ),
        ("huggingface", "v1/chat/completions", "-"),
        ("workers-ai", "@cf/meta/llama", "@cf/meta/llama"),
        ("workers-ai", "run/@cf/meta/llama", "@cf/meta/llama"),
        ("workers-ai", "v1/chat/completions", "-"),
        ("workers-ai", "@cf/meta/llama/x", "@cf"),
        ("huggingface", "gpt2", "gpt2"),
        ("huggingface", "a/b/v1/chat/completions", "a/b"),
        (
            "replicate",
            "models/black-forest-labs/flux/predictions",
            "black-forest-labs/flux",
        ),
        (
            "replicate",
            "v1/deployments/a/b/predictions",
            "deployments/a/b",
        ),
        ("replicate", "predictions", "-"),
        ("fal", "fal-ai/flux/dev", "fal-ai/flux"),
        ("openai", "v1/chat/completions", "-"),
        ("openai", "v1/%63hat", "-"),
    ] {
        assert_eq!(named(slug, rest), model, "{slug}/{rest}");
    }
}

#[test]
fn the_page_lists_every_compatible_path() {
    let page = include_str!("../../../../docs/providers.md");
    for provider in catalogue().iter() {
        let begins = format!("| `{}` |", provider.slug());
        let Some(line) = page.lines().find(|line| line.starts_with(&begins)) else {
            panic!("the page lacks {}", provider.slug());
        };
        let last = line
            .trim_end_matches('|')
            .rsplit('|')
            .next()
            .unwrap()
            .trim();
        let Some(compat) = provider.compat() else {
            assert!(!last.contains("chat/completions"), "{line}");
            continue;
        };
        let chat = compat.chat();
        let route = provider
            .route(&Method::POST, chat, &HeaderMap::new())
            .unwrap();
        let expected = match route.surface {
            Surface::Own => format!("`{chat}`"),
            Surface::Compat => format!("`{chat}`, there `authorization: Bearer KEY`"),
        };
        assert_eq!(last, expected);
    }
}
