//! What the system lets others have of the process's memory.

use std::{
    fs, io,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::support::{Dev, Server, keyward};

/// `nobody` on most systems; any user without rights will do.
const NOBODY: u32 = 65_534;
const IPC_LOCK: u64 = 1 << 14;

/// `keyward dev --json` in `directory`, started by a shell that first does `limits`.
fn under(limits: &str, directory: &Path) -> Command {
    let inner = keyward(
        directory,
        &[
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--control-listen",
            "127.0.0.1:0",
            "--json",
        ],
    );
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(directory)
        .env_clear()
        .env("KEYWARD_LOG", "warn,keyward=debug");
    command
}

fn start(command: Command, directory: TempDir) -> Dev {
    let log = directory.path().join("log");
    Dev::of(Server::spawn(command, log), directory)
}

/// The words behind a name in a file of `/proc/PID`.
fn words(dev: &Dev, file: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{}/{file}", dev.server.id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// Memory is locked exactly where nothing limits how much, and otherwise one line says why not.
#[track_caller]
fn check_memory(dev: &Dev) -> bool {
    let capabilities = u64::from_str_radix(&words(dev, "status", "CapEff:")[0], 16).unwrap();
    let limit = words(dev, "limits", "Max locked memory")[0].clone();
    let locked: u64 = words(dev, "status", "VmLck:")[0].parse().unwrap();
    let namespace = fs::read_to_string(format!("/proc/{}/uid_map", dev.server.id())).unwrap();
    let first = namespace.split_whitespace().nth(2) == Some("4294967295");
    let expected = limit == "unlimited" || (capabilities & IPC_LOCK != 0 && first);
    assert_eq!(
        locked > 0,
        expected,
        "limit {limit}, capabilities {capabilities:x}"
    );
    let log = dev.server.logged();
    let told = log.matches("memory may be swapped").count();
    assert_eq!(told, usize::from(!expected), "{log}");
    if expected {
        let resident: u64 = words(dev, "status", "VmRSS:")[0].parse().unwrap();
        let size: u64 = words(dev, "status", "VmSize:")[0].parse().unwrap();
        assert!(
            resident < size / 2,
            "all of the address space became resident: {resident} of {size} KiB"
        );
    }
    expected
}

#[test]
fn no_core_file_can_be_written() {
    let directory = TempDir::new().unwrap();
    let dev = start(
        under("ulimit -S -c $(ulimit -H -c)", directory.path()),
        directory,
    );
    assert_eq!(words(&dev, "limits", "Max core file size")[..2], ["0", "0"]);
    dev.stop();
}

#[test]
fn memory_is_locked_only_where_nothing_limits_it() {
    for limits in [":", "ulimit -l 64", "ulimit -S -l $(ulimit -H -l)"] {
        let directory = TempDir::new().unwrap();
        let dev = start(under(limits, directory.path()), directory);
        check_memory(&dev);
        dev.stop();
    }
}

/// Root starts it for a user without rights, so that both sides of the rule are seen wherever the suite runs as
/// root; elsewhere it runs without rights anyway.
#[test]
fn a_user_without_rights_and_with_a_limit_is_told_that_memory_may_be_swapped() {
    let directory = TempDir::new().unwrap();
    let mut command = under("ulimit -l 64", directory.path());
    let root = geteuid().is_root();
    if root {
        chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let dev = start(command, directory);
    assert!(!check_memory(&dev));
    if root {
        // Its own files under /proc are no longer its own: another process of that user may not read them.
        let mut reader = Command::new("/bin/cat");
        reader
            .uid(NOBODY)
            .gid(NOBODY)
            .arg(format!("/proc/{}/environ", dev.server.id()));
        let read = reader.output().unwrap();
        assert!(!read.status.success() && read.stdout.is_empty(), "{read:?}");
    } else {
        let read = fs::read(format!("/proc/{}/environ", dev.server.id()));
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
    dev.stop();
}
