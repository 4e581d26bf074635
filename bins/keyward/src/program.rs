//! Runs a program that the configuration names, and takes what it writes.
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

use crate::config::Argv;

/// The longest output, its line break, and one byte more that shows that it is longer.
const ROOM: usize = CommandOutput::MAX_BYTES + 3;
/// How long a killed process may take to be gone.
const REAPING: Duration = Duration::from_secs(1);

/// Why the program gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
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

/// What a program wrote: at most 64 KiB and a line break, in memory that is erased.
pub(crate) struct Output {
    room: Zeroizing<Vec<u8>>,
    length: usize,
}

impl Output {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.room.get(..self.length).unwrap_or_default()
    }
}

/// Whether it may be run. Does not run it.
pub(crate) fn check(argv: &Argv) -> Result<(), RunError> {
    match is_open_to_others(argv.program()) {
        Ok(false) => Ok(()),
        Ok(true) => Err(RunError::OpenToOthers),
        Err(error) => Err(RunError::Start(error)),
    }
}

/// Runs it for at most `limit`.
pub(crate) async fn run(argv: &Argv, limit: Duration) -> Result<Output, RunError> {
    check(argv)?;
    let mut room = Zeroizing::new(vec![0; ROOM]);
    let length = output(argv, limit, &mut room).await?;
    Ok(Output { room, length })
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
