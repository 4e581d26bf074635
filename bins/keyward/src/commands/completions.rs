//! `keyward completions`: what a shell needs to complete commands, options and names.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{args::Args, failure::Failure, output::print};

pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    let script = match shell {
        Shell::Bash => include_str!("../completion/scripts/keyward.bash"),
        Shell::Fish => include_str!("../completion/scripts/keyward.fish"),
        Shell::PowerShell => include_str!("../completion/scripts/keyward.ps1"),
        Shell::Zsh => include_str!("../completion/scripts/_keyward"),
        shell => return without_names(shell),
    };
    print(script.trim_end())
}

/// Commands and options alone.
fn without_names(shell: Shell) -> Result<(), Failure> {
    // Not to standard output itself: where nobody reads to the end, clap_complete panics.
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "keyward", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())
}
