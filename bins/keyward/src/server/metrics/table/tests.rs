//! The table against the sources, and against docs/metrics.md.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{Kind, METRICS, Metric};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every `.rs` file below `dir`, but tests and the table itself.
fn sources(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !["tests", "target", "table"].contains(&name) {
                open.push(path);
            } else if name.ends_with(".rs") && !["tests.rs", "table.rs"].contains(&name) {
                let text = fs::read_to_string(&path).unwrap();
                found.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
            }
        }
    }
    found
}

/// The names that the sources count by: those that are the first argument of something.
fn counted() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for dir in ["crates", "bins"] {
        for text in sources(&root().join(dir)) {
            for (at, _) in text.match_indices("\"keyward_") {
                let (before, behind) = text.split_at(at);
                let is_counted = ["counter!(", "gauge!(", "gauge(", "histogram!("]
                    .iter()
                    .any(|call| before.trim_end().ends_with(call));
                if is_counted || before.trim_end().ends_with("const COST: &str =") {
                    names.insert(behind.split('"').nth(1).unwrap().to_owned());
                }
            }
        }
    }
    names
}

#[test]
fn what_is_counted_anywhere_stands_in_the_table_and_nothing_else() {
    let table: BTreeSet<_> = METRICS
        .iter()
        .map(|metric| metric.name.to_owned())
        .collect();
    assert_eq!(table.len(), METRICS.len(), "a name stands there twice");
    assert_eq!(table, counted());
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    for Metric { name, kind, .. } in METRICS {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit();
        assert!(name.bytes().all(is_plain), "{name}");
        assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert_eq!(
            *kind == Kind::Histogram,
            name.ends_with("_duration_seconds"),
            "{name}"
        );
        for other in ["_ms", "_millis", "_kb", "_mb", "_count", "_sum", "_bucket"] {
            assert!(!name.ends_with(other), "{name}");
        }
    }
}

/// A row of the page.
fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let labels: Vec<_> = metric
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    format!(
        "| `{}` | {kind} | {} | {} |",
        metric.name,
        labels.join(", "),
        metric.meaning
    )
    .replace("|  |", "| |")
}

#[test]
fn the_page_has_the_table() {
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("| `keyward_"))
        .collect();
    let table: Vec<_> = METRICS.iter().map(row).collect();
    assert_eq!(rows, table, "the page should have:\n{}", table.join("\n"));
}
