//! The official SDKs that the tests drive, at pinned versions, installed once and kept in the target directory.
//!
//! A directory is named after the digest of what it was made from, so a changed pin makes a new one, and an unchanged
//! one costs nothing. A directory without its stamp was interrupted half-way and is made again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::{
    process::{self, ProcessError},
    workspace::Workspace,
};

const STAMP: &str = ".complete";

/// The SDKs could not be prepared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SdkError {
    #[error("cannot read `{path}`")]
    Pins { path: PathBuf, source: io::Error },
    #[error("cannot prepare `{path}`")]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot install the {language} SDKs")]
    Install {
        language: &'static str,
        source: ProcessError,
    },
}

/// Where the SDKs are.
#[derive(Debug)]
pub(crate) struct Sdks {
    /// The interpreter that has the Python SDKs.
    pub(crate) python: PathBuf,
    /// The directory that has the `node_modules` with the Node SDKs.
    pub(crate) node: PathBuf,
}

/// Installs what is not installed yet.
pub(crate) fn prepare(workspace: &Workspace) -> Result<Sdks, SdkError> {
    let pins = workspace.root().join("xtask/sdk");
    let target = workspace.target().join("sdk");
    Ok(Sdks {
        python: python(&pins, &target)?,
        node: node(&pins, &target)?,
    })
}

fn python(pins: &Path, target: &Path) -> Result<PathBuf, SdkError> {
    let failed = |source| SdkError::Install {
        language: "Python",
        source,
    };
    let pins = pins.join("requirements.txt");
    // A virtual environment belongs to the interpreter that made it.
    let version = process::output(Command::new("python3").arg("--version")).map_err(failed)?;
    let digest = digest(&[&read(&pins)?, version.as_bytes()]);
    let directory = target.join(format!("python-{digest}"));
    let python = directory.join("bin/python");
    install(&directory, || {
        println!("installing the Python SDKs (once)");
        process::run(Command::new("python3").args(["-m", "venv"]).arg(&directory))
            .map_err(failed)?;
        let mut pip = Command::new(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(&pins);
        process::run(&mut pip).map_err(failed)
    })?;
    Ok(python)
}

fn node(pins: &Path, target: &Path) -> Result<PathBuf, SdkError> {
    let files = ["package.json", "package-lock.json"];
    let contents = files
        .iter()
        .map(|file| read(&pins.join(file)))
        .collect::<Result<Vec<_>, _>>()?;
    let digest = digest(&contents.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let directory = target.join(format!("node-{digest}"));
    install(&directory, || {
        println!("installing the Node SDKs (once)");
        for (file, content) in files.iter().zip(&contents) {
            let path = directory.join(file);
            fs::write(&path, content).map_err(|source| SdkError::Directory { path, source })?;
        }
        let mut npm = Command::new("npm");
        npm.args([
            "ci",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ])
        .current_dir(&directory);
        process::run(&mut npm).map_err(|source| SdkError::Install {
            language: "Node",
            source,
        })
    })?;
    Ok(directory)
}

/// Fills `directory` by `fill`, unless an earlier run has done so to the end.
fn install(directory: &Path, fill: impl FnOnce() -> Result<(), SdkError>) -> Result<(), SdkError> {
    let stamp = directory.join(STAMP);
    if stamp.exists() {
        return Ok(());
    }
    let failed = |source| SdkError::Directory {
        path: directory.to_owned(),
        source,
    };
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(failed)?;
    }
    fs::create_dir_all(directory).map_err(failed)?;
    fill()?;
    fs::write(stamp, "").map_err(failed)
}

fn read(path: &Path) -> Result<Vec<u8>, SdkError> {
    fs::read(path).map_err(|source| SdkError::Pins {
        path: path.to_owned(),
        source,
    })
}

/// The start of the digest of `parts`, enough to tell directories apart.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut text = HEXLOWER.encode(&hash.finalize());
    text.truncate(16);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_filled_once_and_again_when_it_was_interrupted() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("sdk");
        let interrupted = install(&directory, || {
            fs::write(directory.join("half"), "").unwrap();
            Err(SdkError::Pins {
                path: PathBuf::new(),
                source: io::ErrorKind::Other.into(),
            })
        });
        assert!(interrupted.is_err());
        install(&directory, || {
            assert!(!directory.join("half").exists());
            Ok(())
        })
        .unwrap();
        install(&directory, || panic!("filled already")).unwrap();
    }

    #[test]
    fn the_digest_tells_parts_apart() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_eq!(digest(&[b"ab"]).len(), 16);
    }
}
