//! Runs the command of `[seal] command`, and takes what it writes.
//!
//! No shell, no variable of ours, no standard input; its complaints are dropped, because they may quote what it
//! handles. It has a process group of its own, which is killed when it takes too long or writes too much.

use std::{io, os::unix::fs::MetadataExt, path::Path, process::Stdio, time::Duration};

use keyward_vault::CommandOutput;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    time::timeout,
};
use zeroize::Zeroizing;

use crate::{
    config::{Argv, SealSection},
    failure::Failure,
};

/// The longest output, its line break, and one byte more that shows that it is longer.
const ROOM: usize = CommandOutput::MAX_BYTES + 3;
/// How long a killed process may take to be gone.
const REAPING: Duration = Duration::from_secs(1);

/// Why the command gave nothing.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("it could not be started")]
    Start(#[source] io::Error),
    #[error("others than its owner may change it: `chmod go-w` shuts them out")]
    OpenToOthers,
    #[error("its output could not be read")]
    Read(#[source] io::Error),
    #[error(
        "it wrote more than {} bytes, and was killed",
        CommandOutput::MAX_BYTES
    )]
    TooLong,
    #[error("it did not end within {} s, and was killed", .0.as_secs())]
    TimedOut(Duration),
    #[error("it ended with {0}")]
    Failed(std::process::ExitStatus),
}

/// Runs the command that is configured.
pub(crate) async fn run(section: &SealSection) -> Result<CommandOutput, Failure> {
    let argv = find(section)?;
    let mut room = Zeroizing::new(vec![0; ROOM]);
    let count = output(argv, section.command_timeout(), &mut room)
        .await
        .map_err(|error| gave_nothing(argv, &error))?;
    CommandOutput::new(room.get(..count).unwrap_or_default())
        .map_err(|error| gave_nothing(argv, &error))
}

/// The command that is configured, if it may be run. Does not run it.
pub(crate) fn find(section: &SealSection) -> Result<&Argv, Failure> {
    let Some(argv) = &section.command else {
        return Err(Failure::usage("no command is configured").help(
            "name one in the configuration file: `[seal] command = [\"/path/of/program\"]`",
        ));
    };
    match is_open_to_others(argv.program()) {
        Ok(false) => Ok(argv),
        Ok(true) => Err(gave_nothing(argv, &RunError::OpenToOthers)),
        Err(error) => Err(gave_nothing(argv, &RunError::Start(error))),
    }
}

fn gave_nothing(argv: &Argv, error: &dyn std::error::Error) -> Failure {
    Failure::unreachable("the command of `[seal] command` did not give what opens the vault")
        .caused_by(error)
        .at(argv.program().display().to_string())
        .help("run it by hand to see what it says; it gets no variables, and `/` as its directory")
}

/// How many bytes it wrote to `room`, when it has ended well.
async fn output(argv: &Argv, limit: Duration, room: &mut [u8]) -> Result<usize, RunError> {
    let mut child = Command::new(argv.program())
        .args(argv.arguments())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(RunError::Start)?;
    let ended = timeout(limit, follow(&mut child, room)).await;
    let result = ended.unwrap_or(Err(RunError::TimedOut(limit)));
    if result.is_err() {
        kill(&mut child).await;
    }
    result
}

async fn follow(child: &mut Child, room: &mut [u8]) -> Result<usize, RunError> {
    let mut filled = 0;
    if let Some(mut pipe) = child.stdout.take() {
        loop {
            let rest = room.get_mut(filled..).unwrap_or_default();
            if rest.is_empty() {
                return Err(RunError::TooLong);
            }
            match pipe.read(rest).await.map_err(RunError::Read)? {
                0 => break,
                count => filled += count,
            }
        }
    }
    let status = child.wait().await.map_err(RunError::Read)?;
    if status.success() {
        Ok(filled)
    } else {
        Err(RunError::Failed(status))
    }
}

/// Kills it and what it started, unless it has been reaped: then its number may be another's already.
async fn kill(child: &mut Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let Some(group) = id.and_then(Pid::from_raw) else {
        return;
    };
    // It may be gone, and not reaped yet.
    let _may_be_gone = kill_process_group(group, Signal::KILL);
    let _reaped_or_left_to_init = timeout(REAPING, child.wait()).await;
}

/// Whether others than the owner and root choose what is run.
fn is_open_to_others(program: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(program)?.mode() & 0o022 != 0)
}
