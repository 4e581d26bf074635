//! An earlier revision, checked out and built beside this tree.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::InstructionsError;
use crate::{
    process::{self, ProcessError},
    workspace::Workspace,
};

/// A checkout of a revision below the directory of build output, which it shares with this tree.
///
/// It stays there, so that another run builds nothing again; `git worktree prune` forgets it once it is deleted.
#[derive(Debug)]
pub(crate) struct Revision {
    checkout: Workspace,
    commit: String,
}

impl Revision {
    /// Checks `name` out below `directory`.
    pub(crate) fn check_out(
        workspace: &Workspace,
        directory: &Path,
        name: &str,
    ) -> Result<Self, InstructionsError> {
        let mut parse = git(workspace);
        parse.args(["rev-parse", "--verify", "--quiet"]);
        parse.arg(format!("{name}^{{commit}}"));
        let commit = process::output(&mut parse)?.trim().to_owned();
        let root = directory.join(&commit);
        if !root.join("Cargo.toml").exists() {
            // Forgets a checkout that was deleted with the build output.
            process::output(git(workspace).args(["worktree", "prune"]))?;
            let mut add = git(workspace);
            add.args(["worktree", "add", "--quiet", "--detach"]);
            process::output(add.arg(&root).arg(&commit))?;
        }
        Ok(Self {
            checkout: Workspace::checkout(root, workspace.target().to_owned()),
            commit,
        })
    }

    /// Builds its `keyward` and sets the program aside: the next build takes its place.
    pub(crate) fn build(&self, directory: &Path) -> Result<PathBuf, InstructionsError> {
        build_keyward(&self.checkout)?;
        let aside = directory.join(format!("keyward-{}", self.commit));
        fs::copy(self.checkout.release_binary("keyward"), &aside)
            .map_err(InstructionsError::Directory)?;
        Ok(aside)
    }
}

fn build_keyward(checkout: &Workspace) -> Result<(), ProcessError> {
    process::run(&mut checkout.cargo([
        "build",
        "--release",
        "--quiet",
        "--locked",
        "-p",
        "keyward",
    ]))
}

fn git(workspace: &Workspace) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(workspace.root());
    command
}
