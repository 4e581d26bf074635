//! One run under callgrind, and what it counted.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::InstructionsError;

/// The files that callgrind writes for one run, one per thread; `callgrind_annotate` shows what is in them.
#[derive(Debug)]
pub(crate) struct Profile {
    path: PathBuf,
}

impl Profile {
    /// A profile whose files begin with `path`. Removes those of an earlier run.
    pub(crate) fn new(path: PathBuf) -> Result<Self, InstructionsError> {
        let profile = Self { path };
        for file in profile.files()? {
            fs::remove_file(file).map_err(InstructionsError::Directory)?;
        }
        Ok(profile)
    }

    /// `program`, to be run under callgrind. The process that runs keeps the id that it is started with.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut output = OsString::from("--callgrind-out-file=");
        output.push(&self.path);
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--tool=callgrind", "--separate-threads=yes"]);
        command.arg(output).arg(program);
        command
    }

    /// The instructions of the thread that took the most.
    pub(crate) fn busiest_thread(&self) -> Result<u64, InstructionsError> {
        let mut most = None;
        for path in self.files()? {
            let text = fs::read_to_string(&path)
                .map_err(|source| InstructionsError::Profile { path, source })?;
            most = most.max(parse_total(&text));
        }
        most.ok_or_else(|| InstructionsError::NoTotal {
            path: self.path.clone(),
        })
    }

    /// What begins with this profile's path: callgrind puts a thread's number behind it.
    fn files(&self) -> Result<Vec<PathBuf>, InstructionsError> {
        let list = || -> io::Result<Vec<PathBuf>> {
            let (Some(directory), Some(stem)) = (self.path.parent(), self.path.file_name()) else {
                return Ok(Vec::new());
            };
            let mut files = Vec::new();
            for entry in fs::read_dir(directory)? {
                let name = entry?.file_name();
                if name.as_encoded_bytes().starts_with(stem.as_encoded_bytes()) {
                    files.push(directory.join(name));
                }
            }
            Ok(files)
        };
        list().map_err(InstructionsError::Directory)
    }
}

/// The total stands in the last `totals:` line; a file of several parts sums them there.
fn parse_total(text: &str) -> Option<u64> {
    let line = |name| {
        let mut lines = text.lines().rev();
        lines.find_map(|line| line.strip_prefix(name))
    };
    let total = line("totals:").or_else(|| line("summary:"))?;
    total.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_either_form() {
        assert_eq!(parse_total("events: Ir\n0 1\ntotals: 42\n"), Some(42));
        assert_eq!(parse_total("summary: 17\nfn=(1) f\n"), Some(17));
        assert_eq!(parse_total("events: Ir\n"), None);
    }

    #[test]
    fn the_busiest_thread_counts_and_an_earlier_run_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.callgrind");
        fs::write(directory.path().join("run.callgrind-09"), "totals: 99\n").unwrap();
        let profile = Profile::new(path).unwrap();
        assert!(matches!(
            profile.busiest_thread(),
            Err(InstructionsError::NoTotal { .. })
        ));
        for (thread, total) in [("01", 3), ("02", 12), ("03", 5)] {
            let name = format!("run.callgrind-{thread}");
            fs::write(directory.path().join(name), format!("totals: {total}\n")).unwrap();
        }
        assert_eq!(profile.busiest_thread().unwrap(), 12);
    }
}
