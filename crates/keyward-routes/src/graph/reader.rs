//! Objects whose every entry must be known, and the values of their entries.

use std::{fmt, ops::RangeInclusive};

use serde_json::{Map, Value};

use super::fault::Faults;
use crate::condition::kind;

/// The entries of an object. Those that were never asked for are faults.
#[derive(Debug)]
pub(super) struct Entries<'v> {
    map: &'v Map<String, Value>,
    asked: Vec<&'static str>,
}

impl<'v> Entries<'v> {
    /// The entries of a value that should be an object.
    pub(super) fn of(value: &'v Value, faults: &mut Faults) -> Option<Self> {
        let Value::Object(map) = value else {
            faults.add(format_args!("is {} where an object is wanted", kind(value)));
            return None;
        };
        let asked = Vec::new();
        Some(Self { map, asked })
    }

    /// Asks for an entry by its names, of which one may stand: what `read` makes of it. `None` where it is absent, or was
    /// refused.
    pub(super) fn optional<T>(
        &mut self,
        names: &[&'static str],
        faults: &mut Faults,
        read: impl FnOnce(&'v Value, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        self.asked.extend(names);
        let mut found = names
            .iter()
            .filter_map(|name| Some((*name, self.map.get(*name)?)));
        let (name, value) = found.next()?;
        if let Some((second, _)) = found.next() {
            faults.add_at(
                second,
                format_args!("says what `{name}` says; keep one of them"),
            );
        }
        faults.enter(name);
        let read = read(value, faults);
        faults.leave();
        read
    }

    /// As [`Self::optional`], of an entry that must stand.
    pub(super) fn required<T>(
        &mut self,
        names: &[&'static str],
        faults: &mut Faults,
        read: impl FnOnce(&'v Value, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        if let ([name, ..], false) = (names, self.has(names)) {
            faults.add_at(name, "is missing; add it");
        }
        self.optional(names, faults, read)
    }

    pub(super) fn has(&self, names: &[&'static str]) -> bool {
        names.iter().any(|name| self.map.contains_key(*name))
    }

    /// Refuses every entry that was not asked for.
    pub(super) fn finish(self, faults: &mut Faults) {
        for key in self.map.keys() {
            if self.asked.contains(&key.as_str()) {
                continue;
            }
            match self.asked.is_empty() {
                true => faults.add_at(key, "is unknown; nothing stands here, leave it out"),
                false => faults.add_at(
                    key,
                    format_args!("is unknown; there are {}", self.asked.join(", ")),
                ),
            }
        }
    }
}

/// A text of a bounded length without control characters.
pub(super) fn text<'v>(value: &'v Value, longest: usize, faults: &mut Faults) -> Option<&'v str> {
    let good =
        |text: &&str| (1..=longest).contains(&text.len()) && !text.chars().any(char::is_control);
    let text = value.as_str().filter(good);
    if text.is_none() {
        faults.add(format_args!(
            "wants a text of 1 to {longest} bytes without control characters"
        ));
    }
    text
}

/// A whole number within a range, also where it is written as `60.0`.
pub(super) fn whole(
    value: &Value,
    range: RangeInclusive<u64>,
    unit: &dyn fmt::Display,
    faults: &mut Faults,
) -> Option<u64> {
    let real = || {
        let real = value.as_f64().filter(|real| real.fract() == 0.0)?;
        // Below 2^53 every whole number is exact; ranges end far below.
        let is_exact = (0.0..9e15).contains(&real);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 9e15"
        )]
        is_exact.then_some(real as u64)
    };
    let number = value.as_u64().or_else(real);
    let number = number.filter(|number| range.contains(number));
    if number.is_none() {
        let (from, to) = (range.start(), range.end());
        faults.add(format_args!(
            "wants a whole number of {unit}, {from} to {to}"
        ));
    }
    number
}
