//! The walls between the crates, as ARCHITECTURE.md draws them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step fails the test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata answers")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `crate` → what it depends on, of ours, outside tests.
fn arrows(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let ours: BTreeSet<_> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    metadata
        .workspace_packages()
        .iter()
        .map(|package| {
            let targets = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .map(|dependency| dependency.name.clone())
                .filter(|name| ours.contains(name))
                .collect();
            (package.name.to_string(), targets)
        })
        .collect()
}

/// The arrows of ARCHITECTURE.md: lines `a, b ──▶ c, d` with names shortened by `keyward-`.
fn drawn() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let full = |name: &str| match name.trim() {
        "keyward" => "keyward".to_owned(),
        name => format!("keyward-{name}"),
    };
    let mut drawn = BTreeMap::new();
    for line in page.lines() {
        if let Some((from, to)) = line.split_once("──▶") {
            let to: BTreeSet<_> = to.split(',').map(full).collect();
            for from in from.split(',') {
                drawn.insert(full(from), to.clone());
            }
        }
    }
    drawn
}

#[test]
fn the_arrows_are_those_of_the_map() {
    let mut real = arrows(&metadata());
    // Development only: none is part of the product, and nothing published needs them.
    real.remove("keyward-benches");
    real.remove("keyward-examples");
    real.remove("keyward-fuzz-harness");
    real.remove("xtask");
    real.retain(|_, targets| !targets.is_empty());
    assert_eq!(real, drawn());
}

#[test]
fn the_embeddable_parts_bring_no_server_and_no_database() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let name_of = |id: &PackageId| {
        metadata
            .packages
            .iter()
            .find(|package| &package.id == id)
            .map(|package| package.name.to_string())
    };
    for part in [
        "keyward-vault",
        "keyward-auth",
        "keyward-providers",
        "keyward-routes",
        "keyward-forward",
        "keyward-listen",
        "keyward-gateway",
    ] {
        let start = metadata
            .packages
            .iter()
            .find(|package| package.name.as_str() == part)
            .unwrap();
        let mut seen = BTreeSet::new();
        let mut open = vec![&start.id];
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = resolve.nodes.iter().find(|node| &node.id == id).unwrap();
            let normal = node.deps.iter().filter(|dependency| {
                dependency
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.kind == DependencyKind::Normal)
            });
            open.extend(normal.map(|dependency| &dependency.pkg));
        }
        for banned in ["sqlx", "axum", "keyward-testing"] {
            let found = seen.iter().any(|id| name_of(id).as_deref() == Some(banned));
            assert!(!found, "{part} brings {banned}");
        }
    }
}

/// Every `.rs` file below `dir`, with its text outside of tests.
fn sources(dir: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(dir)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, code));
            }
        }
    }
    found.sort();
    found
}

/// Where plaintext is lent. A new place is a decision: it is added here, by name, in the change that needs it.
#[test]
fn plaintext_is_lent_in_few_known_places() {
    let mut places = BTreeMap::new();
    for dir in ["crates", "bins"] {
        for (name, code) in sources(dir) {
            let test_support = name.contains("/tests/")
                || name.contains("/tests.rs")
                || name.contains("/testing")
                || name.contains("keyward-testing")
                || name.contains("keyward-fuzz-harness");
            let calls = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .filter(|line| line.contains(".expose()"))
                .count();
            if calls > 0 && !test_support {
                places.insert(name, calls);
            }
        }
    }
    let listed: BTreeMap<String, usize> =
        fs::read_to_string(root().join("xtask/tests/plaintext.txt"))
            .unwrap()
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(count, name)| (name.to_owned(), count.parse().unwrap()))
            .collect();
    assert_eq!(places, listed, "compare with xtask/tests/plaintext.txt");
}

/// Statuses of our own are chosen in one module of each plane.
#[test]
fn only_two_modules_choose_our_statuses() {
    for (dir, only) in [
        ("crates/keyward-gateway/src", "respond.rs"),
        ("crates/keyward-control/src", "envelope.rs"),
    ] {
        for (name, code) in sources(dir) {
            // echo plays a provider; the health checks are for machines and have no envelope; the envelope chooses for
            // what the registry refuses in a file of its own, and the description of the API lists what it may say;
            // pages have none, and one module for theirs.
            let exempt = [
                only,
                "echo.rs",
                "health.rs",
                "envelope/refusal.rs",
                "envelope/schema.rs",
                "dashboard/answer.rs",
            ]
            .iter()
            .any(|file| name.ends_with(file));
            let chooses = code
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains("StatusCode::"));
            assert!(exempt || !chooses, "{name} chooses a status");
        }
    }
}
