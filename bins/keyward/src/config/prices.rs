//! `[prices]`: what tokens cost, above what is shipped, and what budgets do with models that have no price.

use keyward_providers::Catalogue;
use keyward_registry::CustomSlug;
use keyward_routes::{Price, PriceEntry, Prices, UnknownModel};
use serde::Deserialize;

use super::{Config, nearest::nearest};
use crate::failure::Failure;

/// What tokens cost, above what is shipped.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PricesSection {
    /// Default: refuse.
    unknown_model: UnknownWord,
    /// A price for budgets, of models that have none; together with the next.
    unknown_input: Option<Dollars>,
    unknown_output: Option<Dollars>,
    models: Vec<PriceEntry>,
}

/// What becomes of a request under a budget whose cost nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UnknownWord {
    #[default]
    Refuse,
    Allow,
}

/// Dollars per million tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Dollars(f64);

impl TryFrom<f64> for Dollars {
    type Error = &'static str;

    fn try_from(dollars: f64) -> Result<Self, Self::Error> {
        let price = Price::per_million(dollars, 0.0);
        price
            .map(|_| Self(dollars))
            .ok_or("dollars per million tokens are 0 to 1000000")
    }
}

impl Config {
    /// The price table: what is shipped, and above it what is configured.
    pub(crate) fn prices(&self) -> Result<Prices, Failure> {
        let section = &self.prices;
        let unknown = section.unknown()?;
        let catalogue = self.catalogue()?;
        let shipped = Prices::built_in().map_err(|error| {
            Failure::new(error.to_string())
                .because_of_sources(&error)
                .help("this is a fault of Keyward; tell its developers")
        })?;
        let own = section.models.iter().cloned();
        let own = own.map(|entry| of_known_provider(&catalogue, entry));
        let own: Vec<_> = own.collect::<Result<_, _>>()?;
        let prices = shipped.with(own).map_err(|error| {
            Failure::new("prices contradict each other")
                .because(error.to_string())
                .at("`[prices] models`")
                .help("leave one of the two out, or give it another `from`")
        })?;
        Ok(prices.with_unknown(unknown))
    }
}

impl PricesSection {
    fn unknown(&self) -> Result<UnknownModel, Failure> {
        let alone = |set: &str, missing: &str| {
            Err(Failure::new(format!("`{set}` is set without `{missing}`"))
                .at(format!("`[prices] {set}`"))
                .help("set both, so that input and output of an unknown model have a price, or neither"))
        };
        match (self.unknown_input, self.unknown_output) {
            (Some(Dollars(input)), Some(Dollars(output))) => {
                let price = Price::per_million(input, output);
                // Both were read as such numbers.
                Ok(price.map_or(UnknownModel::Refuse, UnknownModel::Price))
            }
            (Some(_), None) => alone("unknown_input", "unknown_output"),
            (None, Some(_)) => alone("unknown_output", "unknown_input"),
            (None, None) => Ok(match self.unknown_model {
                UnknownWord::Refuse => UnknownModel::Refuse,
                UnknownWord::Allow => UnknownModel::Allow,
            }),
        }
    }
}

/// The entry under its provider's slug. Custom providers are not looked up: they may be made later.
fn of_known_provider(catalogue: &Catalogue, entry: PriceEntry) -> Result<PriceEntry, Failure> {
    let name = entry.provider();
    if let Some(provider) = catalogue.find(name) {
        let slug = provider.slug().to_owned();
        return Ok(entry.of_provider(&slug));
    }
    let custom = name.strip_prefix("custom-");
    if custom.is_some_and(|slug| CustomSlug::parse(slug).is_ok()) {
        return Ok(entry);
    }
    let names = catalogue.iter().map(|provider| provider.slug());
    let near = nearest(name, names).map(|near| format!("did you mean `{near}`?"));
    Err(
        Failure::new(format!("there is no provider `{name}`"))
            .at("`provider` of `[prices] models`")
            .help(near.unwrap_or_else(|| {
                "name a provider by its slug, as in `keyward providers`, or a custom one as `custom-NAME`"
                    .to_owned()
            })),
    )
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        time::{Duration, SystemTime},
    };

    use keyward_providers::Usage;
    use keyward_routes::{Money, Prices, Reserve};

    use super::super::Config;

    fn prices(text: &str) -> Result<Prices, String> {
        let config = Config::parse(text, Path::new("k.toml"), |_| None);
        let prices = config.and_then(|config| config.prices());
        prices.map_err(|failure| failure.to_string())
    }

    /// Noon of 2026-12-01, and so many days later.
    fn noon(days: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_126_400 + days * 86_400)
    }

    fn cost(prices: &Prices, provider: &str, model: &str, at: SystemTime) -> Option<u64> {
        let mut usage = Usage::UNKNOWN;
        (usage.input, usage.output) = (Some(1_000), Some(0));
        let cost = prices.cost(provider, model, &usage, at);
        cost.map(|cost| cost.nanos() / 1_000)
    }

    #[test]
    fn a_configured_price_wins_from_its_day_on() {
        let text = "[[prices.models]]\nprovider = \"openai\"\nnames = [\"gpt-5*\"]\nfrom = \"2026-12-02\"\ninput = 0.5\noutput = 4\n\
            [[prices.models]]\nprovider = \"xai\"\nnames = [\"grok-99\"]\ninput = 1\noutput = 1\n\
            [[prices.models]]\nprovider = \"custom-own\"\nnames = [\"*\"]\ninput = 2\noutput = 2\n";
        let prices = prices(text).unwrap();
        assert_eq!(cost(&prices, "openai", "gpt-5", noon(0)), Some(1_250));
        assert_eq!(cost(&prices, "openai", "gpt-5", noon(1)), Some(500));
        // By another name of its provider.
        assert_eq!(cost(&prices, "grok", "grok-99", noon(0)), Some(1_000));
        assert_eq!(cost(&prices, "custom-own", "any", noon(0)), Some(2_000));
        assert_eq!(cost(&prices, "mistral", "any", noon(0)), None);
    }

    #[test]
    fn the_documented_sample_says_what_it_says() {
        let page = include_str!("../../../../docs/cost.md");
        let (_, rest) = page.split_once("```toml\n").unwrap();
        let (sample, _) = rest.split_once("```").unwrap();
        let prices = prices(sample).unwrap();
        assert_eq!(cost(&prices, "openai", "gpt-5", noon(0)), Some(1_000));
        assert_eq!(cost(&prices, "custom-inhouse", "any", noon(0)), Some(200));
        assert_eq!(prices.reserve("groq", "any", noon(0)), Reserve::Uncounted);
    }

    #[test]
    fn budgets_treat_unknown_models_as_the_configuration_says() {
        let reserve = |text: &str| {
            let prices = prices(text).unwrap();
            match prices.reserve("openai", "gpt-99", noon(0)) {
                Reserve::Price(_) => "price".to_owned(),
                Reserve::Fallback(price) => {
                    let cost = price.estimate(3_000, Some(1_000));
                    format!("fallback {}", cost.map_or(0, Money::nanos))
                }
                Reserve::Uncounted => "uncounted".to_owned(),
                Reserve::Refused => "refused".to_owned(),
            }
        };
        assert_eq!(reserve(""), "refused");
        assert_eq!(reserve("[prices]\nunknown_model = \"allow\""), "uncounted");
        let both = "[prices]\nunknown_input = 5\nunknown_output = 20.5";
        assert_eq!(reserve(both), "fallback 25500000");
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_key() {
        const ENTRY: &str =
            "[[prices.models]]\nprovider = \"openai\"\nnames = [\"m\"]\ninput = 1\noutput = 1\n";
        for (text, expected) in [
            ("[prices]\nunknown_model = \"guess\"".to_owned(), "guess"),
            (
                "[prices]\nunknown_input = -1".to_owned(),
                "dollars per million tokens",
            ),
            (
                "[prices]\nunknown_input = 1".to_owned(),
                "`unknown_input` is set without `unknown_output`",
            ),
            (
                "[prices]\nunknown_output = 1".to_owned(),
                "`[prices] unknown_output`",
            ),
            (
                ENTRY.replace("input = 1", "input = -1"),
                "`input` of a price",
            ),
            (ENTRY.replace("input = 1", "inptu = 1"), "inptu"),
            (
                ENTRY.replace("provider = \"openai\"\n", ""),
                "`provider` of a price",
            ),
            (ENTRY.replace("openai", "opnai"), "did you mean `openai`?"),
            (
                ENTRY.replace("openai", "custom-"),
                "`provider` of `[prices] models`",
            ),
            (format!("{ENTRY}from = \"soon\""), "`from` of a price"),
            (ENTRY.repeat(2), "`m` of openai"),
        ] {
            let told = prices(&text).expect_err(&text);
            assert!(told.contains(expected), "{text}: {told}");
        }
        let line = prices(&ENTRY.replace("input = 1", "input = -1")).unwrap_err();
        assert!(line.contains("k.toml:1:1"), "{line}");
    }
}
