//! Routes' elements from whoever may write them, followed by whoever may send requests.

use std::{collections::HashSet, hint::black_box};

use http::{HeaderMap, HeaderValue};
use keyward_routes::{Facts, Graph, Known, MOST_ELEMENTS, Metadata, Segment, Servable, Step};
use serde_json::Value;

/// What no explanation may tell: it stands in a header.
const CANARY: &str = "canary-0b1f";

/// Knows providers by their first letter.
struct Providers;

impl Known for Providers {
    fn provider(&self, slug: &str) -> Servable {
        match slug.bytes().next() {
            Some(b'b') => Servable::NoCompatiblePath,
            Some(b'x') => Servable::Unknown,
            _ => Servable::Yes,
        }
    }

    fn has_key(&self, slug: &str) -> bool {
        !slug.starts_with('a')
    }
}

/// Reads `data` as elements, metadata and a body, with a zero byte between them.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let (elements, metadata, body) = (next(), next(), next());
    let metadata = Metadata::parse(metadata);
    assert!(metadata.len() <= 5);
    let Ok(elements) = str::from_utf8(elements) else {
        return;
    };
    match Graph::parse_text(elements, &Providers) {
        Ok(graph) => {
            check_text(&graph, elements);
            let mut headers = HeaderMap::new();
            headers.insert("x-a", HeaderValue::from_static(CANARY));
            check_ways(&graph, Facts::new(&headers, &metadata).with_body(body));
        }
        Err(error) => {
            assert!((1..=100).contains(&error.faults().len()));
            for fault in error.faults() {
                assert!(!fault.message().is_empty());
                assert_eq!(
                    fault.path().first(),
                    Some(&Segment::Key("elements".into())),
                    "{fault}"
                );
            }
        }
    }
}

/// What was accepted is plain JSON with one start, whose ids are different and whose edges lead to them.
fn check_text(graph: &Graph, elements: &str) {
    assert_eq!(graph.text(), elements);
    let plain: Value = serde_json::from_str(elements).expect("accepted as JSON");
    let plain = plain.as_array().expect("an array");
    assert_eq!(plain.len(), graph.elements().len());
    assert!(plain.len() <= MOST_ELEMENTS);
    let ids: HashSet<_> = plain.iter().map(|element| element["id"].as_str()).collect();
    assert_eq!(ids.len(), plain.len(), "an id stands twice");
    let starts = plain.iter().filter(|element| element["type"] == "start");
    assert_eq!(starts.count(), 1);
    for element in plain {
        for output in element["outputs"].as_object().into_iter().flatten() {
            let to = output.1["elementId"].as_str();
            assert!(ids.contains(&to), "an edge leads to {to:?}");
        }
    }

    let stored = Graph::parse_stored(elements).expect("accepted before");
    let canonical = graph.to_canonical();
    assert_eq!(stored.to_canonical(), canonical);
    let again = Graph::parse(&canonical, &Providers)
        .unwrap_or_else(|error| panic!("{canonical} is refused: {error}"));
    assert_eq!(again.to_canonical(), canonical);
}

/// Whatever comes of each stop, the way ends, and it is the one that is explained.
fn check_ways(graph: &Graph, facts: Facts<'_>) {
    for draw in [0, u64::MAX / 3, u64::MAX] {
        let told = graph.explain(facts, Some(draw));
        let json = serde_json::to_string(&told).expect("a plain value");
        assert!(!json.contains(CANARY), "{json}");
        let told: HashSet<_> = told.way().iter().map(|visit| visit.element()).collect();
        for outcomes in [0_u64, u64::MAX, 0xaaaa_aaaa_aaaa_aaaa] {
            let mut stops = 0;
            let mut step = graph.begin(facts, draw);
            loop {
                assert!(stops < graph.elements().len(), "the way does not end");
                let is_good = outcomes >> (stops % 64) & 1 == 1;
                stops += 1;
                step = match step {
                    Step::Rate(at) => {
                        assert!(told.contains(at.element()));
                        black_box(at.partition());
                        if is_good { at.within() } else { at.over() }
                    }
                    Step::Model(at) => {
                        assert!(told.contains(at.element()));
                        if is_good { at.succeeded() } else { at.failed() }
                    }
                    Step::End(at) => {
                        assert!(told.contains(at.element()));
                        break;
                    }
                };
            }
        }
    }
}
