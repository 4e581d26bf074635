//! Every public error of a library has a file that says what it tells, and none is left of one that is gone.
//!
//! The files are written by the crates' own tests (`keyward_testing::assert_texts!`), variant by variant.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step fails the test"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, Meta, Type, Visibility};

/// Errors whose texts stand in the file of another, by crate, name and that other's name.
const ELSEWHERE: [(&str, &str, &str); 2] = [
    ("keyward-registry", "Refusal", "ChangeError"),
    ("keyward-registry", "SecretRefusal", "ChangeError"),
];
/// Crates of this repository that nothing published needs.
const FOR_TESTS: [&str; 2] = ["keyward-testing", "keyward-fuzz-harness"];

#[test]
fn every_public_error_has_a_file_of_its_texts() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut count = 0;
    for entry in fs::read_dir(crates).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if FOR_TESTS.contains(&name.as_str()) {
            continue;
        }
        let found = Found::of(&path.join("src"));
        let public = found.errors.intersection(&found.public);
        let public: BTreeSet<_> = public.map(|(_, error)| error).collect();
        count += public.len();
        let files = files(&path.join("tests/errors"));
        for error in public {
            let other = ELSEWHERE
                .iter()
                .find(|(of, own, _)| (*of, *own) == (&name, error));
            let file = other.map_or(error.as_str(), |(_, _, file)| file);
            assert!(
                files.contains(file),
                "{name}: {error} has no tests/errors/{file}.snap: write a test with `assert_texts!`"
            );
        }
        for file in &files {
            assert!(
                found.types.contains(file),
                "{name}: tests/errors/{file}.snap is of no type that there is: delete it"
            );
        }
    }
    assert!(count > 40, "{count} errors: are they still found?");
}

fn files(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().path());
    let snapshots = names.filter(|path| path.extension().is_some_and(|end| end == "snap"));
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    snapshots.map(stem).collect()
}

/// Names of types in a library, each with the file that it stands in: private ones repeat from file to file.
#[derive(Default)]
struct Found {
    public: BTreeSet<(PathBuf, String)>,
    errors: BTreeSet<(PathBuf, String)>,
    /// Public and private ones, wherever they stand.
    types: BTreeSet<String>,
}

impl Found {
    fn of(directory: &Path) -> Self {
        let mut found = Self::default();
        let mut open = vec![directory.to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    let file =
                        syn::parse_file(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
                    file.items.iter().for_each(|item| found.read(&path, item));
                }
            }
        }
        found
    }

    fn read(&mut self, path: &Path, item: &Item) {
        let (name, visibility, attributes) = match item {
            Item::Struct(item) => (&item.ident, &item.vis, &item.attrs),
            Item::Enum(item) => (&item.ident, &item.vis, &item.attrs),
            Item::Impl(item) => {
                let of = item
                    .trait_
                    .as_ref()
                    .and_then(|(path, _)| path.segments.last());
                if let (Some(of), Type::Path(own)) = (of, item.self_ty.as_ref())
                    && of.ident == "Error"
                {
                    let own = own.path.segments.last().expect("a type has a name");
                    self.errors.insert((path.to_owned(), own.ident.to_string()));
                }
                return;
            }
            _ => return,
        };
        self.types.insert(name.to_string());
        if matches!(visibility, Visibility::Public(_)) {
            self.public.insert((path.to_owned(), name.to_string()));
        }
        if attributes.iter().any(derives_error) {
            self.errors.insert((path.to_owned(), name.to_string()));
        }
    }
}

fn derives_error(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    let is_derive = list.path.is_ident("derive");
    is_derive
        && list
            .tokens
            .to_string()
            .replace(' ', "")
            .contains("thiserror::Error")
}
