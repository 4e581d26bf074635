//! Asking on the terminal, above all before something is deleted.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::{args::Confirm, failure::Failure, output::remark};

/// Tells what will be hit, and wants `name` typed. With `--yes` it asks nothing.
pub(crate) fn confirm(args: &Confirm, what: &str, name: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::usage(format!(
            "this would take away {what}, and there is no terminal to ask on"
        ))
        .help("add --yes"));
    }
    remark(format_args!("This takes away {what}."));
    let typed = ask_line(&format!("Type {name} to go on: "))?;
    if typed.trim() == name {
        Ok(())
    } else {
        Err(Failure::new("nothing was changed").because(format!("what was typed is not {name}")))
    }
}

/// Asks on the terminal, and shows what is typed.
pub(crate) fn ask_line(prompt: &str) -> Result<String, Failure> {
    ask(prompt).map_err(|error| Failure::new("cannot read from the terminal").caused_by(&error))
}

fn ask(prompt: &str) -> io::Result<String> {
    let mut err = anstream::stderr();
    write!(err, "{prompt}")?;
    err.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line)
}
