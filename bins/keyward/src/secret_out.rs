//! Where a secret goes that is shown once: a terminal, or a new file that only its owner may read.

use std::{
    fs::{self, File},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use keyward_secret::SecretBytes;

use crate::{
    failure::Failure,
    output::{print, remark},
    private_file,
};

/// Where a secret goes.
pub(crate) struct SecretOut {
    what: What,
    place: Place,
}

/// What is shown, in words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct What {
    /// Such as `API token`.
    pub(crate) name: &'static str,
    /// The option that names a file.
    pub(crate) option: &'static str,
}

enum Place {
    Terminal,
    File(File, PathBuf),
}

impl SecretOut {
    /// The file is made first, so that no secret is lost for want of a place.
    pub(crate) fn open(what: What, file: Option<&Path>) -> Result<Self, Failure> {
        let What { name, option } = what;
        let place = match file {
            Some(path) => match private_file::create_empty(path) {
                Ok(file) => Place::File(file, path.to_owned()),
                Err(error) => {
                    return Err(Failure::new(format!("cannot make {}", path.display()))
                        .caused_by(&error)
                        .in_file(path)
                        .help(format!("{option} wants a file that does not exist yet")));
                }
            },
            None if io::stdout().is_terminal() => Place::Terminal,
            None => {
                return Err(Failure::usage(format!(
                    "the {name} is not written to a file or pipe by itself"
                ))
                .because("standard output is no terminal")
                .help(format!("name a new file with {option} FILE")));
            }
        };
        Ok(Self { what, place })
    }

    pub(crate) const fn is_terminal(&self) -> bool {
        matches!(self.place, Place::Terminal)
    }

    /// Leaves nothing behind: what was to be shown was not made.
    pub(crate) fn discard(self) {
        if let Place::File(_, path) = self.place {
            // It is ours, and holds nothing that anything opens for; where it cannot be removed, it does no harm.
            let _may_stay = fs::remove_file(path);
        }
    }

    /// Shows `text`, or writes it. Where it went is said on standard error unless `is_quiet`.
    pub(crate) fn write(&mut self, text: &SecretBytes, is_quiet: bool) -> Result<(), Failure> {
        let name = self.what.name;
        match &mut self.place {
            Place::File(file, path) => {
                let written = file
                    .write_all(text.expose())
                    .and_then(|()| file.write_all(b"\n"))
                    .and_then(|()| file.sync_all());
                written.map_err(|error| {
                    Failure::new(format!("cannot write {}", path.display()))
                        .caused_by(&error)
                        .in_file(path)
                        .help("make room there, and run it again with another new file")
                })?;
                if !is_quiet {
                    remark(format_args!("the {name} is in {}", path.display()));
                }
                Ok(())
            }
            Place::Terminal => {
                let shown = String::from_utf8_lossy(text.expose());
                print(format_args!("{name}, shown this once: {shown}"))
            }
        }
    }
}
