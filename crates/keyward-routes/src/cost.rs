//! What tokens cost.
//!
//! A [`Price`] turns counts into an exact amount. Which price is whose is [`Prices`]' to know (`table.rs`), what a table's
//! entry looks like is `entry.rs`'s, and what a client says in `cf-aig-custom-cost` is `custom.rs`'s.

mod built_in;
mod custom;
mod entry;
mod names;
mod rate;
mod table;

use keyward_providers::Usage;

use self::rate::Rate;
pub use self::{
    built_in::{PriceSource, PricesError},
    custom::{CustomCost, CustomCostError},
    entry::{PriceEntry, PriceEntryError},
    table::{Prices, Reserve, UnknownModel},
};
use crate::Money;

/// So many bytes of a request are taken for one token, where its cost is estimated. English text has about four, other
/// languages and JSON fewer: a guess, and rather too many tokens than too few.
pub const BYTES_PER_TOKEN: u64 = 3;

/// What one model costs.
///
/// ```
/// use keyward_providers::Usage;
/// use keyward_routes::CustomCost;
///
/// let cost = CustomCost::parse(br#"{"per_token_in": 0.000002, "per_token_out": 0.00001}"#)?;
/// let mut usage = Usage::UNKNOWN;
/// usage.input = Some(1_000);
/// // Nothing is said of what came out: nobody can tell.
/// assert_eq!(cost.price().cost(&usage), None);
/// usage.output = Some(200);
/// assert_eq!(cost.price().cost(&usage).map(|cost| cost.dollars()), Some(0.004));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    rates: Rates,
    /// Sorted by where they begin.
    tiers: Box<[Tier]>,
    /// The most tokens that the model takes.
    context: Option<u64>,
    /// The most tokens that it gives.
    max_output: Option<u64>,
}

/// What tokens of each kind cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rates {
    input: Rate,
    /// None: nothing comes out that is counted, as of a model of embeddings.
    output: Option<Rate>,
    cache_read: Rate,
    cache_write: Rate,
    cache_write_hour: Rate,
}

/// What all tokens of a request cost whose input is longer than so many tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tier {
    above: u64,
    rates: Rates,
}

impl Price {
    /// A price of input and output alone, in dollars per million tokens. None where one is below 0, above a million, or no
    /// number.
    #[must_use]
    pub fn per_million(input: f64, output: f64) -> Option<Self> {
        let input = Rate::per_million(input)?;
        Some(Self {
            rates: Rates {
                input,
                output: Some(Rate::per_million(output)?),
                cache_read: input,
                cache_write: input,
                cache_write_hour: input,
            },
            tiers: Box::default(),
            context: None,
            max_output: None,
        })
    }

    /// What an answer cost that says this of itself: exact, and rounded up to the next billionth of a dollar once, at the
    /// end. At most [`Money::MOST`].
    ///
    /// None where a count is missing that is needed: the input, and the output of a model that has a price for it. A part of
    /// the input that is not said counts as none, and costs what the rest of the input does: a provider that bills a part
    /// otherwise says how large it is. None also where parts are larger than their whole, and where something came out of a
    /// model that has no price for it.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Option<Money> {
        let input = usage.input?;
        let read = usage.cache_read.unwrap_or_default();
        let write = usage.cache_write.unwrap_or_default();
        let write_hour = usage.cache_write_hour.unwrap_or_default();
        let rates = self.rates_of(input);
        let output = match (rates.output, usage.output) {
            (Some(rate), Some(tokens)) => rate.of(tokens),
            (None, None | Some(0)) => 0,
            (Some(_), None) | (None, Some(_)) => return None,
        };
        let plain = input.checked_sub(read)?.checked_sub(write)?;
        let parts = [
            rates.input.of(plain),
            rates.cache_read.of(read),
            rates.cache_write.of(write.checked_sub(write_hour)?),
            rates.cache_write_hour.of(write_hour),
            output,
        ];
        Some(rate::round(parts.into_iter().sum()))
    }

    /// What a request may cost that has a body of so many bytes and lets so many tokens out: a token for each
    /// [`BYTES_PER_TOKEN`], though not more than the model takes, at the dearer of the prices for input and for writing to a
    /// cache; and all tokens that may come out, though not more than the model gives.
    ///
    /// None where neither the request nor the table says how much may come out. It is no bound: bytes can be more tokens,
    /// and a cache that is kept for an hour is dearer.
    #[must_use]
    pub fn estimate(&self, body_bytes: u64, max_tokens: Option<u64>) -> Option<Money> {
        let input = body_bytes.div_ceil(BYTES_PER_TOKEN);
        let input = self.context.map_or(input, |most| input.min(most));
        let rates = self.rates_of(input);
        let output = match rates.output {
            None => 0,
            Some(rate) => rate.of(match (max_tokens, self.max_output) {
                (Some(asked), Some(most)) => asked.min(most),
                (asked, most) => asked.or(most)?,
            }),
        };
        let input = rates.input.max(rates.cache_write).of(input);
        Some(rate::round(input + output))
    }

    /// What its tokens cost for an input of so many.
    fn rates_of(&self, input: u64) -> &Rates {
        let tier = self.tiers.iter().rev().find(|tier| input > tier.above);
        tier.map_or(&self.rates, |tier| &tier.rates)
    }
}
