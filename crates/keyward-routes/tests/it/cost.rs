//! What an answer cost, and what a request may cost.

use std::time::SystemTime;

use keyward_providers::Usage;
use keyward_routes::{
    CustomCost, CustomCostError, Money, PriceEntry, Prices, PricesError, Reserve, UnknownModel,
};
use keyward_testing::Texts;
use proptest::prelude::*;

use crate::support::day;

fn entry(json: &str) -> PriceEntry {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn prices(entries: &[&str]) -> Prices {
    Prices::default()
        .with(entries.iter().map(|json| entry(json)))
        .unwrap()
}

fn usage(input: u64, output: u64) -> Usage {
    let mut usage = Usage::UNKNOWN;
    (usage.input, usage.output) = (Some(input), Some(output));
    usage
}

fn cached(input: u64, read: u64, write: u64, hour: u64, output: u64) -> Usage {
    let mut usage = usage(input, output);
    usage.cache_read = Some(read);
    usage.cache_write = Some(write);
    usage.cache_write_hour = Some(hour);
    usage
}

const CLAUDE: &str = r#"{"provider": "anthropic", "names": ["claude"], "input": 3, "output": 15, "cache_read": 0.3,
    "cache_write": 3.75, "cache_write_hour": 6, "context": 1000, "max_output": 500}"#;

#[test]
fn each_kind_of_token_has_its_price() {
    let claude = entry(CLAUDE);
    for (usage, nanos) in [
        (usage(0, 0), 0),
        (usage(1, 0), 3_000),
        (usage(0, 1), 15_000),
        (cached(1, 1, 0, 0, 0), 300),
        (cached(1, 0, 1, 0, 0), 3_750),
        (cached(1, 0, 1, 1, 0), 6_000),
        (
            cached(1_000, 500, 300, 100, 10),
            600_000 + 150_000 + 750_000 + 600_000 + 150_000,
        ),
    ] {
        assert_eq!(
            claude.price().cost(&usage),
            Some(Money::from_nanos(nanos)),
            "{usage:?}"
        );
    }
}

#[test]
fn a_count_that_is_needed_and_missing_makes_the_cost_unknown() {
    let claude = entry(CLAUDE);
    let embeddings = entry(r#"{"provider": "p", "names": ["m"], "input": 1}"#);
    let mut input = Usage::UNKNOWN;
    input.input = Some(7);
    let mut output = Usage::UNKNOWN;
    output.output = Some(7);
    for (entry, usage, known) in [
        (&claude, Usage::UNKNOWN, false),
        (&claude, input, false),
        (&claude, output, false),
        (&embeddings, input, true),
        (&embeddings, usage(7, 0), true),
        // What comes out of it has no price.
        (&embeddings, usage(7, 1), false),
        // Parts that are more than their whole.
        (&claude, cached(10, 6, 5, 0, 1), false),
        (&claude, cached(10, 0, 2, 3, 1), false),
        (&claude, cached(10, 5, 5, 5, 1), true),
    ] {
        assert_eq!(entry.price().cost(&usage).is_some(), known, "{usage:?}");
    }
}

#[test]
fn a_cache_without_a_price_costs_what_other_input_does() {
    let plain = entry(r#"{"provider": "p", "names": ["m"], "input": 2, "output": 4}"#);
    let cost = plain.price().cost(&cached(100, 30, 20, 10, 5));
    assert_eq!(cost, plain.price().cost(&usage(100, 5)));
    let written =
        entry(r#"{"provider": "p", "names": ["m"], "input": 2, "output": 4, "cache_write": 3}"#);
    let cost = written.price().cost(&cached(10, 0, 10, 10, 0));
    assert_eq!(cost, Some(Money::from_nanos(30_000)));
}

#[test]
fn an_amount_is_rounded_up_once() {
    let cheap = entry(r#"{"provider": "p", "names": ["m"], "input": 0.0004, "output": 0.0003}"#);
    // 0.4 + 0.3 billionths are one, and not one each.
    assert_eq!(cheap.price().cost(&usage(1, 1)), Some(Money::from_nanos(1)));
    assert_eq!(cheap.price().cost(&usage(3, 0)), Some(Money::from_nanos(2)));
    let least = entry(r#"{"provider": "p", "names": ["m"], "input": 0.000000001, "output": 0}"#);
    assert_eq!(
        least.price().cost(&usage(1_000_000, 9)),
        Some(Money::from_nanos(1))
    );
}

#[test]
fn no_count_is_too_large() {
    let dearest = entry(
        r#"{"provider": "p", "names": ["m"], "input": 1000000, "output": 1000000, "cache_read": 1000000,
            "cache_write": 1000000, "cache_write_hour": 1000000}"#,
    );
    let third = u64::MAX / 3;
    let all = cached(u64::MAX, third, 2 * third, third, u64::MAX);
    assert_eq!(dearest.price().cost(&all), Some(Money::MOST));
    let estimate = dearest.price().estimate(u64::MAX, Some(u64::MAX));
    assert_eq!(estimate, Some(Money::MOST));
}

#[test]
fn a_long_input_makes_all_tokens_dearer() {
    let tiered = entry(
        r#"{"provider": "p", "names": ["m"], "input": 1, "output": 2, "cache_read": 0.5, "tiers": [
            {"above": 100, "input": 10, "output": 20, "cache_read": 5},
            {"above": 200, "input": 100, "output": 200, "cache_read": 50}
        ]}"#,
    );
    for (input, expected) in [
        (100, 102_000),
        (101, 1_030_000),
        (200, 2_020_000),
        (201, 20_300_000),
    ] {
        let cost = tiered.price().cost(&usage(input, 1));
        assert_eq!(cost, Some(Money::from_nanos(expected)), "{input}");
    }
    let cost = tiered.price().cost(&cached(101, 101, 0, 0, 0));
    assert_eq!(cost, Some(Money::from_nanos(505_000)));
}

#[test]
fn the_price_of_the_day_counts() {
    let prices = prices(&[
        r#"{"provider": "p", "names": ["m"], "input": 1, "output": 1}"#,
        r#"{"provider": "p", "names": ["m"], "from": "2026-12-01", "input": 2, "output": 2}"#,
        r#"{"provider": "p", "names": ["m"], "from": "2026-06-01", "input": 3, "output": 3}"#,
        r#"{"provider": "p", "names": ["late"], "from": "2026-12-01", "input": 5, "output": 5}"#,
    ]);
    let second = std::time::Duration::from_secs(1);
    for (at, expected) in [
        (SystemTime::UNIX_EPOCH - second, Some(1)),
        (day("2026-06-01") - second, Some(1)),
        (day("2026-06-01"), Some(3)),
        (day("2026-12-01") - second, Some(3)),
        (day("2026-12-01"), Some(2)),
        (day("2036-12-01"), Some(2)),
    ] {
        let cost = prices.cost("p", "m", &usage(1, 0), at).map(Money::nanos);
        assert_eq!(cost, expected.map(|price| price * 1_000), "{at:?}");
    }
    assert_eq!(
        prices.cost("p", "late", &usage(1, 0), day("2026-11-30")),
        None
    );
    assert!(prices.find("p", "late", day("2026-12-01")).is_some());
}

#[test]
fn what_says_more_wins_and_what_is_configured_wins_over_what_is_shipped() {
    let prices = prices(&[
        r#"{"provider": "p", "names": ["*"], "input": 1}"#,
        r#"{"provider": "p", "names": ["gpt-5*"], "input": 2}"#,
        r#"{"provider": "p", "names": ["gpt-5-####-##-##"], "input": 3}"#,
        r#"{"provider": "p", "names": ["gpt-5-mini*"], "input": 4}"#,
        r#"{"provider": "p", "names": ["gpt-5-mini"], "input": 5}"#,
        r#"{"provider": "p", "names": ["gpt-5-mini"], "from": "2026-12-01", "input": 6}"#,
        r#"{"provider": "p", "names": ["gpt-5-nano"], "from": "2026-12-01", "input": 7}"#,
    ]);
    let at = day("2026-11-27");
    for (model, expected) in [
        ("other", 1),
        ("gpt-5", 2),
        ("gpt-5-2025-08-07", 3),
        ("gpt-5-mini-x", 4),
        ("gpt-5-mini", 5),
        // The name's own price does not hold yet.
        ("gpt-5-nano", 2),
    ] {
        let cost = prices.cost("p", model, &usage(1, 0), at).map(Money::nanos);
        assert_eq!(cost, Some(expected * 1_000), "{model}");
    }
    assert_eq!(prices.find("q", "gpt-5", at), None);

    let shipped = Prices::built_in().unwrap();
    let own = r#"{"provider": "openai", "names": ["gpt-5*"], "from": "2026-12-01", "input": 9, "output": 9}"#;
    let changed = Prices::built_in().unwrap().with([entry(own)]).unwrap();
    for model in ["gpt-5", "gpt-5-mini"] {
        let before = changed.find("openai", model, at);
        assert_eq!(before, shipped.find("openai", model, at));
        assert!(before.is_some());
        let later = changed.cost("openai", model, &usage(1, 0), day("2026-12-01"));
        assert_eq!(later, Some(Money::from_nanos(9_000)));
    }
    assert!(
        changed
            .find("openai", "gpt-4o", day("2026-12-01"))
            .is_some()
    );
}

#[test]
fn an_estimate_is_of_the_size_of_the_body_and_the_most_that_may_come_out() {
    let claude = entry(CLAUDE);
    for (bytes, max_tokens, nanos) in [
        (0, Some(0), 0),
        // All of it may be written to a cache, which is dearer than to read it.
        (1, Some(0), 3_750),
        (3, Some(0), 3_750),
        (4, Some(0), 7_500),
        // The model takes no more, and gives no more.
        (1_000_000, Some(0), 3_750_000),
        (0, Some(10), 150_000),
        (0, Some(1_000_000), 7_500_000),
        (0, None, 7_500_000),
    ] {
        let estimate = claude.price().estimate(bytes, max_tokens);
        assert_eq!(
            estimate,
            Some(Money::from_nanos(nanos)),
            "{bytes} {max_tokens:?}"
        );
    }
    let unknown = entry(r#"{"provider": "p", "names": ["m"], "input": 1, "output": 1}"#);
    assert_eq!(unknown.price().estimate(3, None), None);
    assert_eq!(
        unknown.price().estimate(3, Some(1)),
        Some(Money::from_nanos(2_000))
    );
    let embeddings = entry(r#"{"provider": "p", "names": ["m"], "input": 1}"#);
    assert_eq!(
        embeddings.price().estimate(3, None),
        Some(Money::from_nanos(1_000))
    );
}

#[test]
fn a_budget_counts_an_unknown_model_as_it_is_told_to() {
    let at = day("2026-11-27");
    let known = r#"{"provider": "p", "names": ["m"], "input": 1, "output": 1}"#;
    let fallback = entry(r#"{"provider": "p", "names": ["x"], "input": 50, "output": 200}"#);
    let refusing = prices(&[known]);
    assert!(matches!(refusing.reserve("p", "m", at), Reserve::Price(_)));
    assert_eq!(refusing.reserve("p", "n", at), Reserve::Refused);
    let allowing = prices(&[known]).with_unknown(UnknownModel::Allow);
    assert_eq!(allowing.reserve("p", "n", at), Reserve::Uncounted);
    let price = fallback.price();
    let counting = prices(&[known]).with_unknown(UnknownModel::Price(price.clone()));
    assert_eq!(counting.reserve("q", "n", at), Reserve::Fallback(price));
    // In a log it is unknown all the same.
    assert_eq!(counting.cost("q", "n", &usage(1, 1), at), None);
}

#[test]
fn a_client_may_say_what_its_request_costs() {
    let cost = |header: &str, usage: Usage| {
        let cost = CustomCost::parse(header.as_bytes())
            .unwrap_or_else(|error| panic!("{header}: {error}"));
        cost.price().cost(&usage).map(Money::nanos)
    };
    let tokens = cached(100, 50, 20, 10, 7);
    let plain = r#"{"per_token_in": 0.000001, "per_token_out": 2e-6}"#;
    assert_eq!(cost(plain, tokens), Some(114_000));
    // The price of a cache that is not said is that of other input.
    let read =
        r#"{"per_token_in":0.000001,"per_token_out":0.000002,"per_cache_read_token":0.0000001}"#;
    assert_eq!(cost(read, tokens), Some(5_000 + 50_000 + 14_000));
    let write =
        r#"{"per_token_in":0.000001,"per_token_out":0.000002,"per_cache_write_token":0.000003}"#;
    assert_eq!(cost(write, tokens), Some(80_000 + 60_000 + 14_000));
    assert_eq!(
        cost(r#"{"per_token_in":0,"per_token_out":0}"#, tokens),
        Some(0)
    );
    assert_eq!(
        cost(r#"{"per_token_in":1,"per_token_out":0}"#, tokens),
        Some(100_000_000_000)
    );

    for header in [
        "",
        "null",
        "1",
        "[]",
        "{}",
        r#"{"per_token_in":1}"#,
        r#"{"per_token_in":1,"per_token_out":null}"#,
        r#"{"per_token_in":"1","per_token_out":1}"#,
        r#"{"per_token_in":1,"per_token_in":0,"per_token_out":1}"#,
        r#"{"per_token_in":1,"per_token_out":1,"per_request":1}"#,
        r#"{"per_token_in":1,"per_token_out":1} {}"#,
        r#"{"per_token_in":NaN,"per_token_out":1}"#,
        r#"{"per_token_in":1e999,"per_token_out":1}"#,
        "{\"per_token_in\":1,\"per_token_out\":1,\"\u{e4}\":1}",
    ] {
        let refused = CustomCost::parse(header.as_bytes());
        assert_eq!(refused, Err(CustomCostError::Syntax), "{header}");
    }
    for (header, name) in [
        (r#"{"per_token_in":-0.1,"per_token_out":1}"#, "per_token_in"),
        (
            r#"{"per_token_in":1,"per_token_out":1.01}"#,
            "per_token_out",
        ),
        (
            r#"{"per_token_in":1,"per_token_out":1,"per_cache_read_token":-1}"#,
            "per_cache_read_token",
        ),
        (
            r#"{"per_token_in":1,"per_token_out":1,"per_cache_write_token":2}"#,
            "per_cache_write_token",
        ),
    ] {
        let refused = CustomCost::parse(header.as_bytes());
        assert_eq!(refused, Err(CustomCostError::Amount(name)), "{header}");
    }
    let long = format!("{plain}{}", " ".repeat(CustomCost::LONGEST));
    assert_eq!(
        CustomCost::parse(long.as_bytes()),
        Err(CustomCostError::Long)
    );
}

#[test]
fn the_refusals_of_a_clients_price_say_what_one_is() {
    keyward_testing::assert_texts!("CustomCostError", [
        "not such an object" => CustomCostError::Syntax,
        "a price below 0" => CustomCostError::Amount("per_token_in"),
        "a long value" => CustomCostError::Long,
    ]);
}

/// Entries that are refused: the field that is named, and the entry.
const REFUSED: &[(&str, &str)] = &[
    ("provider", r#"{"names": ["m"], "input": 1}"#),
    ("names", r#"{"provider": "p", "names": [], "input": 1}"#),
    (
        "names",
        r#"{"provider": "p", "names": ["a*b"], "input": 1}"#,
    ),
    (
        "from",
        r#"{"provider": "p", "names": ["m"], "from": "2026-02-30", "input": 1}"#,
    ),
    ("input", r#"{"provider": "p", "names": ["m"], "input": -1}"#),
    (
        "output",
        r#"{"provider": "p", "names": ["m"], "input": 1, "output": 1000001}"#,
    ),
    (
        "cache_read",
        r#"{"provider": "p", "names": ["m"], "input": 1, "cache_read": -1}"#,
    ),
    (
        "cache_write",
        r#"{"provider": "p", "names": ["m"], "input": 1, "cache_write": -1}"#,
    ),
    (
        "cache_write_hour",
        r#"{"provider": "p", "names": ["m"], "input": 1, "cache_write_hour": 1}"#,
    ),
    (
        "context",
        r#"{"provider": "p", "names": ["m"], "input": 1, "context": 0}"#,
    ),
    (
        "max_output",
        r#"{"provider": "p", "names": ["m"], "input": 1, "max_output": 0}"#,
    ),
    (
        "tiers",
        r#"{"provider": "p", "names": ["m"], "input": 1, "tiers": [{"above": 2, "input": 1}, {"above": 2, "input": 1}]}"#,
    ),
    (
        "tiers",
        r#"{"provider": "p", "names": ["m"], "input": 1, "output": 1, "tiers": [{"above": 2, "input": 1}]}"#,
    ),
];

#[test]
fn an_entry_that_says_no_price_is_refused_with_the_fields_name() {
    let mut texts = Texts::default();
    for (field, json) in REFUSED {
        let error = serde_json::from_str::<PriceEntry>(json).expect_err(json);
        let text = error.to_string();
        assert!(
            text.contains(&format!("`{field}` of a price")),
            "{json}: {text}"
        );
        texts.add(json, &text);
    }
    keyward_testing::assert_texts!("PriceEntryError", texts);
    for day in [
        "2026-13-01",
        "2026-1-01",
        "20260101",
        "2026-01-01T00:00:00",
        "1969-12-31",
        "",
        "+002026-01",
    ] {
        let json = format!(r#"{{"provider": "p", "names": ["m"], "from": "{day}", "input": 1}}"#);
        let error = serde_json::from_str::<PriceEntry>(&json).expect_err(&json);
        assert!(error.to_string().contains("`from` of a price"), "{error}");
    }
    let unknown = r#"{"provider": "p", "names": ["m"], "input": 1, "reasoning": 1}"#;
    assert!(serde_json::from_str::<PriceEntry>(unknown).is_err());
}

#[test]
fn two_prices_of_one_day_are_refused() {
    let one = r#"{"provider": "p", "names": ["a", "m*"], "input": 1}"#;
    let refused = Prices::default().with([entry(one), entry(one)]);
    let error = refused.expect_err("the same twice");
    assert!(matches!(&error, PricesError::Twice { model, .. } if **model == *"a"));
    let twice = r#"{"provider": "p", "names": ["m*", "m*"], "input": 1}"#;
    assert!(Prices::default().with([entry(twice)]).is_err());
}

proptest! {
    /// Whatever the split into kinds, the amount is what exact arithmetic has, rounded up.
    #[test]
    fn an_amount_is_exact(
        read in 0..1_000_000_u64,
        write in 0..1_000_000_u64,
        plain in 0..1_000_000_u64,
        output in 0..1_000_000_u64,
        prices in prop::array::uniform4(0..100_000_000_u32),
    ) {
        let [input_price, output_price, read_price, write_price] = prices;
        // In millionths of a dollar per million tokens: as many digits as any provider has.
        let dollars = |millionths: u32| f64::from(millionths) / 1e6;
        let json = serde_json::json!({
            "provider": "p", "names": ["m"], "input": dollars(input_price), "output": dollars(output_price),
            "cache_read": dollars(read_price), "cache_write": dollars(write_price),
        });
        let cost = entry(&json.to_string()).price().cost(&cached(plain + read + write, read, write, 0, output));
        let exact = [(plain, input_price), (output, output_price), (read, read_price), (write, write_price)]
            .iter()
            .map(|(tokens, price)| u128::from(*tokens) * u128::from(*price))
            .sum::<u128>();
        // Millionths of a dollar per million tokens are thousandths of a billionth per token.
        prop_assert_eq!(cost.map(|cost| u128::from(cost.nanos())), Some(exact.div_ceil(1_000)));
    }
}
