//! Which shape a provider's endpoints answer in, and where a stream says nothing unless it is asked to.

use http::Method;
use serde::Deserialize;

use super::UsageShape;
use crate::{
    classes::effective,
    pattern::{Canonical, Pattern, is_decidable},
};

/// What the catalogue says of a provider's usage.
#[derive(Debug, Default)]
pub(crate) struct UsageRules {
    shape: Option<UsageShape>,
    exceptions: Box<[(Pattern, UsageShape)]>,
    asks: Box<[Pattern]>,
    is_custom: bool,
}

/// The table `[usage]` of a catalogue file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageText {
    shape: Box<str>,
    /// Where it is from: for readers of the file.
    #[expect(dead_code, reason = "a file without a source is refused")]
    source: Box<str>,
    ask: Option<AskText>,
    #[serde(default)]
    except: Vec<ExceptText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskText {
    on: Vec<Box<str>>,
    #[expect(dead_code, reason = "a file without a source is refused")]
    source: Box<str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptText {
    on: Vec<Box<str>>,
    shape: Box<str>,
    #[expect(dead_code, reason = "a file without a source is refused")]
    source: Box<str>,
}

impl UsageText {
    /// `insert` is the version that requests may leave out.
    pub(crate) fn build(self, insert: Option<&str>) -> Result<UsageRules, String> {
        let parse =
            |text: &str| Pattern::parse(text, insert).map_err(|reason| format!("{text}: {reason}"));
        let mut exceptions = Vec::new();
        for except in &self.except {
            let shape = shape(&except.shape)?;
            for text in &except.on {
                exceptions.push((parse(text)?, shape));
            }
        }
        exceptions.sort_by_cached_key(|(pattern, _)| pattern.rank());
        let asks = self.ask.iter().flat_map(|ask| &ask.on);
        Ok(UsageRules {
            shape: Some(shape(&self.shape)?),
            exceptions: exceptions.into(),
            asks: asks.map(|text| parse(text)).collect::<Result<_, _>>()?,
            is_custom: false,
        })
    }
}

fn shape(name: &str) -> Result<UsageShape, String> {
    let known = |shape: &UsageShape| shape.name() == name;
    let found = UsageShape::ALL.iter().copied().find(known);
    found.ok_or_else(|| format!("`{name}` is no shape"))
}

impl UsageRules {
    /// Of a provider nothing is known of: it speaks like OpenAI, as most servers of models do, and like Anthropic below
    /// `messages`.
    pub(crate) fn of_custom() -> Self {
        Self {
            shape: Some(UsageShape::OpenAi),
            is_custom: true,
            ..Self::default()
        }
    }

    pub(crate) fn shape(&self, method: &Method, path: Canonical<'_>) -> Option<UsageShape> {
        let default = self.shape?;
        if self.is_custom && path.rest.rsplit('/').next() == Some("messages") {
            return Some(UsageShape::Anthropic);
        }
        if !is_decidable(path.rest) {
            return Some(default);
        }
        let method = effective(method);
        let found = self
            .exceptions
            .iter()
            .find(|(pattern, _)| pattern.matches(method, path));
        Some(found.map_or(default, |(_, shape)| *shape))
    }

    pub(crate) fn asks(&self, method: &Method, path: Canonical<'_>) -> bool {
        is_decidable(path.rest)
            && self
                .asks
                .iter()
                .any(|pattern| pattern.matches(method, path))
    }
}
