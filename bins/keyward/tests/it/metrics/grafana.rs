//! The Grafana dashboard: what its panels ask for is there.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::{docs, exposition::Exposition, page::Page};

/// What the test's server cannot bring about, or not within a minute.
const RARE: [&str; 3] = [
    "keyward_otel_lost_total",
    "keyward_webhooks_lost_total",
    "keyward_websockets_open",
];

fn dashboard() -> Value {
    let text = fs::read_to_string(docs().join("grafana/keyward.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The panels, those within rows too.
fn panels(of: &Value) -> Vec<&Value> {
    let own = of["panels"].as_array().into_iter().flatten();
    own.flat_map(|panel| std::iter::once(panel).chain(panels(panel)))
        .collect()
}

/// Every expression, with the panel's title.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_panels = panels(dashboard).into_iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| (text(&panel["title"]), text(&target["expr"])))
    });
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let queries = variables.filter(|variable| variable["type"] == "query");
    let of_variables =
        queries.map(|variable| ("a variable".to_owned(), text(&variable["definition"])));
    of_panels.chain(of_variables).collect()
}

/// The metrics that an expression names, each with the labels that stand in its braces.
fn selectors(expression: &str) -> Vec<(&str, BTreeSet<&str>)> {
    let is_word = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
    let starts = expression.match_indices("keyward_").map(|(at, _)| at);
    starts
        .map(|at| {
            let rest = &expression[at..];
            let end = rest.find(|byte| !is_word(byte)).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            let braces = behind
                .strip_prefix('{')
                .and_then(|behind| behind.split_once('}'))
                .map_or("", |(inner, _)| inner);
            (name, labels_of(braces))
        })
        .collect()
}

/// The labels before `=`, `!=`, `=~` and `!~`.
fn labels_of(braces: &str) -> BTreeSet<&str> {
    let parts = braces.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split(['=', '!']).next().unwrap().trim())
        .collect()
}

/// The labels that an expression sums by.
fn grouped(expression: &str) -> BTreeSet<&str> {
    let groups = expression.match_indices("by (");
    groups
        .flat_map(|(at, by)| {
            let inner = expression[at + by.len()..].split(')').next().unwrap();
            inner.split(',').map(str::trim)
        })
        .collect()
}

/// Every metric of every panel stands in the page with the labels that the panel asks by, and is exposed.
#[track_caller]
pub(super) fn asks_for_what_there_is(page: &Page, exposed: &Exposition) {
    let dashboard = dashboard();
    let expressions = expressions(&dashboard);
    assert!(expressions.len() > 20, "{}", expressions.len());
    let mut asked = BTreeSet::new();
    for (title, expression) in &expressions {
        let selectors = selectors(expression);
        assert!(!selectors.is_empty(), "{title}: {expression}");
        for (name, labels) in selectors {
            let parts = ["_bucket", "_sum", "_count"];
            let whole = parts.iter().find_map(|part| name.strip_suffix(part));
            let name = whole.unwrap_or(name);
            let row = page
                .0
                .get(name)
                .unwrap_or_else(|| panic!("{title} asks for {name}, which is not in the page"));
            assert_eq!(
                row.kind == "histogram",
                whole.is_some(),
                "{title}: {expression}"
            );
            let mut known: BTreeSet<_> = row.labels.iter().map(String::as_str).collect();
            if row.kind == "histogram" {
                known.insert("le");
            }
            for label in labels.union(&grouped(expression)) {
                assert!(
                    known.contains(label),
                    "{title}: {name} has no label {label}"
                );
            }
            assert!(
                exposed.0.contains_key(name) || RARE.contains(&name),
                "{title} asks for {name}, which is not exposed"
            );
            asked.insert(name.to_owned());
        }
    }
    // Whatever is lost is shown.
    let lost = page.0.keys().filter(|name| name.ends_with("_lost_total"));
    for name in lost {
        assert!(asked.contains(name), "no panel shows {name}");
    }
}

#[test]
fn the_dashboard_can_be_imported_into_any_grafana() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "keyward");
    assert!(dashboard["schemaVersion"].as_u64() >= Some(36));
    // Grafana gives a number of its own.
    assert_eq!(dashboard["id"], Value::Null);
    let mut ids = BTreeSet::new();
    for panel in panels(&dashboard) {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(!panel["title"].as_str().unwrap().is_empty());
        let place = &panel["gridPos"];
        let at = |name: &str| place[name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24 && at("h") > 0, "{panel}");
        if panel["type"] != "row" {
            // The data source is chosen where it is imported.
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        }
    }
}
