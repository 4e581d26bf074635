//! What docs/routes.md shows is what happens.

use std::fs;

use keyward_routes::{Graph, Metadata};
use serde_json::Value;

use crate::{conditions::holds, support::Request};

fn page() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/routes.md")).unwrap()
}

#[test]
fn every_route_of_the_page_is_one() {
    let page = page();
    let blocks: Vec<_> = page
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .map(|(block, _)| block)
        // Other blocks show requests and answers of the REST API.
        .filter(|block| block.starts_with("[\n  {\"id\""))
        .collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        let graph = Graph::parse_stored(block).unwrap_or_else(|error| panic!("{error}\n{block}"));
        assert_eq!(graph.warnings(), [], "{block}");
    }
}

#[test]
fn every_condition_of_the_page_holds_as_it_says() {
    let page = page();
    let mut count = 0;
    for line in page.lines().filter(|line| line.starts_with("| `{")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [condition, request, holds_there] = cells[..] else {
            panic!("{line}")
        };
        let condition: Value = serde_json::from_str(condition.trim_matches('`')).expect(line);
        let (place, value) = request.split_once(" `").expect(line);
        let value = value.trim_end_matches('`').as_bytes();
        let request = match place {
            "header" => Request::header("x-a", value),
            "metadata" => Request {
                metadata: Metadata::parse(value),
                ..Request::default()
            },
            "body" => Request {
                body: Some(value.to_vec()),
                ..Request::default()
            },
            place => panic!("{place}"),
        };
        let expected = match holds_there {
            "yes" => true,
            "no" => false,
            other => panic!("{other}"),
        };
        assert_eq!(holds(&condition, &request), expected, "{line}");
        count += 1;
    }
    assert!(count > 20, "{count}");
}
