//! Rules as rows, requests and answers have them.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap as _,
};

use super::{RuleId, SpendError, SpendLimits, SpendRule, SpendRuleParts, Split};
use crate::{Budget, BudgetWindow, Money, Technique};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    rules: Vec<SpendRule>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    id: String,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(rename = "limitType")]
    limit_type: LimitType,
    limit: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    technique: Option<TechniqueWord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calendar: Option<Calendar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<RawSplit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<RawSplit>,
    #[serde(default, skip_serializing_if = "RawMetadata::is_empty")]
    metadata: RawMetadata,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LimitType {
    Cost,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TechniqueWord {
    Fixed,
    Sliding,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Calendar {
    Day,
    Week,
    Month,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase", deny_unknown_fields)]
enum RawSplit {
    Partition {},
    Filter { values: Vec<String> },
}

/// A map whose order is kept: rows are compared by their text.
#[derive(Default)]
struct RawMetadata(Vec<(String, RawSplit)>);

const fn yes() -> bool {
    true
}

impl BudgetWindow {
    /// The window that `window`, `technique` and `calendar` of a rule say.
    fn of(
        seconds: Option<u64>,
        technique: Option<TechniqueWord>,
        calendar: Option<Calendar>,
    ) -> Result<Self, SpendError> {
        match (seconds, calendar) {
            (Some(seconds), None) => {
                let technique = match technique {
                    None | Some(TechniqueWord::Fixed) => Technique::Fixed,
                    Some(TechniqueWord::Sliding) => Technique::Sliding,
                };
                Ok(Self::seconds(seconds, technique)?)
            }
            (None, Some(_)) if technique.is_some() => Err(SpendError::Technique),
            (None, Some(Calendar::Day)) => Ok(Self::DAY),
            (None, Some(Calendar::Week)) => Ok(Self::WEEK),
            (None, Some(Calendar::Month)) => Ok(Self::MONTH),
            (None, None) | (Some(_), Some(_)) => Err(SpendError::Window),
        }
    }
}

impl TryFrom<RawLimits> for SpendLimits {
    type Error = SpendError;

    fn try_from(raw: RawLimits) -> Result<Self, SpendError> {
        Self::new(raw.enabled, raw.rules)
    }
}

impl From<SpendLimits> for RawLimits {
    fn from(limits: SpendLimits) -> Self {
        Self {
            enabled: limits.enabled,
            rules: limits.rules,
        }
    }
}

impl TryFrom<RawRule> for SpendRule {
    type Error = SpendError;

    fn try_from(raw: RawRule) -> Result<Self, SpendError> {
        let LimitType::Cost = raw.limit_type;
        let limit = Money::from_dollars(raw.limit).ok_or(SpendError::Limit)?;
        let window = BudgetWindow::of(raw.window, raw.technique, raw.calendar)?;
        let named = raw.metadata.0.into_iter();
        Self::new(SpendRuleParts {
            id: RuleId::parse(&raw.id)?,
            enabled: raw.enabled,
            budget: Budget::new(limit, window).map_err(|_none| SpendError::Limit)?,
            provider: raw.provider.into(),
            model: raw.model.into(),
            metadata: named
                .map(|(name, split)| (name, Some(split).into()))
                .collect(),
        })
    }
}

impl From<SpendRule> for RawRule {
    fn from(rule: SpendRule) -> Self {
        let window = rule.budget.window();
        let technique = match window.technique() {
            Technique::Fixed => TechniqueWord::Fixed,
            Technique::Sliding => TechniqueWord::Sliding,
        };
        let seconds = window.as_seconds();
        let calendar = match window {
            BudgetWindow::DAY => Some(Calendar::Day),
            BudgetWindow::WEEK => Some(Calendar::Week),
            BudgetWindow::MONTH => Some(Calendar::Month),
            _ => None,
        };
        let named = rule.metadata.into_iter();
        let named = named.filter_map(|(name, split)| Some((name, raw_of(split)?)));
        Self {
            id: rule.id.0,
            enabled: rule.enabled,
            limit_type: LimitType::Cost,
            limit: rule.budget.limit().dollars(),
            window: seconds,
            technique: seconds.map(|_| technique),
            calendar,
            provider: raw_of(rule.provider),
            model: raw_of(rule.model),
            metadata: RawMetadata(named.collect()),
        }
    }
}

impl From<Option<RawSplit>> for Split {
    fn from(raw: Option<RawSplit>) -> Self {
        match raw {
            None => Self::All,
            Some(RawSplit::Partition {}) => Self::Partition,
            Some(RawSplit::Filter { values }) => Self::Filter(values),
        }
    }
}

fn raw_of(split: Split) -> Option<RawSplit> {
    match split {
        Split::All => None,
        Split::Partition => Some(RawSplit::Partition {}),
        Split::Filter(values) => Some(RawSplit::Filter { values }),
    }
}

impl RawMetadata {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for RawMetadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, split) in &self.0 {
            map.serialize_entry(name, split)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for RawMetadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;
        impl<'de> Visitor<'de> for Named {
            type Value = RawMetadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawMetadata, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(RawMetadata(all))
            }
        }
        deserializer.deserialize_map(Named)
    }
}
