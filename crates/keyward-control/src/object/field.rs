//! One field and the questions that can be asked of it.

use std::{fmt, ops::RangeInclusive, time::SystemTime};

use serde_json::Value;

use crate::{
    envelope::{FieldPath, Problem},
    moment,
};

/// One field that is not null, with its place.
pub(crate) struct Field {
    path: FieldPath,
    value: Value,
}

impl Field {
    pub(crate) fn new(path: FieldPath, value: Value) -> Self {
        Self { path, value }
    }

    pub(super) fn into_parts(self) -> (FieldPath, Value) {
        (self.path, self.value)
    }

    pub(crate) fn path(&self) -> &FieldPath {
        &self.path
    }

    /// Says what is wrong with the field.
    pub(crate) fn refuse(&self, reason: impl fmt::Display) -> Problem {
        Problem::invalid(&self.path, reason)
    }

    /// `true` or `false`; also 1 and 0, which the reference gives back in places (wire-spec §4.5).
    pub(crate) fn boolean(self) -> Result<bool, Problem> {
        match (&self.value, self.value.as_u64()) {
            (Value::Bool(value), _) => Ok(*value),
            (_, Some(0)) => Ok(false),
            (_, Some(1)) => Ok(true),
            _ => Err(self.refuse("must be true or false")),
        }
    }

    /// A whole number within `range`.
    pub(crate) fn whole<N>(self, range: RangeInclusive<N>) -> Result<N, Problem>
    where
        N: TryFrom<u64> + PartialOrd + fmt::Display,
    {
        let number = self
            .value
            .as_u64()
            .and_then(|number| N::try_from(number).ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                self.refuse(format_args!(
                    "must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                ))
            })
    }

    /// The number that it is.
    pub(crate) fn number(&self) -> Option<f64> {
        self.value.as_f64()
    }

    /// The value as it was sent.
    pub(crate) fn into_value(self) -> Value {
        self.value
    }

    /// A text of at most `max` characters that can be printed on one line.
    pub(crate) fn text(self, max: usize) -> Result<String, Problem> {
        let path = self.path.clone();
        let text = self.characters(max)?;
        if text.chars().any(char::is_control) {
            let reason = "must hold no line breaks and no control characters";
            return Err(Problem::invalid(&path, reason));
        }
        Ok(text)
    }

    /// A text of at most `max` characters, on several lines if need be.
    pub(crate) fn lines(self, max: usize) -> Result<String, Problem> {
        let path = self.path.clone();
        let text = self.characters(max)?;
        let is_line = |character: char| matches!(character, '\n' | '\r' | '\t');
        if text
            .chars()
            .any(|character| character.is_control() && !is_line(character))
        {
            return Err(Problem::invalid(&path, "must hold no control characters"));
        }
        Ok(text)
    }

    fn characters(self, max: usize) -> Result<String, Problem> {
        let Value::String(text) = self.value else {
            return Err(self.refuse("must be a text"));
        };
        let refuse = |reason: fmt::Arguments<'_>| Problem::invalid(&self.path, reason);
        if text.chars().count() > max {
            return Err(refuse(format_args!(
                "must be at most {max} characters long"
            )));
        }
        Ok(text)
    }

    /// A text that `parse` accepts; its error says why not, and must not quote the text.
    pub(crate) fn parsed<T, E: fmt::Display>(
        self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Problem> {
        let path = self.path.clone();
        let text = self.text(MAX_PARSED)?;
        parse(&text).map_err(|error| Problem::invalid(&path, format_args!("{error}")))
    }

    /// One of these texts.
    pub(crate) fn one_of<T: Copy>(self, choices: &[(&str, T)]) -> Result<T, Problem> {
        let found = self.value.as_str().and_then(|text| {
            choices
                .iter()
                .find(|(name, _)| *name == text)
                .map(|(_, choice)| *choice)
        });
        found.ok_or_else(|| {
            let names: Vec<_> = choices
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            self.refuse(format_args!("must be {}", names.join(" or ")))
        })
    }

    /// An RFC 3339 moment.
    pub(crate) fn moment(self) -> Result<SystemTime, Problem> {
        self.parsed(|text| {
            moment::parse(text).ok_or("must be a moment such as `2027-01-15T08:00:00Z` (RFC 3339)")
        })
    }

    /// A list of at least one item.
    pub(crate) fn list(self) -> Result<Vec<Self>, Problem> {
        let Value::Array(items) = self.value else {
            return Err(self.refuse("must be a list"));
        };
        if items.is_empty() {
            return Err(Problem::invalid(&self.path, "must have at least one item"));
        }
        if items.len() > MAX_ITEMS {
            return Err(Problem::invalid(
                &self.path,
                format_args!("must have at most {MAX_ITEMS} items"),
            ));
        }
        let items = items.into_iter().enumerate();
        Ok(items
            .map(|(index, value)| Self::new(self.path.index(index), value))
            .collect())
    }

    /// The members of an object whose names are not fixed.
    pub(crate) fn members(self) -> Result<Vec<(String, Self)>, Problem> {
        let Value::Object(members) = self.value else {
            return Err(self.refuse("must be an object"));
        };
        if members.is_empty() {
            return Err(Problem::invalid(
                &self.path,
                "must have at least one member",
            ));
        }
        if members.len() > MAX_ITEMS {
            return Err(Problem::invalid(
                &self.path,
                format_args!("must have at most {MAX_ITEMS} members"),
            ));
        }
        let place = |(name, value): (String, Value)| {
            // The name comes from the client: its place is told, cut to what a name can be.
            let path = self.path.name(name.chars().take(200).collect::<String>());
            (name, Self::new(path, value))
        };
        Ok(members.into_iter().map(place).collect())
    }

    /// Whether it is exactly this text.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        self.value.as_str() == Some(text)
    }

    /// Whether a setting with this value is switched off: false, zero, empty, or an object that says so.
    pub(crate) fn is_off(&self) -> bool {
        is_off(&self.value)
    }
}

/// No id, name or moment is longer.
const MAX_PARSED: usize = 256;

/// More items than a list of names in one token can sensibly have. A guess.
const MAX_ITEMS: usize = 1000;

fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => {
            members.get("enabled") == Some(&Value::Bool(false)) || members.values().all(is_off)
        }
    }
}
