//! Asking on the terminal, above all before something is deleted.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::{
    args::Confirm,
    dry_run::Plan,
    failure::Failure,
    output::{Output, remark},
};

/// Tells what will be hit, and wants `name` typed. With `--yes` it asks nothing; with `--dry-run` it says what would
/// be hit, and the answer is no.
pub(crate) fn confirm(
    args: &Confirm,
    output: Output,
    what: &str,
    name: &str,
) -> Result<bool, Failure> {
    if args.yes {
        return Ok(true);
    }
    if args.dry_run.is_wanted {
        Plan::new(format!("take away {what}")).tell(output)?;
        return Ok(false);
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::usage(format!(
            "this would take away {what}, and there is no terminal to ask on"
        ))
        .help("add --yes, or --dry-run to change nothing"));
    }
    remark(format_args!("This takes away {what}."));
    let typed = ask_line(&format!("Type {name} to go on: "))?;
    if typed.trim() == name {
        Ok(true)
    } else {
        Err(Failure::new("nothing was changed")
            .because(format!("what was typed is not {name}"))
            .help(format!("run it again and type {name}, or add --yes")))
    }
}

/// Asks on the terminal, and shows what is typed.
pub(crate) fn ask_line(prompt: &str) -> Result<String, Failure> {
    ask(prompt).map_err(|error| {
        Failure::new("cannot read from the terminal")
            .caused_by(&error)
            .help("run it on a terminal, or add --yes where it deletes")
    })
}

fn ask(prompt: &str) -> io::Result<String> {
    let mut err = anstream::stderr();
    write!(err, "{prompt}")?;
    err.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line)
}
