//! Everything CI runs, runnable at home by one command: `cargo xtask`.
//!
//! Each subcommand is one module. They start other programs with argument lists, never through a shell, and end only
//! what they started.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool reports on the terminal"
)]

mod ci;
mod floods;
mod fuzz;
mod instructions;
mod memory;
mod packages;
mod pairs;
mod process;
mod resident;
mod show;
mod streams;
mod subject;
mod sweep;
mod test;
mod usage;
mod workspace;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Keyward's development tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Prepares what the tests need, runs all of them and sweeps their outputs for canaries.
    Test(test::Options),
    /// Runs every check of CI, in its order.
    Ci(ci::Options),
    /// Compares the CPU per request of Keyward with the minimal proxy's.
    Pairs(pairs::Options),
    /// Counts the user-space instructions per request of this tree, of another revision and of the minimal proxy.
    Instructions(instructions::Options),
    /// Measures what an open stream of events costs in memory, and that thousands arrive whole.
    Streams(streams::Options),
    /// Measures what Keyward takes of memory at most, under slow readers, large bodies and thousands of streams.
    Memory(memory::Options),
    /// Looks for the canaries of a test run in a directory of its outputs.
    Sweep {
        /// A directory that a test run filled, with its list of canaries.
        directory: PathBuf,
    },
    /// Runs a long demonstration; without a name, lists them.
    Show {
        /// The demonstration's name.
        name: Option<String>,
        /// For `usage`: a directory of recorded answers, with its `manifest.jsonl`.
        #[arg(long, value_name = "DIR")]
        corpus: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprint!(": {cause}");
                source = cause.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<(), Box<dyn Error>> {
    let workspace = Workspace::find()?;
    match task {
        Task::Test(options) => test::run(&workspace, options)?,
        Task::Ci(options) => ci::run(&workspace, options)?,
        Task::Pairs(options) => pairs::run(&workspace, options)?,
        Task::Instructions(options) => instructions::run(&workspace, options)?,
        Task::Streams(options) => streams::run(&workspace, options)?,
        Task::Memory(options) => memory::run(&workspace, options)?,
        Task::Sweep { directory } => sweep::run(directory)?,
        Task::Show { name, corpus } => {
            show::run(&workspace, name.as_deref(), corpus.as_deref())?;
        }
    }
    Ok(())
}
