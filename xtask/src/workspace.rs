//! Where the workspace and its build output are.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::MetadataCommand;

/// Cargo could not say where the workspace is.
#[derive(Debug, thiserror::Error)]
#[error("cannot find the workspace")]
pub(crate) struct FindError(#[from] cargo_metadata::Error);

/// The workspace that this program was started in.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo about the workspace around the current directory.
    pub(crate) fn find() -> Result<Self, FindError> {
        let metadata = MetadataCommand::new().no_deps().exec()?;
        Ok(Self {
            root: metadata.workspace_root.into(),
            target: metadata.target_directory.into(),
        })
    }

    /// Another checkout of the workspace, at `root`, whose build output goes to `target`.
    pub(crate) fn checkout(root: PathBuf, target: PathBuf) -> Self {
        Self { root, target }
    }

    /// The directory of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of build output.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// A program built with `--release`.
    pub(crate) fn release_binary(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }

    /// `cargo` with `arguments`, to be run at the root.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root);
        command.env("CARGO_TARGET_DIR", &self.target);
        // Set by the `cargo run` around this program, for this package only.
        command.env_remove("CARGO_MANIFEST_DIR");
        command
    }
}
