//! What may be spent in a gateway: its rules, and which requests each of them is for.

mod raw;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use self::raw::{RawLimits, RawRule};
use crate::{Budget, BudgetError, Metadata, Partition, facts::Fact};

/// The spend limits of a gateway: at most [`SpendLimits::MOST`] rules. Written as Cloudflare's gateways have them.
///
/// ```
/// use keyward_routes::{Metadata, Partition, SpendLimits};
///
/// let limits: SpendLimits = serde_json::from_str(
///     r#"{"enabled": true, "rules": [{
///         "id": "per-user", "limitType": "cost", "limit": 10, "calendar": "month",
///         "provider": {"mode": "filter", "values": ["openai"]}, "metadata": {"user": {"mode": "partition"}}
///     }]}"#,
/// )?;
/// let metadata = Metadata::parse(br#"{"user": "u-1"}"#);
/// let mut rules = limits.applying("openai", Some("gpt-5"), &metadata);
/// let (rule, partition) = rules.next().ok_or("it applies")?;
/// assert_eq!(rule.id().as_str(), "per-user");
/// assert_eq!(partition, Partition::Value("u-1".into()));
/// assert!(limits.applying("groq", Some("gpt-5"), &metadata).next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawLimits", into = "RawLimits")]
pub struct SpendLimits {
    enabled: bool,
    rules: Vec<SpendRule>,
}

/// One rule: a budget, and which requests count in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawRule", into = "RawRule")]
pub struct SpendRule {
    id: RuleId,
    enabled: bool,
    budget: Budget,
    provider: Split,
    model: Split,
    metadata: Vec<(String, Split)>,
}

/// What a rule is called: 1 to 64 letters, digits, `.`, `_` and `-`. What was spent under a rule is kept by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(String);

/// Which requests of a kind a rule is for, and whether each value is counted by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "who shows a rule must handle each case"
)]
pub enum Split {
    /// For all, counted together.
    #[default]
    All,
    /// For all, and each value is counted by itself.
    Partition,
    /// For those with one of these values, counted together: 1 to [`SpendRule::MOST_VALUES`].
    Filter(Vec<String>),
}

/// What makes a rule.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a rule is made of these")]
pub struct SpendRuleParts {
    /// What it is called.
    pub id: RuleId,
    /// Whether it counts.
    pub enabled: bool,
    /// How much may be spent, in which window.
    pub budget: Budget,
    /// Which providers, by slug.
    pub provider: Split,
    /// Which models, each by its name or as `provider/name`.
    pub model: Split,
    /// Which metadata of requests, by name.
    pub metadata: Vec<(String, Split)>,
}

/// Why what was given is no rule, or no list of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpendError {
    /// More rules than [`SpendLimits::MOST`].
    #[error("must be at most {most} rules", most = SpendLimits::MOST)]
    Rules,
    /// Two rules have one id.
    #[error("there are two rules with the id `{0}`; each has its own")]
    Twice(RuleId),
    /// No id.
    #[error("must be 1 to 64 letters, digits, `.`, `_` or `-`")]
    Id,
    /// The budget is none.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The limit is no amount.
    #[error("must be a number of US dollars above 0, at most {most}", most = crate::Money::MOST)]
    Limit,
    /// Neither a window nor a calendar, or both.
    #[error("must have either `window`, in seconds, or `calendar`")]
    Window,
    /// A technique beside a calendar.
    #[error("`technique` belongs to `window`; windows of the calendar follow each other")]
    Technique,
    /// A filter without values, or one with too many or too long ones.
    #[error(
        "a filter has 1 to {most} values, each 1 to {longest} bytes long",
        most = SpendRule::MOST_VALUES,
        longest = SpendRule::LONGEST_VALUE
    )]
    Values,
    /// Too many names of metadata, or one that is empty or too long.
    #[error("must be at most {most} names, each 1 to {longest} bytes long", most = SpendRule::MOST_METADATA, longest = SpendRule::LONGEST_VALUE)]
    Metadata,
}

impl SpendLimits {
    /// How many rules a gateway has at most, as Cloudflare has it.
    pub const MOST: usize = 20;

    /// These rules, in this order.
    ///
    /// # Errors
    ///
    /// When there are more than [`MOST`](Self::MOST), or two have one id.
    pub fn new(enabled: bool, rules: Vec<SpendRule>) -> Result<Self, SpendError> {
        if rules.len() > Self::MOST {
            return Err(SpendError::Rules);
        }
        let mut seen = rules.iter().enumerate();
        let twice = seen.find(|(at, rule)| rules.iter().take(*at).any(|other| other.id == rule.id));
        match twice {
            Some((_, rule)) => Err(SpendError::Twice(rule.id.clone())),
            None => Ok(Self { enabled, rules }),
        }
    }

    /// Whether any rule counts.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Each rule, also those that are switched off, in their order.
    #[must_use]
    pub fn rules(&self) -> &[SpendRule] {
        &self.rules
    }

    /// The rules that count for a request, and with which others it is counted in each. `model` is the name that the provider
    /// gets, where the request names one.
    pub fn applying<'a>(
        &'a self,
        provider: &'a str,
        model: Option<&'a str>,
        metadata: &'a Metadata,
    ) -> impl Iterator<Item = (&'a SpendRule, Partition<'a>)> {
        let rules = self
            .rules
            .iter()
            .filter(|rule| self.enabled && rule.enabled);
        rules.filter_map(move |rule| Some((rule, rule.partition(provider, model, metadata)?)))
    }
}

impl SpendRule {
    /// How many values a filter has at most. A guess.
    pub const MOST_VALUES: usize = 100;
    /// The longest value, and the longest name of metadata, in bytes. A guess.
    pub const LONGEST_VALUE: usize = 256;
    /// How many names of metadata a rule has at most: as many as a request may have.
    pub const MOST_METADATA: usize = 5;

    /// A rule of these.
    ///
    /// # Errors
    ///
    /// When a filter or the metadata are beyond the bounds.
    pub fn new(mut parts: SpendRuleParts) -> Result<Self, SpendError> {
        // A name without a condition says nothing.
        parts.metadata.retain(|(_, split)| *split != Split::All);
        let is_text = |text: &String| (1..=Self::LONGEST_VALUE).contains(&text.len());
        let is_fit = |split: &Split| match split {
            Split::All | Split::Partition => true,
            Split::Filter(values) => {
                (1..=Self::MOST_VALUES).contains(&values.len()) && values.iter().all(is_text)
            }
        };
        let mut splits = parts.metadata.iter().map(|(_, split)| split);
        if !(is_fit(&parts.provider) && is_fit(&parts.model) && splits.all(is_fit)) {
            return Err(SpendError::Values);
        }
        let mut names: Vec<_> = parts.metadata.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let is_fit = names.len() == parts.metadata.len() && names.len() <= Self::MOST_METADATA;
        if !is_fit || !names.into_iter().all(is_text) {
            return Err(SpendError::Metadata);
        }
        Ok(Self {
            id: parts.id,
            enabled: parts.enabled,
            budget: parts.budget,
            provider: parts.provider,
            model: parts.model,
            metadata: parts.metadata,
        })
    }

    /// What it is called.
    #[must_use]
    pub const fn id(&self) -> &RuleId {
        &self.id
    }

    /// Whether it counts, where the gateway's limits do.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// How much may be spent, in which window.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        self.budget
    }

    /// Which providers.
    #[must_use]
    pub const fn provider(&self) -> &Split {
        &self.provider
    }

    /// Which models.
    #[must_use]
    pub const fn model(&self) -> &Split {
        &self.model
    }

    /// Which metadata, by name, in the order in which it was given.
    #[must_use]
    pub fn metadata(&self) -> &[(String, Split)] {
        &self.metadata
    }

    /// With which others a request is counted; none where the rule is not for it. Metadata that the rule names and the
    /// request does not have: it is not for it, as in Cloudflare's gateways. A request without a model has an empty one.
    #[must_use]
    pub fn partition<'a>(
        &self,
        provider: &'a str,
        model: Option<&'a str>,
        metadata: &'a Metadata,
    ) -> Option<Partition<'a>> {
        let model = model.unwrap_or_default();
        let is_model = |value: &str| {
            let behind = value
                .strip_prefix(provider)
                .and_then(|rest| rest.strip_prefix('/'));
            value == model || behind == Some(model)
        };
        let provider_part = self
            .provider
            .part(provider.into(), |value| value == provider)?;
        let model_part = self.model.part(model.into(), is_model)?;
        let mut all = Joined::of(provider_part).and(model_part);
        for (name, split) in &self.metadata {
            let text = text_of(metadata.find(name))?;
            let is_value = |value: &str| value == text;
            all = all.and(split.part(text.clone(), is_value)?);
        }
        Some(all.partition())
    }
}

impl Split {
    /// What of a value tells requests apart; none where they are not meant.
    fn part<'a>(
        &self,
        value: Cow<'a, str>,
        is_meant: impl Fn(&str) -> bool,
    ) -> Option<Option<Cow<'a, str>>> {
        match self {
            Self::All => Some(None),
            Self::Partition => Some(Some(value)),
            Self::Filter(values) => values.iter().any(|value| is_meant(value)).then_some(None),
        }
    }
}

/// The text of an entry: `7` and `"7"` are one.
fn text_of(fact: Fact<'_>) -> Option<Cow<'_, str>> {
    match fact {
        Fact::Text(text) | Fact::Header(text) => Some(text.into()),
        Fact::Bool(value) => Some(if value { "true" } else { "false" }.into()),
        Fact::Number(number) => Some(number.to_string().into()),
        Fact::Missing | Fact::Null | Fact::Bytes | Fact::Array | Fact::Object => None,
    }
}

/// Several values as one, so that no two lists of values are the same text.
enum Joined<'a> {
    None,
    One(Cow<'a, str>),
    Several(String),
}

impl<'a> Joined<'a> {
    fn of(part: Option<Cow<'a, str>>) -> Self {
        part.map_or(Self::None, Self::One)
    }

    fn and(self, part: Option<Cow<'a, str>>) -> Self {
        let Some(part) = part else {
            return self;
        };
        let with_length = |text: &str| format!("{}:{text}", text.len());
        match self {
            Self::None => Self::One(part),
            Self::One(first) => Self::Several(with_length(&first) + &with_length(&part)),
            Self::Several(text) => Self::Several(text + &with_length(&part)),
        }
    }

    fn partition(self) -> Partition<'a> {
        match self {
            Self::None => Partition::All,
            Self::One(text) => Partition::Value(text),
            Self::Several(text) => Partition::Value(text.into()),
        }
    }
}

impl RuleId {
    /// Parses an id.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 64 bytes, or holds another character than a letter, a digit, `.`, `_` or `-`.
    pub fn parse(text: &str) -> Result<Self, SpendError> {
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        match (1..=64).contains(&text.len()) && text.bytes().all(is_plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(SpendError::Id),
        }
    }

    /// The id of a rule that was given none: `rule-1` for the first, and so on.
    #[must_use]
    pub fn of_place(place: usize) -> Self {
        Self(format!("rule-{}", place + 1))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{RuleId, SpendError};
    use crate::BudgetError;

    #[test]
    fn what_is_told_of_rules() {
        keyward_testing::assert_texts!("SpendError", SpendError {
            SpendError::Rules => SpendError::Rules,
            SpendError::Twice(_) => SpendError::Twice(RuleId::of_place(0)),
            SpendError::Id => SpendError::Id,
            SpendError::Budget(_) => SpendError::Budget(BudgetError::Window),
            SpendError::Limit => SpendError::Limit,
            SpendError::Window => SpendError::Window,
            SpendError::Technique => SpendError::Technique,
            SpendError::Values => SpendError::Values,
            SpendError::Metadata => SpendError::Metadata,
        }, |error| keyward_testing::told(&error));
    }
}
