use bytes::Bytes;
use keyward_routes::{BodyError, JsonBody, LONGEST_MODEL, check_encoding, sole_model};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn read(text: &str) -> Result<JsonBody, BodyError> {
    JsonBody::read(&Bytes::copy_from_slice(text.as_bytes()))
}

#[track_caller]
fn check_model(text: &str, model: &str) {
    assert_eq!(read(text).unwrap().model().unwrap(), model, "{text}");
}

#[track_caller]
fn check_refused(text: &str, says: &str) {
    let error = match read(text) {
        Ok(body) => body.model().map(str::to_owned).expect_err(text),
        Err(error) => error,
    };
    assert!(error.to_string().contains(says), "{text}: {error}");
}

#[test]
fn the_model_is_found_however_it_is_written() {
    check_model(r#"{"model":"gpt-4o"}"#, "gpt-4o");
    check_model(
        " \n{ \"a\" : [ { \"model\" : 1 } ] ,\t\"model\" : \"x/y\" } \r\n",
        "x/y",
    );
    check_model(r#"{"mod\u0065l":"a\/b\u0021"}"#, "a/b!");
    check_model(
        r#"{"n":[-0.5e+3,0,1E9,true,false,null,"\ud83d"],"model":"é"}"#,
        "é",
    );
}

#[test]
fn a_model_that_another_parser_could_read_otherwise_is_refused() {
    check_refused(r#"{"model":"a","model":"a"}"#, "twice");
    check_refused(r#"{"model":"a","\u006dodel":"b"}"#, "twice");
    check_refused(r#"{"model":"a","Model":"b"}"#, "may read as `model`");
    check_refused(r#"{"MODEL":"b"}"#, "may read as `model`");
    check_refused(r#"{"\u004dodel":"b","model":"a"}"#, "may read as `model`");
    check_refused(r#"{"model\u0000":"b","model":"a"}"#, "may read as `model`");
    check_refused(r#"{"model\ud800":"b","model":"a"}"#, "may read as `model`");
    check_refused(r#"{"model":"a\ud800"}"#, "half of a character");
}

#[test]
fn what_is_no_name_of_a_model_is_refused() {
    check_refused("{}", "names no `model`");
    check_refused(r#"{"model":null}"#, "no text");
    check_refused(r#"{"model":["a"]}"#, "no text");
    check_refused(r#"{"model":""}"#, "is empty");
    check_refused(r#"{"model":"a\n"}"#, "control character");
    check_refused(r#"{"model":"a\u0085"}"#, "control character");
    let longest = "a".repeat(LONGEST_MODEL);
    check_model(&json!({ "model": longest }).to_string(), &longest);
    check_refused(
        &json!({ "model": longest + "a" }).to_string(),
        "longer than 256",
    );
    let escaped = "\\u0061".repeat(LONGEST_MODEL);
    check_model(
        &format!(r#"{{"model":"{escaped}"}}"#),
        &"a".repeat(LONGEST_MODEL),
    );
    check_refused(&format!(r#"{{"model":"{escaped}a"}}"#), "longer than 256");
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    for text in [
        "{",
        "{]",
        r#"{"model"}"#,
        r#"{"model":"a",}"#,
        r#"{"model":"a"/**/}"#,
        r#"{'model':"a"}"#,
        r#"{"a":01,"model":"a"}"#,
        r#"{"a":.5}"#,
        r#"{"a":1.}"#,
        r#"{"a":+1}"#,
        r#"{"a":NaN}"#,
        r#"{"a":1e}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\u12"}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":tru}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":[1 2]}"#,
        r#"{"model":"a"#,
        "\u{feff}{\"model\":\"a\"}",
        "model=a",
        r#"{"a":"\"#,
        r#"{"a":-}"#,
    ] {
        check_refused(text, "not JSON at byte");
    }
    check_refused("", "empty");
    check_refused(" \n", "empty");
    check_refused("[]", "no object");
    check_refused(r#""model""#, "no object");
    check_refused(r#"{"model":"a"}{"model":"b"}"#, "follows the JSON object");
    check_refused("{\"model\":\"a\"}\0", "follows the JSON object");
    let latin = Bytes::from_static(b"{\"model\":\"caf\xe9\"}");
    assert!(
        JsonBody::read(&latin)
            .unwrap_err()
            .to_string()
            .contains("not UTF-8 at byte 13")
    );
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| {
        format!(
            r#"{{"model":"a","b":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    check_model(&nested(127), "a");
    check_refused(&nested(128), "deeper than 128");
    check_refused(&"{\"a\":".repeat(100_000), "deeper than 128");
    check_refused(
        &format!("{{\"a\":{}", "[".repeat(1 << 20)),
        "deeper than 128",
    );
}

#[test]
fn a_stream_is_asked_for_by_true_alone() {
    assert!(read(r#"{"stream": true}"#).unwrap().wants_stream());
    for text in [
        "{}",
        r#"{"stream":false}"#,
        r#"{"stream":"true"}"#,
        r#"{"a":{"stream":true}}"#,
    ] {
        assert!(!read(text).unwrap().wants_stream(), "{text}");
    }
}

#[test]
fn a_replaced_model_leaves_every_other_byte_in_its_memory() {
    let body = Bytes::from(format!(
        r#"{{"a":"{}","model":"x/y","b":1}}"#,
        "p".repeat(4096)
    ));
    let read = JsonBody::read(&body).unwrap();
    let sent = read.with_model("quote\"back\\").unwrap();
    let within = |part: &Bytes| body.as_ptr_range().contains(&part.as_ptr());
    assert!(within(&sent.parts[0]) && within(&sent.parts[2]));
    assert_eq!(sent.len(), sent.to_vec().len());
    let value: Value = serde_json::from_slice(&sent.to_vec()).unwrap();
    assert_eq!(value["model"], "quote\"back\\");
    assert_eq!(value["b"], 1);
    for bad in ["", "a\n", &"a".repeat(LONGEST_MODEL + 1)] {
        assert!(read.with_model(bad).is_err());
    }
    let none = JsonBody::read(&Bytes::from_static(b"{}")).unwrap();
    assert!(none.with_model("a").unwrap_err().is_missing());
}

#[track_caller]
fn check_asked(text: &str, model: Option<&str>, expected: Option<&str>) {
    let body = read(text).unwrap();
    let sent = body.with_usage_asked(model).unwrap();
    let sent = sent.map(|sent| String::from_utf8(sent.to_vec()).unwrap());
    assert_eq!(sent.as_deref(), expected, "{text}");
}

#[test]
fn a_stream_is_asked_to_end_with_its_usage() {
    check_asked(
        r#" { "model": "a", "stream": true } "#,
        None,
        Some(r#" {"stream_options":{"include_usage":true}, "model": "a", "stream": true } "#),
    );
    for (options, expected) in [
        ("{}", r#"{"include_usage":true}"#),
        ("{ }", r#"{"include_usage":true }"#),
        ("null", r#"{"include_usage":true}"#),
        (r#"{"include_usage": false}"#, r#"{"include_usage": true}"#),
        (
            r#"{"include_usage":null, "x":1}"#,
            r#"{"include_usage":true, "x":1}"#,
        ),
        (
            r#"{"include\u005fusage":0}"#,
            r#"{"include\u005fusage":true}"#,
        ),
        (
            r#"{"include_obfuscation":[{}]}"#,
            r#"{"include_usage":true,"include_obfuscation":[{}]}"#,
        ),
    ] {
        let body = |model: &str, options: &str| {
            format!(r#"{{"stream":true,"stream_options":{options},"model":"{model}"}}"#)
        };
        check_asked(&body("a", options), None, Some(&body("a", expected)));
        check_asked(&body("a", options), Some("b"), Some(&body("b", expected)));
        let first = |model: &str, options: &str| {
            format!(r#"{{"model":"{model}","stream_options":{options},"stream":true}}"#)
        };
        check_asked(&first("a", options), Some("b"), Some(&first("b", expected)));
    }
}

#[test]
fn nothing_is_asked_where_a_body_asks_itself_or_wants_no_stream() {
    for text in [
        r#"{"model":"a"}"#,
        r#"{"stream":false,"stream_options":{}}"#,
        r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
        r#"{"stream":true,"stream_options":"x"}"#,
        r#"{"stream":true,"stream_options":[]}"#,
    ] {
        check_asked(text, None, None);
    }
}

#[test]
fn nothing_is_put_into_a_body_that_says_two_things_of_its_stream() {
    for text in [
        r#"{"stream":true,"stream":true}"#,
        r#"{"stream":true,"Stream":false}"#,
        r#"{"stream":true,"stream_options":{},"stream_options":null}"#,
        r#"{"stream":true,"STREAM_options":{}}"#,
        r#"{"stream":true,"stream_options":{"include_usage":true,"include_usage":false}}"#,
        r#"{"stream":true,"stream_options":{"Include_usage":false}}"#,
        r#"{"stream":true,"stream_options":{"\ud83d":false}}"#,
    ] {
        let body = read(text).unwrap();
        assert!(
            body.with_usage_asked(None).unwrap_err().is_doubled(),
            "{text}"
        );
    }
    let body = read(r#"{"stream":true}"#).unwrap();
    assert!(body.with_usage_asked(Some("b")).unwrap_err().is_missing());
}

#[test]
fn who_permits_by_the_model_reads_bodies_in_which_nothing_else_decides_it() {
    let sole = |content_type: &str, text: &str| {
        let body = Bytes::copy_from_slice(text.as_bytes());
        sole_model(content_type.as_bytes(), &body).map(String::from)
    };
    let body = r#"{"model":"gpt-4o"}"#;
    for good in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/vnd.x+json",
        "application/json; x=y",
    ] {
        assert_eq!(sole(good, body).unwrap(), "gpt-4o", "{good}");
    }
    for bad in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/jsonx",
        "multipart/mixed; boundary=x",
    ] {
        assert!(sole(bad, body).is_err(), "{bad}");
    }
    for beside in [
        "models",
        "Models",
        "m\\u006fdels",
        "agent_id",
        "preset",
        "model_id",
    ] {
        let text = format!(r#"{{"model":"gpt-4o","{beside}":["other"]}}"#);
        assert!(sole("application/json", &text).is_err(), "{beside}");
        // To whoever only routes, that is the provider's affair.
        assert_eq!(read(&text).unwrap().model().unwrap(), "gpt-4o");
    }
}

#[test]
fn a_compressed_body_says_so() {
    for plain in [None, Some(&b""[..]), Some(b"identity"), Some(b" Identity ")] {
        check_encoding(plain).unwrap();
    }
    for packed in ["gzip", "br", "identity, gzip", "zstd", "x"] {
        let error = check_encoding(Some(packed.as_bytes())).unwrap_err();
        assert!(error.is_encoded() && error.to_string().contains("uncompressed"));
    }
}

fn start(value: &Value) -> Option<Vec<Vec<u8>>> {
    let body = read(&value.to_string()).unwrap();
    let start = body.conversation_start()?;
    Some(start.parts().map(<[u8]>::to_vec).collect())
}

#[test]
fn a_conversation_begins_alike_however_long_it_has_become() {
    let system = json!({"role": "system", "content": "be kind"});
    let first = json!({"role": "user", "content": "hello"});
    let answer = json!({"role": "assistant", "content": "hi"});
    let then = json!({"role": "user", "content": "and now?"});
    let one = start(&json!({"model": "a", "messages": [system, first]}));
    assert_eq!(one.as_ref().unwrap().len(), 2);
    assert_eq!(
        one,
        start(&json!({"messages": [system, first, answer, then], "model": "b"}))
    );
    assert_ne!(one, start(&json!({"messages": [system, then]})));
    assert_ne!(one, start(&json!({"messages": [first]})));
    assert_ne!(
        start(&json!({"messages": [first], "system": "one"})),
        start(&json!({"messages": [first], "system": "two"}))
    );
    let gemini = json!({"contents": [{"parts": [{"text": "hello"}]}, {"role": "model"}]});
    assert_eq!(start(&gemini).unwrap().len(), 1);
    assert_eq!(start(&json!({"input": "hello"})).unwrap(), [b"\"hello\""]);
    assert_eq!(start(&json!({"input": ["a", "b"]})).unwrap(), [b"\"a\""]);
    for none in [
        json!({}),
        json!({"messages": []}),
        json!({"messages": 1}),
        json!({"system": "x"}),
    ] {
        assert_eq!(start(&none), None, "{none}");
    }
}

#[test]
fn the_beginning_of_a_conversation_is_bounded() {
    let long = "x".repeat(100_000);
    let many: Vec<_> = (0..100)
        .map(|_| json!({"role": "system", "content": long}))
        .collect();
    let parts = start(&json!({ "messages": many })).unwrap();
    assert_eq!(parts.len(), 9);
    assert!(parts.iter().all(|part| part.len() == 16 * 1024));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(keys(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("model".to_owned()),
        Just("messages".to_owned()),
        any::<String>()
    ]
}

/// A text as JSON, with some characters as escapes.
fn written(text: &str, escaped: &[bool]) -> String {
    let mut flags = escaped.iter().cycle();
    let mut out = String::from("\"");
    for unit in text.chars() {
        if unit < ' ' || unit == '"' || unit == '\\' || *flags.next().unwrap_or(&false) {
            let mut buffer = [0; 2];
            for half in unit.encode_utf16(&mut buffer) {
                out.push_str(&format!("\\u{half:04X}"));
            }
        } else {
            out.push(unit);
        }
    }
    out.push('"');
    out
}

proptest! {
    #[test]
    fn serde_json_reads_the_model_that_we_read_and_then_the_one_we_write(
        before in prop::collection::vec((any::<String>(), values()), 0..5),
        after in prop::collection::vec((any::<String>(), values()), 0..5),
        model in "[^\\p{Cc}]{1,40}",
        new in "[^\\p{Cc}]{1,40}",
        escapes in prop::collection::vec(any::<bool>(), 1..9),
        space in "[ \\n\\t\\r]{0,3}",
    ) {
        let pair = |(key, value): &(String, Value)| format!("{}{space}:{space}{value}", written(key, &escapes));
        let mut members: Vec<_> = before.iter().map(pair).collect();
        members.push(format!("{}{space}:{space}{}", written("model", &escapes), written(&model, &escapes)));
        members.extend(after.iter().map(pair));
        let clear = before.iter().chain(&after)
            .all(|(key, _)| !key.eq_ignore_ascii_case("model") && !key.contains('\0'));
        prop_assume!(clear);
        let text = format!("{space}{{{space}{}{space}}}{space}", members.join(&format!("{space},{space}")));
        let body = read(&text).expect("JSON");
        prop_assert_eq!(body.model().unwrap(), model.as_str());

        let sent = body.with_model(&new).unwrap();
        let span = body.model_span().unwrap();
        prop_assert_eq!(&sent.parts[0][..], &text.as_bytes()[..span.start]);
        prop_assert_eq!(&sent.parts[2][..], &text.as_bytes()[span.end..]);
        let mut expected: Map<String, Value> = serde_json::from_str(&text).unwrap();
        expected.insert("model".to_owned(), Value::from(new.clone()));
        let read: Map<String, Value> = serde_json::from_slice(&sent.to_vec()).unwrap();
        prop_assert_eq!(read, expected);

        // The same with a question put into it.
        let streams = text.replacen('{', "{\"stream\":true,", 1);
        let mut expected: Map<String, Value> = serde_json::from_str(&streams).unwrap();
        let body = JsonBody::read(&Bytes::from(streams)).expect("JSON");
        if let Ok(Some(sent)) = body.with_usage_asked(Some(&new)) {
            expected.insert("model".to_owned(), Value::from(new));
            expected.insert("stream_options".to_owned(), serde_json::json!({"include_usage": true}));
            let read: Map<String, Value> = serde_json::from_slice(&sent.to_vec()).unwrap();
            prop_assert_eq!(read, expected);
        }

        let twice = format!("{},{}:1}}", text.trim_end().trim_end_matches('}').trim_end(), written("model", &escapes));
        if serde_json::from_str::<Value>(&twice).is_ok() {
            prop_assert!(JsonBody::read(&Bytes::from(twice)).is_err());
        }
    }

    #[test]
    fn any_value_is_read_or_refused_as_serde_json_does(value in values(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let ours = read(&text);
        match value.get("model") {
            Some(Value::String(model)) => {
                if let Ok(body) = ours { prop_assert_eq!(body.model().unwrap(), model.as_str()); }
            }
            Some(_) => prop_assert!(ours.is_err()),
            None => prop_assert!(ours.is_err() || ours.unwrap().model().unwrap_err().is_missing()),
        }
    }
}
