//! `cargo xtask test`: prepares what the tests need, runs all of them, and sweeps what they left behind.
//!
//! The tests find what is prepared here by three environment variables:
//!
//! - `KEYWARD_TEST_PYTHON`: a Python interpreter that has the official SDKs of `xtask/sdk/requirements.txt`;
//! - `KEYWARD_TEST_NODE_DIR`: a directory whose `node_modules` has those of `xtask/sdk/package-lock.json`;
//! - `KEYWARD_SWEEP_DIR`: where every output goes that is swept for canaries.
//!
//! Tests that need a Redis start one of their own: `redis-server`, or what `KEYWARD_TEST_REDIS` names.
//!
//! With `--fast`, `KEYWARD_TEST_FAST=1` asks long tests for fewer rounds.

pub(crate) mod sdk;
mod suite;
mod tools;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    process::ProcessError,
    sweep::{self, SweepError},
    test::{sdk::SdkError, suite::Count, tools::MissingTools},
    workspace::Workspace,
};

/// Which tests to run.
#[derive(Args, Debug, Default)]
pub(crate) struct Options {
    /// The inner loop: no documentation tests, and fewer rounds of the long ones.
    #[arg(long)]
    fast: bool,
    /// Runs only tests whose path contains one of these.
    filters: Vec<String>,
}

/// The tests could not be run, or did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestError {
    #[error(transparent)]
    Tools(#[from] MissingTools),
    #[error(transparent)]
    Sdk(#[from] SdkError),
    #[error("cannot make the sweep directory")]
    SweepDirectory(#[source] io::Error),
    #[error("cannot run the tests")]
    Run(#[source] ProcessError),
    #[error("tests failed; their whole output is in {0}")]
    Failed(PathBuf),
    #[error("the canary sweep failed")]
    Sweep(#[from] SweepError),
}

/// Prepares, runs and sweeps; prints a summary with what each step took.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TestError> {
    let mut durations = Vec::new();
    let sdks = timed(&mut durations, "prepare", || -> Result<_, TestError> {
        tools::check()?;
        Ok(sdk::prepare(workspace)?)
    })?;
    let directory = sweep_directory(workspace).map_err(TestError::SweepDirectory)?;
    let outcome = timed(&mut durations, "tests", || {
        suite::run(workspace, options, &sdks, &directory)
    })
    .map_err(TestError::Run)?;
    let swept = timed(&mut durations, "sweep", || sweep::run(&directory));

    println!();
    for (step, duration) in &durations {
        println!("{step:<8} {:7.1} s", duration.as_secs_f64());
    }
    let Count {
        passed,
        failed,
        ignored,
    } = outcome.count;
    if ignored > 0 {
        println!("{ignored} ignored");
    }
    println!("{passed} passed, {failed} failed");
    if !outcome.succeeded {
        return Err(TestError::Failed(directory));
    }
    match swept {
        // A filter may leave out every test that makes a canary.
        Err(SweepError::List(_) | SweepError::NoCanaries) if !options.filters.is_empty() => {
            println!("no canary was made by the chosen tests: nothing to sweep");
            Ok(())
        }
        swept => Ok(swept?),
    }
}

fn timed<T>(
    durations: &mut Vec<(&'static str, Duration)>,
    step: &'static str,
    run: impl FnOnce() -> T,
) -> T {
    let started = Instant::now();
    let result = run();
    durations.push((step, started.elapsed()));
    result
}

/// Makes the directory `target/sweep/<n>`, numbered behind the last one.
fn sweep_directory(workspace: &Workspace) -> io::Result<PathBuf> {
    let parent = workspace.target().join("sweep");
    fs::create_dir_all(&parent)?;
    let last = fs::read_dir(&parent)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .unwrap_or_default();
    next_directory(&parent, last)
}

fn next_directory(parent: &Path, last: u32) -> io::Result<PathBuf> {
    let directory = parent.join((last + 1).to_string());
    // Not `create_dir_all`: two runs at the same time must not share a directory.
    fs::create_dir(&directory)?;
    Ok(directory)
}
