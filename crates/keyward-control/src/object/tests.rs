use axum::response::IntoResponse;
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::{Field, Object, Shape};
use crate::envelope::{FieldPath, Problem};

const SHAPE: Shape = Shape {
    known: &["name", "count"],
    skipped: &["created_at"],
    secrets: &["secret"],
};

fn told(problem: Problem) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let body = problem.into_response().into_body();
    let bytes = runtime.block_on(body.collect()).unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn check_refused(body: &str, expected: &str) {
    let told = told(Object::parse(body.as_bytes(), SHAPE).err().expect(body));
    assert!(told.contains(expected), "{told}");
    assert!(!told.contains("sk-canary"), "{told}");
}

#[test]
fn fields_come_out_once_and_null_is_none() {
    let body = br#"{"name":null,"count":3,"secret":"a\u0062c","created_at":"x"}"#;
    let mut object = Object::parse(body, SHAPE).unwrap();
    assert!(object.find("name").is_none());
    assert_eq!(
        object.require("count").ok().unwrap().whole(0..=3_u64).ok(),
        Some(3)
    );
    assert!(object.require("count").is_err());
    assert_eq!(
        object.require_secret("secret").ok().unwrap().expose(),
        b"abc"
    );
}

#[test]
fn faults_are_told_without_quoting_the_body() {
    check_refused("", "a JSON object is required");
    check_refused("\"sk-canary\"", "must be a JSON object");
    check_refused("[\"sk-canary\"]", "must be a JSON object");
    check_refused("{\"secret\":\"sk-canary", "line 1, column");
    check_refused("{\"secret\":\"sk-canary\"} x", "line 1, column 24");
    check_refused("{\"secret\":\"sk-canary\"}{}", "not valid JSON");
    check_refused(
        "{\"secret\":\"sk-canary\",\"secret\":\"b\"}",
        "secret: is given twice",
    );
    check_refused("{\"name\":1,\"name\":2}", "name: is given twice");
    check_refused(
        "{\"secrets\":\"sk-canary\"}",
        "secrets: is not a known field",
    );
    check_refused("{\"sk-canary\":1}", "known are count, name, secret");
    check_refused("{\"secret\":\"\\ud800sk-canary\"}", "not valid JSON");
}

#[test]
fn a_secret_is_a_text_or_null() {
    for (body, is_error) in [
        ("{\"secret\":1}", true),
        ("{\"secret\":-1}", true),
        ("{\"secret\":1.5}", true),
        ("{\"secret\":true}", true),
        ("{\"secret\":[\"a\",{}]}", true),
        ("{\"secret\":{\"a\":[1]}}", true),
        ("{\"secret\":null}", false),
        ("{}", false),
    ] {
        let mut object = Object::parse(body.as_bytes(), SHAPE).expect(body);
        assert_eq!(object.find_secret("secret").is_err(), is_error, "{body}");
    }
}

#[test]
fn pairs_of_secrets_are_two_texts_each() {
    let read = |body: &str| {
        let mut object = Object::parse(body.as_bytes(), SHAPE).expect(body);
        object.secret_pairs("secret")
    };
    let pairs = read(r#"{"secret":[["a","b"],["c","\u0064"]]}"#)
        .ok()
        .unwrap();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|[one, two]| (one.expose(), two.expose()))
        .collect();
    assert_eq!(pairs, [(&b"a"[..], &b"b"[..]), (b"c", b"d")]);
    for body in ["{}", r#"{"secret":null}"#, r#"{"secret":[]}"#] {
        assert!(read(body).ok().unwrap().is_empty(), "{body}");
    }
    let long = format!(r#"{{"secret":[{}["a","b"]]}}"#, r#"["a","b"],"#.repeat(256));
    for (body, expected) in [
        (r#"{"secret":"sk-canary"}"#, "must be a list"),
        (
            r#"{"secret":[["a","b"],["sk-canary"]]}"#,
            "secret[1]: must be a list of two texts",
        ),
        (r#"{"secret":[["a",["sk-canary"]]]}"#, "secret[0]"),
        (r#"{"secret":[["a","b","sk-canary"]]}"#, "secret[0]"),
        (r#"{"secret":["sk-canary"]}"#, "secret[0]"),
        (&long, "at most 256 items"),
    ] {
        let told = told(read(body).err().expect(body));
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("sk-canary"), "{told}");
    }
}

#[test]
fn members_of_secrets_are_texts() {
    let read = |body: &str| {
        let mut object = Object::parse(body.as_bytes(), SHAPE).expect(body);
        object.secret_members("secret")
    };
    let members = read(r#"{"secret":{"a":"b","a":"c"}}"#).ok().unwrap();
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose()))
        .collect();
    assert_eq!(members, [("a", &b"b"[..]), ("a", b"c")]);
    for body in ["{}", r#"{"secret":null}"#, r#"{"secret":{}}"#] {
        assert!(read(body).ok().unwrap().is_empty(), "{body}");
    }
    let long = format!(r#"{{"secret":{{{}"a":"b"}}}}"#, r#""a":"b","#.repeat(256));
    for (body, expected) in [
        (r#"{"secret":"sk-canary"}"#, "must be an object"),
        (r#"{"secret":["sk-canary"]}"#, "must be an object"),
        (r#"{"secret":{"sk-canary":1}}"#, "must have texts as values"),
        (
            r#"{"secret":{"a":{"sk-canary":"b"}}}"#,
            "must have texts as values",
        ),
        (&long, "at most 256 members"),
    ] {
        let told = told(read(body).err().expect(body));
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("sk-canary"), "{told}");
    }
}

/// Whoever reads the text sees what a parsed value does not tell any more.
#[test]
fn a_text_is_kept_as_it_is_written() {
    let read = |body: &str| {
        let mut object = Object::parse_with_texts(body.as_bytes(), SHAPE, &["graph"]).ok()?;
        object.find_text("graph")
    };
    for text in [r#"{ "a":1e2, "a" : "\u0061" }"#, "[ ]", "7", r#""null""#] {
        let body = format!("{{\"graph\" : {text}\n,\"count\":1}}");
        assert_eq!(read(&body).as_deref(), Some(text));
    }
    assert_eq!(read("{}"), None);
    assert_eq!(read(r#"{"graph": null }"#), None);
    for (body, expected) in [
        (r#"{"graph":1,"graph":1}"#, "graph: is given twice"),
        (r#"{"graph":{]}"#, "not valid JSON"),
        (r#"{"Sk-canary":1}"#, "known are count, graph, name, secret"),
    ] {
        let refused = Object::parse_with_texts(body.as_bytes(), SHAPE, &["graph"]);
        let told = told(refused.err().expect(body));
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_setting_is_off_where_nothing_in_it_is_on() {
    let is_off =
        |json: &str| Field::new(FieldPath::body(), serde_json::from_str(json).unwrap()).is_off();
    for json in [
        "false",
        "0",
        "\"\"",
        "[]",
        "{}",
        r#"{"enabled":false,"rules":[1]}"#,
        r#"{"prompt":{}}"#,
    ] {
        assert!(is_off(json), "{json}");
    }
    for json in [
        "true",
        "1",
        "\"x\"",
        "[{}]",
        r#"{"enabled":true}"#,
        r#"{"prompt":{"S1":"BLOCK"}}"#,
    ] {
        assert!(!is_off(json), "{json}");
    }
}

proptest! {
    #[test]
    fn no_body_panics_or_is_quoted(start in "(\\{\"(name|secret)\":)?", rest: Vec<u8>) {
        let body = [start.as_bytes(), &rest].concat();
        let _may_be_refused = Object::parse(&body, SHAPE);
    }
}
