//! A graph in one spelling.

use serde_json::{Map, Value, json};

use super::{Bound, Element, Graph, Kind, Model, Rate};

pub(super) fn write(graph: &Graph) -> Value {
    let elements = graph.elements.iter();
    elements
        .map(|element| write_element(graph, element))
        .collect()
}

fn write_element(graph: &Graph, element: &Element) -> Value {
    let outputs = element.outputs().into_iter().map(|(name, to)| {
        let to = json!({ "elementId": graph.element(to).id });
        (name.to_owned(), to)
    });
    let mut written = Map::new();
    written.insert("id".into(), element.id().into());
    written.insert("type".into(), element.type_name().into());
    let properties = match &element.kind {
        Kind::Conditional { document, .. } => Some(json!({ "conditions": document })),
        Kind::Rate { rate, .. } => Some(write_rate(rate)),
        Kind::Model { model, .. } => Some(write_model(model)),
        Kind::Start { .. } | Kind::Percentage { .. } | Kind::End => None,
    };
    if let Some(properties) = properties {
        written.insert("properties".into(), properties);
    }
    written.insert("outputs".into(), Value::Object(outputs.collect()));
    Value::Object(written)
}

fn write_rate(rate: &Rate) -> Value {
    let (limit_type, limit) = match rate.bound {
        Bound::Requests(limit) => ("count", json!(limit.limit())),
        Bound::Cost(budget) => ("cost", json!(budget.limit().dollars())),
    };
    json!({
        "limitType": limit_type,
        "key": rate.key.as_ref().map_or("", |key| key.as_str()),
        "limit": limit,
        "window": rate.window().as_secs(),
        "technique": rate.technique().name(),
    })
}

fn write_model(model: &Model) -> Value {
    let mut written = json!({
        "provider": model.provider,
        "model": model.model,
        "retries": model.retries,
    });
    if let (Some(timeout), Some(map)) = (model.timeout, written.as_object_mut()) {
        // At most ten minutes, which a u64 holds.
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        map.insert("timeout".into(), millis.into());
    }
    written
}
