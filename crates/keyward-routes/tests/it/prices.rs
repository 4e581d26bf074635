//! The prices that are shipped.

use std::{collections::BTreeSet, time::Duration};

use keyward_providers::{Catalogue, Usage};
use keyward_routes::{Money, Prices};

use crate::support::day;

/// Input, of it read from and written to a cache, of that for an hour, and output.
fn usage([input, read, write, hour, output]: [u64; 5]) -> Usage {
    let mut usage = Usage::UNKNOWN;
    (usage.input, usage.output) = (Some(input), Some(output));
    (usage.cache_read, usage.cache_write) = (Some(read), Some(write));
    usage.cache_write_hour = Some(hour);
    usage
}

#[test]
fn every_source_is_of_a_provider_of_the_catalogue_and_says_where_it_is_from() {
    let prices = Prices::built_in().unwrap();
    let catalogue = Catalogue::built_in().unwrap();
    for source in prices.sources() {
        let slug = source.provider();
        let provider = catalogue
            .find(slug)
            .unwrap_or_else(|| panic!("no provider {slug}"));
        assert_eq!(provider.slug(), slug, "by its slug, not by an alias");
        assert!(source.page().starts_with("https://"), "{slug}");
        let _: jiff::civil::Date = source.checked().parse().unwrap();
        assert!(
            source.packages().len() > 1,
            "{slug} is compared with two packages"
        );
        assert!(source.models() > 0, "{slug}");
    }
    // `cargo xtask show prices` prints this line.
    let models: usize = prices.sources().iter().map(|source| source.models()).sum();
    let last = prices.sources().iter().map(|source| source.checked()).max();
    let pages: BTreeSet<_> = prices
        .sources()
        .iter()
        .map(|source| source.page())
        .collect();
    println!(
        "prices: {} providers, {models} models, checked {}, sources {}",
        prices.sources().len(),
        last.unwrap(),
        pages.len(),
    );
    assert!(models > 200, "{models}");
}

/// Answers of models, with counts as of [`usage`], and what they cost in dollars: worked out by hand.
#[rustfmt::skip]
const ANSWERS: &[(&str, &str, [u64; 5], &str)] = &[
    ("openai", "gpt-5", [1_000_000, 0, 0, 0, 1_000_000], "11.25"),
    ("openai", "gpt-5-2025-08-07", [1_000_000, 1_000_000, 0, 0, 0], "0.125"),
    ("openai", "gpt-4o-2024-11-20", [1_000_000, 0, 0, 0, 1_000_000], "12.5"),
    // An older one that was never made cheaper.
    ("openai", "gpt-4o-2024-05-13", [1_000_000, 0, 0, 0, 1_000_000], "20"),
    ("openai", "gpt-6-sol", [272_000, 0, 0, 0, 1_000], "0.554"),
    ("openai", "gpt-6-sol", [272_001, 0, 0, 0, 1_000], "1.103004"),
    ("openai", "text-embedding-3-small", [1_000_000, 0, 0, 0, 0], "0.02"),
    ("anthropic", "claude-haiku-4-5-20251001", [1_000, 400, 300, 100, 10], "0.00084"),
    ("anthropic", "claude-opus-5-5", [1_000_000, 1_000_000, 0, 0, 0], "0.2"),
    ("google-ai-studio", "gemini-2.5-pro", [200_000, 0, 0, 0, 1_000], "0.26"),
    ("google-ai-studio", "gemini-2.5-pro", [200_001, 0, 0, 0, 1_000], "0.5150025"),
    ("google-vertex-ai", "google/gemini-3.5-flash", [1_000_000, 0, 0, 0, 0], "1.5"),
    ("mistral", "mistral-large-2512", [1_000_000, 0, 0, 0, 1_000_000], "2"),
    ("cohere", "command-a-03-2025", [1_000_000, 0, 0, 0, 1_000_000], "12.5"),
    ("groq", "openai/gpt-oss-120b", [1_000_000, 0, 0, 0, 1_000_000], "0.75"),
    ("deepseek", "deepseek-v4-pro", [1_000_000, 0, 0, 0, 1_000_000], "5.28"),
    ("grok", "grok-4.5", [199_999, 0, 0, 0, 0], "0.399998"),
    ("grok", "grok-4.5", [200_000, 0, 0, 0, 0], "0.8"),
    ("perplexity-ai", "pplx-embed-v1-4b", [1_000_000, 0, 0, 0, 0], "0.03"),
    ("cerebras", "gpt-oss-120b", [1_000_000, 0, 0, 0, 1_000_000], "1.1"),
    ("workers-ai", "@cf/openai/gpt-oss-20b", [1_000_000, 0, 0, 0, 1_000_000], "0.5"),
];

#[test]
fn an_answer_of_each_provider_costs_what_was_worked_out() {
    let prices = Prices::built_in().unwrap();
    for (provider, model, counts, dollars) in ANSWERS {
        let cost = prices.cost(provider, model, &usage(*counts), day("2026-11-27"));
        let cost = cost.map(|cost| cost.to_string());
        assert_eq!(
            cost.as_deref(),
            Some(*dollars),
            "{provider} {model} {counts:?}"
        );
    }
}

#[test]
fn a_price_that_was_announced_applies_from_its_day() {
    let prices = Prices::built_in().unwrap();
    let second = Duration::from_secs(1);
    let cost = |at| {
        let usage = usage([1_000_000, 0, 0, 0, 0]);
        prices.cost("google-ai-studio", "gemini-4-argon", &usage, at)
    };
    assert_eq!(cost(day("2026-12-01") - second), Money::from_dollars(2.0));
    assert_eq!(cost(day("2026-12-01")), Money::from_dollars(4.0));
}

#[test]
fn models_that_nobody_knows_have_no_price() {
    let prices = Prices::built_in().unwrap();
    let at = day("2026-11-27");
    for (provider, model) in [
        ("openai", ""),
        ("openai", "gpt-5-"),
        ("openai", "gpt-5-turbo"),
        ("openai", "GPT-5"),
        ("openai", "claude-opus-5"),
        ("openai", "gpt-4o-audio-preview"),
        ("perplexity-ai", "sonar-pro"),
        ("nobody", "gpt-5"),
    ] {
        assert_eq!(prices.find(provider, model, at), None, "{provider} {model}");
    }
}
