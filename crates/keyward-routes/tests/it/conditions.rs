//! What conditions hold for: each operator with each type of value, and what a pattern may cost.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Request, conditional, end, graph, model, parse, start, stops};

/// Whether a condition holds for a request, by the way that it takes.
pub(crate) fn holds(conditions: &Value, request: &Request) -> bool {
    let graph = graph(&json!([
        start("c"),
        conditional("c", conditions, "yes", "no"),
        model("yes", None),
        model("no", None),
        end(),
    ]));
    stops(&graph, request, 0, |_| true)[0] == "yes"
}

/// What stands at `body.a`, by name. `missing` is another.
fn values() -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("missing", None),
        ("null", Some(Value::Null)),
        ("true", Some(json!(true))),
        ("false", Some(json!(false))),
        ("5", Some(json!(5))),
        ("5.5", Some(json!(5.5))),
        ("\"5\"", Some(json!("5"))),
        ("\"free\"", Some(json!("free"))),
        ("\"\"", Some(json!(""))),
        ("[5]", Some(json!([5]))),
        ("{}", Some(json!({}))),
    ]
}

#[track_caller]
fn check(operator: &Value, passing: &[&str]) {
    let names = values().into_iter().filter_map(|(name, value)| {
        let body = value.map_or_else(|| json!({ "b": 1 }), |value| json!({ "a": value }));
        let condition = json!({ "body.a": operator });
        holds(&condition, &Request::body(&body)).then_some(name)
    });
    assert_eq!(names.collect::<Vec<_>>(), passing, "{operator}");
}

#[test]
fn each_operator_holds_for_the_values_that_the_table_of_the_documentation_says() {
    for (operator, passing) in [
        (json!(5), vec!["5"]),
        (json!({ "$eq": 5 }), vec!["5"]),
        (json!({ "$eq": 5.5 }), vec!["5.5"]),
        (json!({ "$eq": "5" }), vec!["\"5\""]),
        (json!({ "$eq": true }), vec!["true"]),
        (json!({ "$eq": null }), vec!["missing", "null"]),
        (json!(null), vec!["missing", "null"]),
        (json!({ "$gt": 5 }), vec!["5.5"]),
        (json!({ "$gte": 5 }), vec!["5", "5.5"]),
        (json!({ "$lt": 5.5 }), vec!["5"]),
        (json!({ "$lte": 5 }), vec!["5"]),
        (json!({ "$gt": "5" }), vec!["\"free\""]),
        (json!({ "$gte": "5" }), vec!["\"5\"", "\"free\""]),
        (json!({ "$lt": "5" }), vec!["\"\""]),
        (json!({ "$lte": "5" }), vec!["\"5\"", "\"\""]),
        (
            json!({ "$in": [5, "free", true] }),
            vec!["true", "5", "\"free\""],
        ),
        (json!({ "$in": [null] }), vec!["missing", "null"]),
        (json!({ "$in": [] }), vec![]),
        (json!({ "$exists": false }), vec!["missing"]),
        (json!({ "$regex": "^f" }), vec!["\"free\""]),
        (json!({ "$regex": "" }), vec!["\"5\"", "\"free\"", "\"\""]),
        (json!({ "$gt": 5, "$lt": 6 }), vec!["5.5"]),
    ] {
        check(&operator, &passing);
    }
}

#[test]
fn what_negates_holds_for_exactly_the_other_values() {
    let all: Vec<_> = values().into_iter().map(|(name, _)| name).collect();
    let but = |names: &[&str]| -> Vec<_> {
        all.iter()
            .copied()
            .filter(|name| !names.contains(name))
            .collect()
    };
    check(&json!({ "$ne": 5 }), &but(&["5"]));
    check(&json!({ "$ne": null }), &but(&["missing", "null"]));
    check(&json!({ "$nin": [5, "free"] }), &but(&["5", "\"free\""]));
    check(&json!({ "$nin": [] }), &all);
    check(&json!({ "$not": { "$gt": 5 } }), &but(&["5.5"]));
    check(&json!({ "$not": { "$gt": 5, "$lt": 6 } }), &but(&["5.5"]));
    check(&json!({ "$exists": true }), &but(&["missing"]));
    check(&json!({ "$not": 5 }), &but(&["5"]));
}

#[test]
fn documents_are_joined_by_and_or_and_not() {
    let free = Request::metadata(&json!({ "plan": "free", "seats": 3 }));
    for (condition, expected) in [
        (json!({}), true),
        (
            json!({ "metadata.plan": "free", "metadata.seats": 3 }),
            true,
        ),
        (
            json!({ "metadata.plan": "free", "metadata.seats": 4 }),
            false,
        ),
        (
            json!({ "$and": [{ "metadata.plan": "free" }, { "metadata.seats": { "$gt": 2 } }] }),
            true,
        ),
        (
            json!({ "$and": [{ "metadata.plan": "free" }, { "metadata.seats": { "$gt": 3 } }] }),
            false,
        ),
        (
            json!({ "$or": [{ "metadata.plan": "paid" }, { "metadata.seats": 3 }] }),
            true,
        ),
        (
            json!({ "$or": [{ "metadata.plan": "paid" }, { "metadata.seats": 4 }] }),
            false,
        ),
        (json!({ "$not": { "metadata.plan": "free" } }), false),
        (json!({ "$not": { "metadata.plan": "paid" } }), true),
        (
            json!({ "metadata.plan": "free", "$or": [{ "metadata.x": 1 }] }),
            false,
        ),
    ] {
        assert_eq!(holds(&condition, &free), expected, "{condition}");
    }
}

#[test]
fn paths_go_into_objects_by_key_and_into_arrays_by_index() {
    let body = Request::body(&json!({
        "messages": [{ "role": "system" }, { "role": "user", "content": "caf\u{e9} \"x\"" }],
        "0": { "1": "keys of digits" }, "a.b": 1,
    }));
    for (field, value, expected) in [
        ("body.messages.0.role", "system", true),
        ("body.messages.1.role", "user", true),
        ("body.messages.1.content", "caf\u{e9} \"x\"", true),
        ("body.messages.01.role", "user", false),
        ("body.messages.-1.role", "user", false),
        ("body.messages.role", "user", false),
        ("body.0.1", "keys of digits", true),
    ] {
        assert_eq!(holds(&json!({ field: value }), &body), expected, "{field}");
    }
    for absent in [
        "body.messages.2",
        "body.a.b",
        "body.messages.0.role.x",
        "body.messages.9999999999999999999999",
    ] {
        assert!(
            holds(&json!({ absent: { "$exists": false } }), &body),
            "{absent}"
        );
    }
}

#[test]
fn of_a_repeated_key_the_last_counts_with_all_that_is_below_it() {
    let raw = |body: &str| Request {
        body: Some(body.into()),
        ..Request::default()
    };
    let body = raw(r#"{"a":{"b":1},"c":1,"a":{"d":2}}"#);
    assert!(holds(
        &json!({ "body.a.b": { "$exists": false }, "body.a.d": 2 }),
        &body
    ));
    assert!(holds(
        &json!({ "body.a": 7, "body.a.b": null }),
        &raw(r#"{"a":{"b":1},"a":7}"#)
    ));
    // The key is what its escapes say.
    assert!(holds(&json!({ "body.abc": 1 }), &raw(r#"{"a\u0062c":1}"#)));
}

#[test]
fn of_what_is_no_json_every_field_is_absent() {
    for body in [
        "",
        "{",
        r#"{"a":1"#,
        r#"{"a":1} x"#,
        "\u{feff}{\"a\":1}",
        "a=1",
        r#"{"a":1,}"#,
    ] {
        let request = Request {
            body: Some(body.into()),
            ..Request::default()
        };
        assert!(
            holds(&json!({ "body.a": { "$exists": false } }), &request),
            "{body}"
        );
    }
    let request = Request {
        body: Some(b"{\"a\":1,\"b\":\"\xff\"}".to_vec()),
        ..Request::default()
    };
    assert!(holds(&json!({ "body.b": { "$exists": false } }), &request));
    assert!(holds(
        &json!({ "body.a": { "$exists": false } }),
        &Request::default()
    ));
}

#[test]
fn a_header_is_read_as_what_it_is_compared_with() {
    let of = |value: &str| Request::header("x-seats", value.as_bytes());
    for (condition, value, expected) in [
        (json!("free"), "free", true),
        (json!(5), "5", true),
        (json!(5), "5.0", true),
        (json!("5"), "5", true),
        (json!("5"), "5.0", false),
        (json!({ "$gt": 4 }), "10", true),
        (json!({ "$gt": "4" }), "10", false),
        (json!({ "$gt": 4 }), "many", false),
        (json!({ "$gt": 4 }), "0x10", false),
        (json!(true), "true", true),
        (json!(false), "false", true),
        (json!(true), "True", false),
        (json!(null), "null", false),
        (json!({ "$in": [5, "free"] }), "5", true),
        (json!({ "$regex": "^f.ee$" }), "free", true),
        (json!({ "$exists": true }), "", true),
    ] {
        // A header's name has no case.
        let condition = json!({ "headers.X-Seats": condition });
        assert_eq!(
            holds(&condition, &of(value)),
            expected,
            "{condition} {value}"
        );
    }
    let bytes = Request::header("x-seats", b"\xff");
    assert!(holds(
        &json!({ "headers.x-seats": { "$exists": true } }),
        &bytes
    ));
    assert!(!holds(
        &json!({ "headers.x-seats": { "$regex": "" } }),
        &bytes
    ));
    let mut twice = of("first");
    twice.headers.append("x-seats", "second".parse().unwrap());
    assert!(holds(&json!({ "headers.x-seats": "first" }), &twice));
}

#[test]
fn large_whole_numbers_are_compared_to_the_last_digit() {
    let body = Request::body(&json!({ "a": 9_007_199_254_740_993_u64 }));
    assert!(!holds(
        &json!({ "body.a": 9_007_199_254_740_992_u64 }),
        &body
    ));
    assert!(holds(
        &json!({ "body.a": { "$gt": 9_007_199_254_740_992_u64 } }),
        &body
    ));
}

#[test]
fn a_pattern_costs_time_in_proportion_to_a_bounded_text() {
    let body = Request::body(&json!({
        "a": "a".repeat(1024 * 1024),
        "ab": "ab".repeat(512 * 1024),
    }));
    // Each of these takes a backtracking engine longer than anyone waits. Here all together: well below a second.
    let patterns = [
        "(a+)+$b",
        "(a|aa)+$b",
        "(a|a?)+b",
        "(.*a){20}b",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(x+x+)+y",
        "a{1,200}b",
    ];
    let begun = Instant::now();
    for pattern in patterns {
        let condition = json!({ "body.a": { "$regex": pattern } });
        assert!(!holds(&condition, &body), "{pattern}");
    }
    // This one keeps an automaton at 400 places at once.
    let condition = json!({ "body.ab": { "$regex": "[ab]*a[ab]{400}c" } });
    assert!(!holds(&condition, &body));
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_pattern_searches_the_first_16_kib_of_a_text() {
    let at = |bytes: usize| {
        Request::body(&json!({ "a": format!("{}needle", "\u{e9}".repeat(bytes / 2)) }))
    };
    let condition = json!({ "body.a": { "$regex": "needle" } });
    assert!(holds(&condition, &at(16_384 - 6)));
    assert!(!holds(&condition, &at(16_384 - 4)));
}

#[test]
fn no_header_that_may_carry_a_credential_decides() {
    for name in [
        "authorization",
        "Proxy-Authorization",
        "cf-aig-authorization",
        "x-api-key",
        "api-key",
        "X_API_KEY",
        "x-goog-api-key",
        "xi-api-key",
        "Cookie",
        "set-cookie",
        "x-amz-security-token",
        "cf-access-client-secret",
        "x-auth-token",
        "x-key",
        "sec-websocket-protocol",
        "x-user-password",
        "x-signature",
        "apikey",
    ] {
        let condition = json!({ format!("headers.{name}"): { "$exists": true } });
        let refused = parse(&json!([
            start("c"),
            conditional("c", &condition, "end", "end"),
            end()
        ]));
        let text = refused.expect_err(name).to_string();
        assert!(text.contains("carries credentials"), "{text}");
    }
    for name in [
        "x-team",
        "user-agent",
        "x-max-tokens",
        "cf-aig-metadata",
        "keywords",
    ] {
        assert!(
            holds(
                &json!({ format!("headers.{name}"): null }),
                &Request::default()
            ),
            "{name}"
        );
    }
}
