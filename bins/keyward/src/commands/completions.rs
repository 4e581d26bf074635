//! `keyward completions`: what a shell needs to complete commands and options.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{args::Args, failure::Failure, output::print};

pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    // Not to standard output itself: where nobody reads to the end, clap_complete panics.
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "keyward", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())
}
