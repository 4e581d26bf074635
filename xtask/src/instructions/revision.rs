//! An earlier revision, checked out and built beside this tree.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::InstructionsError;
use crate::{
    process::{self, ProcessError},
    workspace::Workspace,
};

/// A checkout of a revision below the directory of build output, with build output of its own.
///
/// It stays there, so that another run builds nothing again; `git worktree prune` forgets it once it is deleted.
#[derive(Debug)]
pub(crate) struct Revision {
    checkout: Workspace,
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
            // Of its own: cargo names what it builds by paths below the workspace, and takes the crates of one checkout
            // for those of the other.
            checkout: Workspace::checkout(root.clone(), root.join("target")),
        })
    }

    /// Builds its `keyward`.
    pub(crate) fn build(&self) -> Result<PathBuf, ProcessError> {
        process::run(&mut self.checkout.cargo([
            "build",
            "--release",
            "--quiet",
            "--locked",
            "-p",
            "keyward",
        ]))?;
        Ok(self.checkout.release_binary("keyward"))
    }
}

fn git(workspace: &Workspace) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(workspace.root());
    command
}
