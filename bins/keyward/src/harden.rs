//! Keeps the process's memory to itself: no dump, no debugger of the same user, no swap. By safe calls.
//!
//! | what | against | where it cannot be had |
//! | --- | --- | --- |
//! | not dumpable (`PR_SET_DUMPABLE` 0) | another process of the same user that attaches or reads `/proc/PID/mem` and `environ` | warned of |
//! | core limit 0, soft and hard | a core file with keys in it | warned of |
//! | memory locked (`mlockall`) | keys in swap space or a hibernation image | said, with the reason |
//!
//! Each step is taken by itself; none stops the start. Memory is locked only where nothing limits how much:
//! under a finite `RLIMIT_MEMLOCK` the call may succeed, and an allocation long after it fail. Pages are locked
//! as they are first touched, so a process grows no larger by it.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::logging::START;

const DUMPABLE: &str = "other processes of this user may read this one's memory";
const CORE: &str = "a crash may leave a core file with keys in it";
const SWAPPED: &str = "memory may be swapped";

/// What came of the steps.
#[derive(Debug)]
#[must_use = "what could not be had is to be told"]
pub(crate) struct Hardening {
    dumpable: io::Result<()>,
    core: io::Result<()>,
    memory: Memory,
}

/// What came of locking the memory.
#[derive(Debug)]
enum Memory {
    Locked,
    /// It was not tried, and why.
    Unlocked(&'static str),
    Failed(io::Error),
}

/// Takes every step that the system allows. To be called before anything secret is read.
pub(crate) fn process() -> Hardening {
    Hardening {
        dumpable: forbid_dumps(),
        core: forbid_core_files(),
        memory: lock_memory(),
    }
}

impl Hardening {
    /// Tells, one line a step, what could not be had and why.
    pub(crate) fn tell(&self) {
        if let Err(error) = &self.dumpable {
            tracing::warn!(%error, "{DUMPABLE}");
        }
        if let Err(error) = &self.core {
            tracing::warn!(%error, "{CORE}");
        }
        match &self.memory {
            Memory::Locked => tracing::debug!("memory is locked: none of it is swapped"),
            Memory::Unlocked(reason) => {
                tracing::info!(target: START, reason, "{SWAPPED}");
            }
            Memory::Failed(error) => tracing::warn!(%error, "{SWAPPED}"),
        }
    }
}

impl Hardening {
    /// What could not be had although the system has it, each in words with its cause.
    pub(crate) fn faults(&self) -> Vec<String> {
        let memory = match &self.memory {
            Memory::Failed(error) => Some((SWAPPED, error)),
            Memory::Locked | Memory::Unlocked(_) => None,
        };
        let dumpable = self.dumpable.as_ref().err();
        let core = self.core.as_ref().err();
        let faults = [
            dumpable.map(|error| (DUMPABLE, error)),
            core.map(|error| (CORE, error)),
            memory,
        ];
        let faults = faults.into_iter().flatten();
        faults
            .map(|(what, error)| format!("{what}: {error}"))
            .collect()
    }

    /// Whether memory may be swapped, in words.
    pub(crate) fn memory(&self) -> String {
        match self.memory {
            Memory::Locked => "locked: none of it is swapped".to_owned(),
            Memory::Unlocked(reason) => format!("may be swapped: {reason}"),
            Memory::Failed(_) => "may be swapped".to_owned(),
        }
    }
}

#[cfg(target_os = "linux")]
fn forbid_dumps() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};

    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
fn forbid_dumps() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Also the hard limit: nothing in this process raises it again.
fn forbid_core_files() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(io::Error::from)
}

#[cfg(target_os = "linux")]
fn lock_memory() -> Memory {
    use rustix::mm::{MlockAllFlags, mlockall};

    let is_unlimited = getrlimit(Resource::Memlock).current.is_none();
    if !is_unlimited && !may_lock_any_amount() {
        return Memory::Unlocked(
            "RLIMIT_MEMLOCK is finite and CAP_IPC_LOCK is not held: `LimitMEMLOCK=infinity` allows locking",
        );
    }
    // Without ONFAULT the whole of every thread's stack would become resident.
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    match mlockall(all) {
        Ok(()) => Memory::Locked,
        Err(error) => Memory::Failed(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn lock_memory() -> Memory {
    Memory::Unlocked("this system has no way to lock all of a process")
}

/// Whether the limit does not count. The capability does not lift it in a user namespace of a container,
/// whatever the process seems to hold there.
#[cfg(target_os = "linux")]
fn may_lock_any_amount() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};

    let holds =
        capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    holds && std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| is_first_namespace(&map))
}

/// Whether a map of users is the one of the first user namespace: every id stands for itself.
#[cfg(target_os = "linux")]
fn is_first_namespace(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::is_first_namespace;

    #[test]
    fn only_the_map_of_every_id_to_itself_is_the_first_namespaces() {
        assert!(is_first_namespace("         0          0 4294967295\n"));
        assert!(!is_first_namespace("         0     100000      65536\n"));
        assert!(!is_first_namespace("0 0 1\n1 100000 65535\n"));
        assert!(!is_first_namespace(""));
    }
}
