//! Which core the subjects get, and which the load.

use std::{io, path::Path, process::Command};

use rustix::thread::{CpuSet, sched_getaffinity};

/// Two cores of those this process may use; the same one twice when there is only one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) subjects: usize,
    pub(crate) load: usize,
}

impl Cores {
    /// Takes the last two allowed cores: interrupts are mostly served by the first.
    pub(crate) fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut usable = (0..CpuSet::MAX_CPU)
            .rev()
            .filter(|&core| allowed.is_set(core));
        let subjects = usable.next().unwrap_or_default();
        let load = usable.next().unwrap_or(subjects);
        Ok(Self { subjects, load })
    }

    /// `program`, to be run on `core` only. The process that runs is the program itself.
    pub(crate) fn pinned(&self, core: usize, program: &Path) -> Command {
        let mut command = Command::new("taskset");
        command.arg("--cpu-list").arg(core.to_string()).arg(program);
        command
    }
}
