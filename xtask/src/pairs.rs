//! `cargo xtask pairs`: CPU per request of Keyward against the minimal proxy's.
//!
//! The subjects run as processes pinned to one core; upstream and load share another. A *pair* is one round of load
//! for each subject, in random order. The minimal proxy runs twice: its ratio to itself shows what the machine alone
//! does to a ratio. CPU is read from `/proc`, so that neither waiting nor the other processes count.

mod cpu;
mod shuffle;
mod statistics;

use std::io;

use clap::Args;

use crate::{
    pairs::{
        cpu::{Cpu, Reading},
        shuffle::Shuffle,
        statistics::{Quartiles, quartiles},
    },
    process::{self, ProcessError},
    subject::{Cores, Subject, SubjectError, Upstream, start_keyward},
    workspace::Workspace,
};

/// How to compare.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many rounds each subject gets.
    #[arg(long, default_value_t = 20)]
    pairs: u32,
    /// How many requests a round has. User mode is sampled 250 times a second: short rounds blur it.
    #[arg(long, default_value_t = 100_000)]
    requests: u32,
    /// How many connections send at a time.
    #[arg(long, default_value_t = 8)]
    connections: u32,
    /// Speak TLS to the upstream.
    #[arg(long)]
    tls: bool,
    /// Ask for 100 events instead of one JSON body.
    #[arg(long)]
    events: bool,
    /// Leave Keyward out: only the minimal proxy against itself.
    #[arg(long)]
    only_minimal: bool,
    /// Begins the random order; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
}

impl clap::CommandFactory for Options {
    fn command() -> clap::Command {
        <Self as Args>::augment_args(clap::Command::new("pairs"))
    }

    fn command_for_update() -> clap::Command {
        <Self as Args>::augment_args_for_update(clap::Command::new("pairs"))
    }
}

impl clap::Parser for Options {}

/// The comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairsError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error("cannot read the CPU time of `{subject}`")]
    Cpu {
        subject: &'static str,
        source: io::Error,
    },
    #[error("cannot prepare a directory for the run")]
    Directory(#[source] io::Error),
    #[error("cannot ask which cores may be used")]
    Cores(#[source] io::Error),
    #[error("the load's report on `{subject}` is not whole: {report}")]
    Report {
        subject: &'static str,
        report: String,
    },
}

/// Builds, starts, compares and prints.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), PairsError> {
    build(workspace, options)?;
    let cores = Cores::choose().map_err(PairsError::Cores)?;
    let directory = tempfile::tempdir().map_err(PairsError::Directory)?;
    let upstream = Upstream::start(
        cores.pinned(cores.load, &workspace.release_binary("bench-upstream")),
        options.tls.then(|| directory.path().join("upstream.pem")),
    )?;
    let minimal = |name| {
        let program = workspace.release_binary("minimal-proxy");
        Subject::minimal(name, cores.pinned(cores.subjects, &program), &upstream)
    };
    let mut subjects = vec![minimal("minimal")?, minimal("minimal again")?];
    if !options.only_minimal {
        let program = workspace.release_binary("keyward");
        subjects.push(start_keyward(
            cores.pinned(cores.subjects, &program),
            &program,
            &upstream,
            directory.path(),
            "",
        )?);
    }
    let mut shuffle = Shuffle::new(options.seed);
    println!(
        "{} pairs, {} requests of 1 KiB a round over {} connections, answers of {}, {} to the upstream, \
         subjects on core {}, load and upstream on core {}, seed {}",
        options.pairs,
        options.requests,
        options.connections,
        if options.events {
            "100 events"
        } else {
            "2 KiB"
        },
        if options.tls { "TLS" } else { "plain HTTP" },
        cores.subjects,
        cores.load,
        shuffle.seed(),
    );
    let load = Load {
        workspace,
        cores: &cores,
        options,
    };
    for subject in &subjects {
        load.round(subject)?;
    }
    let mut rounds: Vec<Vec<Cpu>> = vec![Vec::new(); subjects.len()];
    for pair in 1..=options.pairs {
        let mut order: Vec<_> = subjects.iter().zip(&mut rounds).collect();
        shuffle.shuffle(&mut order);
        for (subject, rounds) in order {
            rounds.push(load.round(subject)?);
        }
        print_pair(pair, &subjects, &rounds, options.requests);
    }
    print_summary(&subjects, &rounds, options.requests);
    Ok(())
}

fn build(workspace: &Workspace, options: &Options) -> Result<(), ProcessError> {
    process::run(&mut workspace.cargo([
        "build",
        "--release",
        "--quiet",
        "-p",
        "keyward-benches",
        "--bins",
    ]))?;
    if options.only_minimal {
        return Ok(());
    }
    process::run(&mut workspace.cargo(["build", "--release", "--quiet", "-p", "keyward"]))
}

/// Sends rounds of load.
struct Load<'a> {
    workspace: &'a Workspace,
    cores: &'a Cores,
    options: &'a Options,
}

impl Load<'_> {
    /// Sends one round to `subject` and returns the CPU time that the subject spent on it.
    fn round(&self, subject: &Subject) -> Result<Cpu, PairsError> {
        let name = subject.name();
        let read = || {
            Reading::take(subject.pid()).map_err(|source| PairsError::Cpu {
                subject: name,
                source,
            })
        };
        let mut command = self.cores.pinned(
            self.cores.load,
            &self.workspace.release_binary("bench-load"),
        );
        command
            .arg("--address")
            .arg(subject.address().to_string())
            .arg("--path")
            .arg(subject.path());
        for header in subject.headers() {
            command.arg("--header").arg(header);
        }
        command
            .arg("--requests")
            .arg(self.options.requests.to_string());
        command
            .arg("--connections")
            .arg(self.options.connections.to_string());
        command.arg("--answer").arg(if self.options.events {
            "events"
        } else {
            "json"
        });
        let before = read()?;
        let report = process::output(&mut command)?;
        let spent = read()?.since(&before);
        let parsed: Option<serde_json::Value> = serde_json::from_str(&report).ok();
        let succeeded = parsed
            .as_ref()
            .and_then(|report| report.get("succeeded")?.as_u64());
        if succeeded != Some(u64::from(self.options.requests)) {
            return Err(PairsError::Report {
                subject: name,
                report,
            });
        }
        Ok(spent)
    }
}

fn print_pair(pair: u32, subjects: &[Subject], rounds: &[Vec<Cpu>], requests: u32) {
    let mut line = format!("pair {pair:>2}:");
    let mut yardstick = None;
    for (subject, rounds) in subjects.iter().zip(rounds) {
        let Some(cpu) = rounds.last() else { continue };
        let (total, user) = (cpu.total_micros(requests), cpu.user_micros(requests));
        line.push_str(&format!("  {} {total:.1} / {user:.1} µs", subject.name()));
        match yardstick {
            None => yardstick = Some((total, user)),
            Some(minimal) => line.push_str(&format!(
                " (× {:.2} / {:.2})",
                total / minimal.0,
                user / minimal.1
            )),
        }
    }
    println!("{line}");
}

fn print_summary(subjects: &[Subject], rounds: &[Vec<Cpu>], requests: u32) {
    let Some((minimal, others)) = rounds.split_first() else {
        return;
    };
    println!("\nCPU per request, median [quartiles], µs:");
    for (subject, rounds) in subjects.iter().zip(rounds) {
        let total = quartiles(rounds.iter().map(|cpu| cpu.total_micros(requests)));
        let user = quartiles(rounds.iter().map(|cpu| cpu.user_micros(requests)));
        println!(
            "  {:<14} total {}   user {}",
            subject.name(),
            shown(total),
            shown(user)
        );
    }
    println!(
        "\nratio to the minimal proxy of the same pair, median [quartiles]; all rounds together:"
    );
    for (subject, rounds) in subjects.iter().skip(1).zip(others) {
        for (part, of) in [
            ("total", Cpu::total_micros as fn(&Cpu, u32) -> f64),
            ("user", Cpu::user_micros),
        ] {
            let per_pair = rounds
                .iter()
                .zip(minimal)
                .map(|(ours, theirs)| of(ours, requests) / of(theirs, requests));
            let sum = |rounds: &[Cpu]| rounds.iter().map(|cpu| of(cpu, requests)).sum::<f64>();
            println!(
                "  {} / minimal, {part:<5} {}   {:.3}",
                subject.name(),
                shown(quartiles(per_pair)),
                sum(rounds) / sum(minimal)
            );
        }
    }
}

fn shown(quartiles: Option<Quartiles>) -> String {
    quartiles.map_or_else(
        || "none".to_owned(),
        |Quartiles {
             lower,
             median,
             upper,
         }| format!("{median:.3} [{lower:.3}, {upper:.3}]"),
    )
}
