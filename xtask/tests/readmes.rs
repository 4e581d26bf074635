//! Each library crate's `README.md` is its front page, as a registry shows it: what `lib.rs` says, with the links of
//! rustdoc as plain names.
//!
//! `KEYWARD_WRITE_OUTPUT=1 cargo test -p xtask --test readmes` writes them.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{Metadata, MetadataCommand, Package};

/// Cargo refuses a package with more than this many keywords or categories.
const MOST_WORDS: usize = 5;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap()
}

fn published(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    metadata
        .packages
        .iter()
        .filter(|package| package.publish.is_none() && package.name.starts_with("keyward-"))
}

/// The front page of a crate as Markdown that needs no rustdoc.
fn readme(name: &str, source: &str) -> String {
    let mut page = format!("# {name}\n\n");
    let mut in_code = false;
    for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
        let line = line.strip_prefix(' ').unwrap_or(line);
        if let Some(language) = line.strip_prefix("```") {
            in_code = !in_code;
            page.push_str(match (in_code, language) {
                (false, _) => "```\n",
                (true, "text") => "```text\n",
                (true, _) => "```rust\n",
            });
        } else if in_code {
            // Rustdoc hides these lines.
            if line != "#" && !line.starts_with("# ") {
                page.push_str(line);
                page.push('\n');
            }
        } else {
            if line.starts_with('#') {
                page.push('#');
            }
            page.push_str(&plain(line));
            page.push('\n');
        }
    }
    page.push_str("\n## Licence\n\nApache-2.0 or MIT, at your option.\n");
    page
}

/// ``[`Vault`]``, ``[`Vault`](crate::Vault)`` and `[class](Class)` become `` `Vault` `` and `class`; links to pages
/// stay.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        let Some((label, behind)) = after.split_once(']') else {
            text.push('[');
            rest = after;
            continue;
        };
        let target = behind
            .strip_prefix('(')
            .and_then(|target| target.split_once(')'));
        match target {
            Some((page, behind)) if page.contains("//") => {
                text.push_str(&format!("[{label}]({page})"));
                rest = behind;
            }
            Some((_item, behind)) => {
                text.push_str(label);
                rest = behind;
            }
            None if label.starts_with('`') => {
                text.push_str(label);
                rest = behind;
            }
            None => {
                text.push('[');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

#[test]
fn every_readme_is_the_front_page() {
    for package in published(&metadata()) {
        let directory = package.manifest_path.parent().unwrap();
        let source = fs::read_to_string(directory.join("src/lib.rs")).unwrap();
        let expected = readme(&package.name, &source);
        let path = directory.join("README.md");
        if env::var_os("KEYWARD_WRITE_OUTPUT").is_some() {
            fs::write(&path, &expected).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn every_front_page_has_an_example_and_lists_the_features() {
    for package in published(&metadata()) {
        let directory = package.manifest_path.parent().unwrap();
        let page = readme(
            &package.name,
            &fs::read_to_string(directory.join("src/lib.rs")).unwrap(),
        );
        assert!(page.contains("```rust"), "{}: no example", package.name);
        let (_, features) = page.split_once("\n## Features\n").unwrap_or_default();
        assert!(!features.is_empty(), "{}: no features", package.name);
        for feature in package.features.keys() {
            let named = format!("`{feature}`");
            assert!(features.contains(&named), "{}: {named}", package.name);
        }
    }
}

#[test]
fn every_library_has_what_a_package_needs() {
    for package in published(&metadata()) {
        let name = &package.name;
        assert!(package.description.is_some(), "{name}: no description");
        assert!(package.license.is_some(), "{name}: no licence");
        assert!(package.readme.is_some(), "{name}: no readme");
        for words in [&package.keywords, &package.categories] {
            assert!((1..=MOST_WORDS).contains(&words.len()), "{name}: {words:?}");
        }
        let directory = package.manifest_path.parent().unwrap();
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            let own = fs::read(directory.join(licence)).unwrap();
            assert_eq!(own, fs::read(root().join(licence)).unwrap(), "{name}");
        }
    }
}

#[test]
fn links_of_rustdoc_become_names_and_links_to_pages_stay() {
    for (line, expected) in [
        ("- [`Vault`] is", "- `Vault` is"),
        ("[`A`](crate::A), [b](B)", "`A`, b"),
        ("[page](https://a.example/b)", "[page](https://a.example/b)"),
        ("an array [u8; 4] stays", "an array [u8; 4] stays"),
    ] {
        assert_eq!(plain(line), expected);
    }
}
