//! In what order custom providers are listed: `order_by=name ASC`.

use std::{cmp::Ordering, sync::Arc};

use keyward_registry::{CustomProvider, CustomProviderRecord};

use crate::{
    call::Call,
    envelope::{FieldPath, Problem},
};

/// The fields that a list can be ordered by.
pub(super) const FIELDS: [&str; 6] = [
    "name",
    "slug",
    "position",
    "enable",
    "created_at",
    "modified_at",
];

pub(super) struct Order {
    compare: fn(&CustomProviderRecord, &CustomProviderRecord) -> Ordering,
    falls: bool,
}

impl Order {
    /// Reads `order_by`: a field, and `ASC` or `DESC` behind a blank. Default `name ASC`.
    pub(super) fn of(call: &Call) -> Result<Self, Problem> {
        let text = call.query("order_by").unwrap_or("name ASC");
        Self::parse(text).ok_or_else(|| {
            let path = FieldPath::query().name("order_by");
            let fields = FIELDS.join("`, `");
            Problem::invalid(
                &path,
                format_args!("is one of `{fields}`, with ` ASC` or ` DESC` behind it or without"),
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (field, direction) = text.split_once(' ').unwrap_or((text, "ASC"));
        let falls = match direction {
            _ if direction.eq_ignore_ascii_case("asc") => false,
            _ if direction.eq_ignore_ascii_case("desc") => true,
            _ => return None,
        };
        let compare: fn(&CustomProviderRecord, &CustomProviderRecord) -> Ordering = match field {
            "name" => |one, other| one.details.name.cmp(&other.details.name),
            "slug" => |one, other| one.slug.cmp(&other.slug),
            "position" => |one, other| one.details.position.cmp(&other.details.position),
            "enable" => |one, other| one.enabled.cmp(&other.enabled),
            "created_at" => |one, other| one.created_at.cmp(&other.created_at),
            "modified_at" => |one, other| one.modified_at.cmp(&other.modified_at),
            _ => return None,
        };
        Some(Self { compare, falls })
    }

    /// Those that are alike stand by their slug, so that pages do not overlap.
    pub(super) fn sort(&self, providers: &mut [&Arc<CustomProvider>]) {
        providers.sort_by(|one, other| {
            let (one, other) = (&one.record, &other.record);
            let order = (self.compare)(one, other).then_with(|| one.slug.cmp(&other.slug));
            if self.falls { order.reverse() } else { order }
        });
    }
}
