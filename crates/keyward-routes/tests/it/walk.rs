//! Which way requests go.

use std::time::Duration;

use keyward_routes::{Bound, Graph, Limit, Partition, Step, Technique};
use serde_json::{Value, json};

use crate::support::{Providers, Request, conditional, end, graph, model, start, stops, to};

/// A condition, a limit, two models after each other.
fn elements() -> Value {
    json!([
        start("plan"),
        conditional("plan", &json!({ "metadata.plan": "free" }), "limit", "best"),
        { "id": "limit", "type": "rate",
          "properties": { "limitType": "count", "key": "metadata.user", "limit": 5, "window": 60 },
          "outputs": { "success": to("cheap"), "fallback": to("end") } },
        model("best", Some("cheap")),
        model("cheap", None),
        end(),
    ])
}

#[test]
fn outcomes_lead_along_the_graph_to_an_end() {
    let graph = graph(&elements());
    let (free, paid) = (
        Request::metadata(&json!({ "plan": "free" })),
        Request::default(),
    );
    let way = |request, bad: &[&str]| stops(&graph, request, 0, |id| !bad.contains(&id));
    assert_eq!(way(&paid, &[]), ["best", "end"]);
    assert_eq!(way(&paid, &["best"]), ["best", "cheap", "end"]);
    // Without a fallback the way ends where it is.
    assert_eq!(way(&paid, &["best", "cheap"]), ["best", "cheap", "cheap"]);
    assert_eq!(way(&free, &[]), ["limit", "cheap", "end"]);
    assert_eq!(way(&free, &["limit"]), ["limit", "end"]);
}

#[test]
fn an_end_says_whether_it_is_one() {
    let graph = graph(&elements());
    let request = Request::default();
    let Step::Model(best) = graph.begin(request.facts(), 0) else {
        panic!("the first stop is a model");
    };
    let Step::End(end) = best.succeeded() else {
        panic!("its success is an end");
    };
    assert!(end.is_end_element());
    let Step::Model(best) = graph.begin(request.facts(), 0) else {
        panic!("the first stop is a model");
    };
    let Step::Model(cheap) = best.failed() else {
        panic!("its fallback is a model");
    };
    let Step::End(end) = cheap.failed() else {
        panic!("there is no fallback");
    };
    assert!(!end.is_end_element());
}

#[track_caller]
fn check_partition(key: &str, request: &Request, expected: &Partition<'_>) {
    let graph = graph(&json!([
        start("limit"),
        { "id": "limit", "type": "rate",
          "properties": { "limitType": "count", "key": key, "limit": 5, "window": 60 },
          "outputs": { "success": to("end") } },
        end(),
    ]));
    let Step::Rate(at) = graph.begin(request.facts(), 0) else {
        panic!("the first stop is a limit");
    };
    assert_eq!(&at.partition(), expected, "{key}");
}

#[test]
fn requests_are_counted_apart_by_the_value_of_the_key() {
    let value = |text: &str| Partition::Value(text.to_owned().into());
    let body = Request::body(
        &json!({ "user": "u\"1", "n": 7, "b": true, "none": null, "list": [], "f": 1.5 }),
    );
    check_partition("", &body, &Partition::All);
    check_partition("body.user", &body, &value("u\"1"));
    check_partition("body.n", &body, &value("7"));
    check_partition("body.f", &body, &value("1.5"));
    check_partition("body.b", &body, &value("true"));
    for absent in [
        "body.none",
        "body.list",
        "body.other",
        "metadata.user",
        "headers.x-user",
    ] {
        check_partition(absent, &body, &Partition::Absent);
    }
    check_partition(
        "headers.X-User",
        &Request::header("x-user", b"7"),
        &value("7"),
    );
    check_partition(
        "headers.X-User",
        &Request::header("x-user", b"\xff"),
        &Partition::Absent,
    );
    check_partition(
        "metadata.a.b",
        &Request::metadata(&json!({ "a.b": "1" })),
        &value("1"),
    );
}

#[test]
fn both_spellings_say_the_same() {
    let api = graph(&json!([
        start("c"),
        conditional("c", &json!({ "metadata.plan": "free" }), "r", "m"),
        { "id": "r", "type": "rate",
          "properties": { "limitType": "count", "key": "", "limit": 5, "window": 60, "technique": "fixed" },
          "outputs": { "success": to("m") } },
        { "id": "m", "type": "model",
          "properties": { "provider": "openai", "model": "m", "retries": 0, "timeout": 500 },
          "outputs": { "success": to("end") } },
        end(),
    ]));
    let text = r#"[
        {"id": "start", "type": "start", "outputs": {"next": {"elementId": "c"}}},
        {"id": "c", "type": "conditional", "properties": {"condition": {"metadata.plan": "free"}},
         "outputs": {"true": {"elementId": "r"}, "false": {"elementId": "m"}}},
        {"id": "r", "type": "rate_limit", "properties": {"limitType": "count", "limit": 5.0, "interval": 60},
         "outputs": {"success": {"elementId": "m"}}},
        {"id": "m", "type": "model", "properties": {"provider": "openai", "model": "m", "timeout": 500},
         "outputs": {"success": {"elementId": "end"}}},
        {"id": "end", "type": "end"}]"#;
    let docs = Graph::parse_text(text, &Providers).unwrap();
    assert_eq!(docs.text(), text, "the text is kept as it was given");
    assert_eq!(docs.to_canonical(), api.to_canonical());
    let again = graph(&docs.to_canonical());
    assert_eq!(again.to_canonical(), docs.to_canonical());
    let rate = docs.find("r").and_then(|element| element.rate()).unwrap();
    let limit = Limit::new(5, 60, Technique::Fixed).unwrap();
    assert_eq!(rate.bound(), Bound::Requests(limit));
    assert_eq!(rate.window(), Duration::from_secs(60));
    assert_eq!(rate.technique(), Technique::Fixed);
    let model = docs.models().next().unwrap();
    assert_eq!((model.provider(), model.model()), ("openai", "m"));
    assert_eq!(
        (model.timeout(), model.retries()),
        (Some(Duration::from_millis(500)), 0)
    );
}

#[test]
fn what_was_accepted_before_needs_no_provider_that_is_known() {
    let elements = json!([start("m"),
        { "id": "m", "type": "model", "properties": { "provider": "gone", "model": "m" }, "outputs": { "success": to("end") } },
        { "id": "end", "type": "end" }]);
    assert!(Graph::parse(&elements, &Providers).is_err());
    let stored = Graph::parse_stored(&elements.to_string()).unwrap();
    assert!(stored.warnings().is_empty());
}
