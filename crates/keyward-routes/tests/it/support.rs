//! Providers that there are, short ways to write graphs, and days.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use keyward_routes::{Facts, Graph, GraphError, Known, Metadata, Servable, Step};
use serde_json::{Value, json};

/// Knows `openai`, `anthropic` (no key), `custom-local`, and `bedrock`, which takes no chat request in OpenAI's form.
pub(crate) struct Providers;

impl Known for Providers {
    fn provider(&self, slug: &str) -> Servable {
        match slug {
            "openai" | "anthropic" | "custom-local" => Servable::Yes,
            "bedrock" => Servable::NoCompatiblePath,
            _ => Servable::Unknown,
        }
    }

    fn has_key(&self, slug: &str) -> bool {
        slug != "anthropic"
    }
}

pub(crate) fn parse(elements: &Value) -> Result<Graph, GraphError> {
    Graph::parse(elements, &Providers)
}

#[track_caller]
pub(crate) fn graph(elements: &Value) -> Graph {
    parse(elements).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn to(id: &str) -> Value {
    json!({ "elementId": id })
}

pub(crate) fn start(next: &str) -> Value {
    json!({ "id": "start", "type": "start", "outputs": { "next": to(next) } })
}

pub(crate) fn end() -> Value {
    json!({ "id": "end", "type": "end", "outputs": {} })
}

pub(crate) fn conditional(id: &str, conditions: &Value, yes: &str, no: &str) -> Value {
    json!({ "id": id, "type": "conditional", "properties": { "conditions": conditions },
        "outputs": { "true": to(yes), "false": to(no) } })
}

/// A model that is called like its element.
pub(crate) fn model(id: &str, fallback: Option<&str>) -> Value {
    let mut outputs = json!({ "success": to("end") });
    if let Some(fallback) = fallback {
        outputs["fallback"] = to(fallback);
    }
    json!({ "id": id, "type": "model", "properties": { "provider": "openai", "model": id }, "outputs": outputs })
}

/// A request's parts.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) metadata: Metadata,
    pub(crate) body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn metadata(metadata: &Value) -> Self {
        Self {
            metadata: Metadata::parse(metadata.to_string().as_bytes()),
            ..Self::default()
        }
    }

    pub(crate) fn body(body: &Value) -> Self {
        Self {
            body: Some(body.to_string().into_bytes()),
            ..Self::default()
        }
    }

    pub(crate) fn header(name: &str, value: &[u8]) -> Self {
        let mut request = Self::default();
        let name = HeaderName::try_from(name).unwrap();
        request
            .headers
            .append(name, HeaderValue::from_bytes(value).unwrap());
        request
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        let facts = Facts::new(&self.headers, &self.metadata);
        match &self.body {
            None => facts,
            Some(body) => facts.with_body(body),
        }
    }
}

/// The stops of a way on which each has the outcome that `outcomes` says, by the element's id. The end is the last.
pub(crate) fn stops(
    graph: &Graph,
    request: &Request,
    draw: u64,
    mut is_good: impl FnMut(&str) -> bool,
) -> Vec<String> {
    let mut stops = Vec::new();
    let mut step = graph.begin(request.facts(), draw);
    loop {
        assert!(
            stops.len() <= graph.elements().len(),
            "{stops:?} does not end"
        );
        step = match step {
            Step::Rate(at) => {
                stops.push(at.element().to_owned());
                if is_good(at.element()) {
                    at.within()
                } else {
                    at.over()
                }
            }
            Step::Model(at) => {
                stops.push(at.element().to_owned());
                if is_good(at.element()) {
                    at.succeeded()
                } else {
                    at.failed()
                }
            }
            Step::End(at) => {
                stops.push(at.element().to_owned());
                return stops;
            }
        };
    }
}

/// When a day begins in UTC: `2026-12-31`.
pub(crate) fn day(day: &str) -> SystemTime {
    let instant: jiff::Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
    UNIX_EPOCH + Duration::from_secs(instant.as_second().try_into().unwrap())
}
