//! Which price is whose.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use keyward_providers::Usage;
use rustc_hash::FxHashMap;

use super::{
    Price, PriceEntry,
    built_in::{self, PriceSource, PricesError},
    names::Name,
};
use crate::Money;

/// The price table: what is shipped, and above it what is configured. Immutable; share it in an `Arc`.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use keyward_providers::Usage;
/// use keyward_routes::Prices;
///
/// let prices = Prices::built_in()?;
/// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
/// let mut usage = Usage::UNKNOWN;
/// (usage.input, usage.output) = (Some(1_000), Some(100));
/// let cost = prices.cost("openai", "gpt-5-2025-08-07", &usage, at);
/// assert_eq!(cost.map(|cost| cost.to_string()).as_deref(), Some("0.00225"));
/// // Nobody knows.
/// assert_eq!(prices.cost("openai", "gpt-99", &usage, at), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Prices {
    providers: FxHashMap<Box<str>, Book>,
    unknown: UnknownModel,
    sources: Box<[PriceSource]>,
}

/// What a budget does with a request whose cost nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever keeps a budget must handle each"
)]
pub enum UnknownModel {
    /// It is refused, wherever a budget counts.
    #[default]
    Refuse,
    /// It is let through and not counted.
    Allow,
    /// It is counted at this price.
    Price(Price),
}

/// What a budget counts a request by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever keeps a budget must handle each"
)]
pub enum Reserve<'a> {
    /// By the model's own price.
    Price(&'a Price),
    /// By the configured price of models that have none. Its cost is unknown nevertheless.
    Fallback(&'a Price),
    /// By nothing.
    Uncounted,
    /// It must not go out.
    Refused,
}

/// Prices of one provider: those that are configured, and those that are shipped.
#[derive(Debug, Default)]
struct Book {
    configured: Layer,
    built_in: Layer,
}

#[derive(Debug, Default)]
struct Layer {
    exact: FxHashMap<Box<str>, Dated>,
    /// What says more comes first.
    patterns: Vec<(Name, Dated)>,
}

/// By the second from which each holds, the last first.
type Dated = Vec<Held>;

/// A price, and what its entry calls the models that it is of.
#[derive(Debug)]
struct Held {
    from: u64,
    name: Arc<str>,
    price: Price,
}

impl Prices {
    /// The table as it is shipped.
    ///
    /// # Errors
    ///
    /// When an embedded file is wrong; a test of this crate sees to it that none is.
    pub fn built_in() -> Result<Self, PricesError> {
        let (sources, entries) = built_in::read()?;
        let mut prices = Self {
            sources: sources.into(),
            ..Self::default()
        };
        for entry in entries {
            prices.add(entry, |book| &mut book.built_in)?;
        }
        Ok(prices)
    }

    /// The same, with prices above those that are shipped. Such a price wins over every shipped one from its day on, also
    /// where it is of a pattern and the shipped one of a name.
    ///
    /// # Errors
    ///
    /// When two of them are of the same name or pattern from the same day on.
    pub fn with(
        mut self,
        entries: impl IntoIterator<Item = PriceEntry>,
    ) -> Result<Self, PricesError> {
        for entry in entries {
            self.add(entry, |book| &mut book.configured)?;
        }
        Ok(self)
    }

    /// The same, with another answer for budgets to models that have no price. Without it they are refused.
    #[must_use]
    pub fn with_unknown(mut self, unknown: UnknownModel) -> Self {
        self.unknown = unknown;
        self
    }

    /// The price of a model, by its provider's slug and its name, as it is at this time. Of what is configured first, then
    /// of what is shipped: the price of that very name, else that of the pattern that says most; of those the one that came
    /// into force last. Allocates nothing.
    #[must_use]
    pub fn find(&self, provider: &str, model: &str, at: SystemTime) -> Option<&Price> {
        Some(&self.held(provider, model, at)?.price)
    }

    /// What the table calls a model: the first name of the entry whose price [`find`](Self::find) gives, as it is written
    /// there, a pattern only where the entry has no name that is none. So it is one of the table's own texts, never one of a
    /// client's or a provider's. None where there is no price. Allocates nothing.
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use keyward_routes::Prices;
    /// let prices = Prices::built_in()?;
    /// let name = prices.name("openai", "gpt-5-2025-08-07", SystemTime::UNIX_EPOCH);
    /// assert_eq!(name, Some("gpt-5"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn name(&self, provider: &str, model: &str, at: SystemTime) -> Option<&str> {
        Some(&self.held(provider, model, at)?.name)
    }

    fn held(&self, provider: &str, model: &str, at: SystemTime) -> Option<&Held> {
        let book = self.providers.get(provider)?;
        // A time before the epoch is a clock that was never set.
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        book.configured
            .find(model, at)
            .or_else(|| book.built_in.find(model, at))
    }

    /// What an answer cost that says this of itself, at the price of [`find`](Self::find) and as [`Price::cost`] has it.
    /// None: nobody knows.
    #[must_use]
    pub fn cost(
        &self,
        provider: &str,
        model: &str,
        usage: &Usage,
        at: SystemTime,
    ) -> Option<Money> {
        self.find(provider, model, at)?.cost(usage)
    }

    /// What a budget counts requests to a model by.
    #[must_use]
    pub fn reserve(&self, provider: &str, model: &str, at: SystemTime) -> Reserve<'_> {
        match (self.find(provider, model, at), &self.unknown) {
            (Some(price), _) => Reserve::Price(price),
            (None, UnknownModel::Price(price)) => Reserve::Fallback(price),
            (None, UnknownModel::Allow) => Reserve::Uncounted,
            (None, UnknownModel::Refuse) => Reserve::Refused,
        }
    }

    /// Where the shipped prices are from, by provider.
    #[must_use]
    pub fn sources(&self) -> &[PriceSource] {
        &self.sources
    }

    fn add(
        &mut self,
        entry: PriceEntry,
        layer: impl Fn(&mut Book) -> &mut Layer,
    ) -> Result<(), PricesError> {
        let PriceEntry {
            provider,
            names,
            from,
            price,
        } = entry;
        let layer = layer(self.providers.entry(provider.clone()).or_default());
        let plain = names.iter().find(|name| !name.is_pattern());
        let called: Arc<str> = plain.or(names.first()).map_or("", Name::as_str).into();
        for name in names {
            let dated = layer.dated(&name);
            let at = dated.partition_point(|other| other.from > from);
            if dated.get(at).is_some_and(|other| other.from == from) {
                return Err(PricesError::Twice {
                    provider,
                    model: name.as_str().into(),
                });
            }
            let held = Held {
                from,
                name: Arc::clone(&called),
                price: price.clone(),
            };
            dated.insert(at, held);
        }
        Ok(())
    }
}

impl Layer {
    fn dated(&mut self, name: &Name) -> &mut Dated {
        if !name.is_pattern() {
            return self.exact.entry(name.as_str().into()).or_default();
        }
        let at = self.patterns.iter().position(|(own, _)| own == name);
        let at = at.unwrap_or_else(|| {
            let heavier = |(own, _): &(Name, Dated)| own.weight() >= name.weight();
            let at = self.patterns.partition_point(heavier);
            self.patterns.insert(at, (name.clone(), Dated::new()));
            at
        });
        #[expect(
            clippy::indexing_slicing,
            reason = "it was found there, or put there just now"
        )]
        &mut self.patterns[at].1
    }

    fn find(&self, model: &str, at: u64) -> Option<&Held> {
        let exact = self.exact.get(model).into_iter();
        let patterns = self.patterns.iter();
        let patterns = patterns.filter_map(|(name, dated)| name.matches(model).then_some(dated));
        exact
            .chain(patterns)
            .find_map(|dated| dated.iter().find(|held| held.from <= at))
    }
}
