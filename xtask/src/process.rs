//! Other programs: run to their end, or kept running and ended when no longer wanted.

use std::{
    ffi::OsStr,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

const READY_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Another program could not be run, or did not do its part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("cannot start `{program}`")]
    Start { program: String, source: io::Error },
    #[error("cannot talk to `{program}`")]
    Talk { program: String, source: io::Error },
    #[error("`{program}` failed with {status}{output}")]
    Failed {
        program: String,
        status: ExitStatus,
        output: String,
    },
    #[error("`{program}` ended or stayed silent instead of printing its ready line")]
    NotReady { program: String },
    #[error("`{program}` printed a ready line that is not JSON")]
    Ready {
        program: String,
        source: serde_json::Error,
    },
    #[error("`{program}` printed no {field} in its ready line")]
    Field {
        program: String,
        field: &'static str,
    },
}

/// What to call `command` in messages: the program and its arguments.
pub(crate) fn title(command: &Command) -> String {
    let file_name = |text: &OsStr| {
        let path = std::path::Path::new(text);
        path.file_name()
            .unwrap_or(text)
            .to_string_lossy()
            .into_owned()
    };
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(file_name(command.get_program()))
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs `command` to its end with its output on the terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), ProcessError> {
    let program = title(command);
    let status = command.status().map_err(|source| ProcessError::Start {
        program: program.clone(),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(ProcessError::Failed {
            program,
            status,
            output: String::new(),
        })
    }
}

/// Runs `command` to its end and returns its standard output; what it complained of is in the error.
pub(crate) fn output(command: &mut Command) -> Result<String, ProcessError> {
    output_with_input(command, b"")
}

/// As [`output`], with `input` as the program's standard input.
pub(crate) fn output_with_input(
    command: &mut Command,
    input: &[u8],
) -> Result<String, ProcessError> {
    let program = title(command);
    let talk = |source| ProcessError::Talk {
        program: program.clone(),
        source,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| ProcessError::Start {
            program: program.clone(),
            source,
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).map_err(talk)?;
    }
    let output = child.wait_with_output().map_err(talk)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = format!(
        "\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Err(ProcessError::Failed {
        program,
        status: output.status,
        output: complaint.trim_end().to_owned(),
    })
}

/// A program that runs beside us until this value is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    program: String,
    ready: serde_json::Value,
}

impl Running {
    /// Starts `command` and waits until it prints one line of JSON.
    pub(crate) fn start(command: &mut Command) -> Result<Self, ProcessError> {
        let program = title(command);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| ProcessError::Start {
                program: program.clone(),
                source,
            })?;
        let mut running = Self {
            child,
            program,
            ready: serde_json::Value::Null,
        };
        let line = running.first_line().ok_or_else(|| ProcessError::NotReady {
            program: running.program.clone(),
        })?;
        running.ready = serde_json::from_str(&line).map_err(|source| ProcessError::Ready {
            program: running.program.clone(),
            source,
        })?;
        Ok(running)
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The ready line.
    pub(crate) fn ready(&self) -> &serde_json::Value {
        &self.ready
    }

    /// A text field of the ready line.
    pub(crate) fn ready_text(&self, field: &'static str) -> Result<String, ProcessError> {
        let text = self.ready.get(field).and_then(serde_json::Value::as_str);
        text.map(str::to_owned).ok_or_else(|| ProcessError::Field {
            program: self.program.clone(),
            field,
        })
    }

    /// Reads the first line, and lets a thread drain what follows so that the program never blocks on its output.
    fn first_line(&mut self) -> Option<String> {
        let stdout = self.child.stdout.take()?;
        let (lines, first) = mpsc::channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = String::new();
            let read = reader.read_line(&mut line);
            let unheard = lines.send(matches!(read, Ok(1..)).then_some(line)).is_err();
            if !unheard {
                drop(io::copy(&mut reader.take(u64::MAX), &mut io::sink()));
            }
        });
        first.recv_timeout(READY_WITHIN).ok().flatten()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first, so that a server keeps its promises at the end; made to when it does not listen.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + ENDS_WITHIN;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_program_is_named_with_what_it_said() {
        let error = output(Command::new("ls").arg("/nonexistent-directory"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("ls /nonexistent-directory"), "{error}");
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn a_program_reads_its_input() {
        assert_eq!(
            output_with_input(&mut Command::new("cat"), b"hello").unwrap(),
            "hello"
        );
    }

    #[test]
    fn a_program_that_ends_without_a_line_is_not_ready() {
        assert!(matches!(
            Running::start(&mut Command::new("true")),
            Err(ProcessError::NotReady { .. })
        ));
    }
}
