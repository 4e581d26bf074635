//! What counts of a request's metadata.

use keyward_routes::Metadata;
use serde_json::json;

use crate::{conditions::holds, support::Request};

fn of(header: &str) -> Request {
    Request {
        metadata: Metadata::parse(header.as_bytes()),
        ..Request::default()
    }
}

#[test]
fn texts_numbers_and_booleans_count() {
    let request = of(r#" {"a":"x","b":1.5,"c":true,"d.e":"","f":-3} "#);
    assert_eq!(request.metadata.len(), 5);
    let condition = json!({ "metadata.a": "x", "metadata.b": 1.5, "metadata.c": true, "metadata.d.e": "", "metadata.f": -3 });
    assert!(holds(&condition, &request));
}

#[test]
fn null_or_a_nested_value_drops_the_whole() {
    for header in [
        r#"{"a":"x","b":null}"#,
        r#"{"a":"x","b":[]}"#,
        r#"{"a":"x","b":{}}"#,
        r#"{"a":"x","cf.b":null}"#,
        r#"{"1":1,"2":2,"3":3,"4":4,"5":5,"6":null}"#,
        r#"{"a":"x"} x"#,
        r#"["a"]"#,
        "null",
        "a=x",
        "",
        r#"{"a":"x""#,
    ] {
        assert!(Metadata::parse(header.as_bytes()).is_empty(), "{header}");
    }
    assert!(Metadata::parse(b"{\"a\":\"\xff\"}").is_empty());
}

#[test]
fn the_first_five_count_and_none_that_is_reserved() {
    let request = of(r#"{"cf.user_id":"1","1":1,"2":2,"3":3,"4":4,"5":5,"6":6}"#);
    assert_eq!(request.metadata.len(), 5);
    assert!(holds(
        &json!({ "metadata.5": 5, "metadata.6": { "$exists": false } }),
        &request
    ));
    assert!(holds(
        &json!({ "metadata.cf.user_id": { "$exists": false } }),
        &request
    ));
    let again = of(r#"{"1":1,"2":2,"3":3,"4":4,"5":5,"1":"last"}"#);
    assert!(holds(&json!({ "metadata.1": "last" }), &again));
}

#[test]
fn values_are_not_printed() {
    let metadata = Metadata::parse(br#"{"user":"someone"}"#);
    assert_eq!(format!("{metadata:?}"), r#"{"user"}"#);
}
