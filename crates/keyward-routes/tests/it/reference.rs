//! A second interpreter of conditions, written for nothing but plainness, and the promise that both agree.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{conditions::holds, support::Request};

/// What a request is to the second interpreter.
#[derive(Clone, Debug)]
struct Parts {
    body: Option<Value>,
    header: Option<String>,
    metadata: Option<Value>,
}

impl Parts {
    fn request(&self) -> Request {
        let mut request = match &self.header {
            None => Request::default(),
            Some(value) => Request::header("x-a", value.as_bytes()),
        };
        request.body = self.body.as_ref().map(|body| body.to_string().into_bytes());
        if let Some(value) = &self.metadata {
            request.metadata = Request::metadata(&json!({ "a": value })).metadata;
        }
        request
    }

    /// What stands at a field, and whether it is a header's.
    fn find(&self, field: &str) -> (Option<Value>, bool) {
        match field {
            "headers.x-a" => (self.header.clone().map(Value::from), true),
            "metadata.a" => (self.metadata.clone(), false),
            _ => {
                let mut at = self.body.clone();
                for step in field.strip_prefix("body.").unwrap().split('.') {
                    at = at.and_then(|value| match value {
                        Value::Object(map) => map.get(step).cloned(),
                        Value::Array(items) => items.get(step.parse::<usize>().ok()?).cloned(),
                        _ => None,
                    });
                }
                (at, false)
            }
        }
    }
}

fn document(value: &Value, parts: &Parts) -> bool {
    value
        .as_object()
        .unwrap()
        .iter()
        .all(|(key, value)| match key.as_str() {
            "$and" => value
                .as_array()
                .unwrap()
                .iter()
                .all(|value| document(value, parts)),
            "$or" => value
                .as_array()
                .unwrap()
                .iter()
                .any(|value| document(value, parts)),
            "$not" => !document(value, parts),
            field => tests(value, &parts.find(field)),
        })
}

fn tests(value: &Value, found: &(Option<Value>, bool)) -> bool {
    let Value::Object(operators) = value else {
        return equal(value, found);
    };
    operators.iter().all(|(name, operand)| {
        let list = || operand.as_array().unwrap().iter();
        match name.as_str() {
            "$eq" => equal(operand, found),
            "$ne" => !equal(operand, found),
            "$in" => list().any(|value| equal(value, found)),
            "$nin" => list().all(|value| !equal(value, found)),
            "$gt" => order(operand, found) > 0 && order(operand, found) < 9,
            "$gte" => order(operand, found) >= 0 && order(operand, found) < 9,
            "$lt" => order(operand, found) < 0,
            "$lte" => order(operand, found) <= 0,
            "$exists" => found.0.is_some() == operand.as_bool().unwrap(),
            "$regex" => {
                let Some(Value::String(text)) = &found.0 else {
                    return false;
                };
                match operand.as_str().unwrap() {
                    "^a" => text.starts_with('a'),
                    "b$" => text.ends_with('b'),
                    "(?i)^A.$" => {
                        text.chars().count() == 2
                            && text.starts_with(['a', 'A'])
                            && !text.ends_with('\n')
                    }
                    pattern => unreachable!("{pattern}"),
                }
            }
            "$not" => !tests(operand, found),
            name => unreachable!("{name}"),
        }
    })
}

/// -1, 0 or 1 as what is found stands to the operand; 9 where neither is before the other.
fn order(operand: &Value, (found, is_header): &(Option<Value>, bool)) -> i32 {
    let number = match (found, is_header) {
        (Some(Value::String(text)), true) => serde_json::from_str::<Value>(text)
            .ok()
            .and_then(|value| value.as_f64()),
        (Some(value), _) => value.as_f64(),
        (None, _) => None,
    };
    let compared = match (operand, found) {
        (Value::String(own), Some(Value::String(text))) => text.chars().partial_cmp(own.chars()),
        (Value::Number(own), _) => {
            number.and_then(|number| number.partial_cmp(&own.as_f64().unwrap()))
        }
        _ => None,
    };
    compared.map_or(9, |ordering| ordering as i32)
}

fn equal(operand: &Value, found: &(Option<Value>, bool)) -> bool {
    match (operand, &found.0) {
        (Value::Null, value) => value.is_none() || *value == Some(Value::Null),
        (Value::Bool(own), Some(Value::Bool(value))) => own == value,
        (Value::Bool(own), Some(Value::String(text))) => found.1 && *text == own.to_string(),
        (Value::Bool(_), _) => false,
        _ => order(operand, found) == 0,
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-2..3_i64).prop_map(Value::from),
        (-4..5_i32).prop_map(|halves| json!(f64::from(halves) / 2.0)),
        text().prop_map(Value::from),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[abAB]{0,3}",
        Just("1".into()),
        Just("1.0".into()),
        Just("true".into()),
        Just("\u{e9}".into())
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec(("[ab01]", inner), 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Mostly an object of scalars, so that most conditions have something to compare.
fn body() -> impl Strategy<Value = Value> {
    let object = proptest::collection::vec(("[ab01]", scalar()), 2..5)
        .prop_map(|entries| Value::Object(entries.into_iter().collect()));
    prop_oneof![3 => object, 1 => value()]
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just("headers.x-a".into()),
        1 => Just("metadata.a".into()),
        3 => "[ab01]".prop_map(|step| format!("body.{step}")),
        1 => proptest::collection::vec("[ab01]", 2..4).prop_map(|steps| format!("body.{}", steps.join("."))),
    ]
}

fn operator() -> impl Strategy<Value = (String, Value)> {
    let ordered = scalar().prop_filter("has an order", |value| {
        value.is_number() || value.is_string()
    });
    prop_oneof![
        (prop_oneof![Just("$eq"), Just("$ne")], scalar())
            .prop_map(|(name, value)| (name.to_owned(), value)),
        (
            prop_oneof![Just("$gt"), Just("$gte"), Just("$lt"), Just("$lte")],
            ordered
        )
            .prop_map(|(name, value)| (name.to_owned(), value)),
        (
            prop_oneof![Just("$in"), Just("$nin")],
            proptest::collection::vec(scalar(), 0..4)
        )
            .prop_map(|(name, values)| (name.to_owned(), values.into())),
        any::<bool>().prop_map(|exists| ("$exists".to_owned(), exists.into())),
        prop_oneof![Just("^a"), Just("b$"), Just("(?i)^A.$")]
            .prop_map(|pattern| ("$regex".to_owned(), pattern.into())),
    ]
}

fn operators() -> impl Strategy<Value = Value> {
    let some = (proptest::collection::vec(operator(), 1..3), any::<bool>());
    let some = some.prop_map(|(operators, is_negated)| {
        let operators = Value::Object(operators.into_iter().collect());
        match is_negated {
            true => json!({ "$not": operators }),
            false => operators,
        }
    });
    prop_oneof![scalar(), some]
}

fn condition() -> impl Strategy<Value = Value> {
    let fields = proptest::collection::vec((field(), operators()), 0..3)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()));
    fields.prop_recursive(3, 12, 3, |inner| {
        let several = proptest::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            several
                .clone()
                .prop_map(|documents| json!({ "$and": documents })),
            several.prop_map(|documents| json!({ "$or": documents })),
            inner.prop_map(|document| json!({ "$not": document })),
        ]
    })
}

fn parts() -> impl Strategy<Value = Parts> {
    let metadata = scalar().prop_filter("null drops all", |value| !value.is_null());
    // A header has no bytes beyond ASCII here: what it holds for them is a test of its own.
    let header = text().prop_filter("ASCII", |text| text.is_ascii());
    (
        proptest::option::weighted(0.9, body()),
        proptest::option::of(header),
        proptest::option::of(metadata),
    )
        .prop_map(|(body, header, metadata)| Parts {
            body,
            header,
            metadata,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_second_interpreter_agrees(condition in condition(), parts in parts()) {
        prop_assert_eq!(holds(&condition, &parts.request()), document(&condition, &parts));
    }
}
