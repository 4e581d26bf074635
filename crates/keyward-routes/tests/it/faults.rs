//! What is refused, where, and with which words.

use keyward_routes::{Graph, GraphError, Segment};
use serde_json::{Value, json};

use crate::support::{Providers, conditional, end, graph, model, parse, start, to};

/// A way with one element between start and end, which is what the fault is in.
fn refused(element: &Value) -> GraphError {
    parse(&json!([start("x"), element, end()])).expect_err("it is no graph")
}

fn rate(properties: &Value) -> GraphError {
    refused(
        &json!({ "id": "x", "type": "rate", "properties": properties, "outputs": { "success": to("end") } }),
    )
}

fn percentage(outputs: &[(&str, &str)]) -> GraphError {
    let outputs: Value = outputs
        .iter()
        .map(|(name, id)| ((*name).to_owned(), to(id)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    refused(&json!({ "id": "x", "type": "percentage", "outputs": outputs }))
}

fn condition(conditions: &Value) -> GraphError {
    refused(&conditional("x", conditions, "end", "end"))
}

fn text(text: &str) -> GraphError {
    Graph::parse_text(text, &Providers).expect_err("it is no graph")
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!({ "body.a": 1 }), |inner, _| json!({ "$not": inner }))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_fault_says_where_it_is_what_is_wrong_and_what_to_do() {
    let many: Vec<_> = (0..201).map(|at| json!({ "body.a": at })).collect();
    let fields: Vec<_> = (0..101)
        .map(|at| json!({ format!("body.a{at}"): 1 }))
        .collect();
    let patterns: Vec<_> = (0..21)
        .map(|_| json!({ "body.a": { "$regex": "a" } }))
        .collect();
    let values: Vec<_> = (0..201).collect();
    let elements: Vec<_> = (0..101).map(|at| model(&at.to_string(), None)).collect();
    let model_of = |properties: Value| {
        refused(
            &json!({ "id": "x", "type": "model", "properties": properties, "outputs": { "success": to("end") } }),
        )
    };
    let good = json!({ "limitType": "count", "limit": 5, "window": 60 });
    let with = |key: &str, value: Value| {
        let mut properties = good.clone();
        properties[key] = value;
        rate(&properties)
    };
    keyward_testing::assert_texts!("GraphError", [
        "no JSON" => text("[{]"),
        "a key twice" => text(r#"[{"id":"a","id":"b"}]"#),
        "too long" => text(&format!("[{}]", " ".repeat(300_000))),
        "no array" => text("{}"),
        "no elements" => text("[]"),
        "too many elements" => parse(&json!(elements)).unwrap_err(),
        "no object" => text("[7]"),
        "nothing of an element" => text("[{}]"),
        "unknown type" => refused(&json!({ "id": "x", "type": "modle" })),
        "a type that is no text" => refused(&json!({ "id": "x", "type": 1 })),
        "an id that is too long" => refused(&json!({ "id": "x".repeat(65), "type": "end" })),
        "an id with a control character" => refused(&json!({ "id": "x\n", "type": "end" })),
        "an id twice" => parse(&json!([start("end"), end(), end()])).unwrap_err(),
        "two starts" => parse(&json!([start("end"), start("end"), end()])).unwrap_err(),
        "no start" => parse(&json!([end()])).unwrap_err(),
        "an edge to nowhere" => parse(&json!([start("y"), end()])).unwrap_err(),
        "a cycle" => parse(&json!([start("a"), model("a", Some("b")), model("b", Some("a")), end()])).unwrap_err(),
        "out of reach" => parse(&json!([start("end"), model("a", None), end()])).unwrap_err(),
        "no outputs" => refused(&json!({ "id": "x", "type": "start" })),
        "an output that is missing" => refused(&json!({ "id": "x", "type": "conditional", "outputs": { "true": to("end") } })),
        "an output that is unknown" => refused(&json!({ "id": "x", "type": "conditional",
            "outputs": { "true": to("end"), "false": to("end"), "maybe": to("end") } })),
        "an end with an output" => parse(&json!([start("end"), { "id": "end", "type": "end", "outputs": { "next": to("end") } }])).unwrap_err(),
        "an edge with more" => refused(&json!({ "id": "x", "type": "start", "outputs": { "next": { "elementId": "end", "label": "" } } })),
        "an edge that is a text" => refused(&json!({ "id": "x", "type": "start", "outputs": { "next": "end" } })),
        "an unknown key" => refused(&json!({ "id": "x", "type": "end", "position": 1 })),
        "a start with properties" => refused(&json!({ "id": "x", "type": "start", "properties": { "a": 1 }, "outputs": { "next": to("end") } })),
        "percentages below the whole" => percentage(&[("10%", "end"), ("20.5%", "end")]),
        "percentages above the whole" => percentage(&[("60%", "end"), ("50%", "end"), ("else", "end")]),
        "six percentages" => percentage(&[("1%", "end"), ("2%", "end"), ("3%", "end"), ("4%", "end"), ("5%", "end"), ("85%", "end")]),
        "a percentage that is none" => percentage(&[("half", "end")]),
        "no properties" => refused(&json!({ "id": "x", "type": "rate", "outputs": { "success": to("end") } })),
        "nothing of a rate" => rate(&json!({})),
        "an unknown type of limit" => with("limitType", json!("tokens")),
        "a limit of no money" => rate(&json!({ "limitType": "cost", "limit": 0, "window": 60 })),
        "no limit" => with("limit", json!(0)),
        "a limit that is not whole" => with("limit", json!(1.5)),
        "too long a window" => with("window", json!(1e9)),
        "both spellings" => with("interval", json!(60)),
        "an unknown technique" => with("technique", json!("leaky")),
        "a key that is no text" => with("key", json!(1)),
        "a key that is no field" => with("key", json!("user_id")),
        "a key of a credential" => with("key", json!("headers.Authorization")),
        "nothing of a model" => model_of(json!({})),
        "an unknown provider" => model_of(json!({ "provider": "nobody", "model": "m" })),
        "a provider without a path" => model_of(json!({ "provider": "bedrock", "model": "m" })),
        "no model" => model_of(json!({ "provider": "openai", "model": "" })),
        "a time-out out of range" => model_of(json!({ "provider": "openai", "model": "m", "timeout": 0 })),
        "too many retries" => model_of(json!({ "provider": "openai", "model": "m", "retries": 6 })),
        "properties that are no object" => model_of(json!([])),
        "a condition that is no document" => condition(&json!([])),
        "an unknown join" => condition(&json!({ "$nor": [] })),
        "an operator without a field" => condition(&json!({ "$eq": 1 })),
        "an unknown operator" => condition(&json!({ "body.a": { "$like": 1 } })),
        "a key of a value among operators" => condition(&json!({ "body.a": { "b": 1 } })),
        "options" => condition(&json!({ "body.a": { "$regex": "a", "$options": "i" } })),
        "no operator" => condition(&json!({ "body.a": {} })),
        "a field without a place" => condition(&json!({ "plan": "free" })),
        "a field of an unknown place" => condition(&json!({ "query.plan": "free" })),
        "a long field" => condition(&json!({ format!("metadata.{}", "a".repeat(250)): 1 })),
        "an empty step" => condition(&json!({ "body.a..b": 1 })),
        "an empty name of metadata" => condition(&json!({ "metadata.": 1 })),
        "a deep field" => condition(&json!({ format!("body{}", ".a".repeat(17)): 1 })),
        "no header" => condition(&json!({ "headers.x y": 1 })),
        "a credential" => condition(&json!({ "headers.X-API-Key": { "$exists": true } })),
        "too many fields" => condition(&json!({ "$or": fields })),
        "an empty list" => condition(&json!({ "$and": [] })),
        "values that are none" => condition(&json!({ "body.a": { "$in": "a" } })),
        "too many values" => condition(&json!({ "body.a": { "$in": values } })),
        "an array as a value" => condition(&json!({ "body.a": { "$eq": [1] } })),
        "an order of booleans" => condition(&json!({ "body.a": { "$gt": true } })),
        "existence that is no boolean" => condition(&json!({ "body.a": { "$exists": 1 } })),
        "a pattern that is no text" => condition(&json!({ "body.a": { "$regex": 1 } })),
        "a pattern that is none" => condition(&json!({ "body.a": { "$regex": "(a" } })),
        "look-around" => condition(&json!({ "body.a": { "$regex": "(?=a)" } })),
        "a long pattern" => condition(&json!({ "body.a": { "$regex": "a".repeat(513) } })),
        "a large pattern" => condition(&json!({ "body.a": { "$regex": "\\w{20}" } })),
        "a slow pattern" => condition(&json!({ "body.a": { "$regex": "[ab]*a[ab]{1000}c" } })),
        "too many patterns" => condition(&json!({ "$or": patterns })),
        "a long text" => condition(&json!({ "body.a": "a".repeat(1025) })),
        "a deep document" => condition(&nested(11)),
        "too many operators" => condition(&json!({ "$or": many })),
    ]);
}

#[test]
fn all_faults_are_told_at_once_each_with_its_element_and_path() {
    let error = parse(&json!([
        start("limit"),
        { "id": "limit", "type": "rate", "properties": { "limitType": "count", "limit": "5", "window": 60 },
          "outputs": { "success": to("pick"), "fallback": to("nowhere") } },
        { "id": "pick", "type": "conditional", "properties": { "conditions": { "metadata.plan": { "$is": "free" } } },
          "outputs": { "true": to("end") } },
        end(),
    ]))
    .unwrap_err();
    let faults: Vec<_> = error
        .faults()
        .iter()
        .map(|fault| (fault.element().unwrap(), fault.place()))
        .collect();
    assert_eq!(
        faults,
        [
            ("limit", "elements[1].properties.limit".to_owned()),
            (
                "pick",
                r#"elements[2].properties.conditions["metadata.plan"].$is"#.to_owned()
            ),
            ("pick", "elements[2].outputs.false".to_owned()),
            ("limit", "elements[1].outputs.fallback.elementId".to_owned()),
        ]
    );
    let path = error.faults()[0].path();
    let key = |key: &str| Segment::Key(key.into());
    assert_eq!(
        path,
        [
            key("elements"),
            Segment::Item(1),
            key("properties"),
            key("limit")
        ]
    );
}

#[test]
fn faults_are_bounded_and_those_that_are_not_told_are_counted() {
    let empty: Vec<_> = (0..100).map(|_| json!({})).collect();
    let error = parse(&json!(empty)).unwrap_err();
    assert_eq!(error.faults().len(), 100);
    assert!(error.to_string().ends_with("\nand 101 more"), "{error}");
}

#[test]
fn what_is_odd_is_a_warning() {
    let told = |elements: Value| -> Vec<String> {
        let graph = graph(&elements);
        graph.warnings().iter().map(ToString::to_string).collect()
    };
    let mut anthropic = model("a", None);
    anthropic["properties"]["provider"] = json!("anthropic");
    let mut onward = model("b", None);
    onward["outputs"]["success"] = to("a");
    assert_eq!(
        told(json!([start("b"), onward, anthropic, end()])),
        [
            "element \"b\": `success` leads on, so that the answer waits for another element; lead it to an end",
            "element \"a\": no key of anthropic is stored in this gateway, so that the model fails; store one",
        ]
    );
    assert_eq!(
        told(json!([start("c"), conditional("c", &json!({}), "p", "end"),
            { "id": "p", "type": "percentage", "outputs": { "100%": to("end"), "else": to("end") } }, end()])),
        [
            "element \"start\": the route has no model, so that it answers nothing; add one",
            "element \"c\": has no condition, so that every request takes `true`; write one in `properties.conditions`",
            "element \"p\": no request takes `else`: the others total 100%; leave it out",
        ]
    );
    assert_eq!(told(json!([start("m"), model("m", None), end()])), [""; 0]);
}
