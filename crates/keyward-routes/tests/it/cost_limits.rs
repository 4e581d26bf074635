//! Limits of cost on a request's way.

use http::HeaderMap;
use keyward_routes::{
    Bound, Budget, BudgetWindow, Element, Facts, Graph, Metadata, Money, Partition, Step, Technique,
};
use serde_json::{Value, json};

use crate::support::{end, graph, model, parse, start, to};

fn cost(id: &str, dollars: f64, success: &str, fallback: Option<&str>) -> Value {
    let mut outputs = json!({ "success": to(success) });
    if let Some(fallback) = fallback {
        outputs["fallback"] = to(fallback);
    }
    json!({ "id": id, "type": "rate", "outputs": outputs,
            "properties": { "limitType": "cost", "limit": dollars, "window": 60, "technique": "sliding", "key": "body.user" } })
}

#[test]
fn a_limit_of_cost_is_a_budget_to_the_billionth() {
    for dollars in [1e-9, 0.25, 1e6] {
        let route = graph(&json!([
            start("r"),
            cost("r", dollars, "m", None),
            model("m", None),
            end()
        ]));
        let again = graph(&route.to_canonical());
        let window = BudgetWindow::seconds(60, Technique::Sliding).unwrap();
        let budget = Budget::new(Money::from_dollars(dollars).unwrap(), window).unwrap();
        for route in [&route, &again] {
            let rate = route.find("r").and_then(Element::rate).unwrap();
            assert_eq!(rate.bound(), Bound::Cost(budget));
        }
    }
    for limit in [
        json!(0),
        json!(1e-10),
        json!(1_000_001),
        json!("1"),
        json!(-1),
    ] {
        let mut limited = cost("r", 1.0, "m", None);
        limited["properties"]["limit"] = limit.clone();
        let refused = parse(&json!([start("r"), limited, model("m", None), end()]));
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("properties.limit"), "{limit}: {told}");
        assert!(told.contains("US dollars"), "{limit}: {told}");
    }
}

/// What a request visits where each limit of `without_room` has no room for any model, and every model fails.
fn visited(route: &Graph, without_room: &[&str]) -> Vec<String> {
    let headers = HeaderMap::new();
    let metadata = Metadata::parse(b"{}");
    let facts = Facts::new(&headers, &metadata).with_body(br#"{"user": "u1"}"#);
    let mut visited = Vec::new();
    let mut step = route.begin(facts, 0);
    loop {
        step = match step {
            Step::Rate(at) => at.within(),
            Step::Model(at) => {
                let mut passed = Vec::new();
                for (element, _budget, partition) in at.budgets() {
                    assert_eq!(partition, Partition::Value("u1".into()));
                    passed.push(element);
                }
                visited.push(format!("{} under {passed:?}", at.element()));
                // The last one, so that the way turns back as often as it can.
                let full = passed
                    .into_iter()
                    .rev()
                    .find(|element| without_room.contains(element));
                match full {
                    Some(element) => at.over(element),
                    None => at.failed(),
                }
            }
            Step::End(at) => {
                visited.push(format!("{} ends", at.element()));
                return visited;
            }
        };
    }
}

#[test]
fn a_limit_of_cost_decides_at_the_model_and_is_left_by_its_fallback() {
    let route = graph(&json!([
        start("outer"),
        cost("outer", 1.0, "inner", Some("small")),
        cost("inner", 1.0, "large", Some("middle")),
        model("large", Some("middle")),
        model("middle", None),
        model("small", None),
        end(),
    ]));
    let (outer, inner) = ("outer", "inner");
    for (without_room, expected) in [
        (
            &[][..],
            &[
                r#"large under ["outer", "inner"]"#,
                r#"middle under ["outer", "inner"]"#,
                "middle ends",
            ][..],
        ),
        (
            &[inner],
            &[
                r#"large under ["outer", "inner"]"#,
                r#"middle under ["outer"]"#,
                "middle ends",
            ],
        ),
        (
            &[outer],
            &[
                r#"large under ["outer", "inner"]"#,
                "small under []",
                "small ends",
            ],
        ),
    ] {
        assert_eq!(visited(&route, without_room), expected, "{without_room:?}");
    }
}

#[test]
fn without_a_fallback_the_way_ends_at_the_limit_of_cost() {
    let route = graph(&json!([
        start("r"),
        cost("r", 1.0, "m", None),
        model("m", None),
        end()
    ]));
    let expected = [r#"m under ["r"]"#, "r ends"];
    assert_eq!(visited(&route, &["r"]), expected);
}

#[test]
fn a_way_through_many_limits_of_cost_without_room_ends_soon() {
    // Both outputs of each lead to the next: a way that forgot what had no room would try each of 2^60 ways.
    let ids: Vec<_> = (0..60).map(|number| format!("r{number}")).collect();
    let next = |number: usize| ids.get(number + 1).map_or("m", String::as_str);
    let mut elements = vec![start("r0")];
    for (number, id) in ids.iter().enumerate() {
        elements.push(cost(id, 1.0, next(number), Some(next(number))));
    }
    elements.extend([model("m", None), end()]);
    let all: Vec<_> = ids.iter().map(String::as_str).collect();
    let visited = visited(&graph(&json!(elements)), &all);
    assert_eq!(visited.len(), 62);
    assert_eq!(visited[60], "m under []");
}
