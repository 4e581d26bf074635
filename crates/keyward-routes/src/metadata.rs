//! What a client says of its request in `cf-aig-metadata`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::{facts::Fact, number::Number};

/// The most entries that count.
const MOST: usize = 5;
/// What the names of entries begin with that no client sets.
const RESERVED: &str = "cf.";

/// The entries of a request's `cf-aig-metadata`: at most five, each a text, a number, `true` or `false`.
///
/// What is no such object is as if it were not sent: a header is read as a whole or not at all.
///
/// ```
/// use keyward_routes::Metadata;
///
/// assert_eq!(Metadata::parse(br#"{"plan":"free","seats":3}"#).len(), 2);
/// // A nested value, or `null`: none of it counts.
/// assert!(Metadata::parse(br#"{"plan":"free","user":{"id":1}}"#).is_empty());
/// // What the gateway alone may set is left out.
/// assert_eq!(Metadata::parse(br#"{"plan":"free","cf.user_id":"1"}"#).len(), 1);
/// ```
#[derive(Default)]
pub struct Metadata(Vec<(Box<str>, Value)>);

/// The value of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "metadata knows no other")]
pub enum MetadataValue<'a> {
    /// A text.
    Text(&'a str),
    /// A number, written as JSON does.
    Number(String),
    /// `true` or `false`.
    Bool(bool),
}

enum Value {
    Text(Box<str>),
    Number(Number),
    Bool(bool),
}

impl Metadata {
    /// Reads the header's value: a JSON object of texts, numbers, `true` and `false`. Of more than five entries the
    /// first five count; those whose name begins with `cf.` are left out before; of a repeated name the last counts.
    /// Anything else, `null` and nested values among it, gives no entries at all.
    #[must_use]
    pub fn parse(header: &[u8]) -> Self {
        let mut json = serde_json::Deserializer::from_slice(header);
        let read = json.deserialize_map(Entries).and_then(|read| {
            json.end()?;
            Ok(read)
        });
        read.unwrap_or_default()
    }

    /// How many entries there are: 0 to 5.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every entry, in the order in which they were sent.
    pub fn entries(&self) -> impl Iterator<Item = (&str, MetadataValue<'_>)> {
        self.0.iter().map(|(name, value)| {
            let value = match value {
                Value::Text(text) => MetadataValue::Text(text),
                Value::Number(number) => MetadataValue::Number(number.to_string()),
                Value::Bool(value) => MetadataValue::Bool(*value),
            };
            (&**name, value)
        })
    }

    pub(crate) fn find(&self, name: &str) -> Fact<'_> {
        let entry = self.0.iter().find(|(own, _)| **own == *name);
        match entry.map(|(_, value)| value) {
            None => Fact::Missing,
            Some(Value::Text(text)) => Fact::Text(text),
            Some(Value::Number(number)) => Fact::Number(*number),
            Some(Value::Bool(value)) => Fact::Bool(*value),
        }
    }
}

impl fmt::Debug for Metadata {
    /// Names alone: values are what a client sent of its users.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        formatter.debug_set().entries(names).finish()
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Metadata;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut entries: Vec<(Box<str>, Value)> = Vec::new();
        while let Some(name) = map.next_key::<Box<str>>()? {
            // Also of what does not count, a nested value drops the whole.
            let value = map.next_value::<Value>()?;
            if name.starts_with(RESERVED) {
                continue;
            }
            if let Some((_, own)) = entries.iter_mut().find(|(own, _)| *own == name) {
                *own = value;
            } else if entries.len() < MOST {
                entries.push((name, value));
            }
        }
        Ok(Metadata(entries))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = Value;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text, a number, true or false")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Number(Number::Whole(value.into())))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Number(Number::Whole(value.into())))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Number(Number::Real(value)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(value.into()))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}
