//! Elements and ways through them, in words.

use keyward_routes::{Element, Graph};
use serde_json::Value;

use crate::{client::text, failure::OneLine, output::remark};

/// One line for each element; what this release cannot read is shown as it is.
pub(super) fn elements(elements: &str) -> Vec<String> {
    let Ok(graph) = Graph::parse_stored(elements) else {
        return vec![elements.to_owned()];
    };
    let line = |element: &Element| {
        let (id, kind) = (element.id(), element.type_name());
        let outputs: Vec<_> = element
            .outputs()
            .into_iter()
            .filter_map(|(name, to)| {
                let to = graph.elements().get(to)?;
                Some(format!("; {name} → {}", to.id()))
            })
            .collect();
        format!("{id}: {kind}{}{}", properties(element), outputs.concat())
    };
    graph.elements().iter().map(line).collect()
}

fn properties(element: &Element) -> String {
    if let Some(model) = element.model() {
        let mut told = format!(" {}/{}", model.provider(), model.model());
        if model.retries() > 0 {
            told.push_str(&format!(", at most {} attempts", model.retries() + 1));
        }
        if let Some(timeout) = model.timeout() {
            let timeout = timeout.as_millis();
            told.push_str(&format!(", {timeout} ms until an answer begins"));
        }
        return told;
    }
    if let Some(rate) = element.rate() {
        let by = rate.key().map(|key| format!(", by {key}"));
        return format!(
            " {} in {} s, {}{}",
            rate.bound(),
            rate.window().as_secs(),
            rate.technique().name(),
            by.unwrap_or_default()
        );
    }
    element
        .condition()
        .map(|condition| format!(" {condition}"))
        .unwrap_or_default()
}

/// What is allowed and looks odd.
pub(super) fn remarks(remarks: &[String]) {
    for told in remarks {
        remark(format_args!("note: {}", OneLine(told)));
    }
}

/// The way of a request: each element that it may visit, and what happens there.
pub(super) fn way(explained: &Value) -> Vec<(String, String)> {
    let way = explained.get("way").and_then(Value::as_array);
    way.into_iter().flatten().map(visit).collect()
}

fn visit(visit: &Value) -> (String, String) {
    let mut told = text(visit, "type");
    let (provider, model) = (text(visit, "provider"), text(visit, "model"));
    if !model.is_empty() {
        told.push_str(&format!(" {provider}/{model}"));
    }
    let when = text(visit, "when");
    if !when.is_empty() {
        told.push_str(&format!(", {when}"));
    }
    told.push_str(&format!(": {}", text(visit, "why")));
    let outputs = visit.get("outputs").and_then(Value::as_array);
    for output in outputs.into_iter().flatten() {
        let to = match text(output, "to") {
            to if to.is_empty() => "the route ends".to_owned(),
            to => to,
        };
        told.push_str(&format!("; {} → {to}", text(output, "name")));
    }
    (text(visit, "element"), told)
}
