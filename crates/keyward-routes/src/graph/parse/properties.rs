//! The properties of conditional, rate and model elements, in both spellings.

use std::time::Duration;

use serde_json::Value;

use super::Parser;
use crate::{
    Budget, BudgetWindow, LONGEST_MODEL, Limit, Money,
    condition::{self, Condition, parse_field},
    field::Field,
    graph::{
        Bound, Model, Rate, Servable, Technique,
        fault::Faults,
        reader::{self, Entries},
    },
};

/// The longest slug of a provider, in bytes.
const LONGEST_SLUG: usize = 128;
/// The longest time-out, in milliseconds.
const LONGEST_TIMEOUT: u64 = 600_000;
/// The most retries.
const MOST_RETRIES: u64 = 5;

impl Parser<'_> {
    /// The condition of a conditional element, with its document. An absent one holds always, as the API allows it.
    pub(super) fn condition(&mut self, entries: &mut Entries<'_>) -> Option<(Condition, Value)> {
        let Self {
            paths,
            budget,
            faults,
            ..
        } = self;
        let always = || Some((Condition::always(), Value::Object(serde_json::Map::new())));
        if !entries.has(&["properties"]) {
            return always();
        }
        let names = ["conditions", "condition"];
        entries.optional(&["properties"], faults, |value, faults| {
            let mut properties = Entries::of(value, faults)?;
            let read = match properties.has(&names) {
                false => always(),
                true => None,
            };
            let parsed = properties.optional(&names, faults, |document, faults| {
                let condition = condition::Parser::new(paths, budget, faults).parse(document)?;
                Some((condition, document.clone()))
            });
            properties.finish(faults);
            parsed.or(read)
        })
    }

    pub(super) fn rate_properties(&mut self, entries: &mut Entries<'_>) -> Option<Rate> {
        let paths = &mut self.paths;
        entries.required(&["properties"], &mut self.faults, |value, faults| {
            let mut own = Entries::of(value, faults)?;
            let limited = own.required(&["limitType"], faults, limit_type);
            let limited = limited.unwrap_or(Limited::Requests);
            let amount = own.required(&["limit"], faults, |value, faults| {
                amount(value, limited, faults)
            });
            let window = own.required(&["window", "interval"], faults, |value, faults| {
                let longest = Limit::LONGEST_WINDOW.as_secs();
                reader::whole(value, 1..=longest, &"seconds", faults)
            });
            let technique = match own.has(&["technique"]) {
                true => own.optional(&["technique"], faults, technique),
                false => {
                    own.optional(&["technique"], faults, technique);
                    Some(Technique::default())
                }
            };
            let key = own.optional(&["key"], faults, |value, faults| {
                Some(key(value, paths, faults))
            });
            own.finish(faults);
            let (window, technique) = (window?, technique?);
            // Within the bounds, each of which was told with its place.
            let bound = match amount? {
                Amount::Requests(limit) => {
                    Bound::Requests(Limit::new(limit, window, technique).ok()?)
                }
                Amount::Cost(limit) => {
                    let window = BudgetWindow::seconds(window, technique).ok()?;
                    Bound::Cost(Budget::new(limit, window).ok()?)
                }
            };
            Some(Rate {
                bound,
                key: key.unwrap_or(Some(None))?,
            })
        })
    }

    pub(super) fn model_properties(&mut self, entries: &mut Entries<'_>) -> Option<Model> {
        let known = self.known;
        entries.required(&["properties"], &mut self.faults, |value, faults| {
            let mut own = Entries::of(value, faults)?;
            let provider = own.required(&["provider"], faults, |value, faults| {
                let slug = reader::text(value, LONGEST_SLUG, faults)?;
                let message = match known.provider(slug) {
                    Servable::Yes => return Some(slug.into()),
                    Servable::NoCompatiblePath => {
                        "is a provider that takes no chat request in OpenAI's form; name one that does"
                    }
                    Servable::Unknown => {
                        "is no provider; name a built-in one, or a custom one as `custom-` and its slug"
                    }
                };
                faults.add(message);
                None
            });
            let model = own.required(&["model"], faults, |value, faults| {
                reader::text(value, LONGEST_MODEL, faults).map(Into::into)
            });
            let timeout = own.optional(&["timeout"], faults, |value, faults| {
                let timeout = reader::whole(value, 1..=LONGEST_TIMEOUT, &"milliseconds", faults)?;
                Some(Duration::from_millis(timeout))
            });
            let retries = own.optional(&["retries"], faults, |value, faults| {
                let retries = reader::whole(value, 0..=MOST_RETRIES, &"retries", faults)?;
                u32::try_from(retries).ok()
            });
            own.finish(faults);
            Some(Model {
                provider: provider?,
                model: model?,
                timeout,
                retries: retries.unwrap_or_default(),
            })
        })
    }
}

/// What a rate element limits.
#[derive(Clone, Copy)]
enum Limited {
    Requests,
    Cost,
}

enum Amount {
    Requests(u64),
    Cost(Money),
}

fn limit_type(value: &Value, faults: &mut Faults) -> Option<Limited> {
    match value.as_str() {
        Some("count") => Some(Limited::Requests),
        Some("cost") => Some(Limited::Cost),
        _ => {
            faults.add("is no type of limit; there are `count` and `cost`");
            None
        }
    }
}

fn amount(value: &Value, limited: Limited, faults: &mut Faults) -> Option<Amount> {
    match limited {
        Limited::Requests => {
            let limit = reader::whole(value, 1..=Limit::MOST, &"requests", faults)?;
            Some(Amount::Requests(limit))
        }
        Limited::Cost => {
            let limit = value.as_f64().and_then(Money::from_dollars);
            let limit = limit.filter(|limit| *limit > Money::ZERO);
            if limit.is_none() {
                faults.add(format_args!(
                    "wants an amount in US dollars above 0, at most {}",
                    Money::MOST
                ));
            }
            limit.map(Amount::Cost)
        }
    }
}

fn technique(value: &Value, faults: &mut Faults) -> Option<Technique> {
    match value.as_str() {
        Some("fixed") => Some(Technique::Fixed),
        Some("sliding") => Some(Technique::Sliding),
        _ => {
            faults.add("is no technique; there are `fixed` and `sliding`");
            None
        }
    }
}

/// The field to count by. The inner `None`: all requests together. The outer: refused.
fn key(
    value: &Value,
    paths: &mut crate::facts::BodyPaths,
    faults: &mut Faults,
) -> Option<Option<Field>> {
    let Some(text) = value.as_str() else {
        faults.add("wants a text: the field to count by, such as `metadata.user_id`; leave it empty to count all requests together");
        return None;
    };
    if text.is_empty() {
        return Some(None);
    }
    match parse_field(text, paths) {
        Ok(field) => Some(Some(field)),
        Err(problem) => {
            faults.add(problem);
            None
        }
    }
}
