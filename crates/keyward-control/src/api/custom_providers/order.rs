//! In what order custom providers are listed: `order_by=name ASC`.

use std::cmp::Ordering;

use keyward_registry::CustomProviderRecord;

use crate::{
    call::Call,
    envelope::{FieldPath, Problem},
    page::Direction,
};

type Compare = fn(&CustomProviderRecord, &CustomProviderRecord) -> Ordering;

/// The fields that a list can be ordered by.
const FIELDS: [(&str, Compare); 6] = [
    ("name", |one, other| {
        one.details.name.cmp(&other.details.name)
    }),
    ("slug", |one, other| one.slug.cmp(&other.slug)),
    ("position", |one, other| {
        one.details.position.cmp(&other.details.position)
    }),
    ("enable", |one, other| one.enabled.cmp(&other.enabled)),
    ("created_at", |one, other| {
        one.created_at.cmp(&other.created_at)
    }),
    ("modified_at", |one, other| {
        one.modified_at.cmp(&other.modified_at)
    }),
];

pub(super) struct Order {
    rising: Compare,
    direction: Direction,
}

impl Order {
    /// Reads `order_by`: a field, and `ASC` or `DESC` behind a blank. Default `name ASC`.
    pub(super) fn of(call: &Call) -> Result<Self, Problem> {
        let text = call.query("order_by").unwrap_or("name ASC");
        Self::parse(text).ok_or_else(|| {
            let path = FieldPath::query().name("order_by");
            let fields = FIELDS.map(|(name, _)| name).join("`, `");
            Problem::invalid(
                &path,
                format_args!("is one of `{fields}`, with ` ASC` or ` DESC` behind it or without"),
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (field, direction) = text.split_once(' ').unwrap_or((text, "ASC"));
        let direction = match direction {
            _ if direction.eq_ignore_ascii_case("asc") => Direction::Rising,
            _ if direction.eq_ignore_ascii_case("desc") => Direction::Falling,
            _ => return None,
        };
        let (_, rising) = FIELDS.into_iter().find(|(name, _)| *name == field)?;
        Some(Self { rising, direction })
    }

    /// Those that are alike stand by their slug, so that pages do not overlap.
    pub(super) fn compare(
        &self,
        one: &CustomProviderRecord,
        other: &CustomProviderRecord,
    ) -> Ordering {
        let rising = (self.rising)(one, other).then_with(|| one.slug.cmp(&other.slug));
        self.direction.turn(rising)
    }
}
