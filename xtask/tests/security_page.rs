//! docs/security.md names a test for what it claims; each of them exists.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::{fs, path::PathBuf};

/// The rows of the table of threat classes.
const CLASSES: usize = 20;

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/security.md")).unwrap()
}

/// `FILE.rs::TEST` in backticks: the file below `crates/`, or below the root.
fn named(text: &str) -> Vec<(&str, &str)> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs"))
        .collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let page = page();
    let named = named(&page);
    assert!(named.len() > 40, "only {} tests are named", named.len());
    for (file, test) in named {
        let places = [root().join("crates").join(file), root().join(file)];
        let text = places.iter().find_map(|path| fs::read_to_string(path).ok());
        let text = text.unwrap_or_else(|| panic!("there is no {file}"));
        assert!(
            text.contains(&format!("fn {test}(")),
            "{file} has no test {test}"
        );
    }
}

#[test]
fn every_class_has_a_rule_and_a_test() {
    let page = page();
    let (_, table) = page.split_once("## Classes of attack").unwrap();
    let table = table.split("\n## ").next().unwrap();
    for class in 1..=CLASSES {
        let start = format!("| {class} | ");
        let row = table.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("class {class} is missing"));
        assert!(!named(row).is_empty(), "class {class} names no test");
    }
}
