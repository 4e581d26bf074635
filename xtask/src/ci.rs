//! `cargo xtask ci`: every check, in the order in which a failure is cheapest to find.

use std::{
    error::Error,
    process::Command,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    packages,
    process::{self, ProcessError},
    test,
    workspace::Workspace,
};

/// How to run the checks.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Goes on after a failed check, to see all of them.
    #[arg(long)]
    keep_going: bool,
}

/// Checks failed.
#[derive(Debug, thiserror::Error)]
#[error("failed: {0}")]
struct ChecksFailed(String);

/// What a check says; an error is a failure too.
type CheckResult = Result<Verdict, Box<dyn Error>>;

/// What came of one check.
enum Verdict {
    Passed,
    Failed,
    NotRun(&'static str),
}

/// One check.
struct Check {
    name: &'static str,
    run: fn(&Workspace) -> CheckResult,
}

const CHECKS: &[Check] = &[
    Check {
        name: "format",
        run: |workspace| cargo(workspace, &["fmt", "--all", "--check"]),
    },
    Check {
        name: "clippy",
        run: |workspace| {
            cargo(
                workspace,
                &[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--all-features",
                    "--",
                    "-D",
                    "warnings",
                ],
            )
        },
    },
    Check {
        name: "documentation",
        run: documentation,
    },
    Check {
        name: "dependencies",
        run: dependencies,
    },
    Check {
        name: "packages",
        run: |workspace| {
            packages::run(workspace, packages::Depth::Quick)?;
            Ok(Verdict::Passed)
        },
    },
    Check {
        name: "tests",
        run: |workspace| {
            test::run(workspace, &test::Options::default())?;
            Ok(Verdict::Passed)
        },
    },
    // Once each, to see that they run; in the profile that the tests have built already.
    Check {
        name: "benches",
        run: |workspace| {
            cargo(
                workspace,
                &[
                    "bench",
                    "--workspace",
                    "--benches",
                    "--profile",
                    "dev",
                    "--",
                    "--test",
                ],
            )
        },
    },
];

/// Runs every check and prints what each took.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Box<dyn Error>> {
    let mut results: Vec<(&str, Verdict, Duration)> = Vec::new();
    for check in CHECKS {
        println!("\n== {}", check.name);
        let started = Instant::now();
        let result = match (check.run)(workspace) {
            Ok(verdict) => verdict,
            Err(error) => {
                eprintln!("{error}");
                Verdict::Failed
            }
        };
        let stop = matches!(result, Verdict::Failed) && !options.keep_going;
        results.push((check.name, result, started.elapsed()));
        if stop {
            break;
        }
    }
    println!();
    for (name, result, duration) in &results {
        let result = match result {
            Verdict::Passed => "passed".to_owned(),
            Verdict::Failed => "FAILED".to_owned(),
            Verdict::NotRun(reason) => format!("not run: {reason}"),
        };
        println!("{name:<14} {:7.1} s  {result}", duration.as_secs_f64());
    }
    let failed: Vec<&str> = results
        .iter()
        .filter(|(_, result, _)| matches!(result, Verdict::Failed))
        .map(|(name, ..)| *name)
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(ChecksFailed(failed.join(", ")).into())
    }
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> CheckResult {
    process::run(&mut workspace.cargo(arguments.iter().copied()))?;
    Ok(Verdict::Passed)
}

fn documentation(workspace: &Workspace) -> CheckResult {
    let mut command = workspace.cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Verdict::Passed)
}

/// Licences, bans and sources. Advisories need a fresh copy of their database, which CI does not fetch.
fn dependencies(workspace: &Workspace) -> CheckResult {
    let mut probe = Command::new("cargo-deny");
    if let Err(ProcessError::Start { .. }) = process::output(probe.arg("--version")) {
        return Ok(Verdict::NotRun(
            "cargo-deny is not installed (`cargo install --locked cargo-deny`)",
        ));
    }
    cargo(
        workspace,
        &["deny", "--offline", "check", "licenses", "bans", "sources"],
    )
}
