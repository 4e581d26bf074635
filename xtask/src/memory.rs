//! `cargo xtask memory`: what Keyward takes of memory at most, when clients and providers take their time.
//!
//! One `keyward dev` with one worker and a budget is put through three jobs in turn: clients that read 1 KiB a second of
//! large answers, large bodies both ways on many connections at once, and thousands of open streams of events. After
//! each the most that the process ever had in memory (`VmHWM`) is compared with the budget.

use std::{io, process::Command};

use clap::Args;

use crate::{
    process::{self, ProcessError, Running},
    resident::Resident,
    streams::{self, Streams},
    subject::{Subject, SubjectError, Upstream, start_keyward},
    workspace::Workspace,
};

/// How much of everything.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The budget, in MiB.
    #[arg(long, default_value_t = 6144)]
    budget: u64,
    /// How many clients read slowly.
    #[arg(long, default_value_t = 1_000)]
    slow_readers: u32,
    /// How many connections carry large bodies at once.
    #[arg(long, default_value_t = 32)]
    transfers: u32,
    /// How many bytes each large body has, in MiB.
    #[arg(long, default_value_t = 100)]
    body: u64,
    /// How many streams are open at once.
    #[arg(long, default_value_t = 5_000)]
    streams: u32,
}

impl clap::CommandFactory for Options {
    fn command() -> clap::Command {
        <Self as Args>::augment_args(clap::Command::new("memory"))
    }

    fn command_for_update() -> clap::Command {
        <Self as Args>::augment_args_for_update(clap::Command::new("memory"))
    }
}

impl clap::Parser for Options {}

/// The memory could not be measured, or was too much.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error("cannot read the memory of `keyward`")]
    Memory(#[source] io::Error),
    #[error("cannot prepare a directory for the run")]
    Directory(#[source] io::Error),
    #[error("the process had {peak} KiB in memory, the budget is {budget} KiB")]
    TooMuch { peak: u64, budget: u64 },
}

/// Builds, starts, measures and prints; fails where the budget was exceeded.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), MemoryError> {
    streams::build(workspace)?;
    let directory = tempfile::tempdir().map_err(MemoryError::Directory)?;
    let mut upstream = Command::new(workspace.release_binary("bench-upstream"));
    upstream.arg("--streams");
    let upstream = Upstream::start(upstream, None)?;
    let program = workspace.release_binary("keyward");
    let connections = options.streams.max(options.slow_readers) + options.transfers;
    let keyward = start_keyward(
        Command::new(&program),
        &program,
        &upstream,
        directory.path(),
        &format!(
            "[gateway]\nmemory_budget = \"{} MiB\"\nmax_connections = {connections}\n",
            options.budget
        ),
    )?;
    println!(
        "budget {} MiB, {connections} connections at most",
        options.budget
    );
    let jobs = Jobs {
        streams: Streams { workspace },
        keyward: &keyward,
        options,
    };
    jobs.report("before any traffic")?;

    let bytes = options.body * 1024 * 1024;
    let slow = jobs.slow_readers(bytes)?;
    jobs.report(&format!(
        "{} clients that read 1 KiB/s of {} MiB",
        options.slow_readers, options.body
    ))?;
    drop(slow);

    let mut command = jobs.streams.command(
        &keyward,
        options.transfers,
        &format!("bytes={bytes}"),
        "complete",
    );
    command.arg("--upload").arg(bytes.to_string());
    let report = process::output(&mut command)?;
    jobs.report(&format!(
        "{} × {} MiB up and then down at once: {}",
        options.transfers,
        options.body,
        report.trim()
    ))?;

    let open = Running::start(&mut jobs.streams.command(
        &keyward,
        options.streams,
        "hold",
        "open",
    ))?;
    jobs.report(&format!("{} open streams of events", options.streams))?;
    drop(open);
    Ok(())
}

struct Jobs<'a> {
    streams: Streams<'a>,
    keyward: &'a Subject,
    options: &'a Options,
}

impl Jobs<'_> {
    /// Clients that are being answered and hardly read.
    fn slow_readers(&self, bytes: u64) -> Result<Running, ProcessError> {
        let ask = format!("bytes={bytes}");
        let count = self.options.slow_readers;
        Running::start(&mut self.streams.command(self.keyward, count, &ask, "slow"))
    }

    /// Waits until nothing moves any more, prints what is in memory, and fails where it was ever too much.
    fn report(&self, what: &str) -> Result<(), MemoryError> {
        let resident = Resident::settled(self.keyward.pid()).map_err(MemoryError::Memory)?;
        println!(
            "  {:>8} KiB now, {:>8} KiB at most: {what}",
            resident.now, resident.peak
        );
        let budget = self.options.budget * 1024;
        if resident.peak > budget {
            return Err(MemoryError::TooMuch {
                peak: resident.peak,
                budget,
            });
        }
        Ok(())
    }
}
