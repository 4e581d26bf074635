//! `cargo xtask streams`: what an open stream of events costs in memory, and whether thousands arrive whole.
//!
//! **Memory**: a proxy with one worker is started and warmed up (100 streams, opened and closed). Then streams are
//! opened that bring one event and are silent. What the proxy has in memory more than before (`VmRSS`), divided by
//! their number, is the figure: heap, stacks and code that was not needed before. The kernel's socket buffers are not
//! in it, nor is the upstream or the client. Over HTTP/1.1 each stream has a connection of its own, in clear; over HTTP/2
//! a hundred share one, in clear from the client, over TLS to the upstream.
//!
//! **Delivery**: streams that begin together bring numbered events, and each must arrive whole and in order.

use std::{io, path::Path, process::Command};

use clap::Args;

use crate::{
    process::{self, ProcessError, Running},
    resident::Resident,
    subject::{Subject, SubjectError, Upstream, start_keyward},
    workspace::Workspace,
};

const WARM_UP_STREAMS: u32 = 100;

/// How many streams.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many idle streams the memory is shared by.
    #[arg(long, default_value_t = 2_000)]
    idle: u32,
    /// How many streams deliver events.
    #[arg(long, default_value_t = 5_000)]
    delivering: u32,
    /// How many events each of them delivers.
    #[arg(long, default_value_t = 50)]
    events: u32,
}

impl clap::CommandFactory for Options {
    fn command() -> clap::Command {
        <Self as Args>::augment_args(clap::Command::new("streams"))
    }

    fn command_for_update() -> clap::Command {
        <Self as Args>::augment_args_for_update(clap::Command::new("streams"))
    }
}

impl clap::Parser for Options {}

/// The streams could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamsError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error("cannot read the memory of `{subject}`")]
    Memory {
        subject: &'static str,
        source: io::Error,
    },
    #[error("cannot prepare a directory for the run")]
    Directory(#[source] io::Error),
}

/// Which HTTP one side speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Http {
    One,
    Two,
}

/// Builds, starts, measures and prints.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), StreamsError> {
    build(workspace)?;
    let directory = tempfile::tempdir().map_err(StreamsError::Directory)?;
    let streams = Streams { workspace };
    let plain = streams.upstream(Http::One, directory.path())?;
    let http2 = streams.upstream(Http::Two, directory.path())?;
    println!("{} idle streams:", options.idle);
    let minimal = Command::new(workspace.release_binary("minimal-proxy"));
    let minimal = Subject::minimal("minimal proxy", minimal, &plain)?;
    streams.weigh(&minimal, Http::One, options.idle, "HTTP/1.1 on both sides")?;
    drop(minimal);
    let program = workspace.release_binary("keyward");
    for (client, upstream, sides) in [
        (Http::One, &plain, "HTTP/1.1 on both sides"),
        (Http::One, &http2, "HTTP/1.1, upstream HTTP/2"),
        (Http::Two, &http2, "HTTP/2 on both sides"),
    ] {
        let directory = tempfile::tempdir().map_err(StreamsError::Directory)?;
        let dev = Command::new(&program);
        let keyward = start_keyward(dev, &program, upstream, directory.path(), "")?;
        streams.weigh(&keyward, client, options.idle, sides)?;
        streams.deliver(&keyward, client, options)?;
    }
    Ok(())
}

pub(crate) fn build(workspace: &Workspace) -> Result<(), ProcessError> {
    for package in ["keyward-benches", "keyward"] {
        process::run(&mut workspace.cargo([
            "build",
            "--release",
            "--quiet",
            "--bins",
            "-p",
            package,
        ]))?;
    }
    Ok(())
}

/// Opens streams.
pub(crate) struct Streams<'a> {
    pub(crate) workspace: &'a Workspace,
}

impl Streams<'_> {
    /// Starts an upstream that speaks HTTP/1.1 in clear, or HTTP/2 over TLS with a certificate written to `directory`.
    fn upstream(&self, http: Http, directory: &Path) -> Result<Upstream, SubjectError> {
        let mut command = Command::new(self.workspace.release_binary("bench-upstream"));
        command.arg("--streams");
        let ca_file = (http == Http::Two).then(|| directory.join("upstream.pem"));
        if ca_file.is_some() {
            command.arg("--http2");
        }
        Upstream::start(command, ca_file)
    }

    /// Measures and prints what one of `count` idle streams through `subject` costs.
    fn weigh(
        &self,
        subject: &Subject,
        client: Http,
        count: u32,
        sides: &str,
    ) -> Result<(), StreamsError> {
        let settled = || {
            Resident::settled(subject.pid()).map_err(|source| StreamsError::Memory {
                subject: subject.name(),
                source,
            })
        };
        drop(self.hold(subject, client, WARM_UP_STREAMS)?);
        let before = settled()?;
        let open = self.hold(subject, client, count)?;
        let after = settled()?;
        drop(open);
        let closed = settled()?;
        let each = as_f64(after.now.saturating_sub(before.now)) / f64::from(count);
        println!(
            "  {:<14} {sides:<26} {each:>6.1} KiB each; resident {} KiB before, {} KiB with them, {} KiB after they closed",
            subject.name(),
            before.now,
            after.now,
            closed.now
        );
        Ok(())
    }

    /// Opens `count` idle streams through `subject`; they close when the process is dropped.
    fn hold(&self, subject: &Subject, client: Http, count: u32) -> Result<Running, ProcessError> {
        let mut command = self.command(subject, count, "hold", "open");
        Running::start(client.asked_of(&mut command))
    }

    /// Lets streams through `subject` deliver, checks each and prints what came of them.
    fn deliver(
        &self,
        subject: &Subject,
        client: Http,
        options: &Options,
    ) -> Result<(), ProcessError> {
        let ask = format!("events={}&gate={}", options.events, options.delivering);
        let mut command = self.command(subject, options.delivering, &ask, "complete");
        let report = process::output(client.asked_of(&mut command))?;
        println!(
            "    {} streams of {} numbered events, open together, each checked whole and in order: {}",
            options.delivering,
            options.events,
            report.trim()
        );
        Ok(())
    }

    /// The client, asking `subject`.
    pub(crate) fn command(
        &self,
        subject: &Subject,
        streams: u32,
        ask: &str,
        until: &str,
    ) -> Command {
        let mut command = Command::new(self.workspace.release_binary("bench-streams"));
        command
            .arg("--address")
            .arg(subject.address().to_string())
            .arg("--path")
            .arg(subject.path());
        for header in subject.headers() {
            command.arg("--header").arg(header);
        }
        command.arg("--streams").arg(streams.to_string());
        command.args(["--ask", ask, "--until", until]);
        command
    }
}

impl Http {
    /// Makes the client that `command` starts speak it.
    fn asked_of(self, command: &mut Command) -> &mut Command {
        match self {
            Self::One => command,
            Self::Two => command.arg("--http2"),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "KiB of one process are far below 2^52"
)]
fn as_f64(kib: u64) -> f64 {
    kib as f64
}
