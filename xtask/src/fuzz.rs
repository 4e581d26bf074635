//! Every fuzz target for a while: `cargo xtask show fuzz`.
//!
//! Needs nightly and cargo-fuzz, and so is no part of the tests, which replay the corpora on stable.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{process, workspace::Workspace};

const EACH: Duration = Duration::from_secs(600);
const INSTALL: &str =
    "rustup toolchain install nightly --profile minimal && cargo install --locked cargo-fuzz";

/// The targets could not be prepared.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error("cannot read the targets in {}", .path.display())]
    Targets { path: PathBuf, source: io::Error },
    #[error("cannot prepare {}", .path.display())]
    Files { path: PathBuf, source: io::Error },
}

/// Runs every target, one after the other; the first that finds something ends it.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Box<dyn Error>> {
    let fuzz = workspace.root().join("fuzz");
    if process::output(&mut cargo_fuzz(workspace, ["--version"])).is_err() {
        println!("not run: it needs nightly and cargo-fuzz\n  {INSTALL}");
        return Ok(());
    }
    // The same versions of everything as in the workspace.
    let lock = fuzz.join("Cargo.lock");
    fs::copy(workspace.root().join("Cargo.lock"), &lock)
        .map_err(|source| PrepareError::Files { path: lock, source })?;
    for target in targets(&fuzz.join("fuzz_targets"))? {
        println!("\n== {target}, {} s", EACH.as_secs());
        fuzz_one(workspace, &fuzz, &target)?;
    }
    Ok(())
}

fn fuzz_one(workspace: &Workspace, fuzz: &Path, target: &str) -> Result<(), Box<dyn Error>> {
    // What is found on the way goes to the first directory; the seeds stay as they are.
    let found = fuzz.join("target").join("corpus").join(target);
    let seeds = fuzz.join("corpus").join(target);
    fs::create_dir_all(&found).map_err(|source| PrepareError::Files {
        path: found.clone(),
        source,
    })?;
    let mut command = cargo_fuzz(workspace, ["run", target]);
    command.args([&found, &seeds]).arg("--").args([
        format!("-max_total_time={}", EACH.as_secs()),
        // Nothing that parses needs more, whatever the input claims.
        "-malloc_limit_mb=64".to_owned(),
        "-max_len=4096".to_owned(),
        "-timeout=5".to_owned(),
        "-print_final_stats=1".to_owned(),
    ]);
    Ok(process::run(&mut command)?)
}

/// `cargo +nightly fuzz` with `arguments`, from rustup's own `cargo`.
fn cargo_fuzz<'a>(workspace: &Workspace, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(["+nightly", "fuzz"])
        .args(arguments)
        .current_dir(workspace.root());
    // Set by the `cargo run` around this program, and would choose the workspace's toolchain.
    for name in ["CARGO", "CARGO_MANIFEST_DIR", "RUSTC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command
}

fn targets(directory: &Path) -> Result<Vec<String>, PrepareError> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            names.extend(
                path.file_stem()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
        names.sort();
        Ok(names)
    };
    read().map_err(|source| PrepareError::Targets {
        path: directory.to_owned(),
        source,
    })
}
