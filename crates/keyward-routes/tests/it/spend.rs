//! Which requests a spend limit is for, and with which others each is counted.

use keyward_routes::{BudgetWindow, Metadata, Money, Partition, RuleId, SpendLimits, Technique};
use serde_json::{Value, json};

fn limits(rules: &Value) -> SpendLimits {
    let limits = json!({"enabled": true, "rules": rules});
    serde_json::from_value(limits).unwrap_or_else(|error| panic!("{rules}: {error}"))
}

fn rule(more: Value) -> Value {
    let mut rule = json!({"id": "r", "limitType": "cost", "limit": 1, "window": 60});
    let Value::Object(more) = more else {
        panic!("an object")
    };
    rule.as_object_mut().unwrap().extend(more);
    rule
}

/// With which others a request counts in one rule: `-` where it is not for it, `*` where all count together.
#[track_caller]
fn check(more: Value, (provider, model, metadata): (&str, Option<&str>, &str), expected: &str) {
    let limits = limits(&json!([rule(more)]));
    let metadata = Metadata::parse(metadata.as_bytes());
    let mut applying = limits.applying(provider, model, &metadata);
    let told = match applying.next() {
        None => "-".to_owned(),
        Some((_, Partition::All)) => "*".to_owned(),
        Some((_, Partition::Value(value))) => value.into_owned(),
        Some((_, Partition::Absent)) => "absent".to_owned(),
    };
    assert_eq!(told, expected);
}

#[test]
fn a_rule_is_for_what_its_conditions_name() {
    let plain = ("openai", Some("gpt-5"), "{}");
    check(json!({}), plain, "*");
    let openai = json!({"provider": {"mode": "filter", "values": ["groq", "openai"]}});
    check(openai.clone(), plain, "*");
    check(openai, ("mistral", Some("gpt-5"), "{}"), "-");
    for (value, expected) in [
        ("gpt-5", "*"),
        ("openai/gpt-5", "*"),
        ("groq/gpt-5", "-"),
        ("openaigpt-5", "-"),
        ("/gpt-5", "-"),
        ("gpt-5-mini", "-"),
        ("gpt", "-"),
    ] {
        let model = json!({"model": {"mode": "filter", "values": [value]}});
        check(model.clone(), plain, expected);
        check(model, ("openai", None, "{}"), "-");
    }
    let team = json!({"metadata": {"team": {"mode": "filter", "values": ["a", "7", "true"]}}});
    for (metadata, expected) in [
        (r#"{"team": "a"}"#, "*"),
        (r#"{"team": 7}"#, "*"),
        (r#"{"team": true}"#, "*"),
        (r#"{"team": "b"}"#, "-"),
        (r#"{"other": "a"}"#, "-"),
        ("{}", "-"),
    ] {
        check(team.clone(), ("openai", Some("gpt-5"), metadata), expected);
    }
    check(json!({"enabled": false}), plain, "-");
}

#[test]
fn values_are_counted_apart_and_never_mixed_up() {
    let partition = || json!({"mode": "partition"});
    check(
        json!({"provider": partition()}),
        ("openai", None, "{}"),
        "openai",
    );
    check(
        json!({"model": partition()}),
        ("openai", Some("m"), "{}"),
        "m",
    );
    let user = json!({"metadata": {"user": partition()}});
    check(user.clone(), ("openai", None, r#"{"user": 7}"#), "7");
    check(user.clone(), ("openai", None, r#"{"user": "7"}"#), "7");
    // Without the entry it is not for the request.
    check(user, ("openai", None, "{}"), "-");

    let both = json!({"metadata": {"a": partition(), "b": partition()}});
    check(
        both.clone(),
        ("p", None, r#"{"a": "1", "b": "23"}"#),
        "1:12:23",
    );
    check(
        both.clone(),
        ("p", None, r#"{"b": "23", "a": "1"}"#),
        "1:12:23",
    );
    check(both, ("p", None, r#"{"a": "12", "b": "3"}"#), "2:121:3");
    let all =
        json!({"provider": partition(), "model": partition(), "metadata": {"a": partition()}});
    check(all, ("p", Some("m"), r#"{"a": ""}"#), "1:p1:m0:");
}

#[test]
fn limits_that_are_off_are_for_nothing() {
    let off = json!({"enabled": false, "rules": [rule(json!({}))]});
    let off: SpendLimits = serde_json::from_value(off).unwrap();
    let metadata = Metadata::default();
    assert!(off.applying("p", None, &metadata).next().is_none());
}

/// Never to be changed: rows with such texts are out there, under codes made of them.
#[test]
fn limits_are_written_as_rows_have_them() {
    let text = concat!(
        r#"{"enabled":true,"rules":[{"id":"a","enabled":true,"limitType":"cost","limit":0.1,"window":60,"technique":"sliding","#,
        r#""provider":{"mode":"filter","values":["openai"]},"model":{"mode":"partition"},"#,
        r#""metadata":{"z":{"mode":"partition"},"a":{"mode":"filter","values":["x"]}}},"#,
        r#"{"id":"b","enabled":false,"limitType":"cost","limit":1000000.0,"calendar":"week"}]}"#,
    );
    let limits: SpendLimits = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&limits).unwrap(), text);
    let [first, second] = limits.rules() else {
        panic!("two rules")
    };
    assert_eq!(first.id(), &RuleId::parse("a").unwrap());
    assert_eq!(first.budget().limit(), Money::from_dollars(0.1).unwrap());
    assert_eq!(first.budget().window().technique(), Technique::Sliding);
    assert_eq!(first.budget().window().as_seconds(), Some(60));
    assert_eq!(second.budget().window(), BudgetWindow::WEEK);
    assert!(!second.is_enabled());
}

#[test]
fn what_is_no_rule_is_refused() {
    let partition = || json!({"mode": "partition"});
    let long = "x".repeat(257);
    let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    let names: serde_json::Map<_, _> = (0..6)
        .map(|number| (number.to_string(), partition()))
        .collect();
    for wrong in [
        json!({"id": ""}),
        json!({"id": "a b"}),
        json!({"limitType": "count"}),
        json!({"limit": 0}),
        json!({"limit": -1}),
        json!({"limit": 1_000_001}),
        json!({"window": 0}),
        json!({"window": 31_622_401}),
        json!({"window": null}),
        json!({"calendar": "day"}),
        json!({"window": null, "calendar": "year"}),
        json!({"window": null, "calendar": "day", "technique": "fixed"}),
        json!({"technique": "leaky"}),
        json!({"provider": {"mode": "filter", "values": []}}),
        json!({"provider": {"mode": "filter"}}),
        json!({"provider": {"mode": "partition", "values": ["a"]}}),
        json!({"model": {"mode": "filter", "values": [long]}}),
        json!({"model": {"mode": "filter", "values": many}}),
        json!({"metadata": names}),
        json!({"metadata": {"": partition()}}),
        json!({"metadata": {long.clone(): partition()}}),
        json!({"more": 1}),
    ] {
        let rules = json!({"rules": [rule(wrong.clone())]});
        assert!(
            serde_json::from_value::<SpendLimits>(rules).is_err(),
            "{wrong}"
        );
    }
    // A name that stands twice.
    let twice = r#"{"rules": [{"id": "r", "limitType": "cost", "limit": 1, "window": 60,
        "metadata": {"a": {"mode": "partition"}, "a": {"mode": "partition"}}}]}"#;
    assert!(serde_json::from_str::<SpendLimits>(twice).is_err());
    let same = json!({"rules": [rule(json!({})), rule(json!({}))]});
    assert!(serde_json::from_value::<SpendLimits>(same).is_err());
    let ids = |count: u32| -> Vec<_> {
        (0..count)
            .map(|id| rule(json!({"id": id.to_string()})))
            .collect()
    };
    assert!(serde_json::from_value::<SpendLimits>(json!({"rules": ids(20)})).is_ok());
    assert!(serde_json::from_value::<SpendLimits>(json!({"rules": ids(21)})).is_err());
}
