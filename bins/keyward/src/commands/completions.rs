//! `keyward completions`: what a shell needs to complete commands and options.

use std::io;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Args;

pub(crate) fn run(shell: Shell) {
    generate(shell, &mut Args::command(), "keyward", &mut io::stdout());
}
