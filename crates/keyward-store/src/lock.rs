//! One process at a time: an advisory lock on a file beside the database.
//!
//! SQLite itself lets processes share a file. Keyward keeps a picture of it in memory, which a second
//! process's writes would make stale.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::{fs::FlockOperation, io::Errno};

const NAME: &str = "keyward.lock";

/// The lock; held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Closing the file would not free the lock while a child that this process is just starting still has
    /// its descriptors, which it loses only when its own program begins.
    fn drop(&mut self) {
        // What cannot be freed here is freed when the process ends.
        let _held_until_the_end = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(crate) enum LockError {
    Held,
    Failed(io::Error),
}

impl Lock {
    /// Takes the lock of `directory`, or says at once that somebody holds it.
    pub(crate) fn take(directory: &Path) -> Result<Self, LockError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(NAME))
            .map_err(LockError::Failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { file }),
            Err(Errno::WOULDBLOCK) => Err(LockError::Held),
            Err(error) => Err(LockError::Failed(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lock, LockError};

    #[test]
    fn there_is_one_holder_and_dropping_frees_it() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path()).unwrap();
        assert!(matches!(Lock::take(directory.path()), Err(LockError::Held)));
        drop(lock);
        assert!(Lock::take(directory.path()).is_ok());
    }
}
