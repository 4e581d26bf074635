//! `keyward man`: manual pages, from the same text as `--help`.

use std::{fs, io, path::Path};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::{args::Args, failure::Failure, output::print};

pub(crate) fn run(directory: &Path) -> Result<(), Failure> {
    let mut command = Args::command();
    // So that pages name the whole command.
    command.build();
    let failed = |error: io::Error| {
        Failure::new(format!("cannot write into {}", directory.display()))
            .caused_by(&error)
            .in_file(directory)
            .help("name a directory that may be written")
    };
    fs::create_dir_all(directory).map_err(failed)?;
    write(command, "keyward", directory).map_err(failed)?;
    let first = directory.join("keyward.1");
    print(format_args!(
        "wrote {} and a page for each command",
        first.display()
    ))
}

/// One page per command, as git and cargo have them: `keyward-keys-add.1`.
fn write(command: clap::Command, name: &str, directory: &Path) -> io::Result<()> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let name = format!("{name}-{}", sub.get_name());
        write(sub.clone().display_name(name.clone()), &name, directory)?;
    }
    let path = directory.join(format!("{name}.1"));
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    fs::write(path, page)
}
