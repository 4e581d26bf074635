//! Where answers, metrics and command output go, so that a sweep sees them.

use std::{
    collections::HashMap,
    env, fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

const VARIABLE: &str = "KEYWARD_SWEEP_DIR";
/// Begins the name of every directory made when the variable is not set; the process id follows.
const OWN_PREFIX: &str = "keyward-sweep-";

static SWEEP_DIR: OnceLock<PathBuf> = OnceLock::new();
static OPEN: Mutex<Option<HashMap<String, fs::File>>> = Mutex::new(None);
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The directory that is swept: `$KEYWARD_SWEEP_DIR`, else a temporary one of this process.
///
/// # Panics
///
/// When the directory cannot be made.
#[must_use]
pub fn sweep_dir() -> &'static Path {
    SWEEP_DIR.get_or_init(|| {
        if let Some(dir) = configured_sweep_dir() {
            fs::create_dir_all(dir).expect("the sweep directory can be made");
            return dir.to_owned();
        }
        remove_left_behind(&env::temp_dir());
        tempfile::Builder::new()
            .prefix(&format!("{OWN_PREFIX}{}-", process::id()))
            .tempdir()
            .expect("a temporary directory can be made")
            .keep()
    })
}

/// Keeps `bytes` (an answer, metrics, what a command printed) in a new file of the sweep directory.
///
/// # Panics
///
/// When the file cannot be written.
pub fn outputs(name: &str, bytes: &[u8]) -> PathBuf {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = sweep_dir().join(format!("out-{}-{number}-{}", process::id(), plain(name)));
    let mut file = new_file(&path).expect("an output can be kept");
    file.write_all(bytes).expect("an output can be kept");
    path
}

/// As [`outputs`], but all of this process's outputs of that name share one file: for what comes by the
/// thousand.
///
/// # Panics
///
/// When the file cannot be written.
pub fn append_output(name: &str, bytes: &[u8]) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = open
        .get_or_insert_default()
        .entry(name.to_owned())
        .or_insert_with(|| {
            let path = sweep_dir().join(format!("out-{}-all-{}", process::id(), plain(name)));
            new_file(&path).expect("an output can be kept")
        });
    file.write_all(bytes).expect("an output can be kept");
}

/// The directory that the environment names.
pub(crate) fn configured_sweep_dir() -> Option<&'static Path> {
    static CONFIGURED: OnceLock<Option<PathBuf>> = OnceLock::new();
    CONFIGURED
        .get_or_init(|| {
            env::var_os(VARIABLE)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        })
        .as_deref()
}

/// Opens a file that only its owner may read, for appending.
pub(crate) fn new_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// `name` with only characters that suit a file name.
fn plain(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// Removes the directories of processes that ended: nothing runs at the end of a test process.
fn remove_left_behind(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(OWN_PREFIX))
            .and_then(|rest| rest.split_once('-'))
            .and_then(|(id, _)| id.parse::<u32>().ok());
        if let Some(id) = owner
            && Path::new("/proc/self").exists()
            && !Path::new(&format!("/proc/{id}")).exists()
        {
            // Another process may remove it at the same time, or own it: neither matters.
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process};

    use super::{append_output, outputs, remove_left_behind, sweep_dir};

    #[test]
    fn every_output_is_kept_under_its_own_name() {
        let one = outputs("GET /metrics", b"one");
        let two = outputs("GET /metrics", b"two");
        assert!(one.starts_with(sweep_dir()));
        assert!(
            one.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .ends_with("-GET__metrics")
        );
        assert_eq!(fs::read(one).unwrap(), b"one");
        assert_eq!(fs::read(two).unwrap(), b"two");
    }

    #[test]
    fn appended_outputs_share_a_file() {
        append_output("appended", b"one ");
        append_output("appended", b"two");
        let path = sweep_dir().join(format!("out-{}-all-appended", process::id()));
        assert_eq!(fs::read(path).unwrap(), b"one two");
    }

    #[test]
    fn only_directories_of_ended_processes_are_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let ended = temporary.path().join("keyward-sweep-4294967295-abc");
        let running = temporary
            .path()
            .join(format!("keyward-sweep-{}-abc", process::id()));
        let foreign = temporary.path().join("keyward-sweep-notes");
        for dir in [&ended, &running, &foreign] {
            fs::create_dir(dir).unwrap();
        }
        remove_left_behind(temporary.path());
        assert!(!ended.exists());
        assert!(running.exists() && foreign.exists());
    }
}
