//! `cargo xtask instructions`: user-space instructions per request, of this tree and of an earlier revision.
//!
//! Instructions are counted by valgrind's callgrind: machines flip between states that change times by a tenth and
//! more, and instructions stay. A subject runs twice, with different numbers of requests of the job that
//! `cargo xtask pairs` sends; the difference of the two counts is what the requests between them cost, without the
//! start. Only the thread that serves counts: starting and background work on other threads depend on the clock,
//! and valgrind stretches it. Both revisions are built in one go, each into a directory of its own.
//!
//! Valgrind has no SHA instructions: digests are computed in software there, and count for more than they cost.

mod profile;
mod revision;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;

use crate::{
    instructions::{profile::Profile, revision::Revision},
    process::{self, ProcessError},
    subject::{Subject, SubjectError, Upstream, start_keyward},
    workspace::Workspace,
};

/// The last commit before every listener spoke TLS and HTTP/2: what the price of a request is compared with.
const BASELINE: &str = "21894cc";

/// Requests of the shorter run: enough that the thread which serves is the busiest, whatever starting took.
const WARM_UP: u64 = 2_000;

/// What to count.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The revision to compare with.
    #[arg(long, default_value = BASELINE)]
    against: String,
    /// How many requests are counted.
    #[arg(long, default_value_t = 4_000)]
    requests: u64,
    /// How many connections send at a time.
    #[arg(long, default_value_t = 8)]
    connections: u32,
    /// Speak TLS to the upstream.
    #[arg(long)]
    tls: bool,
    /// Count this tree alone, and compare with nothing.
    #[arg(long)]
    alone: bool,
}

impl clap::CommandFactory for Options {
    fn command() -> clap::Command {
        <Self as Args>::augment_args(clap::Command::new("instructions"))
    }

    fn command_for_update() -> clap::Command {
        <Self as Args>::augment_args_for_update(clap::Command::new("instructions"))
    }
}

impl clap::Parser for Options {}

/// Instructions could not be counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstructionsError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error("cannot use the directory for the run")]
    Directory(#[source] io::Error),
    #[error("cannot read what callgrind wrote to {}", path.display())]
    Profile { path: PathBuf, source: io::Error },
    #[error("callgrind wrote no total beside {}", path.display())]
    NoTotal { path: PathBuf },
    #[error("the longer run counted no more than the shorter one")]
    NoDifference,
}

/// A program to count.
struct Counted {
    name: String,
    /// File names of its profiles begin with this.
    stem: &'static str,
    program: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Keyward,
    Minimal,
}

/// Builds, counts and prints.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), InstructionsError> {
    let directory = workspace.target().join("instructions");
    fs::create_dir_all(&directory).map_err(InstructionsError::Directory)?;
    let mut subjects = Vec::new();
    if !options.alone {
        let revision = Revision::check_out(workspace, &directory, &options.against)?;
        subjects.push(Counted {
            name: format!("keyward at {}", options.against),
            stem: "before",
            program: revision.build()?,
            kind: Kind::Keyward,
        });
    }
    build(workspace)?;
    subjects.push(Counted {
        name: "keyward, this tree".to_owned(),
        stem: "tree",
        program: workspace.release_binary("keyward"),
        kind: Kind::Keyward,
    });
    subjects.push(Counted {
        name: "minimal proxy".to_owned(),
        stem: "minimal",
        program: workspace.release_binary("minimal-proxy"),
        kind: Kind::Minimal,
    });
    println!(
        "{} requests of 1 KiB over {} connections, answers of 2 KiB, {} to the upstream; profiles in {}",
        options.requests,
        options.connections,
        if options.tls { "TLS" } else { "plain HTTP" },
        directory.display()
    );
    let counter = Counter {
        workspace,
        directory: &directory,
        options,
    };
    let mut first = None;
    for subject in &subjects {
        let per_request = counter.per_request(subject)?;
        let ratio = per_request / *first.get_or_insert(per_request);
        println!("  {:<22} {per_request:>9.0}   × {ratio:.3}", subject.name);
    }
    Ok(())
}

fn build(workspace: &Workspace) -> Result<(), ProcessError> {
    process::run(&mut workspace.cargo(["build", "--release", "--quiet", "-p", "keyward"]))?;
    process::run(&mut workspace.cargo([
        "build",
        "--release",
        "--quiet",
        "-p",
        "keyward-benches",
        "--bins",
    ]))
}

/// Runs subjects under callgrind.
struct Counter<'a> {
    workspace: &'a Workspace,
    directory: &'a Path,
    options: &'a Options,
}

impl Counter<'_> {
    fn per_request(&self, subject: &Counted) -> Result<f64, InstructionsError> {
        let shorter = self.count(subject, WARM_UP)?;
        let longer = self.count(subject, WARM_UP + self.options.requests)?;
        let difference = longer
            .checked_sub(shorter)
            .ok_or(InstructionsError::NoDifference)?;
        Ok(as_f64(difference) / as_f64(self.options.requests))
    }

    /// Instructions of the serving thread in a run with this many requests.
    fn count(&self, subject: &Counted, requests: u64) -> Result<u64, InstructionsError> {
        let profile = Profile::new(
            self.directory
                .join(format!("{}-{requests}.callgrind", subject.stem)),
        )?;
        let files = tempfile::tempdir().map_err(InstructionsError::Directory)?;
        let upstream = Upstream::start(
            Command::new(self.workspace.release_binary("bench-upstream")),
            self.options.tls.then(|| files.path().join("upstream.pem")),
        )?;
        let command = profile.command(&subject.program);
        let running = match subject.kind {
            Kind::Minimal => Subject::minimal("minimal", command, &upstream)?,
            Kind::Keyward => start_keyward(command, &subject.program, &upstream, files.path(), "")?,
        };
        let mut load = Command::new(self.workspace.release_binary("bench-load"));
        load.arg("--address").arg(running.address().to_string());
        load.arg("--path").arg(running.path());
        for header in running.headers() {
            load.arg("--header").arg(header);
        }
        load.arg("--requests").arg(requests.to_string());
        load.arg("--connections")
            .arg(self.options.connections.to_string());
        // Fails unless every answer was right.
        process::output(&mut load)?;
        // Ended by a signal: callgrind writes when the program is done.
        drop(running);
        profile.busiest_thread()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "instructions of one run are far below 2^52"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
