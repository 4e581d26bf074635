//! `[seal]`: what opens the vault.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::failure::Failure;

/// What opens the vault.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SealSection {
    pub(crate) key_file: Option<PathBuf>,
    /// Lets the key file lie in the data directory, where one copy of it takes both.
    pub(crate) danger_key_beside_data: bool,
    /// A command that writes what opens the vault. In the file only: whoever sets a variable must not choose what
    /// is run.
    pub(crate) command: Option<Argv>,
    /// How long the command may take. Default 10 s.
    pub(crate) command_timeout_secs: Option<CommandTimeout>,
}

/// A program by its absolute path, and its arguments. No shell takes part.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(crate) struct Argv {
    program: PathBuf,
    arguments: Vec<String>,
}

/// 1 to 60 seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct CommandTimeout(Duration);

impl SealSection {
    /// Refuses two ways at once: which of them opens the vault should not be a matter of order.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.key_file.is_some() && self.command.is_some() {
            return Err(
                Failure::new("`[seal]` names both a key file and a command")
                    .at("`[seal]`")
                    .help("leave out `key_file` or `command`; `keyward vault slots` adds and removes what opens the vault"),
            );
        }
        Ok(())
    }

    /// How long the command may take.
    pub(crate) fn command_timeout(&self) -> Duration {
        self.command_timeout_secs
            .map_or(Duration::from_secs(10), |timeout| timeout.0)
    }
}

impl Argv {
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

impl TryFrom<Vec<String>> for Argv {
    type Error = &'static str;

    fn try_from(words: Vec<String>) -> Result<Self, Self::Error> {
        if words.iter().any(|word| word.contains('\0')) {
            return Err("a command holds no NUL character");
        }
        let mut words = words.into_iter();
        let program = words
            .next()
            .map(PathBuf::from)
            .filter(|program| program.is_absolute())
            .ok_or("a command begins with a program's absolute path; there is no shell, and PATH is not searched")?;
        Ok(Self {
            program,
            arguments: words.collect(),
        })
    }
}

impl TryFrom<u64> for CommandTimeout {
    type Error = &'static str;

    fn try_from(secs: u64) -> Result<Self, Self::Error> {
        match secs {
            1..=60 => Ok(Self(Duration::from_secs(secs))),
            _ => Err("a command may take 1 to 60 seconds"),
        }
    }
}
