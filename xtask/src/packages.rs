//! The library crates as others get them: packaged, and built alone with each of their features.

use std::error::Error;

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::{process, workspace::Workspace};

/// How thoroughly to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Makes the packages; type-checks those that are used without the rest.
    Quick,
    /// Also builds each library from its package, and type-checks every one alone and with each feature.
    Full,
}

/// Libraries that are meant to be used without the rest of Keyward.
const ALONE: [&str; 8] = [
    "keyward-secret",
    "keyward-vault",
    "keyward-auth",
    "keyward-forward",
    "keyward-providers",
    "keyward-routes",
    "keyward-limits-redis",
    "keyward-listen",
];

/// Packages and checks the library crates.
pub(crate) fn run(workspace: &Workspace, depth: Depth) -> Result<(), Box<dyn Error>> {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace.root().join("Cargo.toml"))
        .no_deps()
        .exec()?;
    package(workspace, &metadata, depth)?;
    for library in libraries(&metadata) {
        let name = library.name.as_str();
        if depth == Depth::Quick && !ALONE.contains(&name) {
            continue;
        }
        check(workspace, name, None)?;
        for feature in library.features.keys() {
            check(workspace, name, Some(feature))?;
        }
    }
    Ok(())
}

fn libraries(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    metadata
        .packages
        .iter()
        .filter(|package| package.publish.is_none() && package.name.starts_with("keyward-"))
}

/// Makes all packages in one go: each depends on others of them that no registry has yet.
fn package(workspace: &Workspace, metadata: &Metadata, depth: Depth) -> Result<(), Box<dyn Error>> {
    let mut command = workspace.cargo(["package", "--offline", "--allow-dirty"]);
    for library in libraries(metadata) {
        command.args(["--package", library.name.as_str()]);
    }
    if depth == Depth::Quick {
        command.arg("--no-verify");
    }
    Ok(process::run(&mut command)?)
}

/// Type-checks a library without the features that others of the workspace switch on in what it depends on.
fn check(
    workspace: &Workspace,
    name: &str,
    feature: Option<&String>,
) -> Result<(), Box<dyn Error>> {
    let mut command =
        workspace.cargo(["check", "--lib", "--no-default-features", "--package", name]);
    if let Some(feature) = feature {
        command.args(["--features", feature.as_str()]);
    }
    Ok(process::run(&mut command)?)
}
