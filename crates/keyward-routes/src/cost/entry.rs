//! One entry of a price table, as files and the configuration have it.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Price, Rates, Tier, names::Name, rate::Rate};

/// What some models of one provider cost from a day on.
///
/// It is read from TOML or JSON with these fields, unknown ones refused. Prices are in dollars per million tokens, 0 to a
/// million, to the billionth.
///
/// | field | meaning |
/// | --- | --- |
/// | `provider` | the provider's slug |
/// | `names` | names of models, of which at least one; `#` stands for a digit, `*` at the end for anything |
/// | `from` | the day from which it holds, `YYYY-MM-DD`, from 00:00 UTC on; without it, always |
/// | `input` | what a token costs that goes in |
/// | `output` | what one costs that comes out; without it, nothing that is counted may come out |
/// | `cache_read` | what one costs that is read from a cache; without it, `input` |
/// | `cache_write` | what one costs that is written to a cache; without it, `input` |
/// | `cache_write_hour` | the same where it is kept for an hour; without it, `cache_write` |
/// | `tiers` | for inputs of more than `above` tokens, other prices for all tokens: a list of tables with the fields above |
/// | `context`, `max_output` | the most tokens that go in and come out, for estimates |
///
/// ```
/// use keyward_routes::PriceEntry;
///
/// let entry = r#"{"provider": "openai", "names": ["gpt-5", "gpt-5-####-##-##"], "input": 1.25, "output": 10}"#;
/// let entry: PriceEntry = serde_json::from_str(entry)?;
/// assert_eq!(entry.provider(), "openai");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "EntryText")]
pub struct PriceEntry {
    pub(super) provider: Box<str>,
    pub(super) names: Box<[Name]>,
    /// Seconds since the epoch.
    pub(super) from: u64,
    pub(super) price: Price,
}

/// Why fields make no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of a price: {reason}")]
pub struct PriceEntryError {
    field: &'static str,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    Absent,
    NoNames,
    Name,
    Date,
    Amount,
    Whole,
    WithoutWrite,
    TierOrder,
    TierKinds,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryText {
    pub(super) provider: Option<Box<str>>,
    names: Vec<String>,
    from: Option<String>,
    input: f64,
    output: Option<f64>,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
    cache_write_hour: Option<f64>,
    #[serde(default)]
    tiers: Vec<TierText>,
    context: Option<u64>,
    max_output: Option<u64>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TierText {
    above: u64,
    input: f64,
    output: Option<f64>,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
    cache_write_hour: Option<f64>,
}

/// The prices of an entry or of a tier.
#[derive(Clone, Copy)]
struct RatesText {
    input: f64,
    output: Option<f64>,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
    cache_write_hour: Option<f64>,
}

impl PriceEntry {
    /// The provider's slug.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The same, of another provider: for who knows it by another name.
    #[must_use]
    pub fn of_provider(self, slug: &str) -> Self {
        Self {
            provider: slug.into(),
            ..self
        }
    }

    /// The names of models, and patterns of them, as they were written.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(Name::as_str)
    }

    /// What they cost.
    #[must_use]
    pub fn price(&self) -> &Price {
        &self.price
    }
}

impl PriceEntryError {
    const fn new(field: &'static str, reason: Reason) -> Self {
        Self { field, reason }
    }

    /// The field that is wrong.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "name the provider by its slug, such as `openai`",
            Self::NoNames => "name at least one model",
            Self::Name => {
                "a name of a model is 1 to 256 visible ASCII characters, with `*` only at its end"
            }
            Self::Date => "a day is written as in `2026-12-31`, from 1970 on",
            Self::Amount => "dollars per million tokens are a number, 0 to 1000000",
            Self::Whole => "a number of tokens is at least 1",
            Self::WithoutWrite => "it needs `cache_write` beside it",
            Self::TierOrder => {
                "tiers stand in the order of their `above`, each greater than the one before"
            }
            Self::TierKinds => "a tier names the same kinds of tokens as the entry",
        })
    }
}

impl TryFrom<EntryText> for PriceEntry {
    type Error = PriceEntryError;

    fn try_from(text: EntryText) -> Result<Self, PriceEntryError> {
        let refuse = PriceEntryError::new;
        let names = text.names.iter().map(|name| Name::parse(name));
        let names: Option<Box<[_]>> = names.collect();
        let names = names.ok_or(refuse("names", Reason::Name))?;
        if names.is_empty() {
            return Err(refuse("names", Reason::NoNames));
        }
        let rates = text.rates();
        let mut tiers: Vec<Tier> = Vec::with_capacity(text.tiers.len());
        for tier in &text.tiers {
            if tiers
                .last()
                .is_some_and(|before| before.above >= tier.above)
            {
                return Err(refuse("tiers", Reason::TierOrder));
            }
            if tier.rates().kinds() != rates.kinds() {
                return Err(refuse("tiers", Reason::TierKinds));
            }
            tiers.push(Tier {
                above: tier.above,
                rates: tier.rates().parse()?,
            });
        }
        let whole = |field, number: Option<u64>| match number {
            Some(0) => Err(refuse(field, Reason::Whole)),
            other => Ok(other),
        };
        Ok(Self {
            price: Price {
                rates: rates.parse()?,
                tiers: tiers.into(),
                context: whole("context", text.context)?,
                max_output: whole("max_output", text.max_output)?,
            },
            from: match &text.from {
                None => 0,
                Some(day) => begin_of(day).ok_or(refuse("from", Reason::Date))?,
            },
            provider: text.provider.ok_or(refuse("provider", Reason::Absent))?,
            names,
        })
    }
}

impl EntryText {
    const fn rates(&self) -> RatesText {
        RatesText {
            input: self.input,
            output: self.output,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            cache_write_hour: self.cache_write_hour,
        }
    }
}

impl TierText {
    const fn rates(&self) -> RatesText {
        RatesText {
            input: self.input,
            output: self.output,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            cache_write_hour: self.cache_write_hour,
        }
    }
}

impl RatesText {
    /// Which kinds of tokens have a price of their own.
    fn kinds(&self) -> [bool; 4] {
        let own = [
            self.output,
            self.cache_read,
            self.cache_write,
            self.cache_write_hour,
        ];
        own.map(|price| price.is_some())
    }

    fn parse(self) -> Result<Rates, PriceEntryError> {
        let rate = |field, dollars| {
            Rate::per_million(dollars).ok_or(PriceEntryError::new(field, Reason::Amount))
        };
        let or = |field, dollars: Option<f64>, other: Rate| {
            dollars.map_or(Ok(other), |dollars| rate(field, dollars))
        };
        if self.cache_write_hour.is_some() && self.cache_write.is_none() {
            return Err(PriceEntryError::new(
                "cache_write_hour",
                Reason::WithoutWrite,
            ));
        }
        let input = rate("input", self.input)?;
        let cache_write = or("cache_write", self.cache_write, input)?;
        let output = self.output.map(|dollars| rate("output", dollars));
        Ok(Rates {
            input,
            output: output.transpose()?,
            cache_read: or("cache_read", self.cache_read, input)?,
            cache_write,
            cache_write_hour: or("cache_write_hour", self.cache_write_hour, cache_write)?,
        })
    }
}

/// When a day begins in UTC, in seconds since the epoch.
fn begin_of(day: &str) -> Option<u64> {
    // The library reads more than days.
    let is_plain = day.len() == 10
        && day
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
    let begin = is_plain.then(|| format!("{day}T00:00:00Z").parse::<Timestamp>());
    let begin = begin?.ok()?.as_second();
    u64::try_from(begin).ok()
}
