//! Values that operators compare a field with, and how a field stands to one.

use std::cmp::Ordering;

use serde_json::Value;

use crate::{facts::Fact, number::Number};

/// A value in a condition. Arrays and objects are none: their parts have fields of their own.
#[derive(Clone, Debug)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text(Box<str>),
}

impl Scalar {
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Number(number) => Number::of(number).map(Self::Number),
            Value::String(text) => Some(Self::Text(text.as_str().into())),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Whether a field is this value. `null` is what is absent, too.
    pub(super) fn is(&self, fact: Fact<'_>) -> bool {
        match (self, fact) {
            (Self::Null, Fact::Null | Fact::Missing) => true,
            (Self::Bool(own), Fact::Bool(value)) => *own == value,
            (Self::Bool(own), Fact::Header(text)) => text == if *own { "true" } else { "false" },
            _ => self.compare(fact) == Some(Ordering::Equal),
        }
    }

    /// How a field stands to this value: two numbers by their value, two texts by their characters. Nothing else has an order.
    pub(super) fn compare(&self, fact: Fact<'_>) -> Option<Ordering> {
        match (self, fact) {
            (Self::Number(own), Fact::Number(number)) => number.compare(*own),
            // A header has no types: it is what its text spells.
            (Self::Number(own), Fact::Header(text)) => Number::parse(text)?.compare(*own),
            (Self::Text(own), Fact::Text(text) | Fact::Header(text)) => Some(text.cmp(own)),
            _ => None,
        }
    }
}
