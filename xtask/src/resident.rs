//! Resident memory of a process, from `/proc`.

use std::{
    fs, io, thread,
    time::{Duration, Instant},
};

/// A process counts as settled when this many looks in a row see the same.
const EQUAL_LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
const SETTLES_WITHIN: Duration = Duration::from_secs(20);

/// What of a process is in memory, in KiB. Memory of the kernel, such as socket buffers, is not counted to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Resident {
    /// Everything (`VmRSS`).
    pub(crate) now: u64,
    /// The most that `now` has been since the process started (`VmHWM`).
    pub(crate) peak: u64,
}

impl Resident {
    /// Looks once.
    pub(crate) fn take(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        parse(&text).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "status has another form than proc(5) says",
            )
        })
    }

    /// Looks until the same is seen several times in a row, or for so long that it never will be.
    pub(crate) fn settled(pid: u32) -> io::Result<Self> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        let mut last = Self::take(pid)?;
        let mut equal = 0;
        while equal < EQUAL_LOOKS && Instant::now() < deadline {
            thread::park_timeout(BETWEEN_LOOKS);
            let next = Self::take(pid)?;
            equal = if next.now == last.now { equal + 1 } else { 0 };
            last = next;
        }
        Ok(last)
    }
}

fn parse(status: &str) -> Option<Resident> {
    let field = |name| {
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(name))?;
        value.strip_suffix("kB")?.trim().parse().ok()
    };
    Some(Resident {
        now: field("VmRSS:")?,
        peak: field("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_fields_are_read_in_kib() {
        let text = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            parse(text),
            Some(Resident {
                now: 1024,
                peak: 2048
            })
        );
        assert_eq!(parse("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_is_in_memory() {
        let resident = Resident::take(std::process::id()).unwrap();
        assert!(resident.peak >= resident.now && resident.now > 0);
    }
}
