//! The rules of the catalogue against the provider error corpus: each real answer has its class, and however one is
//! changed, a key is never convicted by an answer that did not convict it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use keyward_providers::{ErrorClass, Provider};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::support::catalogue;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "$schema")]
    schema: String,
    version: u32,
    provider: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    class: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
    #[serde(default)]
    cut: bool,
    shown: String,
    source: String,
    date: Option<String>,
    #[expect(dead_code, reason = "for people")]
    note: Option<String>,
}

/// An entry, and whom it is of.
struct Case {
    name: String,
    provider: Arc<Provider>,
    class: ErrorClass,
    entry: Entry,
}

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}

fn files() -> Vec<(String, File)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if let Some(stem) = name.strip_suffix(".json")
            && stem != "schema"
        {
            let file = serde_json::from_str(&fs::read_to_string(&path).unwrap());
            files.push((
                stem.to_owned(),
                file.unwrap_or_else(|error| panic!("{name}: {error}")),
            ));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    files
}

/// Read once: the tests of properties ask for them again and again.
fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(read_cases);
    &CASES
}

fn read_cases() -> Vec<Case> {
    let catalogue = catalogue();
    let case = |slug: &str, entry: Entry| Case {
        name: format!("{slug}/{}", entry.id),
        provider: Arc::clone(catalogue.find(slug).unwrap()),
        class: ErrorClass::parse(&entry.class).unwrap(),
        entry,
    };
    let files = files();
    let cases = files.into_iter().flat_map(|(slug, file)| {
        file.entries
            .into_iter()
            .map(move |entry| (slug.clone(), entry))
    });
    cases.map(|(slug, entry)| case(&slug, entry)).collect()
}

impl Case {
    fn headers(&self, upper: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.entry.headers {
            let name = if upper {
                name.to_uppercase()
            } else {
                name.clone()
            };
            headers.append(
                HeaderName::try_from(name).unwrap(),
                HeaderValue::try_from(value).unwrap(),
            );
        }
        headers
    }

    fn judge(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> ErrorClass {
        let status = StatusCode::from_u16(status).unwrap();
        self.provider.judge(status, headers, body).class
    }

    fn class_of(&self, body: &[u8]) -> ErrorClass {
        self.judge(self.entry.status, &self.headers(false), body)
    }

    /// The body as JSON, where it is.
    fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.entry.body).ok()
    }
}

/// Counts what was tried, and holds the promise.
#[derive(Default)]
struct Tried {
    mutations: usize,
    false_convictions: Vec<String>,
}

impl Tried {
    fn may(&mut self, case: &Case, how: &str, class: ErrorClass) {
        self.mutations += 1;
        if class.convicts() && !case.class.convicts() {
            self.false_convictions.push(format!("{}: {how}", case.name));
        }
    }

    /// The change does not touch what the answer says.
    #[track_caller]
    fn must(&mut self, case: &Case, how: &str, class: ErrorClass) {
        self.may(case, how, class);
        assert_eq!(class, case.class, "{}: {how}", case.name);
    }
}

/// Brings the fields of an object into another order.
type Order<'a> = dyn FnMut(&mut Vec<(&String, &Value)>) + 'a;

/// Writes JSON with the fields of each object in the order that `order` gives them.
fn written(value: &Value, order: &mut Order<'_>) -> String {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            order(&mut fields);
            let fields: Vec<_> = fields
                .into_iter()
                .map(|(name, value)| format!("{}:{}", json!(name), written(value, order)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| written(item, order)).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

fn plain(value: &Value) -> String {
    written(value, &mut |_| ())
}

/// The same with `change` on every object, innermost first.
fn with_objects(value: &Value, change: &impl Fn(&mut Map<String, Value>)) -> Value {
    match value {
        Value::Object(map) => {
            let inner = map
                .iter()
                .map(|(name, value)| (name.clone(), with_objects(value, change)));
            let mut map = inner.collect();
            change(&mut map);
            Value::Object(map)
        }
        Value::Array(items) => items
            .iter()
            .map(|item| with_objects(item, change))
            .collect(),
        other => other.clone(),
    }
}

/// The fields that hold words for people.
const WORDS: [&str; 7] = [
    "message",
    "error",
    "detail",
    "details",
    "title",
    "err_msg",
    "faultstring",
];

/// The same with other words for people.
fn said(value: &Value, words: &str) -> Value {
    with_objects(value, &|map| {
        for name in WORDS {
            if let Some(Value::String(text)) = map.get_mut(name) {
                words.clone_into(text);
            }
        }
    })
}

fn with_more_fields(value: &Value) -> Value {
    with_objects(value, &|map| {
        map.insert(
            "aaa_new".to_owned(),
            json!({"code": "x", "list": [1, null, {"type": "y"}]}),
        );
        map.insert("trace_id".to_owned(), json!("0123456789abcdef"));
        map.insert("zzz".to_owned(), Value::Null);
    })
}

/// Every field twice, the second with another value.
fn doubled(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let fields = map.iter().flat_map(|(name, value)| {
                let name = json!(name);
                [
                    format!("{name}:{}", doubled(value)),
                    format!("{name}:\"other\""),
                ]
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        other => plain(other),
    }
}

const LANGUAGES: [&str; 4] = [
    "",
    "Der Schlüssel ist ungültig, abgelaufen oder gesperrt.",
    "API キーが無効です。",
    "invalid api key: expired, revoked, unauthorized, Incorrect API key provided",
];

#[test]
fn every_entry_has_its_class() {
    for case in cases() {
        let class = case.class_of(case.entry.body.as_bytes());
        assert_eq!(class, case.class, "{}", case.name);
    }
}

#[test]
fn a_changed_answer_convicts_no_key_that_the_answer_did_not() {
    let cases = cases();
    let mut tried = Tried::default();
    for case in cases {
        let body = case.entry.body.as_bytes();
        let status = case.entry.status;
        tried.must(
            case,
            "headers in upper case",
            case.judge(status, &case.headers(true), body),
        );
        let mut html = HeaderMap::new();
        html.insert("content-type", HeaderValue::from_static("text/html"));
        tried.must(case, "another media type", case.judge(status, &html, body));
        for length in 0..body.trim_ascii_end().len() {
            let class = case.class_of(body.get(..length).unwrap());
            tried.may(case, "cut", class);
            assert!(!class.convicts(), "{} cut to {length} bytes", case.name);
        }
        for other in [
            400, 401, 402, 403, 404, 409, 413, 422, 429, 498, 500, 502, 503, 529,
        ] {
            tried.may(
                case,
                "another status",
                case.judge(other, &HeaderMap::new(), body),
            );
        }
        tried.may(case, "empty", case.class_of(b""));
        tried.may(
            case,
            "a page",
            case.class_of(b"<html><body>401 Unauthorized: invalid api key</body></html>"),
        );
        tried.may(
            case,
            "not UTF-8",
            case.class_of(&[body, b"\xff\xfe"].concat()),
        );
        tried.may(case, "twice", case.class_of(&[body, body].concat()));
        if let Some(json) = case.json() {
            json_mutations(case, &json, &mut tried);
        }
    }
    let sources: BTreeSet<_> = cases.iter().map(|case| &case.entry.source).collect();
    println!(
        "corpus: {} providers, {} entries, {} sources, {} mutations, {} false convictions",
        files().len(),
        cases.len(),
        sources.len(),
        tried.mutations,
        tried.false_convictions.len(),
    );
    assert!(
        tried.false_convictions.is_empty(),
        "{:#?}",
        tried.false_convictions
    );
}

fn json_mutations(case: &Case, json: &Value, tried: &mut Tried) {
    let same = [
        ("written anew", plain(json)),
        (
            "fields reversed",
            written(json, &mut |fields| fields.reverse()),
        ),
        ("indented", serde_json::to_string_pretty(json).unwrap()),
        ("more fields", plain(&with_more_fields(json))),
        ("in an array", plain(&json!([json]))),
        ("in two arrays", plain(&json!([[json]]))),
        ("a byte order mark", format!("\u{feff}{}", plain(json))),
        ("white space", format!("\r\n \t{}\r\n", plain(json))),
    ];
    for (how, body) in same {
        tried.must(case, how, case.class_of(body.as_bytes()));
    }
    for words in LANGUAGES {
        tried.may(
            case,
            "other words",
            case.class_of(plain(&said(json, words)).as_bytes()),
        );
    }
    let text = plain(json);
    let others = [
        ("doubled fields", doubled(json)),
        (
            "quoted by another",
            plain(&json!({"error": {"message": text}})),
        ),
        (
            "quoted as a detail",
            plain(&json!({"detail": text, "error": text, "message": text})),
        ),
        ("below another", plain(&json!({"upstream": json}))),
        ("all upper case", text.to_uppercase()),
        (
            "past the first 8 KiB",
            format!("{{\"padding\":\"{}\",\"x\":{text}}}", "x".repeat(8192)),
        ),
        ("with 8 KiB behind", format!("{text}{}", " ".repeat(8192))),
    ];
    for (how, body) in others {
        tried.may(case, how, case.class_of(body.as_bytes()));
    }
}

proptest! {
    #[test]
    fn any_mixture_of_changes_convicts_no_key_that_the_answer_did_not(
        choice in any::<prop::sample::Index>(),
        steps in prop::collection::vec((0_u8..7, any::<u64>()), 1..6),
        status in prop_oneof![Just(None), (400_u16..600).prop_map(Some)],
        cut in prop_oneof![Just(None), any::<prop::sample::Index>().prop_map(Some)],
    ) {
        let cases = cases();
        let case = choice.get(cases);
        let mut body = case.entry.body.clone();
        for (step, seed) in steps {
            let Ok(json) = serde_json::from_str::<Value>(&body) else {
                break;
            };
            body = match step {
                0 => written(&json, &mut |fields| {
                    let by = usize::try_from(seed % 7).unwrap() % fields.len().max(1);
                    fields.rotate_left(by);
                }),
                1 => plain(&with_more_fields(&json)),
                2 => plain(&said(&json, LANGUAGES.get(usize::try_from(seed % 4).unwrap()).unwrap())),
                3 => plain(&json!([json])),
                4 => doubled(&json),
                5 => serde_json::to_string_pretty(&json).unwrap(),
                _ => plain(&json!({"error": json})),
            };
        }
        let bytes = match cut {
            Some(at) if !body.is_empty() => body.as_bytes().get(..at.index(body.len())).unwrap(),
            _ => body.as_bytes(),
        };
        let class = case.judge(status.unwrap_or(case.entry.status), &HeaderMap::new(), bytes);
        prop_assert!(!class.convicts() || case.class.convicts(), "{}: {body}", case.name);
    }

    #[test]
    fn any_bytes_are_judged(
        provider in any::<prop::sample::Index>(),
        status in 100_u16..1000,
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let provider = &provider.get(cases()).provider;
        let status = StatusCode::from_u16(status).unwrap();
        let class = provider.judge(status, &HeaderMap::new(), &body).class;
        prop_assert!(!class.convicts());
    }
}

#[test]
fn the_files_are_as_the_schema_says() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(directory().join("schema.json")).unwrap())
            .unwrap();
    let of = |pointer: &str| schema.pointer(pointer).unwrap();
    let classes: Vec<_> = ErrorClass::ALL.iter().map(|class| class.name()).collect();
    assert_eq!(of("/$defs/entry/properties/class/enum"), &json!(classes));
    let kinds = of("/$defs/entry/properties/shown/enum").as_array().unwrap();
    for (stem, file) in files() {
        assert_eq!(
            (stem.as_str(), file.schema.as_str()),
            (file.provider.as_str(), "./schema.json")
        );
        assert_eq!(
            of("/properties/version/const"),
            &json!(file.version),
            "{stem}"
        );
        let mut ids = BTreeSet::new();
        for entry in &file.entries {
            let name = format!("{stem}/{}", entry.id);
            assert!(ids.insert(&entry.id), "{name} stands twice");
            let is_id =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(entry.id.bytes().all(is_id), "{name}");
            assert!(classes.contains(&entry.class.as_str()), "{name}");
            assert!((400..600).contains(&entry.status), "{name}");
            assert!(kinds.contains(&json!(entry.shown)), "{name}");
            assert!(entry.source.starts_with("https://"), "{name}");
            assert!(
                entry.headers.keys().all(|key| key.bytes().all(is_id)),
                "{name}"
            );
            if let Some(date) = &entry.date {
                let shape: String = date
                    .chars()
                    .map(|c| if c.is_ascii_digit() { '0' } else { c })
                    .collect();
                assert_eq!(shape, "0000-00-00", "{name}");
            }
            let ends = entry.body.trim_end().ends_with(['}', ']']);
            let begins = entry.body.trim_start().starts_with(['{', '[']);
            assert!(
                entry.cut || begins == ends,
                "{name} is cut and does not say so"
            );
        }
    }
}

#[test]
fn the_readme_counts_what_there_is() {
    let readme = fs::read_to_string(directory().join("README.md")).unwrap();
    let mut entries = 0;
    let mut sources = BTreeSet::new();
    let files = files();
    for (stem, file) in &files {
        let own: BTreeSet<_> = file
            .entries
            .iter()
            .map(|entry| entry.source.clone())
            .collect();
        let line = format!("| `{stem}` | {} | {} |", file.entries.len(), own.len());
        assert!(readme.contains(&line), "the README lacks {line}");
        entries += file.entries.len();
        sources.extend(own);
    }
    let all = format!(
        "| {} providers | {entries} | {} |",
        files.len(),
        sources.len()
    );
    assert!(readme.contains(&all), "the README lacks {all}");
}
