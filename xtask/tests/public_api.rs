//! Which foreign crates stand in the public signatures of ours: a foreign type there is a promise to follow its
//! versions.
//!
//! Reads the sources, so that it is quick and needs no nightly rustdoc. What it cannot see: items that macros make.

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

use cargo_metadata::{Metadata, MetadataCommand, Package, TargetKind};
use syn::{
    Attribute, Field, Fields, ImplItem, Item, ItemImpl, Signature, TraitItem, Type, UseTree,
    Visibility, visit::Visit,
};

/// Crates whose types no signature may name: they change faster than we promise to, or are a detail of ours.
const BANNED: [&str; 9] = [
    "aws_lc_rs",
    "h2",
    "hyper_util",
    "rustls",
    "rustls_native_certs",
    "rustls_pki_types",
    "sqlx",
    "tokio_rustls",
    "webpki_roots",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata answers")
}

/// The library crates that are published.
fn libraries(metadata: &Metadata) -> Vec<&Package> {
    let is_library = |package: &&Package| {
        package.name.starts_with("keyward-")
            && package.publish.is_none()
            && package
                .targets
                .iter()
                .any(|target| target.kind.contains(&TargetKind::Lib))
    };
    let mut libraries: Vec<_> = metadata.packages.iter().filter(is_library).collect();
    libraries.sort_by_key(|package| package.name.to_string());
    libraries
}

/// One library's files, read.
struct Library {
    /// Its dependencies, as the code names them.
    foreign: BTreeSet<String>,
    files: Vec<syn::File>,
}

impl Library {
    fn of(package: &Package) -> Self {
        let foreign = package
            .dependencies
            .iter()
            .map(|dependency| dependency.name.replace('-', "_"))
            .filter(|name| !name.starts_with("keyward_"))
            .collect();
        let mut files = Vec::new();
        let mut open = vec![package.manifest_path.parent().unwrap().join("src")];
        while let Some(directory) = open.pop() {
            for entry in directory.read_dir_utf8().unwrap() {
                let path = entry.unwrap().into_path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension() == Some("rs") && path.file_name() != Some("tests.rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    let file = syn::parse_file(&text).map_err(|error| format!("{path}: {error}"));
                    files.push(file.unwrap());
                }
            }
        }
        Self { foreign, files }
    }

    /// Each foreign crate in a public signature, with the items that name it.
    fn named(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut types = BTreeSet::new();
        let mut aliases = BTreeMap::new();
        for file in &self.files {
            let imports = Imports::of(&file.items, &self.foreign);
            gather(&file.items, &imports, &mut types, &mut aliases);
        }
        let mut named = BTreeMap::new();
        for file in &self.files {
            let imports = Imports::of(&file.items, &self.foreign).with(&aliases);
            Reader {
                imports,
                types: &types,
                named: &mut named,
                item: String::new(),
            }
            .items(&file.items);
        }
        named
    }
}

/// Which foreign crate a name in one file comes from.
#[derive(Clone)]
struct Imports {
    foreign: BTreeSet<String>,
    by_name: BTreeMap<String, String>,
}

impl Imports {
    fn of(items: &[Item], foreign: &BTreeSet<String>) -> Self {
        let mut by_name = BTreeMap::new();
        for item in items {
            if let Item::Use(item) = item {
                read_use(&item.tree, None, &mut by_name);
            }
        }
        by_name.retain(|_, from| foreign.contains(from));
        let foreign = foreign.clone();
        Self { foreign, by_name }
    }

    fn with(mut self, aliases: &BTreeMap<String, String>) -> Self {
        self.by_name.extend(
            aliases
                .iter()
                .map(|(name, from)| (name.clone(), from.clone())),
        );
        self
    }

    fn origin(&self, path: &syn::Path) -> Option<&str> {
        let first = path.segments.first()?.ident.to_string();
        let own = self.by_name.get(&first).or_else(|| {
            // An alias of this crate goes by its last name: `crate::dial::Stream`.
            let last = path.segments.last()?.ident.to_string();
            matches!(first.as_str(), "crate" | "self" | "super")
                .then(|| self.by_name.get(&last))
                .flatten()
        });
        own.or_else(|| self.foreign.get(&first)).map(String::as_str)
    }
}

fn read_use(tree: &UseTree, root: Option<&str>, by_name: &mut BTreeMap<String, String>) {
    match tree {
        UseTree::Path(path) => {
            let ident = path.ident.to_string();
            read_use(&path.tree, Some(root.unwrap_or(&ident)), by_name);
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                read_use(tree, root, by_name);
            }
        }
        UseTree::Name(name) => {
            if let Some(root) = root {
                by_name.insert(name.ident.to_string(), root.to_owned());
            }
        }
        UseTree::Rename(name) => {
            let from = root.map_or_else(|| name.ident.to_string(), ToOwned::to_owned);
            by_name.insert(name.rename.to_string(), from);
        }
        UseTree::Glob(_) => {}
    }
}

/// Public types, and aliases of any visibility that stand for a foreign type.
fn gather(
    items: &[Item],
    imports: &Imports,
    types: &mut BTreeSet<String>,
    aliases: &mut BTreeMap<String, String>,
) {
    for item in items {
        match item {
            Item::Struct(syn::ItemStruct { vis, ident, .. })
            | Item::Enum(syn::ItemEnum { vis, ident, .. })
            | Item::Trait(syn::ItemTrait { vis, ident, .. })
                if is_public(vis) =>
            {
                types.insert(ident.to_string());
            }
            Item::Type(item) => {
                let mut found = Found::new(imports);
                found.visit_type(&item.ty);
                if let Some(from) = found.crates.into_iter().next() {
                    aliases.insert(item.ident.to_string(), from);
                }
            }
            Item::Mod(item) if !is_test(&item.attrs) => {
                if let Some((_, items)) = &item.content {
                    gather(items, imports, types, aliases);
                }
            }
            _ => {}
        }
    }
}

const fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|condition| condition == "test")
    })
}

/// The foreign crates that a piece of syntax names.
struct Found<'a> {
    imports: &'a Imports,
    crates: BTreeSet<String>,
}

impl<'a> Found<'a> {
    const fn new(imports: &'a Imports) -> Self {
        Self {
            imports,
            crates: BTreeSet::new(),
        }
    }
}

impl Visit<'_> for Found<'_> {
    fn visit_path(&mut self, path: &syn::Path) {
        if let Some(from) = self.imports.origin(path) {
            self.crates.insert(from.to_owned());
        }
        syn::visit::visit_path(self, path);
    }
}

struct Reader<'a> {
    imports: Imports,
    types: &'a BTreeSet<String>,
    named: &'a mut BTreeMap<String, BTreeSet<String>>,
    item: String,
}

impl Reader<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Fn(item) if is_public(&item.vis) => self.signature(&item.sig),
            Item::Const(item) if is_public(&item.vis) => {
                self.note(&item.ident, |found| found.visit_type(&item.ty));
            }
            Item::Static(item) if is_public(&item.vis) => {
                self.note(&item.ident, |found| found.visit_type(&item.ty));
            }
            Item::Type(item) if is_public(&item.vis) => {
                self.note(&item.ident, |found| found.visit_type(&item.ty));
            }
            Item::Struct(item) if is_public(&item.vis) => {
                self.note(&item.ident, |found| {
                    found.visit_generics(&item.generics);
                    for field in fields(&item.fields).filter(|field| is_public(&field.vis)) {
                        found.visit_type(&field.ty);
                    }
                });
            }
            Item::Enum(item) if is_public(&item.vis) => {
                self.note(&item.ident, |found| {
                    found.visit_generics(&item.generics);
                    for field in item
                        .variants
                        .iter()
                        .flat_map(|variant| fields(&variant.fields))
                    {
                        found.visit_type(&field.ty);
                    }
                });
            }
            Item::Trait(item) if is_public(&item.vis) => {
                self.note(&item.ident, |found| {
                    found.visit_generics(&item.generics);
                    for bound in &item.supertraits {
                        found.visit_type_param_bound(bound);
                    }
                    for item in &item.items {
                        match item {
                            TraitItem::Fn(item) => found.visit_signature(&item.sig),
                            TraitItem::Type(item) => found.visit_trait_item_type(item),
                            TraitItem::Const(item) => found.visit_type(&item.ty),
                            _ => {}
                        }
                    }
                });
            }
            Item::Use(item) if is_public(&item.vis) => {
                let mut by_name = BTreeMap::new();
                read_use(&item.tree, None, &mut by_name);
                for (name, from) in by_name {
                    if self.imports.foreign.contains(&from) {
                        self.named.entry(from).or_default().insert(name);
                    }
                }
            }
            Item::Impl(item) => self.implementation(item),
            Item::Mod(item) if !is_test(&item.attrs) => {
                if let Some((_, items)) = &item.content {
                    self.items(items);
                }
            }
            _ => {}
        }
    }

    fn implementation(&mut self, item: &ItemImpl) {
        let Type::Path(own) = item.self_ty.as_ref() else {
            return;
        };
        let Some(name) = own
            .path
            .segments
            .last()
            .map(|segment| segment.ident.clone())
        else {
            return;
        };
        if !self.types.contains(&name.to_string()) {
            return;
        }
        if let Some((implemented, _)) = &item.trait_ {
            self.note(&name, |found| {
                found.visit_path(implemented);
                found.visit_generics(&item.generics);
                for item in &item.items {
                    if let ImplItem::Type(item) = item {
                        found.visit_type(&item.ty);
                    }
                }
            });
            return;
        }
        let mut has_public = false;
        for part in &item.items {
            if let ImplItem::Fn(part) = part
                && is_public(&part.vis)
            {
                has_public = true;
                self.item = format!("{name}::");
                self.signature(&part.sig);
                self.item.clear();
            }
        }
        if has_public {
            self.note(&name, |found| found.visit_generics(&item.generics));
        }
    }

    fn signature(&mut self, signature: &Signature) {
        self.note(&signature.ident, |found| found.visit_signature(signature));
    }

    fn note(&mut self, name: &syn::Ident, read: impl FnOnce(&mut Found<'_>)) {
        let mut found = Found::new(&self.imports);
        read(&mut found);
        for from in found.crates {
            let item = format!("{}{name}", self.item);
            self.named.entry(from).or_default().insert(item);
        }
    }
}

fn fields(fields: &Fields) -> impl Iterator<Item = &Field> {
    fields.iter()
}

/// A new foreign crate in a signature is a decision: it is added to the list, by name, in the change that needs it.
#[test]
fn public_signatures_name_few_foreign_crates_and_no_banned_one() {
    let mut lines = String::new();
    for package in libraries(&metadata()) {
        let named = Library::of(package).named();
        for banned in BANNED {
            let items = named.get(banned);
            assert!(items.is_none(), "{}: {banned} in {items:?}", package.name);
        }
        let mut names: Vec<&str> = named.keys().map(String::as_str).collect();
        if names.is_empty() {
            names.push("none");
        }
        lines.push_str(&format!("{}: {}\n", package.name, names.join(", ")));
    }
    let listed = fs::read_to_string(root().join("xtask/tests/public_api.txt")).unwrap();
    assert_eq!(lines, listed, "compare with xtask/tests/public_api.txt");
}

#[test]
fn a_foreign_type_is_found_wherever_it_hides() {
    #[track_caller]
    fn check(source: &str, expected: bool) {
        let library = Library {
            foreign: BTreeSet::from(["rustls".to_owned(), "http".to_owned()]),
            files: vec![syn::parse_file(source).unwrap()],
        };
        let found = library.named().contains_key("rustls");
        assert_eq!(found, expected, "{source}");
    }
    for leak in [
        "pub fn f(config: rustls::ClientConfig) {}",
        "use rustls::ClientConfig; pub fn f() -> Option<ClientConfig> { None }",
        "use rustls::{client::{Resumption as R}}; pub fn f(r: &R) {}",
        "use rustls as tls; pub struct S { pub config: tls::ClientConfig }",
        "pub struct S; impl S { pub fn f(&self) -> impl Into<rustls::Error> {} }",
        "pub struct S; impl From<rustls::Error> for S { fn from(_: rustls::Error) -> Self { S } }",
        "pub struct S; impl Iterator for S { type Item = rustls::Error; }",
        "pub enum E { A(rustls::Error) }",
        "pub enum E { A { error: Box<rustls::Error> } }",
        "pub trait T: Into<rustls::Error> {}",
        "pub trait T { fn f(&self) -> rustls::Error; }",
        "pub type T = rustls::Error;",
        "type T = rustls::Error; pub fn f() -> T {}",
        "pub use rustls::Error;",
        "pub use rustls::{self as tls};",
        "pub mod m { pub fn f() -> rustls::Error {} }",
        "pub fn f<T>(t: T) where T: Into<rustls::Error> {}",
        "pub struct S<T: Into<rustls::Error>>(T);",
        "pub const C: Option<rustls::Error> = None;",
    ] {
        check(leak, true);
    }
    for fine in [
        "use rustls::ClientConfig; fn f(config: ClientConfig) {}",
        "pub(crate) fn f(config: rustls::ClientConfig) {}",
        "pub struct S { config: rustls::ClientConfig }",
        "pub struct S(rustls::ClientConfig);",
        "struct S; impl From<rustls::Error> for S {}",
        "pub struct S; impl S { fn f(error: rustls::Error) {} }",
        "#[cfg(test)] mod tests { pub fn f() -> rustls::Error {} }",
        "pub fn f(method: http::Method) { let _ = rustls::version(); }",
    ] {
        check(fine, false);
    }
}
