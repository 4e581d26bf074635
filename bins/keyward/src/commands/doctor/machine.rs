//! Checks of the machine: folders, clock, disk, limits.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use keyward_gateway::Stored;
use rustix::process::{Resource, getrlimit};

use super::Outcome;
use crate::{commands::dev::KEY_FILE, config::Config, failure::Failure, private_file};

/// Nobody else may look into the data directory, or read what lies in it.
pub(super) fn folders(config: &Config, data_dir: &Path, database: &Path) -> Outcome {
    if !data_dir.exists() {
        return Outcome::Failed(
            Failure::new("there is no data directory")
                .at(data_dir.display().to_string())
                .help("`keyward dev` or `keyward vault init` makes it, or name another with --data-dir"),
        );
    }
    let mut places = own_places(config, data_dir, database);
    places.extend(crate::profile::path());
    if let Some((open, help)) = private_file::open_ones(&places).next() {
        return Outcome::Failed(
            Failure::new("others may read or change what only Keyward should")
                .at(open.display().to_string())
                .help(help),
        );
    }
    if let Err(error) = rustix::fs::access(
        data_dir,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    ) {
        return Outcome::Failed(
            Failure::new("the data directory cannot be written")
                .caused_by(&io::Error::from(error))
                .at(data_dir.display().to_string())
                .help("give it to the user that runs Keyward, or run as that user"),
        );
    }
    let found = places.iter().filter(|path| path.exists()).count();
    Outcome::Passed(format!("{found} of Keyward's own, closed to others"))
}

/// What a server keeps for itself: its directory, and what lies in it.
pub(crate) fn own_places(config: &Config, data_dir: &Path, database: &Path) -> Vec<PathBuf> {
    let mut places = vec![data_dir.to_owned(), database.to_owned()];
    places.extend(["dev.json", KEY_FILE, "keyward.lock"].map(|name| data_dir.join(name)));
    places.extend(config.seal.key_file.clone());
    places.extend(config.limits.password_file.clone());
    places.extend(config.otel.headers_file.clone());
    places
}

/// What is stored cannot have been written later than now. Tokens and keys end by this clock.
pub(super) fn clock(database: &Path, now: SystemTime) -> Outcome {
    let written = fs::metadata(database)
        .and_then(|metadata| metadata.modified())
        .ok();
    judge_clock(now, written).into()
}

/// 2026-01-01, before which there was no Keyward.
const FIRST: Duration = Duration::from_secs(1_767_225_600);
/// A century later, clocks are wrong rather than late.
const LAST: Duration = Duration::from_secs(FIRST.as_secs() + 100 * 365 * 24 * 60 * 60);
/// File systems and clocks may differ by that much.
const SLACK: Duration = Duration::from_secs(60);

fn judge_clock(now: SystemTime, written: Option<SystemTime>) -> Result<String, Failure> {
    let wrong = |what: &str| {
        Err(Failure::new(what)
            .because("tokens and keys that end, end by this clock")
            .help("set the clock, and keep it so: `timedatectl set-ntp true`"))
    };
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    if since < FIRST {
        return wrong("the clock is slow: it shows a time before there was a Keyward");
    }
    if since > LAST {
        return wrong("the clock is fast: it shows a time a century from now");
    }
    if written.is_some_and(|written| written > now + SLACK) {
        return wrong("the clock is slow: the database was written later than it shows");
    }
    let shown = jiff::Timestamp::try_from(now).ok();
    let shown = shown.and_then(|now| jiff::Timestamp::from_second(now.as_second()).ok());
    Ok(shown.map_or_else(String::new, |now| now.to_string()))
}

/// Below this, a write may fail soon: the write-ahead log alone may take some of it.
const LEAST_FREE: u64 = 128 * 1024 * 1024;

/// There is room for what is written.
pub(super) fn disk(data_dir: &Path) -> Outcome {
    let ancestors = data_dir
        .ancestors()
        .filter(|path| !path.as_os_str().is_empty());
    let place = ancestors.chain([Path::new(".")]).find(|path| path.exists());
    let place = place.map_or_else(|| PathBuf::from("."), Path::to_owned);
    match rustix::fs::statvfs(&place) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            judge_disk(&place, free, LEAST_FREE).into()
        }
        Err(error) => Outcome::Failed(
            Failure::new("the file system does not say how much is free")
                .caused_by(&io::Error::from(error))
                .at(place.display().to_string())
                .help("look at it with `df`"),
        ),
    }
}

fn judge_disk(place: &Path, free: u64, least: u64) -> Result<String, Failure> {
    const MIB: u64 = 1024 * 1024;
    if free >= least {
        return Ok(format!("{} MiB free", free / MIB));
    }
    Err(Failure::new(format!(
        "the disk is almost full: {} MiB are free, and {} are needed",
        free / MIB,
        least / MIB
    ))
    .at(place.display().to_string())
    .help("make room, or name another place with `data_dir`"))
}

/// Each request holds two sockets, and the database some files.
const LEAST_FILES: u64 = 256;

/// Memory and open files are enough for what is configured.
pub(super) fn limits(config: &Config) -> Outcome {
    let files = getrlimit(Resource::Nofile).maximum;
    if files.is_some_and(|files| files < LEAST_FILES) {
        return Outcome::Failed(
            Failure::new(format!(
                "only {} files may be open at once, and {LEAST_FILES} are needed",
                files.unwrap_or_default()
            ))
            .because("each request holds two sockets")
            .help("`ulimit -Hn 65536`, or `LimitNOFILE=65536` in the systemd unit"),
        );
    }
    let gateway = config.gateway(None);
    let limits = gateway
        .memory_budget
        .map(|budget| (budget, budget.limits(&gateway, Stored::default())));
    let memory = match limits {
        Some((_, Err(error))) => {
            return Outcome::Failed(
                Failure::new(error.to_string())
                    .help("raise `[gateway] memory_budget` or what the control group allows, or lower `max_connections`"),
            );
        }
        Some((budget, Ok(limits))) => format!("{budget} for {} connections", limits.connections),
        None => "no memory budget".to_owned(),
    };
    let files = files.map_or_else(|| "any number of".to_owned(), |files| files.to_string());
    let locked = match getrlimit(Resource::Memlock).current {
        None => "memory may be locked",
        Some(_) => "memory may be swapped (RLIMIT_MEMLOCK is finite)",
    };
    Outcome::Passed(format!("{memory}; {files} open files; {locked}"))
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        time::{Duration, SystemTime},
    };

    use super::{FIRST, LAST, judge_clock, judge_disk};

    #[test]
    fn a_clock_is_wrong_before_the_first_keyward_and_before_what_was_written() {
        let at = |since: Duration| SystemTime::UNIX_EPOCH + since;
        let day = Duration::from_secs(86_400);
        assert!(judge_clock(at(FIRST + day), None).is_ok());
        assert!(judge_clock(at(FIRST + day), Some(at(FIRST))).is_ok());
        for (now, written, says) in [
            (at(Duration::ZERO), None, "before there was a Keyward"),
            (at(LAST + day), None, "a century"),
            (at(FIRST + day), Some(at(FIRST + 2 * day)), "written later"),
        ] {
            let failure = judge_clock(now, written).unwrap_err();
            assert!(failure.to_string().contains(says), "{failure}");
        }
    }

    #[test]
    fn a_full_disk_is_told_with_its_place() {
        assert!(judge_disk(Path::new("/d"), 10, 10).is_ok());
        let failure = judge_disk(Path::new("/d"), 9, 10).unwrap_err().to_string();
        assert!(
            failure.contains("almost full") && failure.contains("at: /d"),
            "{failure}"
        );
    }
}
