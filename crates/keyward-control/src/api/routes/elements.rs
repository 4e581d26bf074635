//! A route's elements as answers carry them.

use keyward_registry::{Route, RouteVersionRecord};
use keyward_routes::{Graph, MOST_ELEMENTS};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use utoipa::openapi::{
    Schema,
    schema::{ArrayBuilder, ObjectBuilder, Type},
};

use crate::openapi::choice;

/// A route's elements, written so that every client of the API reads them.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Elements {
    /// In the API's one spelling.
    Canonical(Value),
    /// As they were saved: this release does not take them any more.
    Saved(Box<RawValue>),
    /// The version's row is missing.
    Missing([(); 0]),
}

impl Elements {
    pub(super) fn of(graph: &Graph) -> Self {
        Self::Canonical(graph.to_canonical())
    }

    /// Those of the version that is deployed.
    pub(super) fn deployed(route: &Route) -> Self {
        match (route.graph(), route.deployed()) {
            (Some(graph), _) => Self::of(graph),
            (None, Some(version)) => Self::saved(version),
            (None, None) => Self::Missing([]),
        }
    }

    pub(super) fn saved(version: &RouteVersionRecord) -> Self {
        // They were JSON when they were saved.
        let text = RawValue::from_string(version.elements.to_string());
        text.map_or(Self::Missing([]), Self::Saved)
    }
}

/// A list of elements, as the description of the API tells it.
pub(super) fn schema() -> Schema {
    ArrayBuilder::new()
        .items(element())
        .min_items(Some(2))
        .max_items(Some(MOST_ELEMENTS))
        .into()
}

fn element() -> ObjectBuilder {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let target = ObjectBuilder::new()
        .property("elementId", text())
        .required("elementId");
    let outputs = ObjectBuilder::new().additional_properties(Some(Schema::from(target)));
    let types = [
        "start",
        "conditional",
        "percentage",
        "rate",
        "rate_limit",
        "model",
        "end",
    ];
    ObjectBuilder::new()
        .description(Some(
            "docs/routes.md tells which outputs and properties each type has.",
        ))
        .property("id", text().min_length(Some(1)).max_length(Some(64)))
        .required("id")
        .property("type", choice(types))
        .required("type")
        .property("properties", ObjectBuilder::new())
        .property("outputs", outputs)
}
