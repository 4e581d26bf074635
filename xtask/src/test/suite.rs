//! Runs cargo's tests, keeps their whole output in the sweep directory, and counts.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use crate::{
    process::{ProcessError, title},
    test::{Options, sdk::Sdks},
    workspace::Workspace,
};

/// How many tests there were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Count {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) ignored: u32,
}

impl Count {
    /// Adds what `line` says, if it is the last line of a test binary.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let numbers = result
            .split_once(". ")
            .map_or(result, |(_, numbers)| numbers);
        for part in numbers.split("; ") {
            let Some((number, kind)) = part.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u32>() else {
                continue;
            };
            match kind {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) count: Count,
    pub(crate) succeeded: bool,
}

/// Runs the tests with their output on the terminal and, whole, in two files of `directory`.
pub(crate) fn run(
    workspace: &Workspace,
    options: &Options,
    sdks: &Sdks,
    directory: &Path,
) -> Result<Outcome, ProcessError> {
    let mut command = command(workspace, options, sdks, directory);
    let program = title(&command);
    let talk = |source| ProcessError::Talk {
        program: program.clone(),
        source,
    };
    let mut child = command.spawn().map_err(|source| ProcessError::Start {
        program: program.clone(),
        source,
    })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let stdout_log = log(directory, "cargo-test-stdout").map_err(talk)?;
    let stderr_log = log(directory, "cargo-test-stderr").map_err(talk)?;
    let copied = thread::scope(|scope| {
        let complaints = scope.spawn(|| copy(stderr, stderr_log, |line| eprint!("{line}")));
        let mut count = Count::default();
        let mut terminal = Terminal::default();
        let copied = copy(stdout, stdout_log, |line| {
            count.add(line);
            if terminal.shows(line) {
                print!("{line}");
            }
        });
        let complaints = complaints
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the copying thread died")));
        copied.and(complaints).map(|()| count)
    });
    let status = child.wait().map_err(talk)?;
    Ok(Outcome {
        count: copied.map_err(talk)?,
        succeeded: status.success(),
    })
}

fn command(workspace: &Workspace, options: &Options, sdks: &Sdks, directory: &Path) -> Command {
    let mut command = workspace.cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    if options.fast {
        command
            .args(["--lib", "--bins", "--tests"])
            .env("KEYWARD_TEST_FAST", "1");
    }
    // What passing tests print is swept too.
    command.args(["--", "--show-output"]).args(&options.filters);
    command.env("CARGO_TERM_COLOR", "never");
    command.env("KEYWARD_SWEEP_DIR", directory);
    command.env("KEYWARD_TEST_PYTHON", &sdks.python);
    command.env("KEYWARD_TEST_NODE_DIR", &sdks.node);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn log(directory: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(directory.join(name))
}

/// Copies every byte to `log` and hands it to `see` line by line.
fn copy(from: Option<impl Read>, mut log: File, mut see: impl FnMut(&str)) -> io::Result<()> {
    let Some(from) = from else { return Ok(()) };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        log.write_all(&line)?;
        see(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

/// Which lines belong on the terminal: all but the output of tests that passed.
#[derive(Debug, Default)]
struct Terminal {
    in_successes: bool,
}

impl Terminal {
    fn shows(&mut self, line: &str) -> bool {
        match line.trim_end() {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            line if line.starts_with("test result: ") => self.in_successes = false,
            _ => {}
        }
        !self.in_successes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_summed() {
        let mut count = Count::default();
        for line in [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s\n",
            "test something ... ok\n",
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
        ] {
            count.add(line);
        }
        assert_eq!(
            count,
            Count {
                passed: 14,
                failed: 3,
                ignored: 1
            }
        );
    }

    #[test]
    fn the_terminal_leaves_out_what_passing_tests_print() {
        let output = "test a ... ok\nsuccesses:\n---- a stdout ----\nnoise\nsuccesses:\n    a\nfailures:\n---- b stdout ----\npanicked\nsuccesses:\nnoise\ntest result: FAILED. 1 passed\n";
        let mut terminal = Terminal::default();
        let shown: Vec<&str> = output.lines().filter(|line| terminal.shows(line)).collect();
        assert_eq!(
            shown,
            [
                "test a ... ok",
                "failures:",
                "---- b stdout ----",
                "panicked",
                "test result: FAILED. 1 passed"
            ]
        );
    }
}
