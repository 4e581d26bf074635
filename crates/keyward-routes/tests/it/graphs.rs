//! Graphs that a generator makes: the good ones end, the bad ones are refused with places that there are.

use keyward_routes::{Graph, GraphError, Segment};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Providers, Request, stops, to};

/// What an element is, and which later elements its outputs lead to, as numbers that are taken modulo what is left.
type Seed = (u8, [usize; 3]);

/// A good graph: edges lead to later elements alone, and what is not reached is left out.
fn elements(seeds: &[Seed]) -> Value {
    let last = seeds.len();
    let mut reached = vec![false; last + 1];
    reached[0] = true;
    let mut list = vec![json!({ "id": "start", "type": "start", "outputs": { "next": to("e0") } })];
    for (at, (kind, edges)) in seeds.iter().enumerate() {
        if !reached[at] {
            continue;
        }
        let mut next = |edge: usize| {
            let target = at + 1 + edges[edge] % (last - at);
            reached[target] = true;
            to(&format!("e{target}"))
        };
        let id = format!("e{at}");
        list.push(match kind % 5 {
            0 => json!({ "id": id, "type": "conditional",
                "properties": { "conditions": { "body.n": { "$gt": at % 4 } } },
                "outputs": { "true": next(0), "false": next(1) } }),
            1 => json!({ "id": id, "type": "percentage",
                "outputs": { "10%": next(0), "32.5%": next(1), "else": next(2) } }),
            2 => json!({ "id": id, "type": "rate_limit",
                "properties": { "limitType": "count", "limit": 1, "interval": 60, "key": "metadata.user" },
                "outputs": { "success": next(0), "fallback": next(1) } }),
            3 => json!({ "id": id, "type": "model", "properties": { "provider": "openai", "model": id },
                "outputs": { "success": next(0) } }),
            _ => json!({ "id": id, "type": "model",
                "properties": { "provider": "custom-local", "model": id, "timeout": 100, "retries": 1 },
                "outputs": { "success": next(0), "fallback": next(1) } }),
        });
    }
    list.push(json!({ "id": format!("e{last}"), "type": "end" }));
    Value::Array(list)
}

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    proptest::collection::vec((any::<u8>(), any::<[usize; 3]>()), 1..40)
}

/// A change of a text of JSON: at which of its values, and what stands there then.
fn mutate(value: &mut Value, at: usize, with: &Value) {
    let mut left = at % count(value);
    mutate_nth(value, &mut left, with);
}

fn count(value: &Value) -> usize {
    let below: usize = match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    };
    1 + below
}

fn mutate_nth(value: &mut Value, left: &mut usize, with: &Value) -> bool {
    if *left == 0 {
        *value = with.clone();
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| mutate_nth(item, left, with)),
        Value::Object(map) => {
            // An entry may change its name, too, or go.
            let Some(key) = map.keys().nth(*left % 7).cloned() else {
                return false;
            };
            if *left % 11 == 3 {
                let moved = map.remove(&key).unwrap_or_default();
                if left.is_multiple_of(2) {
                    map.insert(format!("{key}x"), moved);
                }
                return true;
            }
            map.values_mut().any(|item| mutate_nth(item, left, with))
        }
        _ => false,
    }
}

/// Every fault has words, and a place: of something that stands there, or is missing in what stands there.
fn check_faults(error: &GraphError, elements: &Value) {
    assert!(!error.faults().is_empty());
    for fault in error.faults() {
        assert!(!fault.message().is_empty());
        let (first, rest) = fault.path().split_first().expect("a place");
        assert_eq!(*first, Segment::Key("elements".into()), "{fault}");
        let mut at = Some(elements);
        for segment in rest {
            let inside = at.unwrap_or_else(|| panic!("{fault}: is below what is missing"));
            at = match segment {
                Segment::Key(key) => inside
                    .as_object()
                    .unwrap_or_else(|| panic!("{fault}: not in an object"))
                    .get(&**key),
                Segment::Item(item) => inside.get(item),
            };
        }
        if let (Some(id), [Segment::Item(item), ..]) = (fault.element(), rest) {
            assert_eq!(elements[item]["id"], id, "{fault}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_way_ends_within_as_many_steps_as_there_are_elements(
        seeds in seeds(), draw in any::<u64>(), outcomes in any::<u64>(), n in 0..5
    ) {
        let elements = elements(&seeds);
        let graph = Graph::parse(&elements, &Providers).unwrap_or_else(|error| panic!("{error}"));
        let request = Request::body(&json!({ "n": n }));
        let mut stop = 0;
        let way = stops(&graph, &request, draw, |_| {
            stop += 1;
            outcomes >> (stop % 64) & 1 == 1
        });
        prop_assert!(way.len() <= graph.elements().len());
        // The explanation follows the same way: every stop of it is told.
        let told = graph.explain(request.facts(), Some(draw));
        for stop in &way {
            prop_assert!(told.way().iter().any(|visit| visit.element() == stop), "{} of {}", stop, told);
        }
        // One spelling is read as the other.
        let canonical = graph.to_canonical();
        let again = Graph::parse(&canonical, &Providers).unwrap_or_else(|error| panic!("{error}"));
        prop_assert_eq!(again.to_canonical(), canonical);
    }

    #[test]
    fn a_changed_graph_is_good_or_refused_with_places(
        seeds in seeds(), at in any::<usize>(), with in prop_oneof![
            Just(json!(null)), Just(json!(true)), Just(json!(-1)), Just(json!(1e300)), Just(json!("e1")), Just(json!("end")),
            Just(json!([])), Just(json!([[]])), Just(json!({})), Just(json!({ "elementId": "e0" })), Just(json!({ "$regex": "(" })),
            Just(json!({ "$not": { "$and": [{}] } })), Just(json!("\u{0}")), Just(json!({ "x": { "y": 1 } })),
        ]
    ) {
        let mut elements = elements(&seeds);
        mutate(&mut elements, at, &with);
        match Graph::parse(&elements, &Providers) {
            Ok(graph) => {
                stops(&graph, &Request::default(), 0, |_| false);
            }
            Err(error) => check_faults(&error, &elements),
        }
    }
}
